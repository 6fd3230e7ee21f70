"""What publishing came to, on a terminal."""

from __future__ import annotations

from rich import box
from rich.table import Table
from rich.text import Text

from synth.publish.result import Published

_UNITS = ("B", "kB", "MB", "GB", "TB")


def render_files(done: Published) -> Table:
    """Every file of the version with its size, and what becomes of it."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("file", overflow="fold")
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for path, size in sorted(done.sizes.items()):
        sends = path in done.sent
        table.add_row(Text(path), in_units(size), Text("send" if sends else "there", _style(sends)))
    for path in done.deleted:
        table.add_row(Text(path), "", Text("delete", "red"))
    return table


def _style(sends: bool) -> str:  # noqa: FBT001
    return "green" if sends else "dim"


def told(done: Published) -> list[str]:
    """What was done, or would be, in sentences."""
    seen = "private" if done.private else "public: everybody sees it"
    where = f"{done.url} ({seen})"
    sends = f"{_files(len(done.sent))}, {in_units(done.sent_bytes)}"
    there = len(done.sizes) - len(done.sent)
    rest = f"; {_files(there)} there already" if there else ""
    gone = f"; {_files(len(done.deleted))} of an earlier version deleted" if done.deleted else ""
    if done.dry_run:
        same = f"Nothing to send: {where} has this very version as {done.tag}."
        total = in_units(sum(done.sizes.values()))
        first = f"Would send {sends} of {total}{rest}{gone} to {where}, as {done.tag}."
        return [same if done.unchanged else first, *done.notes]
    load = f'load_dataset("{done.repo}", revision="{done.tag}")'
    if done.unchanged:
        return [f"Nothing sent: {where} has this very version as {done.tag}.", *done.notes]
    if not done.sent and not done.deleted:
        first = f"Tagged {done.tag}: {where} had all files already."
    else:
        first = f"Published {done.tag}: {sends} sent{rest}{gone}, to {where}."
    return [first, f"{load} opens this version.", *done.notes]


def _files(number: int) -> str:
    return f"{number:,} file{'' if number == 1 else 's'}"


def in_units(size: int) -> str:
    """Bytes as people read them: ``1.4 MB``."""
    number = float(size)
    for unit in _UNITS:
        if number < 1000 or unit == _UNITS[-1]:
            break
        number /= 1000
    return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
