"""The explorer in a real browser, on a run whose rows try to be more than text."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import yaml
from explore_run import build_run
from explore_serving import TOKEN, Served, served

from synth.core.drop_list import parse_drop_list
from synth.recipe import parse_recipe
from synth.runner import run
from synth.view import Run, open_run

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.ray,
    pytest.mark.timeout(600),
    pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: apt-get install chromium"),
    pytest.mark.skipif(
        importlib.util.find_spec("playwright") is None, reason="needs pip install playwright"
    ),
]
# Where pictures of the page go, if they are wanted.
PICTURES = os.environ.get("SYNTH_PICTURES")
HOSTILE = (
    "<script>window.hurt = 1</script> a script about volcanoes",
    "<img src=x onerror='window.hurt = 1'> an image of glass",
    '"><svg onload="window.hurt = 1"> a drawing of wheels',
    "# heading\n\n[link](javascript:window.hurt=1) **bold** `code` of clocks",
    "\x1b[31mred\x1b[0m \x1b]8;;http://evil.example\x07link\x1b]8;;\x07 in terminals",
    "{{ 7 * 7 }} ${window.hurt = 1} </textarea></script> templates",
    "\u202eright to left\u202c and \u0007 a bell of harbours",
    "&lt;b&gt; &amp; entities of camels",
)
PLAIN = tuple(f"Document {at} tells of {topic} at length." for at, topic in enumerate(
    ("volcanoes", "glass", "wheels", "clocks", "harbours", "camels") * 5
))  # fmt: skip
RECIPE: dict[str, Any] = {
    "name": "hostile",
    "source": {"kind": "jsonl", "path": "docs.jsonl", "columns": {"id": "id", "text": "text"}},
    "models": {"writer": {"kind": "fake"}, "encoder": {"kind": "fake", "model": "encoder"}},
    "steps": [
        {"name": "docs", "kind": "length_filter", "min_words": 2},
        {"name": "corpus", "kind": "embed", "model": "encoder"},
        {"name": "queries", "kind": "generate", "prompt": "query_from_passage", "model": "writer",
         "max_error_rate": 1, "on_failure": "keep"},
        {"kind": "copy_filter", "column": "query", "of": "positives", "max_ratio": 100},
        {"kind": "embed", "name": "vectors", "column": "query", "model": "encoder"},
        {"kind": "mine_negatives", "corpus": "corpus", "depth": 6},
        {"kind": "score", "model": "encoder"},
        {"kind": "margin_filter", "name": "margin", "absolute_margin": 0.0,
         "relative_margin": None, "keep": 3},
    ],
    "export": {"format": "rows", "from": "margin"},
}  # fmt: skip


@pytest.fixture(scope="module")
def hostile(ray_session: None, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("hostile")
    docs = [{"id": f"d{at:02}", "text": text} for at, text in enumerate((*HOSTILE, *PLAIN))]
    docs.append({"id": "<b>short</b>", "text": "short"})
    (folder / "docs.jsonl").write_bytes(b"\n".join(map(orjson.dumps, docs)))
    text = yaml.safe_dump(RECIPE, sort_keys=False)
    recipe = parse_recipe(text, "hostile.yaml").placed(folder, text)
    return open_run(run(recipe, out=str(folder / "out")).path)


@pytest.fixture
def server(hostile: Run) -> Iterator[Served]:
    for name in ("_flags.json", "_selections"):
        hostile.folder.remove(name)
    with served(hostile) as one:
        yield one


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


class Opened:
    """A page that is open, and what went wrong in it."""

    def __init__(self, browser: Any, server: Served, **context: Any) -> None:
        self.context = browser.new_context(**context)
        self.page: Page = self.context.new_page()
        self.wrong: list[str] = []
        self.page.on("console", lambda told: self.wrong.append(f"{told.type}: {told.text}"))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda asked: self._check(asked.url, server.url))
        self.page.goto(f"{server.url}#{TOKEN}")
        self.page.wait_for_selector("#body tr")

    def _check(self, asked: str, own: str) -> None:
        if not asked.startswith((own, "data:")):
            self.wrong.append(f"asked for {asked}")

    def rows(self) -> int:
        told = self.page.inner_text("#told")
        return int(told.split(" of ")[0].replace(",", ""))

    def shows(self, number: int) -> None:
        pattern = re.compile(rf"^{number:,} of ")
        self.page.wait_for_function(
            "([source]) => new RegExp(source).test(document.getElementById('told').textContent)",
            arg=[pattern.pattern],
        )

    def violations(self) -> list[str]:
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page).response["violations"]
        return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found]

    def close(self) -> None:
        hurt = self.page.evaluate("window.hurt")
        self.context.close()
        assert hurt is None
        assert not self.wrong


@pytest.fixture
def opened(browser: Any, server: Served) -> Iterator[Opened]:
    page = Opened(browser, server, viewport={"width": 1440, "height": 900})
    yield page
    page.close()


def test_text_of_rows_is_shown_as_it_is_and_does_nothing(opened: Opened) -> None:
    opened.page.select_option("#step", "docs")
    opened.shows(len(HOSTILE) + len(PLAIN) + 1)
    shown = opened.page.locator("#body .what button").all_inner_texts()
    for text in HOSTILE[:4]:
        assert any(text.split("\n")[0] in one for one in shown)
    assert any("\\u202eright to left" in one for one in shown)
    assert any("\\u001b[31mred\\u001b[0m" in one for one in shown)
    for at in range(len(HOSTILE)):
        opened.page.locator("#body .what button").nth(at).click()
        opened.page.wait_for_function(
            "id => document.querySelector('#row h2')?.textContent === id", arg=f"d{at:02}"
        )
        opened.page.click("#why")
        opened.page.wait_for_selector("#lineage .tree li")
    assert opened.page.locator("main script, main img, main svg[onload], #row img").count() == 0


def test_searching_filtering_and_sorting_change_the_rows(opened: Opened, hostile: Run) -> None:
    table = hostile["margin"].to_arrow(dropped=True)
    opened.shows(table.num_rows)
    about = [row for row in table.to_pylist() if "camels" in str(row).lower()]
    opened.page.fill("#text", "camels")
    opened.shows(len(about))
    opened.page.fill("#text", "nothing has this")
    opened.shows(0)
    assert "No row is like that" in opened.page.inner_text("#body")
    opened.page.click("#clear")
    opened.shows(table.num_rows)
    opened.page.click("#heads button:has-text('positive')")
    opened.page.wait_for_selector("th[aria-sort=descending]")
    best = [max(one["score"] for one in row["positives"]) for row in table.to_pylist()]
    first = opened.page.locator("#body tr").first.locator("[data-name=positive]").inner_text()
    assert first == f"{max(best):.3f}"
    opened.page.fill("#positive-least", "99")
    opened.shows(0)


def test_dropped_rows_are_found_by_their_reason(opened: Opened) -> None:
    opened.page.select_option("#step", "docs")
    opened.page.check("input[value=dropped]")
    opened.shows(1)
    assert "<b>short</b>" in opened.page.inner_text("#body")
    opened.page.select_option("#reason", "too_short")
    opened.shows(1)


def test_flagged_rows_are_saved_as_what_a_recipe_drops_and_a_dataset(
    opened: Opened, server: Served, browser: Any, cache: None
) -> None:
    import datasets

    page = opened.page
    page.locator("#body .flag button").nth(1).click()
    page.wait_for_selector("#body .flag button[aria-pressed=true]")
    first = page.locator("#body tr").nth(1).get_attribute("data-id")
    page.locator("#body tr:has([data-name=negative]) .what button").first.click()
    page.fill("#note", "answers <b>nothing</b>")
    page.click("#row .negatives >> nth=0 >> button[aria-pressed]")
    page.wait_for_function(
        "() => document.querySelector('#save-open').textContent.includes('2 flagged')"
    )
    page.check("#flagged")
    opened.shows(2)
    for what, name in (("drop_list", "drops"), ("dataset", "flagged")):
        page.click("#save-open")
        page.check(f"input[value={what}]")
        page.fill("#save-name", name)
        page.click("#save-form button.main")
        page.wait_for_function(
            "() => document.querySelector('#save-told').textContent.includes('Saved')"
        )
        page.click("#save-close")
    listed = parse_drop_list((Path(server.explorer.out.root) / "drops.jsonl").read_bytes(), "drops")
    assert {(one.id, one.entry is None, one.note) for one in listed} >= {(first, True, "")}
    assert [one.note for one in listed if one.entry] == ["answers <b>nothing</b>"]
    found = datasets.load_dataset(f"{server.explorer.out.root}/flagged", split="train")
    assert sorted(found["id"]) == sorted({one.id for one in listed})
    again = Opened(browser, server)
    again.page.wait_for_selector("#body .flag button[aria-pressed=true]")
    again.close()


def test_the_map_opens_rows_and_selects_them(opened: Opened, hostile: Run) -> None:
    page, number = opened.page, hostile["margin"].to_arrow(dropped=True).num_rows
    page.click("#map-open")
    page.wait_for_function(
        "() => document.querySelector('#map-told').textContent.includes('principal')"
    )
    page.focus("#map")
    for key in ("+", "+", "ArrowLeft", "ArrowUp"):
        page.keyboard.press(key)
    page.click("#map-view")
    page.wait_for_selector("#box-told:not([hidden])")
    page.wait_for_function(
        "number => parseInt(document.getElementById('told').textContent) < number", arg=number
    )
    page.click("#box-clear")
    opened.shows(number)
    page.click("#map-reset")
    page.click("#map-brush")
    box = page.locator("#map").bounding_box()
    assert box
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] - 2, steps=4)
    page.mouse.up()
    page.wait_for_selector("#box-told:not([hidden])")
    opened.shows(number)


def test_the_nearest_rows_and_the_lineage_of_a_row_open(opened: Opened) -> None:
    page = opened.page
    page.locator("#body .what button").first.click()
    page.wait_for_selector("#near-by")
    for by in reversed(page.locator("#near-by option").all_inner_texts()):
        page.select_option("#near-by", by)
        page.click("#near")
        page.wait_for_function(
            "() => !document.querySelector('.near').textContent.includes('Looking')"
        )
    page.click("#why")
    page.wait_for_selector("#lineage .tree li")
    assert "source read" in page.inner_text("#lineage")
    before = page.inner_text("#row h2")
    page.locator(".near button").first.click()  # by embedding, of which each row has neighbours
    page.wait_for_function("id => document.querySelector('#row h2').textContent !== id", arg=before)


def test_without_the_token_the_page_says_what_to_do(browser: Any, server: Served) -> None:
    page = browser.new_context().new_page()
    page.goto(server.url)
    page.wait_for_selector("#problem:not([hidden])")
    assert "its token is missing" in page.inner_text("#problem")
    page.context.close()


def test_the_page_is_usable_by_keys_alone(opened: Opened) -> None:
    page = opened.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Go to the rows"
    page.focus("#body .what button")
    page.keyboard.press("Enter")
    page.wait_for_selector("#row h2")
    assert page.evaluate("document.activeElement.id") == "row"
    page.focus("#save-open")
    page.keyboard.press("Enter")
    assert page.evaluate("document.querySelector('#save').open")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "save-open"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(open_run(build_run(tmp_path_factory.mktemp("made") / "bees" / "1", 2_000))) as one:
        yield one


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_a_checker_of_accessibility_finds_nothing(
    browser: Any, made: Served, scheme: str, width: int
) -> None:
    opened = Opened(browser, made, color_scheme=scheme, viewport={"width": width, "height": 900})
    page = opened.page
    assert opened.violations() == []
    page.click("#map-open")
    page.wait_for_function(
        "() => document.querySelector('#map-told').textContent.includes('principal')"
    )
    if not made.ask("flags")["flags"]:
        page.locator("#body .flag button").nth(2).click()
    page.locator("#body .what button").nth(1).click()
    page.wait_for_selector("#row h2")
    page.click("#near")
    page.click("#why")
    page.wait_for_selector("#lineage .tree li")
    page.wait_for_selector(".near li")
    assert opened.violations() == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    if PICTURES:
        page.evaluate("document.querySelectorAll('main, #row').forEach(one => one.scrollTop = 0)")
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=f"{PICTURES}/explore-{scheme}-{width}.png")
    page.click("#save-open")
    assert opened.violations() == []
    opened.close()
