"""Retrieval sets in BEIR layout."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from json_lines import read_lines


class RetrievalSet(NamedTuple):
    """Texts, queries, and the passages that answer each query, by their places."""

    passages: list[str]
    queries: list[str]
    answers: list[list[int]]


def read_set(folder: Path, split: str = "*") -> RetrievalSet:
    """A set, with the queries that have an answer in a split."""
    lines = list(read_lines(folder, "corpus*.jsonl"))
    place = {one["_id"]: at for at, one in enumerate(lines)}
    answers: dict[str, list[int]] = {}
    for path in sorted(folder.glob(f"qrels/{split}.tsv")):
        for line in path.read_text().splitlines()[1:]:
            query, passage, score = line.split("\t")
            if float(score) > 0:
                answers.setdefault(query, []).append(place[passage])
    asked = [one for one in read_lines(folder, "queries.jsonl") if one["_id"] in answers]
    return RetrievalSet(
        [f"{one.get('title') or ''} {one['text']}".strip() for one in lines],
        [one["text"] for one in asked],
        [answers[one["_id"]] for one in asked],
    )
