"""The table of what the trials of `faults.py` found."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
COMMAND = "python benchmarks/faults.py"


@dataclass(frozen=True)
class Finding:
    """One line of the table.

    Attributes:
        part: Part of `faults.py`.
        trial: What was done.
        holds: Whether the promise was kept; None where the trial could not be made.
        told: The figures, as a sentence.
        figures: The figures.
    """

    part: str
    trial: str
    holds: bool | None
    told: str
    figures: dict[str, float | int | str | bool] = field(default_factory=dict)


def write_table(part: str, findings: Sequence[Finding], *, quick: bool) -> str:
    """Adds a part to the table, in the place of what an earlier call found; the table as text."""
    path = RESULTS / "faults.json"
    told = json.loads(path.read_text())["parts"] if path.exists() else {}
    command = f"{COMMAND} --part {part}{' --quick' if quick else ''}"
    told[part] = {"command": command, "findings": [asdict(one) for one in findings]}
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps({"parts": told}, indent=1) + "\n")
    text = _markdown(told)
    (RESULTS / "faults.md").write_text(text)
    return text


def _markdown(parts: dict[str, dict[str, object]]) -> str:
    lines = [
        "# Faults: what survives, measured",
        "",
        f"Made by `{COMMAND}`, each part by the command beside it.",
        "",
        "| part | trial | holds | measured |",
        "|---|---|---|---|",
    ]
    commands = []
    for part, told in parts.items():
        findings = told["findings"]
        commands.append(f"- {part}: `{told['command']}`")
        for one in findings if isinstance(findings, list) else ():
            holds = {True: "yes", False: "**no**", None: "not tried"}[one["holds"]]
            lines.append(f"| {part} | {one['trial']} | {holds} | {one['told']} |")
    return "\n".join([*lines, "", *commands, ""])
