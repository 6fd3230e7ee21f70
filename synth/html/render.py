"""Templates filled in: every value is made plain and escaped on its way into a page."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from synth.html.plain import number, plain, shortened


class Fragment:
    """A piece of a page that shows itself in a notebook.

    Attributes:
        html: It, without the style that it is shown in.
        text: What a terminal shows in its place.
    """

    def __init__(self, html: Markup, text: str) -> None:
        self.html, self.text = html, text

    def __repr__(self) -> str:
        """What it is, in words."""
        return self.text

    def _repr_html_(self) -> str:
        """It, in a style that changes nothing else of the notebook."""
        return str(render("notebook.html", style=style(), body=self.html))


def fragment(name: str, text: str, **values: object) -> Fragment:
    """A template filled in, for a notebook.

    Args:
        name: The template.
        text: What a terminal shows in its place.
        values: What the template reads.
    """
    return Fragment(render(name, **values), text)


def render(name: str, **values: object) -> Markup:
    """A template filled in.

    Args:
        name: A file in ``templates/``.
        values: What it reads. Texts are escaped; only `Markup`, which `render` returns, is not.
    """
    return Markup(_templates().get_template(name).render(**values))


@cache
def style() -> Markup:
    """The style sheet; it holds for what is inside an element of the class ``synth`` alone."""
    return Markup(files("synth.html").joinpath("templates/style.css").read_text("utf-8"))


def _plain(value: object) -> object:
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _templates() -> Environment:
    found = Environment(
        loader=PackageLoader("synth.html"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_plain,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"number": number, "shortened": shortened}
    return found
