"""The report in a real browser: nothing of a row runs, and everybody can read it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hostile import hostile_run
from report_runs import big_run

from synth.quality import quality
from synth.report import write_report
from synth.view import open_run

sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright: run `make browser`")
axe = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="no axe: run `make browser`"
)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium on this machine: run `make browser`, or install it"
)
SCHEMES, WIDTHS = ("light", "dark"), {"laptop": 1200, "phone": 360}
UNFOLD = "document.querySelectorAll('details').forEach(one => { one.open = true })"
# axe itself must get into the page: the page's own rule lets no script in.
OPTIONS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        # A container has no user namespaces for Chromium's sandbox; the page is our own.
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    hostile = hostile_run(tmp_path_factory.mktemp("hostile"), repeat=3)
    folder = tmp_path_factory.mktemp("measured") / "1"
    big_run(folder, 300)
    runs = {"hostile": hostile, "measured": open_run(folder)}
    return {name: Path(write_report(run, quality(run))).as_uri() for name, run in runs.items()}


class Visit:
    """A page opened, and all that went wrong on it."""

    def __init__(self, browser: Any, url: str, scheme: str, width: int, **more: Any) -> None:
        context = browser.new_context(
            color_scheme=scheme, viewport={"width": width, "height": 900}, **more
        )
        self.page = context.new_page()
        self.wrong: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("dialog", lambda dialog: self.wrong.append(dialog.message))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(url)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", ["hostile", "measured"])
def test_a_page_opens_without_an_error_and_loads_nothing_else(
    browser: Any, pages: dict[str, str], name: str, scheme: str
) -> None:
    visit = Visit(browser, pages[name], scheme, WIDTHS["laptop"])
    assert visit.wrong == []
    assert [url for url in visit.asked if not url.startswith("data:")] == [pages[name]]


def test_no_script_of_a_row_runs_even_where_the_page_would_let_it(
    browser: Any, pages: dict[str, str]
) -> None:
    for bypass in (False, True):
        visit = Visit(browser, pages["hostile"], "light", 1200, bypass_csp=bypass)
        visit.page.evaluate(
            "for (const one of document.querySelectorAll('details')) one.open = true"
        )
        visit.page.mouse.move(600, 500)
        assert visit.page.evaluate("window.owned") is None
        assert visit.page.title() == "measured 1: report of a run"
        assert visit.page.locator("h1").count() == 1
        assert visit.page.locator("script, img, iframe, object").count() == 0
        assert visit.wrong == []


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", ["hostile", "measured"])
def test_axe_finds_nothing_that_keeps_anybody_out(
    browser: Any, pages: dict[str, str], name: str, scheme: str
) -> None:
    visit = Visit(browser, pages[name], scheme, WIDTHS["laptop"], bypass_csp=True)
    visit.page.evaluate(UNFOLD)
    found = axe.Axe().run(visit.page, options=OPTIONS)
    told = [
        (one["id"], one["help"], [node["html"][:200] for node in one["nodes"][:3]])
        for one in found.response["violations"]
    ]
    assert told == []
    assert found.response["passes"]


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
@pytest.mark.parametrize("name", ["hostile", "measured"])
def test_a_page_is_as_wide_as_the_screen(
    browser: Any, pages: dict[str, str], name: str, width: int
) -> None:
    visit = Visit(browser, pages[name], "light", width)
    visit.page.evaluate(UNFOLD)
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_page_follows_light_and_dark(browser: Any, pages: dict[str, str]) -> None:
    seen = set()
    for scheme in SCHEMES:
        page = Visit(browser, pages["measured"], scheme, 1200).page
        for what in ("body", "table.bars rect", ".card"):
            element = page.locator(what).first
            look = "e => getComputedStyle(e).backgroundColor + getComputedStyle(e).fill"
            seen.add((what, element.evaluate(look)))
    assert len(seen) == 6


def test_the_keyboard_reaches_the_content_first_and_opens_what_is_folded(
    browser: Any, pages: dict[str, str]
) -> None:
    page = Visit(browser, pages["measured"], "light", 1200).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert page.locator(".skip").bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    folded = page.locator("details:not([open]) > summary")
    before = folded.count()
    folded.first.focus()
    page.keyboard.press("Enter")
    assert folded.count() == before - 1


def test_axe_finds_what_does_keep_somebody_out(browser: Any) -> None:
    page = browser.new_context().new_page()
    page.set_content("<img src='data:,'><p style='color: #eee; background: #fff'>unseen</p>")
    found = axe.Axe().run(page, options=OPTIONS).response["violations"]
    assert {"image-alt", "color-contrast", "document-title"} <= {one["id"] for one in found}


def test_a_notebooks_own_style_stays(browser: Any, pages: dict[str, str]) -> None:
    run = open_run(pages["measured"].removeprefix("file://").removesuffix("/report.html"))
    own = "<!doctype html><title>n</title><p id=own>own</p><table id=t><tr><td>1</table>"
    look = (
        "['own', 't'].map(id => JSON.stringify(Object.fromEntries([...getComputedStyle("
        "document.getElementById(id))].map(k => [k, getComputedStyle(document.getElementById(id))"
        "[k]])))) + ''"
    )
    page = browser.new_context().new_page()
    page.set_content(own)
    before = page.evaluate(look)
    page.set_content(own + run._repr_html_() + run.plot()._repr_html_())
    assert page.evaluate(look) == before
