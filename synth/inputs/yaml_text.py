"""YAML by safe load, and stricter: what YAML would silently change or blow up is refused.

A key written twice loses no value, an alias grows no file, a date stays the text that it is, and a
number has 64 bits.
"""

from __future__ import annotations

import math
from typing import Any

import yaml
from yaml.constructor import ConstructorError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from synth.core.errors import RecipeError
from synth.inputs.messages import in_line

# A thousand times what the longest recipe holds; ten nested aliases of ten reach 10 ** 10.
_MOST_NODES = 100_000
_TAGS = ("null", "bool", "int", "float", "str", "seq", "map", "merge", "value")
_PREFIX = "tag:yaml.org,2002:"


class _RefusedError(ConstructorError):
    """YAML that a recipe may not have."""


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader without dates, sets and binary values, which no recipe has."""

    yaml_constructors = {  # noqa: RUF012  (PyYAML's name)
        tag: make
        for tag, make in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.removeprefix(_PREFIX) in _TAGS
    }
    yaml_implicit_resolvers = {  # noqa: RUF012  (PyYAML's name)
        first: [one for one in found if one[0].removeprefix(_PREFIX) in _TAGS]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def read_yaml(text: str, where: str, first_line: int = 1) -> Any:  # noqa: ANN401  (any YAML value)
    """The value of a YAML text.

    Args:
        text: One YAML document.
        where: What to call it in messages.
        first_line: The line of the file at which it begins.

    Raises:
        RecipeError: If it is not YAML, or more than a recipe may be; names the line.
    """
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _expanded(node, {}, set())
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f" at line {mark.line + first_line}" if mark else ""
        problem = in_line(error.problem or "it cannot be read")
        is_yaml = "" if isinstance(error, _RefusedError) else " is not YAML"
        raise RecipeError(f"{where}{is_yaml}{line}: {problem}") from error
    except yaml.reader.ReaderError as error:
        line = f" at line {text.count(chr(10), 0, error.position) + first_line}"
        raise RecipeError(f"{where} is not YAML{line}: {error.reason}") from error
    except RecursionError as error:
        raise RecipeError(f"{where} is nested too deeply") from error
    except (ValueError, LookupError, AttributeError) as error:  # a value that its tag denies
        raise RecipeError(f"{where} is not YAML: {in_line(error)}") from error
    finally:
        if loader is not None:
            loader.dispose()


def _expanded(node: Node, known: dict[int, int], inside: set[int]) -> int:
    """How many values a node stands for when every alias is written out.

    Raises:
        ConstructorError: If they are too many, a key is there twice, or a scalar is none of ours.
    """
    if id(node) in known:
        return known[id(node)]
    if id(node) in inside:
        raise _wrong("an alias stands inside of what it names", node)
    inside.add(id(node))
    count = 1
    match node:
        case MappingNode():
            _check_keys(node)
            for pair in node.value:
                count += sum(_expanded(one, known, inside) for one in pair)
        case SequenceNode():
            count += sum(_expanded(one, known, inside) for one in node.value)
        case ScalarNode():
            _check_scalar(node)
    if count > _MOST_NODES:
        raise _wrong(f"more than {_MOST_NODES:,} values", node)
    inside.discard(id(node))
    known[id(node)] = count
    return count


def _check_keys(node: MappingNode) -> None:
    seen = set()
    for key, _ in node.value:
        name = (key.tag, key.value) if isinstance(key, ScalarNode) else id(key)
        if name in seen and key.tag != f"{_PREFIX}merge":
            raise _wrong(f"the key {key.value!r} is there twice", key)
        seen.add(name)


def _check_scalar(node: ScalarNode) -> None:
    text, tag = str(node.value), node.tag.removeprefix(_PREFIX)
    if "\0" in text or any("\ud800" <= sign <= "\udfff" for sign in text):
        raise _wrong("a text holds NUL or half a character", node)
    if tag == "int" and not -(2**63) <= _whole(node) < 2**63:
        raise _wrong("a number has more than 64 bits", node)
    if tag == "float" and not math.isfinite(_SCALARS.construct_yaml_float(node)):
        raise _wrong("a number is not finite", node)


def _whole(node: ScalarNode) -> int:
    # Python reads 4,300 digits at most; nobody counts that far.
    return int(_SCALARS.construct_yaml_int(node)) if len(node.value) < 4000 else 2**63


_SCALARS = yaml.constructor.SafeConstructor()


def _wrong(problem: str, node: Node) -> _RefusedError:
    return _RefusedError(None, None, problem, node.start_mark)
