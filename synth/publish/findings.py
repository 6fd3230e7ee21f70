"""What keeps a run from being published: all of it at once, each a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from synth.engines.specs import OpenAISpec
from synth.manifest import read_record
from synth.publish.contents import CARD, ToPublish
from synth.publish.loading_back import loading_findings
from synth.publish.pieces import Piece
from synth.publish.row_leaks import leaks_of_rows
from synth.publish.secrets import Secrets, secrets_here
from synth.redact import redacted
from synth.view import EXPORT_FOLDER

# Files of rows are read as rows; these few are read as text.
_ROWS = (".parquet", ".jsonl", ".tsv")
# Of one file: what comes after is most likely the same again.
_SHOWN_LEAKS = 5


def findings(asked: ToPublish, pieces: Sequence[Piece], token: str | None) -> list[str]:
    """What is wrong, in sentences; nothing where the run is fit to be published.

    Args:
        asked: The run.
        pieces: The files that would be sent.
        token: The token that opens the Hub, which must not be among them.
    """
    if unfinished := list(_unfinished(asked)):
        return unfinished
    card = next(piece for piece in pieces if piece.path == CARD)
    head = _metadata(card.text() or "")
    if head is None:
        return [f"{CARD} has no metadata at its top; run `synth run` again"]
    secrets = secrets_here(
        asked.run.recipe,
        [spec.api_key_env for spec in asked.recipe.models.values() if isinstance(spec, OpenAISpec)],
        asked.root,
        token,
    )
    return [
        *_card_findings(asked, head, card.text() or ""),
        *loading_findings(asked, head),
        *_leaks(pieces, secrets),
    ]


def _unfinished(asked: ToPublish) -> Iterator[str]:
    steps = asked.run.missing
    if steps:
        yield f"the run is not finished: {', '.join(steps)} is missing; go on with `synth run`"
    exports = asked.run.folder.sub(EXPORT_FOLDER)
    lost = [spec.name for spec in asked.exports if read_record(exports.sub(spec.name)) is None]
    if lost and not steps:
        yield f"the run is not finished: no export {', '.join(lost)}; go on with `synth run`"
    if not (asked.root / CARD).is_file() and not (steps or lost):
        yield f"the run is not finished: it has no {CARD}; go on with `synth run`"


def _metadata(card: str) -> dict[str, Any] | None:
    parts = card.split("---\n", 2)
    if len(parts) < 3 or parts[0]:
        return None
    try:
        head = yaml.safe_load(parts[1])
    except yaml.YAMLError:
        return None
    return head if isinstance(head, dict) else None


def _card_findings(asked: ToPublish, head: dict[str, Any], card: str) -> Iterator[str]:
    if not head.get("license"):
        yield (
            "no licence is chosen: say `card: {license: cc-by-4.0}`, or another that the sources "
            "and models allow, in the recipe, and run it again (no row is made again)"
        )
    if redacted(asked.run.recipe).rstrip() not in card:
        yield f"{CARD} is of another recipe than the run; run the recipe again to write it anew"


def _leaks(pieces: Sequence[Piece], secrets: Secrets) -> Iterator[str]:
    for piece in pieces:
        if piece.path.endswith(_ROWS) and piece.file is not None:
            yield from leaks_of_rows(piece.path, piece.file, secrets)
        elif (text := piece.text()) is not None:
            yield from _leaks_of_text(piece.path, text, secrets)


def _leaks_of_text(path: str, text: str, secrets: Secrets) -> Iterator[str]:
    found = sorted(secrets.in_text(text), key=lambda leak: leak.at)
    told = dict.fromkeys(
        f"{path}, line {text.count(chr(10), 0, leak.at) + 1}, has {leak.what}; take it out where "
        "it comes from, and run again"
        for leak in found
    )
    yield from list(told)[:_SHOWN_LEAKS]
    if len(told) > _SHOWN_LEAKS:
        yield f"{path} has {len(told) - _SHOWN_LEAKS:,} more of these"
