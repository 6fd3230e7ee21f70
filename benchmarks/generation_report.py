"""The result of `benchmarks/generation.py` as a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markdown_table import table

# From the issue that asked for these numbers.
MIN_THROUGHPUT_RATIO = 0.95
MAX_WALL_RATIO = 1.05
MAX_CPU_MS_PER_ROW = 1.1
MAX_CHECK_S = 2.0
MAX_IMPORT_S = 1.0


def page(result: Mapping[str, Any]) -> str:
    """The page in Markdown; a part that was not measured is left out."""
    lines = ["# Generation: throughput, machinery, start", ""]
    parts = {"models": _models, "machinery": _machinery, "startup": _startup}
    for name, write in parts.items():
        if name in result:
            lines += [*write(result[name]["result"]), "", *_circumstances(result[name]), ""]
    return "\n".join(lines)


def _models(told: Mapping[str, Any]) -> Iterator[str]:
    yield "## A. Output tokens per second, bundled LLM"
    yield ""
    yield (
        f"{told['prompts']} prompts of mixed length, temperature 0, 64 tokens at most, "
        f"{told['rounds']} rounds of all four ways in turn; from the first request to the last "
        "reply, engine start excluded; every engine has had a pass over the prompts before, in "
        "which it meets each shape of batch. Same engine arguments and environment."
    )
    yield ""
    yield from table(
        (
            "",
            "way",
            "output tokens/s (median)",
            "each round",
            "output tokens",
            "cores used by other programs",
        ),
        [
            (
                way,
                one["name"],
                one["tokens_per_s"],
                _listed(one["all"]),
                one["output_tokens"],
                _listed(one.get("others", ("not recorded",))),
            )
            for way, one in told["ways"].items()
        ],
    )
    yield ""
    yield from table(
        ("ratio", "median", "each round", "goal", ""),
        [
            (
                name,
                f"{one['median']:.3f}",
                _listed(one["all"]),
                f">= {MIN_THROUGHPUT_RATIO}",
                _verdict(good=one["median"] >= MIN_THROUGHPUT_RATIO),
            )
            for name, one in told["ratios"].items()
        ],
    )


def _machinery(told: Mapping[str, Any]) -> Iterator[str]:
    small, large = map(str, told["sizes"])
    yield "## B. Cost of the machinery"
    yield ""
    yield (
        f"Mock server, {told['latency_s']} s latency (long-tailed: 1 s for 10 % of the replies), "
        f"{told['in_flight']} requests in flight. Seconds from the first request to the last "
        "answer as the server sees them; CPU of all processes, imports and start included; "
        f"`synth` and `raw_asyncio` are medians of {told['repeats']} runs in turn, the others ran "
        "once. `synth` stores every reply, writes and exports the rows."
    )
    for shape in ("uniform", "long-tailed"):
        found = told[shape]
        yield ""
        yield f"### {shape.capitalize()}"
        yield ""
        yield from table(
            (
                "tool",
                "version",
                f"seconds, {small} rows",
                f"seconds, {large} rows",
                f"CPU s, {small} rows",
                f"CPU s, {large} rows",
                "CPU ms of one more row",
            ),
            [_tool(name, one, small, large) for name, one in found["tools"].items()],
        )
        for name, reason in found["failures"].items():
            yield f"\n`{name}` was not measured: {reason}"
        yield ""
        ratios = found["wall_over_bare"]
        worst = max(ratios.values(), default=float("inf"))
        cost_ms = found["tools"]["synth"]["marginal_cpu_ms_per_row"]
        yield (
            f"- Wall time of `synth` over the bare client: {_by_size(ratios)}; goal <= "
            f"{MAX_WALL_RATIO}: {_verdict(good=worst <= MAX_WALL_RATIO)}."
        )
        yield (
            f"- CPU of one more row: {cost_ms} ms; goal <= {MAX_CPU_MS_PER_ROW} ms: "
            f"{_verdict(good=cost_ms <= MAX_CPU_MS_PER_ROW)}."
        )


def _tool(name: str, one: Mapping[str, Any], small: str, large: str) -> Sequence[object]:
    active, cpu = one["active_s"], one["cpu_s"]
    rows = f"{one['marginal_cpu_ms_per_row']:.2f}" + ("" if one["rows_ok"] else " (rows lost)")
    return (name, one["version"], active[small], active[large], cpu[small], cpu[large], rows)


def _startup(told: Mapping[str, Any]) -> Iterator[str]:
    heavy = ", ".join(told["heavy_modules"]) or "none"
    yield "## C. Start"
    yield ""
    yield from table(
        ("what", f"median of {told['repeats']}", "goal", ""),
        [
            (
                "`synth check recipes/quickstart.yaml`",
                f"{told['check_s']} s",
                f"< {MAX_CHECK_S:g} s",
                _verdict(good=told["check_s"] < MAX_CHECK_S),
            ),
            (
                "`import synth.recipe`",
                f"{told['import_s']} s",
                f"< {MAX_IMPORT_S:g} s",
                _verdict(good=told["import_s"] < MAX_IMPORT_S),
            ),
            (
                "of ray, torch, vllm, datasets it loads",
                heavy,
                "none",
                _verdict(good=not told["heavy_modules"]),
            ),
        ],
    )


def _circumstances(part: Mapping[str, Any]) -> Iterator[str]:
    machine = part["machine"]
    before, after = part["load"]
    packages = ", ".join(f"{name} {version}" for name, version in part["versions"].items())
    yield (
        f"`{part['command']}`, {part['date']}. {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB, {machine['system']}, Python {machine['python']}; "
        f"{packages}. Load average {before} before, {after} after."
    )


def _listed(values: Sequence[object]) -> str:
    return ", ".join(map(str, values))


def _by_size(ratios: Mapping[str, float]) -> str:
    return ", ".join(f"{ratio} at {rows} rows" for rows, ratio in ratios.items())


def _verdict(*, good: bool) -> str:
    return "met" if good else "**missed**"
