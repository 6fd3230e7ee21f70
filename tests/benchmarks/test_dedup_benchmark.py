"""The helpers of `benchmarks/dedup.py`: what is asked, what is right, and what is said of it."""

from __future__ import annotations

import json
import struct
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any
from xml.etree import ElementTree

import pytest
from dedup_chains import chains, merged_buckets
from dedup_documents import documents, edited
from dedup_job import Clock, Job
from dedup_labelled import agreement, read, words_of_labels, words_of_text_dedup
from dedup_methods import datasketch, synth
from dedup_plot import chart
from dedup_quality import chaining, quality, similarity_in, similarity_of, together
from dedup_report import goals, page
from dedup_rivals import datatrove_clusters
from dedup_runs import job
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
    task = job(documents(300, None), 0.8)
    assert (task.bands, task.rows) == (21, 6)
    assert len(set(task.texts)) > 290
    assert synth(task, Clock()) == datasketch(task, Clock())


def test_two_threads_find_the_same() -> None:
    texts = documents(301, None)
    one, two = (synth(job(texts, 0.8, threads), Clock()) for threads in (1, 2))
    assert one == two


def test_a_job_and_its_threshold_survive_the_way_to_another_interpreter(tmp_path: Path) -> None:
    task = Job(["a b", "é"], 0.5, 42, 3, threads=2)
    task.write(tmp_path / "job.json")
    assert Job.read(tmp_path / "job.json") == task


def test_a_clock_sums_what_runs_inside_it_alone() -> None:
    clock = Clock()
    for _ in range(2):
        with clock:
            sum(range(100_000))
    inside = clock.cpu_s
    sum(range(1_000_000))
    assert 0 < inside == clock.cpu_s
    assert clock.added_mb >= 0


def test_a_pair_is_found_if_one_of_it_is_dropped_and_right_if_it_is_near() -> None:
    # 1 and 2 are near to 0; 3 is near to 4, but was said to duplicate 0.
    pairs = {(0, 1): 0.9, (0, 2): 0.8, (3, 4): 0.85, (5, 6): 0.8}
    told = quality([-1, 0, -1, 0, -1, -1, -1], pairs, similarity_in(pairs), 0.8)
    assert told["recall"] == 0.5
    assert told["precision"] == 0.5
    assert told["f1"] == 0.5
    assert told["partnered"] == 1.0
    assert told["dropped"] == 2
    assert together([0, 0, 2, 3, 3, 5, 6], pairs) == 0.5


def test_where_nothing_is_near_and_nothing_is_dropped_all_is_right() -> None:
    told = quality([-1, -1], {}, similarity_in({}), 0.8)
    assert (told["recall"], told["precision"], told["f1"]) == (1.0, 1.0, 1.0)
    assert quality([-1, 0], {}, similarity_in({}), 0.8)["precision"] == 0.0


def test_merged_buckets_drop_what_verification_keeps() -> None:
    versions = chains(documents(60, None), 3)
    assert len(versions) == 60
    task, similarity = job(versions, 0.8), similarity_of(versions)
    merged = chaining(*merged_buckets(task), similarity, 0.8)
    verified = chaining(*synth(task, Clock()), similarity, 0.8)
    assert merged["largest"] == 20
    assert merged["strangers"] > 0.5
    assert merged["least"] < 0.3
    assert verified["strangers"] == 0
    assert verified["least"] >= 0.8
    assert 0 < verified["most_for_one"] < verified["dropped"] < merged["dropped"]


def test_an_edited_text_is_about_as_like_as_asked() -> None:
    text = " ".join(map(str, range(2_000)))
    changed = edited(Random(1), text, ["x"], 0.8)
    assert similarity_of([text, changed])(0, 1) == pytest.approx(0.8, abs=0.04)


