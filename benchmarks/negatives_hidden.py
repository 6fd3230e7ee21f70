"""False negatives that each margin lets through: ``python benchmarks/negatives_hidden.py DATA``.

Positives are hidden from the miner, and those that come back as negatives are counted. In every
set each passage is cut into two pieces of two thirds of its words, of which one is the known
positive and the other is hidden; in SciFact, for claims with several abstracts, each abstract in
turn is known and the others are hidden. Candidates are mined with an encoder, and by BM25; those of
BM25 go through each rule with the scores that BM25 gave, and rescored by the encoder together with
the positives, as a `score` step does. Writes ``benchmarks/results/negatives-hidden.json``, a page
and a chart of each trial beside it. Encoding takes ten minutes on two cores and is kept in the
user's cache.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from encoded import ENCODER, encoded
from machine import machine, made_by, versions
from markdown_table import table
from numpy.typing import NDArray
from retrieval_sets import RetrievalSet, read_set

from synth.algorithms.lexical import bm25_index, bm25_scores, bm25_top_k
from synth.algorithms.margin import auto_ceilings, ceilings
from synth.algorithms.neighbors import Neighbors, top_k
from synth.charts import Mark, yield_chart

_RESULTS = Path(__file__).with_name("results")
_PACKAGES = ("synth-recipes", "sentence-transformers", "torch", "faiss-cpu", "numpy")
_SETS = ("scifact", "boolq_dev", "covid_qa")
_MAX_TOKENS, _KEEP, _DEPTHS = 128, 4, (10, 50)
_FIXED = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3)
_AUTO = (0.01, 0.02, 0.05, 0.1, 0.2)
_ENCODER, _WORDS = "mined by the encoder", "mined by BM25"
_RESCORED = "mined by BM25, rescored by the encoder"
# Rules whose figures with and without rescoring stand side by side.
_SUMMED = ("no filter", "fixed, 5%", "fixed, 20%", "auto, 2%", "auto, 5%")
# Found beyond the depth, for the known positive among them.
_SPARE = 8


class Candidates(NamedTuple):
    """What the miner finds for each query, best first.

    Attributes:
        reference: Score of the known positive, shape (queries,).
        scores: Shape (queries, depth).
        hidden: Which are positives that it does not know, shape (queries, depth).
    """

    reference: NDArray[np.float64]
    scores: NDArray[np.float64]
    hidden: NDArray[np.bool_]

    def first(self, depth: int) -> Candidates:
        """The first ones of each query, by falling score: rescored ones come in another order."""
        scores, hidden = self.scores[:, :depth], self.hidden[:, :depth]
        order = np.argsort(-scores, axis=1, kind="stable")
        return Candidates(
            self.reference,
            np.take_along_axis(scores, order, axis=1),
            np.take_along_axis(hidden, order, axis=1),
        )


class Asked(NamedTuple):
    """Queries of which one positive is known.

    Attributes:
        queries: One for each known positive.
        texts: The corpus.
        known: The index of each query's known positive.
        answers: Of all its positives.
    """

    queries: list[str]
    texts: list[str]
    known: list[int]
    answers: list[set[int]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of retrieval sets in BEIR layout")
    data = parser.parse_args().data
    asked = {f"{name}, pieces": _pieces(read_set(data / name)) for name in _SETS}
    asked["scifact, other abstracts"] = _others(read_set(data / "scifact"))
    tables = [
        {
            "trial": name,
            "way": way,
            "depth": depth,
            "queries": len(found.scores),
            "rows": list(_rows(found.first(depth))),
        }
        for name, one in asked.items()
        for way, found in _mined(one)
        for depth in _DEPTHS
    ]
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "command": "python benchmarks/negatives_hidden.py DATA",
        "machine": machine(),
        "packages": versions(*_PACKAGES),
        "tables": tables,
    }
    path = _RESULTS / "negatives-hidden.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    path.with_suffix(".md").write_text("\n".join(_page(result)) + "\n")
    for one in _drawn(result):
        (_RESULTS / _chart_name(one)).write_text(
            yield_chart(
                [
                    Mark(row["rule"].replace(",", ""), row["false_share"], row["kept"])
                    for row in one["rows"]
                ],
                _KEEP,
                one["trial"],
            )
        )


def _drawn(result: dict[str, Any]) -> list[dict[str, Any]]:
    deepest = [one for one in result["tables"] if one["depth"] == max(_DEPTHS)]
    return [one for one in deepest if one["way"] == _ENCODER]


def _chart_name(one: dict[str, Any]) -> str:
    trial = one["trial"].replace(",", "").replace(" ", "-").replace("_", "-")
    return f"negatives-hidden-{trial}.svg"


def _pieces(found: RetrievalSet) -> Asked:
    """One piece of the answer is known, the other pieces of all answers are hidden."""
    words = [text.split() for text in found.passages]
    first = [" ".join(one[: max(8, len(one) * 2 // 3)]) for one in words]
    last = [" ".join(one[len(one) // 3 :]) for one in words]
    size, draw = len(words), np.random.default_rng(0)
    known = [own[0] + size * int(draw.integers(0, 2)) for own in found.answers]
    answers = [{one + part for one in own for part in (0, size)} for own in found.answers]
    return Asked(list(found.queries), first + last, known, answers)


def _others(found: RetrievalSet) -> Asked:
    """Each of several answers is known in turn, the others are hidden."""
    pairs = [(at, one) for at, own in enumerate(found.answers) if len(own) > 1 for one in own]
    queries = [found.queries[at] for at, _ in pairs]
    answers = [set(found.answers[at]) for at, _ in pairs]
    return Asked(queries, list(found.passages), [one for _, one in pairs], answers)


def _mined(asked: Asked) -> Iterator[tuple[str, Candidates]]:
    """What each retriever finds; what BM25 finds with its own scores and with the encoder's."""
    corpus, queries = encoded(asked.texts, _MAX_TOKENS), encoded(asked.queries, _MAX_TOKENS)
    known = np.array(asked.known)
    near = (queries * corpus[known]).sum(axis=1)
    most = max(_DEPTHS) + _SPARE
    dense = top_k(queries, corpus, most)
    yield _ENCODER, _candidates(asked, dense, near)
    lexical, shared = _by_words(asked, most)
    yield _WORDS, _candidates(asked, lexical, shared)
    cosines = np.einsum("qd,qkd->qk", queries, corpus[lexical.ids]).astype(np.float32)
    rescored = Neighbors(lexical.ids, cosines)
    yield _RESCORED, _candidates(asked, rescored, near)


