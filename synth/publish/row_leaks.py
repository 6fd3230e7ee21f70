"""Keys and folders of this machine in the rows of a dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synth.publish.secrets import Secrets

# Bytes of text files that are cut into lines at once.
_BLOCK_BYTES = 1 << 24
_SHOWN_CHARS = 40


def leaks_of_rows(path: str, file: Path, secrets: Secrets) -> Iterator[str]:
    """One sentence for each kind of secret in each column of a file, with how many and where.

    Arrow screens the texts with one pattern for all secrets, and only what it finds is looked at.

    Args:
        path: What the file is called in the dataset.
        file: Parquet, JSON Lines or tab-separated.
        secrets: What to look for.
    """
    screen = secrets.screen()
    counts: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], str] = {}
    try:
        for column, texts in _texts(file):
            for text in _screened(texts, screen):
                for what in dict.fromkeys(leak.what for leak in secrets.in_row(text)):
                    counts[column, what] += 1
                    first.setdefault((column, what), _shown(text, what))
    except (pa.ArrowException, OSError) as error:
        yield f"{path} is damaged ({error}); run the recipe with --restart-from export"
    for (column, what), number in counts.items():
        where = f"column {column} of {path}" if column else path
        yield (
            f"{where} has {what}, in {number:,} text{'s' if number > 1 else ''}, the first of "
            f"which begins {first[column, what]}; drop or mask these rows, and run again"
        )


def _shown(text: str, what: str) -> str:
    """The beginning of a text, for its reader to know it by, and no more of a key than that."""
    begins = " ".join(text[:_SHOWN_CHARS].split())
    return "with it" if what.split("(")[-1][:4] in begins else repr(begins)


def _screened(texts: pa.Array, screen: str) -> list[str]:
    hit = pc.fill_null(pc.match_substring_regex(texts, screen), fill_value=False)
    return [text for text in texts.filter(hit).to_pylist() if text is not None]


def _texts(file: Path) -> Iterator[tuple[str, pa.Array]]:
    if file.suffix != ".parquet":
        yield from (("", lines) for lines in _lines(file))
        return
    with pq.ParquetFile(file) as opened:
        for group in range(opened.num_row_groups):
            table = opened.read_row_group(group)
            for name in table.column_names:
                for chunk in table.column(name).chunks:
                    yield from _leaves(name, chunk)


def _leaves(name: str, values: pa.Array) -> Iterator[tuple[str, pa.Array]]:
    """The texts inside lists and structs too."""
    kind = values.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        yield name, values
    elif (
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    ):
        if not pa.types.is_floating(kind.value_type):
            yield from _leaves(name, values.flatten())
    elif pa.types.is_struct(kind):
        for field in kind:
            yield from _leaves(f"{name}.{field.name}", pc.struct_field(values, field.name))
    elif pa.types.is_dictionary(kind):
        yield from _leaves(name, values.dictionary)


def _lines(file: Path) -> Iterator[pa.Array]:
    rest = b""
    with file.open("rb") as opened:
        while block := opened.read(_BLOCK_BYTES):
            *lines, rest = (rest + block).split(b"\n")
            yield _decoded(lines)
    yield _decoded([rest])


def _decoded(lines: list[bytes]) -> pa.Array:
    return pa.array([line.decode(errors="replace") for line in lines], pa.string())
