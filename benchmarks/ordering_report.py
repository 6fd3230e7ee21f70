"""The page of the ordering benchmark, made of its figures alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from machine import made_by
from markdown_table import table

Result = dict[str, Any]

# What is to be reached against the paper's Algorithm 1.
ADJACENT, WITHIN, FASTER = 1.03, 1.12, 50
PAPER, PATH, WINDOW = "synth path, method paper", "synth path", "synth window"
PYTHON, BEST = "paper, in Python", "best path, by LKH"
KNN = "kNN, repeats documents"


def page(result: Result) -> str:
    """All that was measured."""
    lines = [
        "# Orders of documents",
        "",
        "Every order has the same documents, near copies left out, and their 20 nearest "
        "neighbours. *Adjacent* is the cosine of a document and the one before it; *within* is "
        "the mean cosine of two documents of a window, weighted by the tokens of both, in windows "
        "of two or more, weighted by their tokens, and in brackets what a tenth of them is below; "
        "*pure* is the share of tokens of a window that are of its commonest topic.",
        "",
        *_goals(result),
    ]
    for name, one in result["corpora"].items():
        lines += _corpus(name, one)
    if result["growth"]:
        lines += _growth(result["growth"])
    lines += [
        "",
        f"{made_by(result)} {result['load']} processes wanted a core.",
    ]
    return "\n".join(lines) + "\n"


def ratios(one: Result) -> dict[str, float]:
    """How many times as good as the paper's path ours is, and by LKH a path can be."""
    rows = {row["order"]: row for row in one["rows"]}
    return {
        order: rows[order]["adjacent"] / rows[PAPER]["adjacent"]
        for order in (PATH, BEST)
        if order in rows
    }


def window_ratios(one: Result, order: str) -> dict[str, float]:
    """How many times as similar as the paper's the windows of an order are, by their size."""
    rows = {row["order"]: row["windows"] for row in one["rows"]}
    return {
        size: rows[order][size]["within"] / rows[PAPER][size]["within"] for size in one["sizes"]
    }


def _goals(result: Result) -> Iterator[str]:
    heads = ["corpus", f"adjacent ({ADJACENT}x)", "best there is"]
    sizes = list(next(iter(result["corpora"].values()), {"sizes": []})["sizes"])
    heads += [f"windows of {size} ({WITHIN}x)" for size in sizes]
    heads.append(f"traversal ({FASTER}x)")
    rows = []
    for name, one in result["corpora"].items():
        cpu_s = {row["order"]: row["cpu_s"] for row in one["rows"]}
        found = ratios(one)
        shown = [f"{found[order]:.3f}x" if order in found else "" for order in (PATH, BEST)]
        ours, repeating = (window_ratios(one, order) for order in (WINDOW, KNN))
        shown += [f"{ours[size]:.3f}x ({repeating[size]:.3f}x)" for size in sizes]
        rows.append([name, *shown, f"{cpu_s[PYTHON] / max(1e-6, cpu_s[PAPER]):.0f}x"])
    yield "## Against the paper's Algorithm 1 (goals in brackets)"
    yield ""
    yield from table(heads, rows)
    yield ""
    yield (
        "*Best there is*: the path that LKH, a solver of travelling salesmen, finds with all pairs "
        "before it, for up to 1,000 documents. In brackets behind windows: those of kNN, which may "
        "repeat documents, and so can choose freely; where windows hold one document or two, even "
        "these are little better than a path."
    )


def _corpus(name: str, one: Result) -> Iterator[str]:
    yield ""
    yield f"## {name}: {one['documents']:,} documents of {one['mean_tokens']:,} tokens on average"
    yield ""
    heads = ["order", "CPU s", "adjacent"]
    for size, tokens in one["sizes"].items():
        shown = size if "tokens" in size else f"{size} ({tokens:,} tokens)"
        heads.append(f"windows of {shown}")
    rows = []
    for row in one["rows"]:
        cells = [row["order"], _cpu(row), _number(row.get("adjacent"))]
        for found in row["windows"].values():
            purity = "" if found["purity"] is None else f", {found['purity']:.2f} pure"
            cells.append(f"{found['within']:.3f} ({found['tenth']:.2f}{purity})")
        rows.append(cells)
    yield from table(heads, rows)
    yield ""
    yield "All at once and in shards of a quarter, windows of 8 documents:"
    yield ""
    yield from table(
        ("objective", "shards", "adjacent", "within"),
        [
            (row["objective"], row["shards"], f"{row['adjacent']:.3f}", f"{row['within']:.3f}")
            for row in one["shards"]
        ],
    )


def _cpu(row: Result) -> str:
    if row["cpu_s"] is not None:
        return f"{row['cpu_s']:.3f}"
    return " ".join(f"{found['cpu_s']:.3f}" for found in row["windows"].values())


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _growth(rows: list[Result]) -> Iterator[str]:
    yield ""
    yield "## Growth, on vectors drawn around centres (384 dimensions, windows of 8,192 tokens)"
    yield ""
    names = list(rows[0]["stages"])
    yield "CPU seconds of each stage:"
    yield ""
    yield from table(
        ("documents", *names, "Python / Numba"),
        [
            (
                f"{row['documents']:,}",
                *(f"{row['stages'][name]:.3f}" if name in row["stages"] else "" for name in names),
                _faster(row["stages"]),
            )
            for row in rows
        ],
    )
    yield ""
    yield (
        "The step `order_documents` by embeddings alone, all at once and in shards of a quarter, "
        "and by embeddings and words (as it is by default), of drawn texts:"
    )
    yield ""
    yield from table(
        ("documents", "by", "shards", "CPU s", "wall s", "MB", "adjacent", "within", "search"),
        [
            (
                f"{row['documents']:,}",
                "words too" if what == "words" else "embeddings",
                one["shards"],
                one["cpu_s"],
                one["wall_s"],
                f"{one['memory_mb']:,}",
                f"{one['adjacent']:.3f}",
                f"{one['within']:.3f}",
                one["search"],
            )
            for row in rows
            for what in ("whole", "shards", "words")
            if (one := row.get(what)) is not None
        ],
    )


def _faster(stages: Result) -> str:
    if "paper in Python" not in stages:
        return ""
    return f"{stages['paper in Python'] / max(1e-6, stages['paper']):.0f}x"