def _by_words(asked: Asked, most: int) -> tuple[Neighbors, NDArray[np.float32]]:
    """What BM25 finds, and its scores of the known positives: 0 where no word is shared."""
    queries, texts = pa.array(asked.queries), pa.array(asked.texts)
    index = bm25_index(texts)
    shared = bm25_scores(index, queries, texts.take(pa.array(asked.known)))
    return bm25_top_k(index, queries, most), np.nan_to_num(shared)


def _candidates(asked: Asked, found: Neighbors, reference: NDArray[np.float32]) -> Candidates:
    """What was found without the known positive, to the greatest depth.

    Args:
        asked: The queries.
        found: Some more than that depth for each query.
        reference: The score of each known positive.
    """
    depth, scores, hidden = max(_DEPTHS), [], []
    for ids, own, known, right in zip(
        found.ids, found.scores, asked.known, asked.answers, strict=True
    ):
        kept = np.flatnonzero(ids != known)[:depth]
        scores.append(own[kept])
        hidden.append([one in right for one in ids[kept].tolist()])
    return Candidates(reference.astype(np.float64), np.array(scores, np.float64), np.array(hidden))


def _rows(found: Candidates) -> Iterator[dict[str, Any]]:
    count, depth = found.scores.shape
    rules = {"no filter": np.full(count, np.inf)}
    rules |= {f"fixed, {share:.0%}": ceilings(found.reference, share) for share in _FIXED}
    flat, row = found.scores.reshape(-1), np.repeat(np.arange(count), depth)
    for most in _AUTO:
        rules[f"auto, {most:.0%}"] = auto_ceilings(flat, row, found.reference, most, _KEEP)
    for name, ceiling in rules.items():
        fine = found.scores <= ceiling[:, None]
        kept = fine & (np.cumsum(fine, axis=1) <= _KEEP)
        number, wrong = int(kept.sum()), int((kept & found.hidden).sum())
        yield {
            "rule": name,
            "kept": round(number / count, 2),
            "false_share": round(wrong / max(1, number), 4),
            "returned": round(wrong / max(1, int(found.hidden.sum())), 4),
            "short": round(float((kept.sum(axis=1) < _KEEP).mean()), 3),
            "mean_score": round(float(found.scores[kept].mean()) if number else 0.0, 3),
        }


def _page(result: dict[str, Any]) -> Iterator[str]:
    yield "# Hidden positives that come back as negatives"
    yield ""
    yield (
        f"Encoder `{ENCODER}`, texts cut to {_MAX_TOKENS} tokens, the {_KEEP} highest of the "
        "candidates below the margin. *Rescored*: what BM25 found goes through the rules with the "
        "encoder's scores, of the positives too. `auto, 5%` allows an estimated 5 % of false "
        "negatives. Of two rules that keep as many, the one with fewer false negatives is better. "
        "No LLM rescores here: the one that is bundled cannot judge (`docs/runs/gecko_fret.md`)."
    )
    for one in _drawn(result):
        yield ""
        yield f"![yield against false negatives: {one['trial']}]({_chart_name(one)})"
    yield from _summary(result["tables"])
    for one in result["tables"]:
        yield ""
        queries = f"{one['queries']:,} queries, {one['depth']} candidates each"
        yield f"## {one['trial']}, {one['way']}: {queries}"
        yield ""
        yield from table(
            (
                "rule",
                "kept a query",
                "false negatives among them",
                "hidden ones that return",
                "queries left short",
                "mean score of those kept",
            ),
            [
                (
                    row["rule"],
                    f"{row['kept']:.2f}",
                    f"{row['false_share']:.1%}",
                    f"{row['returned']:.1%}",
                    f"{row['short']:.0%}",
                    f"{row['mean_score']:.3f}",
                )
                for row in one["rows"]
            ],
        )
    yield ""
    yield made_by(result)


def _summary(tables: list[dict[str, Any]]) -> Iterator[str]:
    yield ""
    yield "## Scores of the retriever, and of another model"
    yield ""
    yield f"{max(_DEPTHS)} candidates; negatives kept a query, and false negatives among them."
    yield ""
    ways = (_ENCODER, _WORDS, _RESCORED)
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for one in tables:
        for row in one["rows"]:
            if one["depth"] == max(_DEPTHS) and row["rule"] in _SUMMED:
                shown = f"{row['kept']:.2f}, {row['false_share']:.1%}"
                cells.setdefault((one["trial"], row["rule"]), {})[one["way"]] = shown
    yield from table(
        ("set", "rule", *ways),
        [(trial, rule, *(own[way] for way in ways)) for (trial, rule), own in cells.items()],
    )


if __name__ == "__main__":
    main()
