"""Token files as trainers read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pytest
from datatrove.utils.dataset import DatatroveFolderDataset
from publishing import publish

from synth.core.errors import RecipeError
from synth.core.rows import Table
from synth.recipe import parse_recipe

SIZE = 9


def windows(number: int, highest: int = 65_535) -> Table:
    draw = np.random.default_rng(0)
    ids = [draw.integers(0, highest + 1, SIZE).tolist() for _ in range(number)]
    return pa.table(
        {
            "id": [f"w{at}" for at in range(number)],
            "text": [f"window {at}" for at in range(number)],
            "doc_ids": [[f"d{at}"] for at in range(number)],
            "input_ids": pa.array(ids, pa.list_(pa.int32())),
            "position": range(number),
        }
    )


def exports(trainer: str, **more: Any) -> list[dict[str, Any]]:
    splits = {"train": 0.7, "test": 0.3}
    return [
        {"format": "documents", "splits": splits},
        {"format": "tokens", "name": "tokens", "trainer": trainer, "splits": splits, **more},
    ]


def megatron(path: Path, split: str) -> list[list[int]]:
    """Reads the two files as Megatron-LM's `IndexedDataset` lays them out."""
    index = (path / f"{split}.idx").read_bytes()
    assert index[:9] == b"MMIDIDX\x00\x00"
    assert int.from_bytes(index[9:17], "little") == 1
    kind = {8: np.uint16, 4: np.int32}[index[17]]
    count = int.from_bytes(index[18:26], "little")
    assert int.from_bytes(index[26:34], "little") == count + 1
    lengths = np.frombuffer(index, np.int32, count, 34)
    pointers = np.frombuffer(index, np.int64, count, 34 + 4 * count)
    ends = np.frombuffer(index, np.int64, count + 1, 34 + 12 * count)
    assert ends.tolist() == list(range(count + 1))
    data = (path / f"{split}.bin").read_bytes()
    assert len(data) == lengths.sum() * np.dtype(kind).itemsize
    return [
        np.frombuffer(data, kind, length, at).tolist()
        for length, at in zip(lengths, pointers, strict=True)
    ]


@pytest.mark.parametrize(("token_bytes", "highest"), [(2, 65_535), (4, 151_935)])
def test_megatron_finds_every_window_in_its_split(
    tmp_path: Path, token_bytes: Literal[2, 4], highest: int
) -> None:
    table = windows(40, highest)
    publish(tmp_path, exports("megatron", token_bytes=token_bytes), table)
    folder = tmp_path / "data" / "tokens"
    assert sorted(path.name for path in folder.iterdir()) == [
        "test.bin", "test.idx", "train.bin", "train.idx",
    ]  # fmt: skip
    found = [megatron(folder, split) for split in ("train", "test")]
    assert all(found)
    assert sorted([*found[0], *found[1]]) == sorted(table["input_ids"].to_pylist())


@pytest.mark.parametrize(("token_bytes", "highest"), [(2, 65_535), (4, 151_935)])
def test_a_sample_of_nanotron_is_a_window(
    tmp_path: Path, token_bytes: Literal[2, 4], highest: int
) -> None:
    table = windows(40, highest)
    publish(tmp_path, exports("nanotron", token_bytes=token_bytes), table)
    folder = str(tmp_path / "data" / "tokens")
    found = []
    for split in ("train", "test"):
        read = DatatroveFolderDataset(folder, SIZE - 1, f"{split}.ds", token_size=token_bytes)
        found += [read[at]["input_ids"].tolist() for at in range(len(read))]
    assert sorted(found) == sorted(table["input_ids"].to_pylist())


@pytest.mark.parametrize("trainer", ["megatron", "nanotron"])
def test_a_second_writing_leaves_the_same_bytes_and_nothing_else(
    tmp_path: Path, trainer: str
) -> None:
    folder = tmp_path / "data" / "tokens"

    def written() -> dict[str, bytes]:
        publish(tmp_path, exports(trainer), windows(12))
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    first = written()
    (folder / "_train-00000.idx").write_bytes(b"left by a killed run")
    assert written() == first


def test_an_id_that_does_not_fit_is_named(tmp_path: Path) -> None:
    table = windows(3)
    ids = [[1, 65_536], [2], [3]]
    table = table.set_column(3, "input_ids", pa.array(ids, pa.list_(pa.int32())))
    with pytest.raises(RecipeError, match=r"'tokens': the token id 65536 does not fit into 2 by"):
        publish(tmp_path, exports("megatron"), table)


def test_windows_without_tokens_are_counted(tmp_path: Path) -> None:
    table = windows(3)
    ids = [[1, 2], [], None]
    table = table.set_column(3, "input_ids", pa.array(ids, pa.list_(pa.int32())))
    publish(tmp_path, [{"format": "rows"}, exports("megatron")[1] | {"splits": {"all": 1}}], table)
    assert megatron(tmp_path / "data" / "tokens", "all") == [[1, 2]]


def test_a_dataset_that_nothing_opens_is_refused() -> None:
    text = """\
name: tokens
source: {kind: jsonl, path: a.jsonl, columns: {text: text}}
steps: [{kind: pack, tokenizer: bundled/smollm2-135m-instruct, window_tokens: 64}]
export: {format: tokens, trainer: megatron}
"""
    with pytest.raises(RecipeError, match="put another export before it"):
        parse_recipe(text, "test")


@pytest.mark.ray
def test_a_run_that_writes_token_files_ends_with_its_card(
    ray_session: None, tmp_path: Path
) -> None:
    from synth.runner import run

    (tmp_path / "docs.jsonl").write_text(
        "".join(f'{{"text": "document {at} of a few words"}}\n' for at in range(20))
    )
    recipe = parse_recipe(
        f"""
name: tokens
source: {{kind: jsonl, path: {tmp_path}/docs.jsonl}}
steps: [{{kind: pack, tokenizer: bundled/smollm2-135m-instruct, window_tokens: 16}}]
export:
  - {{format: rows}}
  - {{format: tokens, name: megatron, trainer: megatron}}
""",
        "tokens.yaml",
    )
    outcome = run(recipe, out=str(tmp_path / "out"))
    card = Path(outcome.path, "README.md").read_text()
    assert "megatron" in card
    assert list(Path(outcome.path).rglob("*.bin"))
