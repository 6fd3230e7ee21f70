from itertools import combinations

from dedup_documents import documents
from dedup_methods import datasketch, synth
from dedup_truth import near_pairs
from hypothesis import given
from hypothesis import strategies as st

from synth.algorithms.text import jaccard, shingles


@given(
    st.lists(st.lists(st.sampled_from("abc"), max_size=9).map(" ".join), max_size=9),
    st.sampled_from([0.5, 0.8, 1.0]),
)
def test_the_truth_holds_every_near_pair(texts: list[str], threshold: float) -> None:
    expected = {}
    for one, other in combinations(range(len(texts)), 2):
        score = jaccard(*(shingles(texts[at], 2, "word") for at in (one, other)))
        if score >= threshold:
            expected[one, other] = score
    assert near_pairs(texts, threshold, 2) == expected


def test_ours_finds_what_datasketch_finds_with_the_same_signatures() -> None:
    texts = documents(300)
    assert len(set(texts)) > 290
    assert synth(texts)() == datasketch(texts)()
