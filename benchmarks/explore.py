"""How soon the explorer's page shows 100,000 rows, and how long a filter takes, in a browser.

`python benchmarks/explore.py` needs Chromium; it writes `benchmarks/results/explore.md`.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from explore_run import DIM, build_run
from explore_serving import TOKEN, Served, served
from machine import load, machine, made_by, versions
from markdown_table import table

from synth.view import open_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


COUNT, REPEATS = 100_000, 5
FIRST_PAINT_S, FILTER_MS = 2.0, 300
RESULTS = Path(__file__).parent / "results"

# What is done in the page, by the words that the report has for it.
ACTIONS: dict[str, Callable[[Page], object]] = {
    "only dropped rows": lambda page: page.check("input[value=dropped]"),
    "all rows again": lambda page: page.check("input[value=all]"),
    "a drop reason": lambda page: page.select_option("#reason", "too_short"),
    "any drop reason": lambda page: page.select_option("#reason", ""),
    "a model": lambda page: page.select_option("#model", "writer-7b"),
    "any model": lambda page: page.select_option("#model", ""),
    "positives of at least 0.8": lambda page: page.fill("#positive-least", "0.8"),
    "any positive": lambda page: page.fill("#positive-least", ""),
    "a search for one word": lambda page: page.fill("#text", "volcano"),
    "a search for two words and a phrase": lambda page: page.fill("#text", 'honey comb "the bees"'),
    "no search": lambda page: page.fill("#text", ""),
    "sorted by margin": lambda page: page.click("#heads button:has-text('margin')"),
    "the next page": lambda page: page.click("#page-after"),
}


def measured(server: Served) -> dict[str, Any]:
    """Seconds to the first paint and the first rows, and milliseconds of each action."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        starts = [_opened(browser, server) for _ in range(REPEATS)]
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"{server.url}#{TOKEN}")
        page.wait_for_selector("#body tr")
        actions: dict[str, list[float]] = {name: [] for name in ACTIONS}
        for _ in range(REPEATS):
            page.reload()
            page.wait_for_selector("#body tr")
            for name, act in ACTIONS.items():
                actions[name].append(_timed(page, act))
        more = dict(_more(page))
        browser.close()
    return {"starts": starts, "actions": actions, "more": more}


def _opened(browser: Browser, server: Served) -> dict[str, float]:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    started = time.monotonic()
    page.goto(f"{server.url}#{TOKEN}")
    page.wait_for_selector("#body tr")
    rows_s = time.monotonic() - started
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    page.close()
    return {"paint_s": paint / 1000, "rows_s": rows_s}


def _timed(page: Page, act: Callable[[Page], object]) -> float:
    """Milliseconds from when the page asks until the rows are in the page."""
    page.evaluate("performance.clearMeasures('rows')")
    act(page)
    page.wait_for_function("() => performance.getEntriesByName('rows').length > 0")
    return float(page.evaluate("performance.getEntriesByName('rows').at(-1).duration"))


def _more(page: Page) -> Iterator[tuple[str, float]]:
    """Seconds of what is done once."""
    for name, click, seen in (
        ("the map, first time", "#map-open", "#map-legend li"),
        ("a row, opened", "#body .what button >> nth=3", "#row h2"),
        ("its nearest by embedding, first time", "#near", ".near li"),
        ("its lineage", "#why", "#lineage .tree li"),
    ):
        started = time.monotonic()
        page.click(click)
        page.wait_for_selector(seen, timeout=120_000)
        yield name, time.monotonic() - started


def page_of(result: dict[str, Any]) -> Iterator[str]:
    """The lines of the result's page."""
    yield f"# The explorer on {result['rows']:,} rows"
    yield ""
    yield (
        f"A step of {result['rows']:,} rows with a query, a positive, {result['texts']} further "
        f"texts and a vector of {DIM} numbers each ({result['megabytes']:,} MB of Parquet), in "
        f"headless Chromium. Median of {REPEATS}, and the slowest. Load of the machine: "
        f"{result['load']}."
    )
    yield ""
    starts = result["starts"]
    lines = [
        ("the command, until the server listens (once)", f"{result['ready_s']:.2f} s", "", ""),
        *(
            (told, *_seconds([one[key] for one in starts]), f"< {FIRST_PAINT_S:g} s")
            for key, told in (("paint_s", "first paint"), ("rows_s", "the first rows are there"))
        ),
        *((name, f"{value:.2f} s", "", "") for name, value in result["more"].items()),
    ]
    yield from table(["what", "median", "slowest", "wanted"], lines)
    yield ""
    yield "Filters and searches, from the question until the rows are in the page:"
    yield ""
    found = [
        (name, f"{statistics.median(ms):.0f} ms", f"{max(ms):.0f} ms")
        for name, ms in result["actions"].items()
    ]
    yield from table(["what", "median", f"slowest (wanted: < {FILTER_MS} ms)"], found)
    yield ""
    yield made_by(result)


def _seconds(found: list[float]) -> tuple[str, str]:
    return f"{statistics.median(found):.2f} s", f"{max(found):.2f} s"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = build_run(Path(folder) / "made" / "1", COUNT)
        run, before = open_run(path), load()
        size = sum(file.stat().st_size for file in (path / "03-margin").iterdir())
        started = time.monotonic()
        with served(run) as server:
            server.explorer.table("margin")
            ready_s = time.monotonic() - started
            # Texts are indexed in the background.
            server.ask("rows", step="margin", query={"text": "x"})
            found = measured(server)
    result = found | {
        "rows": COUNT,
        "texts": 6,
        "megabytes": round(size / 1e6),
        "ready_s": ready_s,
        "load": f"{before} before, {load()} after",
        "date": datetime.now(UTC).date().isoformat(),
        "command": "python benchmarks/explore.py",
        "machine": machine(),
        "packages": versions("duckdb", "pyarrow", "numpy", "starlette"),
    }
    (RESULTS / "explore.json").write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2))
    (RESULTS / "explore.md").write_text("\n".join(page_of(result)) + "\n")
    print("\n".join(page_of(result)))


if __name__ == "__main__":
    main()
