"""A run whose every text tries to be more than text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
from report_runs import RECIPE, write_run, write_step

from synth.core import rows
from synth.steps.rejected import REJECTED_NEGATIVES
from synth.view import Run, open_run

HOSTILE = (
    "<script>document.title = 'owned'; window.owned = 1</script>",
    '<img src=x onerror="window.owned = 1">',
    "</style><style>body { display: none }</style>",
    "</pre></details></main><h1>owned</h1>",
    "\"><svg onload=window.owned=1>' onmouseover='window.owned=1",
    "{{ 7 * 7 }} {% include 'x' %}",
    "# Heading\n\n[link](javascript:window.owned=1) **bold** | a | b |",
    "\x1b[31mred\x1b[0m \x07 \x00 \x9b1m",
    "abc \u202e gnp.exe \u2066 turned \u200f \U000e0041",
    "&lt;script&gt; &amp; &#60;",
    "مرحبا بالعالم",
    "e\u0301 👩\u200d🚀 \ufeff zero\u200bwidth",
)
DOCUMENT = pa.schema([rows.ID, rows.TEXT, rows.DROP_REASON])
PAIR = pa.schema(
    [
        *DOCUMENT,
        ("query", pa.string()),
        ("positives", rows.POSITIVES),
        ("negatives", rows.NEGATIVES),
        REJECTED_NEGATIVES,
        *rows.LINEAGE,
        ("toxicity", pa.float32()),
        ("<b>column</b>", pa.string()),
    ]
)


def hostile_run(folder: Path, repeat: int = 1) -> Run:
    """A run of documents, of a step that rewrote them, and of retrieval rows."""
    texts = [one for one in HOSTILE for _ in range(repeat)]
    documents: list[dict[str, Any]] = [
        {"id": f"d{at} {text[:20]}", "text": text} for at, text in enumerate(texts)
    ]
    dropped: list[dict[str, Any]] = [
        one | {"drop_reason": "<i>copy</i>" if at % 2 else None} for at, one in enumerate(documents)
    ]
    by = {"step": "rewritten", "model": HOSTILE[0], "prompt": HOSTILE[1], "axes": HOSTILE[5]}
    made: list[dict[str, Any]] = [
        {
            "id": f"q{at}", "text": f"{text} said anew", "parent_id": documents[at]["id"],
            "source_id": documents[at]["id"], "provenance": by | {"prompt_sha": "s", "seed": at},
        }
        for at, text in enumerate(texts)
    ]  # fmt: skip
    run = folder / HOSTILE[9][:4]
    prompts = {"query_from_passage": HOSTILE[3] + HOSTILE[0]}
    write_run(run, f"{RECIPE}# {HOSTILE[0]} {HOSTILE[3]} sk-abcdefghijklmnop1234\n", prompts)
    table = pa.Table.from_pylist
    write_step(run / "00-source", "source", [table(documents, DOCUMENT)])
    write_step(run / "01-docs", "docs", [table(dropped, DOCUMENT)], reads="source")
    schema = pa.schema([*DOCUMENT, *rows.LINEAGE])
    write_step(
        run / "02-rewritten", "rewritten", [table(made, schema)], kind="generate", reads="source",
        ingredients={"model <m>": HOSTILE[1], "prompt query_from_passage": "s"},
        facts={"<b>fact</b>": HOSTILE[2]},
    )  # fmt: skip
    judged = [one | _lists(at, texts) for at, one in enumerate(made)]
    write_step(run / "03-margin", "margin", [table(judged, PAIR)], reads="rewritten")
    return open_run(run)


def _lists(at: int, texts: list[str]) -> dict[str, Any]:
    negatives = [
        {"id": f"n{one}", "text": text, "score": 0.5 - one / 100, "origin": f"generated:{text[:9]}"}
        for one, text in enumerate(texts[: 1 + at % 4])
    ]
    rejected = [one | {"reason": "<u>near</u>", "ceiling": 0.45, "score": 0.6} for one in negatives]
    positives = [{"id": "p", "text": texts[at], "score": 0.7}] * (1 + at % 2)
    return {
        "query": texts[-at], "positives": positives, "negatives": negatives,
        "rejected_negatives": rejected, "toxicity": at / len(texts), "<b>column</b>": texts[at],
    }  # fmt: skip
