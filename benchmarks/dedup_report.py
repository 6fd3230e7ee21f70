"""The page of the dedup benchmark, made of its figures alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Result = dict[str, Any]
Row = dict[str, Any]

# How many times as fast as each other tool synth is to be, and how right.
GOALS = {
    "datasketch": 20,
    "rensa": 10,
    "text-dedup": 40,
    "text-dedup, its own bands": 40,
    "datatrove": 150,
}
LEAST_RECALL, LEAST_PRECISION = 0.995, 0.99


def page(result: Result) -> str:
    """All parts that were measured; each says when."""
    makers: dict[str, Callable[[Any], str]] = {
        "comparison": _comparison,
        "threads": _threads,
        "chains": _chains,
        "labelled": _labelled,
        "scaling": _scaling,
    }
    parts = [make(result[name]) for name, make in makers.items() if name in result]
    computer = result["machine"]
    packages = ", ".join(f"{name} {number}" for name, number in result["packages"].items())
    others = ", ".join(result["others"])
    parts.append(
        f"Machine: {computer['cpu']}, {computer['cores']} cores, {computer['memory_gib']} GiB, "
        f"Python {computer['python']}; {packages}; in environments of their own {others}.\n"
    )
    return "\n".join(["# Deduplication\n", *parts])


def goals(rows: Sequence[Row]) -> list[tuple[str, str, str, bool]]:
    """Each goal, what it asks, what was measured, and whether that is enough.

    Args:
        rows: The methods of the comparison, synth first.
    """
    ours = rows[0]
    told = []
    for row in rows:
        if (least := GOALS.get(row["method"])) and "failed" not in row:
            ratio = ours["docs_per_cpu_s"] / row["docs_per_cpu_s"]
            told.append(
                (
                    f"docs per CPU-s to {row['method']}",
                    f"{least} x",
                    f"{ratio:.1f} x",
                    ratio >= least,
                )
            )
    for name, least_share in (("recall", LEAST_RECALL), ("precision", LEAST_PRECISION)):
        share = ours[name]
        told.append((name, f"{least_share}", f"{share:.4f}", share >= least_share))
    return told


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def _comparison(part: Result) -> str:
    ours = part["methods"][0]["docs_per_cpu_s"]
    head = ["method", "docs per CPU-s", "MB per CPU-s", "synth is faster by", "memory added"]
    head += ["recall", "in one cluster", "precision", "dropped"]
    rows = [
        [row["method"], f"failed: {row['failed']}", *[""] * 7]
        if "failed" in row
        else [
            row["method"],
            f"{row['docs_per_cpu_s']:,.0f}",
            f"{row['mb_per_cpu_s']:,.1f}",
            f"{ours / row['docs_per_cpu_s']:.1f} x",
            f"{row['added_mb']:,.0f} MB",
            *(f"{row[name]:.4f}" for name in ("recall", "together", "precision")),
            f"{row['dropped']:,}",
        ]
        for row in part["methods"]
    ]
    told = goals(part["methods"])
    missed = [name for name, *_, met in told if not met]
    mb_per_s = part["methods"][0]["mb_per_cpu_s"]
    floor = [
        f"- {name}: {speed:.1f} GB/s; synth reaches {mb_per_s / 1e3 / speed:.1%} of it"
        for name, speed in part["floor"].items()
    ]
    low, high = part["load"]
    return "\n".join(
        [
            f"{part['docs']:,} documents, {part['mb']:.1f} MB, of which {part['pairs']:,} pairs "
            f"have an exact Jaccard similarity of {part['threshold']} or more. 5-word shingles, "
            f"128 permutations, {part['bands']} bands of {part['rows']}, one thread, from texts "
            "in memory to duplicates; reading and saving files, starting and compiling are not "
            f"counted. CPU seconds, the best of {part['repeats']} runs (one of "
            f"datatrove); {low} to {high} processes wanted a core of this machine "
            f"meanwhile. {_made(part)}\n",
            table(head, rows),
            "`recall`: near pairs of which one at least is dropped (two dropped texts are not "
            "compared, so a pair of them need not be in one cluster). `precision`: dropped "
            "documents that reach the threshold to the one they are said to duplicate.\n",
            "text-dedup and datatrove have words of their own and do not compare texts, so "
            "precision, which counts our words, is not all they are to be judged by (see the "
            "labelled documents). Of text-dedup its stages MinHashing, Clustering and Filtering "
            "are counted, with xxh3 in place of the slower sha1; they write tables of Arrow. Of "
            "datatrove the first three stages are, called in one process; they write and read "
            "files of signatures, which is how they work.\n",
            "### Goals\n",
            table(
                ["goal", "at least", "measured", ""],
                [
                    [name, least, got, "met" if met else "**missed**"]
                    for name, least, got, met in told
                ],
            ),
            f"Missed: {', '.join(missed)}.\n" if missed else "All are met.\n",
            "### Distance to the floor\n",
            *floor,
            "",
        ]
    )


def _threads(part: Result) -> str:
    head = ["method", "threads", "wall s", "docs per s", "faster than one", "CPU s"]
    alone = {row["method"]: row["wall_s"] for row in part["methods"] if row["threads"] == 1}
    rows = [
        [
            row["method"],
            str(row["threads"]),
            f"{row['wall_s']:.2f}",
            f"{part['docs'] / row['wall_s']:,.0f}",
            f"{alone[row['method']] / row['wall_s']:.2f} x",
            f"{row['cpu_s']:.2f}",
        ]
        for row in part["methods"]
    ]
    return "\n".join(
        [
            "## One thread and two\n",
            f"The same rule on {part['docs']:,} documents, seconds of a clock. `near_duplicates` "
            "of synth has one thread; here two threads make the signatures of half of the texts "
            "each, which it is then given, and normalising a second time, linking and comparing "
            "stay in one. text-dedup and datatrove work with two processes. datasketch and rensa "
            "have one thread. Dedup on Ray with two tasks is not measured here. "
            f"{_made(part)}\n",
            table(head, rows),
        ]
    )


def _chains(part: Result) -> str:
    head = ["documents", "method", "dropped", "below 0.8 to the kept one", "least similarity"]
    head += ["largest cluster", "most dropped for one"]
    rows = [
        [
            f"{row['documents']} ({row['docs']:,})",
            row["method"],
            f"{row['dropped']:,}",
            f"{row['strangers']:.1%}",
            f"{row['least']:.2f}",
            f"{row['largest']:,}",
            f"{row['most_for_one']:,}",
        ]
        for row in part["rows"]
    ]
    return "\n".join(
        [
            "## What verification does to chains\n",
            "`buckets merged, nothing compared`: documents that share a band are one cluster, of "
            "which the first stays; the signatures and bands are those of synth. The versions of a "
            "chain are each edited to a similarity of about 0.9 to the one before, so that the "
            "first and the last have little in common. A cluster of synth is connected by pairs "
            "that it compared; several of its texts may stay, so it drops fewer than the size of "
            f"the cluster. {_made(part)}\n",
            table(head, rows),
        ]
    )


def _labelled(part: Result) -> str:
    head = ["threshold", "method", "dropped"]
    kinds = {"labels": "by the labels", "own": "by its own words"}
    for kind in kinds.values():
        head += [f"{name} {kind}" for name in ("precision", "recall", "F1")]
    thresholds = sorted({row["threshold"] for row in part["rows"]})
    rows = [
        [
            f"{row['threshold']}",
            row["method"],
            f"{row['labels']['dropped']:,}",
            *(f"{row[kind][name]:.3f}" for kind in kinds for name in ("precision", "recall", "f1")),
        ]
        for row in sorted(part["rows"], key=lambda one: float(one["threshold"]))
    ]
    pairs = ", ".join(
        f"{count:,} at {threshold}"
        for threshold, count in zip(thresholds, part["pairs"], strict=True)
    )
    same = part["agreement"]
    return "\n".join(
        [
            "## Labelled near duplicates\n",
            f"{part['docs']:,} real documents: versions of manuals, sections of text books and "
            f"Python Enhancement Proposals with older revisions. Labelled pairs: {pairs}. The "
            f"{same['given']:,} labels from 0.5 on agree with a recount of all pairs to "
            f"{same['difference']:.5f}, which found {same['found']} more. `recall`: pairs at the "
            "threshold of which one at least is dropped. `precision`: dropped documents that "
            "reach the threshold to the one they are said to duplicate. The words of the labels "
            "are runs of letters, digits and underscores; synth and datasketch count what stands "
            "between white space, text-dedup what stands between two other characters, so each "
            "has columns by the exact similarity of its own words. All have the bands that synth "
            "chooses for the threshold, but for `its own bands`. "
            f"{_made(part)}\n",
            "![F1 by threshold](dedup-labelled.svg)\n",
            "The lines of synth and datasketch are one: both verify by the same words.\n",
            table(head, rows),
            *(_missed_labels(part["rows"], kind, told) for kind, told in kinds.items()),
        ]
    )


def _missed_labels(rows: Sequence[Row], kind: str, told: str) -> str:
    """At which thresholds synth misses a goal, by the labels or by its own words."""
    ours = [row for row in rows if row["method"] == "synth"]
    least = {"recall": LEAST_RECALL, "precision": LEAST_PRECISION}
    missed = [
        f"{name} {share} at {', '.join(at)}"
        for name, share in least.items()
        if (at := [f"{row['threshold']}" for row in ours if row[kind][name] < share])
    ]
    verdict = f"**missed** are {' and '.join(missed)}" if missed else "all are met"
    return f"- Goals of synth {told}: {verdict}."


def _scaling(part: Result) -> str:
    rows = [
        [
            f"{row['docs']:,}",
            f"{row['mb']:,.0f}",
            f"{row['cpu_s']:.2f}",
            f"{row['system_s']:.2f}",
            f"{row['docs_per_cpu_s']:,.0f}",
            f"{row['docs'] / (row['cpu_s'] - row['system_s']):,.0f}",
            f"{row['added_mb']:,.0f} MB",
            str(row["repeats"]),
        ]
        for row in part["rows"]
    ]
    head = ["docs", "MB", "CPU s", "of them the kernel's", "docs per CPU-s"]
    head += ["without the kernel's", "memory added", "best of"]
    return "\n".join(
        [
            "## Growth (synth, verified, one thread)\n",
            "The kernel's seconds go by mostly when memory is written for the first time. They "
            f"grow faster than the documents do, the rest a little faster. {_made(part)}\n",
            table(head, rows),
        ]
    )


def _made(part: Result) -> str:
    return f"Measured on {part['date']} by `{part['command']}`."