def test_labels_come_from_pairs_and_from_revisions(tmp_path: Path) -> None:
    rows: dict[str, list[dict[str, Any]]] = {
        "powershell_docs": [{"id": "p1", "text": "one\u2028two"}, {"id": "p2", "text": "one"}],
        "openstax_topics": [{"id": "o1", "text": "three"}],
        "peps": [{"id": "e1", "text": "x"}, {"id": "e0", "text": "y", "of": "e1", "jaccard5": 0.7}],
    }
    for name, some in rows.items():
        (tmp_path / name).mkdir()
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in some)
        (tmp_path / name / "docs.jsonl").write_text("".join(lines))
    table = "id_a\tid_b\tjaccard5\tsame_page\np2\tp1\t0.6\t1\n"
    (tmp_path / "powershell_docs" / "near_dup_pairs.tsv").write_text(table)
    texts, labels = read(tmp_path)
    assert list(texts) == ["p1", "p2", "o1", "e1", "e0"]
    assert labels == {("p2", "p1"): 0.6, ("e1", "e0"): 0.7}
    told = agreement(list(texts), labels, {(0, 1): 0.62, (3, 4): 0.7, (0, 2): 0.5})
    assert told == {"given": 2, "difference": pytest.approx(0.02), "found": 1}


def test_a_missing_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="powershell_docs holds no"):
        read(tmp_path)


def test_words_are_those_of_the_labels_and_of_text_dedup() -> None:
    assert words_of_labels("a-b_c, d") == "a b_c d"
    assert words_of_text_dedup("a-b_c, d") == "a b_c · d"


def test_datatrove_numbers_the_documents_of_each_rank(tmp_path: Path) -> None:
    # Rank 0 has documents 0, 2, 4; rank 1 has 1 and 3. 2 and 3 are one cluster, of which 3 stays.
    (tmp_path / "000000.clusters").write_bytes(struct.pack("<2I", 1, 7))
    (tmp_path / "000001.clusters").write_bytes(struct.pack("<2I", 1, 7))
    (tmp_path / "000000.remove").write_bytes(struct.pack("<I", 1))
    assert datatrove_clusters(tmp_path, 5, 2) == ([-1, -1, 3, -1, -1], [0, 1, 2, 2, 4])


def test_a_chart_has_each_line_with_its_name_inside_the_picture() -> None:
    lines = {"a & b": [(0.5, 0.9), (0.8, 1.0)], "c": [(0.5, 0.7), (0.8, 0.6)]}
    root = ElementTree.fromstring(chart(lines, "threshold", "F1", 0.5))
    name = "{http://www.w3.org/2000/svg}"
    drawn = [one.attrib["points"] for one in root.iter(f"{name}polyline")]
    assert drawn == ["56.0,73.6 436.0,24.0", "56.0,172.8 436.0,222.4"]
    assert {"a & b", "c", "threshold", "F1"} <= {one.text for one in root.iter(f"{name}text")}


def row(method: str, speed: float) -> dict[str, Any]:
    shares = {"recall": 0.999, "together": 0.99, "precision": 0.5, "dropped": 1}
    return {
        "method": method,
        "docs_per_cpu_s": speed,
        "mb_per_cpu_s": 1.5,
        "added_mb": 3.0,
        **shares,
    }


def test_a_goal_that_is_missed_is_said_and_so_is_a_method_that_failed() -> None:
    rows = [row("synth", 100.0), row("rensa", 11.0), {"method": "datatrove", "failed": "no disk"}]
    told = {name: met for name, *_, met in goals(rows)}
    assert told == {"docs per CPU-s to rensa": False, "recall": True, "precision": False}
    part: dict[str, Any] = {
        "docs": 9,
        "mb": 1.0,
        "pairs": 3,
        "threshold": 0.8,
        "bands": 21,
        "rows": 6,
    }
    part |= {"repeats": 1, "load": [0.0, 1.0], "floor": {"memcpy": 9.0}, "methods": rows}
    part |= {"date": "2026-01-01", "command": "python benchmarks/dedup.py"}
    computer = {"cpu": "any", "cores": 2, "memory_gib": 1, "python": "3"}
    shown = page({"comparison": part, "machine": computer, "packages": {}, "others": []})
    assert "Missed: docs per CPU-s to rensa, precision." in shown
    assert "| datatrove | failed: no disk |" in shown
