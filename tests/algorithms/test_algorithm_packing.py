import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.algorithms.packing import pack

END = 0
DOCUMENTS = st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=20), max_size=8)


@given(DOCUMENTS, st.integers(2, 12))
def test_the_spans_of_a_document_joined_are_the_document(
    documents: list[list[int]], window_tokens: int
) -> None:
    found: list[list[int]] = [[] for _ in documents]
    for window in pack(documents, window_tokens, END):
        for span in window.spans:
            assert span.offset == len(found[span.document])
            found[span.document].extend(window.tokens[span.start : span.end].tolist())
    assert found == documents


@given(DOCUMENTS, st.integers(2, 12))
def test_every_window_but_the_last_is_full_and_none_is_longer(
    documents: list[list[int]], window_tokens: int
) -> None:
    lengths = [len(window.tokens) for window in pack(documents, window_tokens, END)]
    assert all(length == window_tokens for length in lengths[:-1])
    assert all(1 <= length <= window_tokens for length in lengths)


@given(DOCUMENTS, st.integers(2, 12))
def test_what_is_outside_every_span_is_one_end_of_text_between_documents(
    documents: list[list[int]], window_tokens: int
) -> None:
    outside: list[int] = []
    for window in pack(documents, window_tokens, END):
        assert window.spans
        inside = {at for span in window.spans for at in range(span.start, span.end)}
        outside += [token for at, token in enumerate(window.tokens.tolist()) if at not in inside]
    assert outside == [END] * max(0, len(documents) - 1)


def test_two_documents_share_a_window_and_a_long_one_goes_on_in_the_next() -> None:
    one, two = pack([[1, 2], [3, 4, 5, 6]], 5, END)
    assert one.tokens.tolist() == [1, 2, END, 3, 4]
    assert two.tokens.tolist() == [5, 6]
    assert [
        (span.document, span.offset, span.start, span.end) for span in (*one.spans, *two.spans)
    ] == [
        (0, 0, 0, 2),
        (1, 0, 3, 5),
        (1, 2, 0, 2),
    ]


@pytest.mark.parametrize(("documents", "window_tokens"), [([[1], []], 4), ([[1]], 1)])
def test_an_empty_document_or_a_window_of_one_token_is_refused(
    documents: list[list[int]], window_tokens: int
) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        pack(documents, window_tokens, END)
