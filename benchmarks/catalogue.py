"""Every recipe on real models and real data: ``python benchmarks/catalogue.py DATA``.

Recipes run as they ship, but for four things: they read real sets in the shape of the files they
ship with (`catalogue_data`), of the main source only the first rows, LLMs are asked through one
server of vLLM, so that it starts once, and two recipes draw a language for each request. Writes
``docs/runs/<recipe>.md``, from which ``make docs`` makes the page; what a note says behind
``Remarks:`` is written by hand and stays. A run that was stopped goes on; ``--only`` names some
recipes, and with ``--server`` several processes share one server. It takes some two hours on two
cores.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml
from bench_cache import cache_folder
from catalogue_data import write_data
from json_lines import read_lines
from markdown_table import table
from model_server import model_server

from synth import load_recipe, open_run, run
from synth.core.errors import DriftError, SynthError
from synth.engines.bundled import local_model
from synth.engines.vllm import environment
from synth.inputs.shipped import shipped_folder, shipped_names
from synth.manifest import StepRecord
from synth.runner.session import Outcome
from synth.step_rows import StepRows

_NOTES = Path(__file__).parents[1] / "docs" / "runs"
_MODEL = "bundled/smollm2-135m-instruct"
_REMARKS = "Remarks:"
_SHOWN_ROWS, _SHOWN_CHARS, _SHOWN_ENTRIES = 2, 280, 2
# Records of these sets have other columns than the ones that ship.
_COLUMNS = {
    "town": "area",
    "built": "eatType",
    "height_m": "food",
    "colour": "priceRange",
    "range_km": "customer rating",
    "keeper": "near",
}
# Steps with an axis of languages, by recipe: one is drawn for each request. `translate` ships with
# some.
_SPOKEN = {"paraphrase": "paraphrases", "qwen3_persona": "queries"}
_LANGUAGES = {"English": 2, "German": 1, "French": 1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of the sets")
    parser.add_argument("--only", nargs="+", choices=shipped_names("recipes"))
    parser.add_argument("--rows", type=int, default=12, help="of the main source, for LLMs")
    parser.add_argument("--server", default="", help="address of a server that is up")
    args = parser.parse_args()
    home = cache_folder("catalogue")
    told = write_data(args.data, home / "data")
    names = args.only or shipped_names("recipes")
    with ExitStack() as opened:
        address = args.server
        for name in names:
            recipe = yaml.safe_load((shipped_folder("recipes") / f"{name}.yaml").read_text())
            asks = any(spec["kind"] == "vllm" for spec in recipe.get("models", {}).values())
            if asks and not address:
                address = opened.enter_context(_server(home))
            path = home / f"{name}.yaml"
            path.write_text(yaml.safe_dump(_adapted(recipe, name, address), sort_keys=False))
            print(time.strftime("%H:%M:%S"), name, flush=True)
            try:
                outcome = _run(path, home / "out", args.rows if asks else None)
            except SynthError as error:
                print(f"{name}: {error}", flush=True)
                continue
            _NOTES.mkdir(exist_ok=True)
            note = _NOTES / f"{name}.md"
            note.write_text("\n".join(_note(outcome.path, recipe, told, _remarks(note))) + "\n")


def _run(path: Path, out: Path, limit: int | None) -> Outcome:
    recipe = load_recipe(str(path))
    try:
        return run(recipe, out=str(out), limit=limit)
    except DriftError:
        # It was run before, with another prompt; replies to requests that did not change stay.
        return run(recipe, out=str(out), limit=limit, restart_from="source")


def _server(home: Path) -> Any:  # noqa: ANN401  (a context manager of a string)
    flags = ["--model", str(local_model(_MODEL)), "--served-model-name", _MODEL]
    flags += ["--max-model-len", "2048", "--max-num-seqs", "64", "--dtype", "float32"]
    # A seed together with chunked prefill kills vLLM on CPU.
    flags += ["--enforce-eager", "--no-enable-chunked-prefill", "--generation-config", "vllm"]
    return model_server(flags, {**os.environ, **environment()}, home / "server.log")


def _adapted(recipe: dict[str, Any], name: str, address: str) -> dict[str, Any]:
    """The recipe with the server's models; where records have other columns, with theirs."""
    for spec in recipe.get("models", {}).values():
        if spec["kind"] == "vllm":
            sampling = {"sampling": spec["sampling"]} if "sampling" in spec else {}
            spec.clear()
            spec |= {"kind": "openai", "model": _MODEL, "base_url": address} | sampling
            # The port differs from run to run, the weights do not.
            spec["revision"] = "bundled"
    for step in recipe["steps"]:
        if step["name"] == _SPOKEN.get(name):
            step |= {"axes": {"language": _LANGUAGES}, "max_error_rate": 1.0}
    if name in ("records_to_text", "row_text_pairs"):
        recipe["source"]["columns"] = {
            _COLUMNS.get(column, column).replace(" ", "_"): _COLUMNS.get(field, field)
            for column, field in recipe["source"]["columns"].items()
        }
        for step in recipe["steps"]:
            for key in ("columns", "of"):
                if isinstance(step.get(key), list):
                    step[key] = [_COLUMNS.get(one, one).replace(" ", "_") for one in step[key]]
    return recipe


