"""Where prompt bodies run: row text is data, nothing of Python is in reach, and work is bounded.

A body reads values, loops over lists, joins and trims. What could make gigabytes of one short line
(``"a" * 10**9``, ``text|center(10**9)``) is not there, nor is what draws at random.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from numbers import Number
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

# More than the longest context of any model holds, 10 million tokens at 4 characters each.
MAX_PROMPT_CHARS = 40_000_000

_FILTERS = (
    "abs", "batch", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first",
    "float", "int", "items", "join", "last", "length", "list", "lower", "map", "max",
    "min", "reject", "rejectattr", "replace", "reverse", "round", "select", "selectattr", "slice",
    "sort", "string", "striptags", "sum", "title", "tojson", "trim", "truncate", "unique",
    "upper", "wordcount",
)  # fmt: skip
_METHODS = frozenset((
    "capitalize", "casefold", "count", "endswith", "find", "get", "index", "isalpha", "isdigit",
    "islower", "isnumeric", "isspace", "isupper", "items", "join", "keys", "lower", "lstrip",
    "partition", "removeprefix", "removesuffix", "replace", "rfind", "rpartition", "rsplit",
    "rstrip", "split", "splitlines", "startswith", "strip", "swapcase", "title", "upper",
    "values",
))  # fmt: skip
# A list in a list is the deepest that a column is; three loops over a text of a thousand characters
# would run a thousand million times.
_MOST_LOOPS = 2
# A macro may call itself; a block or a call of one is of no use in a file that stands alone.
_REFUSED = {nodes.Macro: "macro", nodes.CallBlock: "call", nodes.Block: "block"}

# What an expression raises on a value that it was not written for.
_FAILS = (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError)


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox without attributes but a few methods, and without repetition of texts."""

    # Intercepted, they are not worked out when the template is compiled either.
    intercepted_binops = frozenset(("*", "**", "%"))

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:  # noqa: ANN401
        """Whether a body may reach it."""
        known = attr in _METHODS or isinstance(obj, LoopContext)
        return known and super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> None:  # noqa: ANN401
        """Nothing: formatting may pad a text to any length, so that it is no method of a prompt."""

    def call_binop(
        self,
        context: Any,  # noqa: ANN401
        operator: str,
        left: Any,  # noqa: ANN401
        right: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """The result for numbers.

        Raises:
            SecurityError: If one is no number, or for a power.
        """
        if operator == "**" or not (isinstance(left, Number) and isinstance(right, Number)):
            raise SecurityError(f"`{operator}` repeats no text and raises to no power in a prompt")
        return super().call_binop(context, operator, left, right)


@functools.cache
def environment() -> jinja2.Environment:
    """The one environment of all prompt bodies."""
    made = _Sandbox(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    made.filters = {name: made.filters[name] for name in _FILTERS}
    made.globals = {}
    return made


def refused(tree: nodes.Template) -> str | None:
    """What of a body no prompt may use, None if it uses nothing of the kind."""
    for kind, name in _REFUSED.items():
        if tree.find(kind) is not None:
            return f"a prompt defines no {name}"
    if any(loop.recursive for loop in tree.find_all(nodes.For)):
        return "a prompt has no recursive loop"
    if _depth(tree) > _MOST_LOOPS:
        return f"a prompt has no more than {_MOST_LOOPS} loops inside each other"
    for getter in tree.find_all((nodes.Getattr, nodes.Getitem)):
        name = _name_of(getter)
        if name.startswith("_"):
            return f"no prompt may reach {name!r}"
    return None


def _depth(node: nodes.Node) -> int:
    inside = max(map(_depth, node.iter_child_nodes()), default=0)
    return inside + isinstance(node, nodes.For)


def _name_of(getter: nodes.Node) -> str:
    if isinstance(getter, nodes.Getattr):
        return getter.attr
    argument = getattr(getter, "arg", None)
    return str(argument.value) if isinstance(argument, nodes.Const) else ""


@functools.lru_cache(maxsize=1024)
def _template(text: str) -> jinja2.Template:
    return environment().from_string(text)


def rendered(template: str, values: Mapping[str, Any]) -> str:
    """The text of one message.

    Args:
        template: What stands in the prompt file.
        values: Columns of the row, and its axes.

    Raises:
        jinja2.TemplateError: If the body asks for what is not there or not allowed, fails on a
            value, or says more than `MAX_PROMPT_CHARS`.
    """
    pieces, size = [], 0
    try:
        for piece in _template(template).generate(values):
            pieces.append(piece)
            size += len(piece)
            if size > MAX_PROMPT_CHARS:
                raise SecurityError(f"the message is longer than {MAX_PROMPT_CHARS:,} characters")
    except _FAILS as error:
        raise jinja2.TemplateRuntimeError(str(error)) from error
    return "".join(pieces).strip()
