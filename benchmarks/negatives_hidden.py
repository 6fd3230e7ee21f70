"""False negatives that each margin lets through: ``python benchmarks/negatives_hidden.py DATA``.

Positives are hidden from the miner, and those that come back as negatives are counted. In every
set each passage is cut into two pieces of two thirds of its words, of which one is the known
positive and the other is hidden; in SciFact, for claims with several abstracts, each abstract in
turn is known and the others are hidden. Writes ``benchmarks/results/negatives-hidden.json``, a page
and a chart of each trial beside it. Encoding takes ten minutes on two cores and is kept in the
user's cache.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from encoded import ENCODER, Vectors, encoded
from machine import machine, made_by, versions
from markdown_table import table
from numpy.typing import NDArray
from retrieval_sets import RetrievalSet, read_set

from synth.algorithms.margin import auto_ceilings, ceilings
from synth.algorithms.neighbors import Neighbors, top_k
from synth.charts import Mark, yield_chart

_RESULTS = Path(__file__).with_name("results")
_PACKAGES = ("synth-recipes", "sentence-transformers", "torch", "faiss-cpu", "numpy")
_SETS = ("scifact", "boolq_dev", "covid_qa")
_MAX_TOKENS, _KEEP, _DEPTHS = 128, 4, (10, 50)
_FIXED = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3)
_AUTO = (0.01, 0.02, 0.05, 0.1, 0.2)
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of retrieval sets in BEIR layout")
    data = parser.parse_args().data
    trials = {f"{name}, pieces": _pieces(read_set(data / name)) for name in _SETS}
    trials["scifact, other abstracts"] = _others(read_set(data / "scifact"))
    tables = [
        {"trial": name, "depth": depth, "queries": len(found.scores), "rows": list(_rows(found))}
        for name, whole in trials.items()
        for depth in _DEPTHS
        for found in [Candidates(whole[0], whole[1][:, :depth], whole[2][:, :depth])]
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
    return [one for one in result["tables"] if one["depth"] == max(_DEPTHS)]


def _chart_name(one: dict[str, Any]) -> str:
    trial = one["trial"].replace(",", "").replace(" ", "-").replace("_", "-")
    return f"negatives-hidden-{trial}.svg"


def _pieces(found: RetrievalSet) -> Candidates:
    """One piece of the answer is known, the other pieces of all answers are hidden."""
    words = [text.split() for text in found.passages]
    first = [" ".join(one[: max(8, len(one) * 2 // 3)]) for one in words]
    last = [" ".join(one[len(one) // 3 :]) for one in words]
    corpus = np.concatenate([encoded(first, _MAX_TOKENS), encoded(last, _MAX_TOKENS)])
    queries, size, draw = encoded(found.queries, _MAX_TOKENS), len(words), np.random.default_rng(0)
    ranked = top_k(queries, corpus, max(_DEPTHS) + _SPARE)
    known = [answers[0] + size * int(draw.integers(0, 2)) for answers in found.answers]
    answers = [{one + part for one in own for part in (0, size)} for own in found.answers]
    return _candidates(queries, corpus, ranked, range(len(queries)), known, answers)


def _others(found: RetrievalSet) -> Candidates:
    """Each of several answers is known in turn, the others are hidden."""
    corpus, queries = encoded(found.passages, _MAX_TOKENS), encoded(found.queries, _MAX_TOKENS)
    ranked = top_k(queries, corpus, max(_DEPTHS) + _SPARE)
    pairs = [(at, one) for at, own in enumerate(found.answers) if len(own) > 1 for one in own]
    asked, known = [at for at, _ in pairs], [one for _, one in pairs]
    return _candidates(
        queries, corpus, ranked, asked, known, [set(found.answers[at]) for at in asked]
    )


def _candidates(
    queries: Vectors,
    corpus: Vectors,
    ranked: Neighbors,
    asked: Sequence[int],
    known: Sequence[int],
    answers: Sequence[set[int]],
) -> Candidates:
    depth = max(_DEPTHS)
    reference, scores, hidden = [], [], []
    for at, own, right in zip(asked, known, answers, strict=True):
        ids = [one for one in ranked.ids[at].tolist() if one != own][:depth]
        reference.append(float(queries[at] @ corpus[own]))
        scores.append(corpus[ids] @ queries[at])
        hidden.append([one in right for one in ids])
    return Candidates(np.array(reference), np.array(scores, np.float64), np.array(hidden))


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
        "candidates below the margin. `auto, 5%` allows an estimated 5 % of false negatives. Of "
        "two rules that keep as many, the one with fewer false negatives is better."
    )
    for one in _drawn(result):
        yield ""
        yield f"![yield against false negatives: {one['trial']}]({_chart_name(one)})"
    for one in result["tables"]:
        yield ""
        yield f"## {one['trial']}: {one['queries']:,} queries, {one['depth']} candidates each"
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


if __name__ == "__main__":
    main()
