import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synth.algorithms.packing import Windows, filled, shuffled
from synth.algorithms.spans import Spans, cut_spans, distinct_tokens

END = 0
DOCUMENTS = st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=20), max_size=8)


def windows_of(
    documents: list[list[int]], window_tokens: int, seed: int | None = None
) -> tuple[Windows, Spans]:
    counts = np.array([len(document) for document in documents], np.int64)
    ids = np.array([token for document in documents for token in document], np.int32)
    spans = cut_spans(np.arange(len(documents)), counts, window_tokens)
    spans = spans if seed is None else shuffled(spans, seed)
    return filled(spans, ids, np.cumsum(counts) - counts, END), spans


def tokens_of(windows: Windows, number: int) -> list[int]:
    found: list[int] = windows.ids[windows.begins[number] : windows.begins[number + 1]].tolist()
    return found


@given(DOCUMENTS, st.integers(2, 12), st.sampled_from([None, 0, 1]))
def test_the_parts_of_a_document_joined_are_the_document(
    documents: list[list[int]], window_tokens: int, seed: int | None
) -> None:
    windows, spans = windows_of(documents, window_tokens, seed)
    found: dict[int, dict[int, list[int]]] = {}
    for part, window in enumerate(spans.windows.tolist()):
        start = int(windows.starts[part])
        tokens = tokens_of(windows, window)[start : start + int(spans.tokens[part])]
        found.setdefault(int(spans.documents[part]), {})[int(spans.starts[part])] = tokens
    joined = {
        document: [token for start in sorted(parts) for token in parts[start]]
        for document, parts in found.items()
    }
    assert joined == dict(enumerate(documents))


@given(DOCUMENTS, st.integers(2, 12))
def test_what_is_outside_of_all_parts_is_one_end_of_text_between_two_of_a_window(
    documents: list[list[int]], window_tokens: int
) -> None:
    windows, spans = windows_of(documents, window_tokens)
    for number in range(len(windows.begins) - 1):
        tokens = tokens_of(windows, number)
        parts = np.flatnonzero(spans.windows == number)
        assert windows.parts[number] == parts[0]
        assert tokens.count(END) == len(parts) - 1
        assert END not in (tokens[0], tokens[-1])


@given(DOCUMENTS, st.integers(2, 12), st.integers(0, 5))
def test_shuffled_windows_are_the_same_windows(
    documents: list[list[int]], window_tokens: int, seed: int
) -> None:
    plain, spans = windows_of(documents, window_tokens)
    mixed, _ = windows_of(documents, window_tokens, seed)
    counts = len(plain.begins) - 1
    assert sorted(tokens_of(mixed, at) for at in range(counts)) == sorted(
        tokens_of(plain, at) for at in range(counts)
    )
    again = shuffled(spans, seed)
    assert all((one == two).all() for one, two in zip(again, shuffled(spans, seed), strict=True))


def test_many_windows_are_not_left_in_their_order() -> None:
    spans = cut_spans(np.arange(100), np.full(100, 3), 3)
    assert shuffled(spans, 0).documents.tolist() != shuffled(spans, 1).documents.tolist()
    assert shuffled(spans, 0).documents.tolist() != spans.documents.tolist()


def test_two_documents_share_a_window_and_a_long_one_goes_on_in_the_next() -> None:
    windows, spans = windows_of([[1, 2], [3, 4, 5, 6]], 5)
    assert tokens_of(windows, 0) == [1, 2, END, 3, 4]
    assert tokens_of(windows, 1) == [5, 6]
    assert spans.starts.tolist() == [0, 0, 2]
    assert windows.starts.tolist() == [0, 3, 0]


@given(DOCUMENTS, st.integers(2, 12), st.integers(0, 5))
def test_filled_up_windows_are_the_same_windows_with_ends_of_text_behind(
    documents: list[list[int]], window_tokens: int, more: int
) -> None:
    windows, spans = windows_of(documents, window_tokens)
    counts = np.array([len(document) for document in documents], np.int64)
    ids = np.array([token for document in documents for token in document], np.int32)
    size = window_tokens + more
    full = filled(spans, ids, np.cumsum(counts) - counts, END, size)
    assert full.starts.tolist() == windows.starts.tolist()
    assert full.parts.tolist() == windows.parts.tolist()
    for number in range(len(windows.begins) - 1):
        tokens = tokens_of(windows, number)
        assert tokens_of(full, number) == tokens + [END] * (size - len(tokens))


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6), st.integers(1, 6)), max_size=20),
)
def test_distinct_tokens_are_counted_once_however_often_they_stand_in_windows(
    parts: list[tuple[int, int, int]],
) -> None:
    documents, starts, sizes = (np.array([part[at] for part in parts], np.int64) for at in range(3))
    spans = Spans(np.arange(len(parts)), documents, starts, starts + sizes)
    expected = {(one, start + at) for one, start, size in parts for at in range(size)}
    assert distinct_tokens(spans) == len(expected)
