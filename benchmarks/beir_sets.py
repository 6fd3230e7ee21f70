"""Retrieval sets in BEIR layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple


class BeirSet(NamedTuple):
    """A retrieval set.

    Attributes:
        passages: Title and text by id.
        queries: By id.
        answers: For each split the ids of the passages that answer each query.
    """

    passages: dict[str, str]
    queries: dict[str, str]
    answers: dict[str, dict[str, list[str]]]


def read_beir(folder: Path) -> BeirSet:
    """The set in a folder; queries without an answer are left out."""
    passages = {
        one["_id"]: f"{one.get('title') or ''} {one['text']}".strip()
        for path in sorted(folder.glob("corpus*.jsonl"))
        for one in map(json.loads, path.read_text().splitlines())
    }
    asked = map(json.loads, (folder / "queries.jsonl").read_text().splitlines())
    answers: dict[str, dict[str, list[str]]] = {}
    for path in sorted(folder.glob("qrels/*.tsv")):
        found = answers.setdefault(path.stem, {})
        for line in path.read_text().splitlines()[1:]:
            query, passage, score = line.split("\t")
            if float(score) > 0:
                found.setdefault(query, []).append(passage)
    known = {query for split in answers.values() for query in split}
    return BeirSet(
        passages, {one["_id"]: one["text"] for one in asked if one["_id"] in known}, answers
    )