def _remarks(note: Path) -> str:
    text = note.read_text() if note.exists() else ""
    return text[text.index(_REMARKS) :].strip() if _REMARKS in text else ""


def _note(
    path: str, recipe: Mapping[str, Any], told: Mapping[str, str], remarks: str
) -> Iterator[str]:
    found = open_run(path)
    records = [found[name].record for name in found.steps]
    asked = [one for one in records if one.usage.requests + one.usage.reused]
    files = dict.fromkeys(re.findall(r"data/([\w.]+)", json.dumps(recipe)))
    sets = dict.fromkeys(told[name] for name in files)
    of = " and ".join("the file that ships" if one == "shipped" else one for one in sets)
    yield f"**Run on real models and data.** Data: {of or 'none, it writes from nothing'}."
    if asked:
        sent = sum(one.usage.requests + one.usage.reused for one in asked)
        wrote = sum(one.usage.output_tokens for one in asked)
        yield f"LLM: `{_MODEL}`, {sent:,} requests, {wrote:,} tokens written."
    yield ""
    yield from table(("step", "rows in", "made", "dropped", "rows out"), _steps(records))
    for one in asked:
        held = _answered(found[one.name])
        if one.kind == "generate" and one.rows_in:
            yield ""
            yield (
                f"Step `{one.name}`: a reply that could be read and held every check for "
                f"{held} of {one.rows_in} rows ({held / one.rows_in:.0%})."
            )
    shown = list(_rows(Path(path)))
    if shown:
        yield ""
        yield f"The first {'row' if len(shown) == 1 else 'two rows'}:"
        yield ""
        yield "```json"
        yield from shown
        yield "```"
    if remarks:
        yield ""
        yield remarks


def _answered(step: StepRows) -> int:
    """The rows that an LLM gave at least one reply for that could be used."""
    name, rows = step.record.name, step.to_arrow()
    told = {"id", "parent_id", "provenance", "edits"} & set(rows.column_names)
    ids: set[str] = set()
    for row in rows.select(sorted(told)).to_pylist():
        if (row.get("provenance") or {}).get("step") == name:
            ids.add(row["parent_id"])
        if any(edit["step"] == name for edit in row.get("edits") or ()):
            ids.add(row["id"])
    return len(ids)


def _steps(records: Sequence[StepRecord]) -> list[tuple[object, ...]]:
    return [
        (
            f"`{one.name}`",
            f"{one.rows_in:,}",
            f"{one.rows_made:,}" if one.rows_made else "",
            ", ".join(f"{count:,} `{reason}`" for reason, count in sorted(one.dropped.items())),
            f"{one.rows_out:,}",
        )
        for one in records
    ]


def _rows(path: Path) -> Iterator[str]:
    """Two rows of the first file of the dataset, long texts cut."""
    files = sorted(path.glob("data/train*")) or sorted(path.glob("data/**/*.*"))
    for file in [one for one in files if one.suffix in (".parquet", ".jsonl")][:1]:
        if file.suffix == ".parquet":
            rows = pq.read_table(file).slice(0, _SHOWN_ROWS).to_pylist()
        else:
            rows = list(itertools.islice(read_lines(file.parent, file.name), _SHOWN_ROWS))
        for row in rows:
            yield json.dumps(_short(row), ensure_ascii=False, default=str)


def _short(value: Any) -> Any:  # noqa: ANN401  (whatever a row holds)
    match value:
        case str() if len(value) > _SHOWN_CHARS:
            return value[:_SHOWN_CHARS].rstrip() + " …"
        case dict():
            return {key: _short(one) for key, one in value.items() if one is not None}
        case list() if len(value) > _SHOWN_ENTRIES:
            rest = len(value) - _SHOWN_ENTRIES
            return [*(_short(one) for one in value[:_SHOWN_ENTRIES]), f"… and {rest} more"]
        case list():
            return [_short(one) for one in value]
        case _:
            return value


if __name__ == "__main__":
    main()
