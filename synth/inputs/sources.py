"""Where rows come from, as data: the `source` and `sources` of a recipe."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    StringConstraints,
    field_validator,
    model_validator,
)

from synth.algorithms.grid import MOST_AXES
from synth.core.prompt import Axis

# Columns that synth fills itself.
RESERVED = ("drop_reason", "parent_id", "source_id", "provenance", "edits", "position")
# Columns that become lists of structs, whatever text, list or struct a source has for them.
RETRIEVAL = ("positives", "negatives")

ColumnName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
Columns = dict[ColumnName, str]


class _Source(BaseModel):
    """What every source has.

    Attributes:
        columns: Our column from the source's field. Only these are read. Without `id`, ids are made
            from content. `text`, `query`, `positives` and `negatives` are columns that steps know.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    columns: Annotated[Columns, Field(min_length=1)] = {"text": "text"}

    @field_validator("columns")
    @classmethod
    def _leaves_ours_alone(cls, columns: Columns) -> Columns:
        taken = [name for name in columns if name in RESERVED]
        if taken:
            raise ValueError(f"synth fills {taken[0]!r} itself; call the column something else")
        if set(columns) == {"id"}:
            raise ValueError("maps only `id`; map a column with content, such as `text`")
        return columns


class JsonlSource(_Source):
    """JSON Lines files, packed or not.

    Attributes:
        path: File, folder or glob, relative to the recipe, on any filesystem that fsspec reaches.
        bad_lines: What a line that is no JSON object does: ``error`` ends the run before a model is
            loaded, ``drop`` keeps it as a dropped row.
    """

    kind: Literal["jsonl"]
    path: str
    bad_lines: Literal["error", "drop"] = "error"


class ParquetSource(_Source):
    """Parquet files, or an index of `synth dedup-index`, which is made of them.

    Attributes:
        path: File, folder or glob, relative to the recipe, on any filesystem that fsspec reaches.
        signatures: The column of signatures of an index, as `synth dedup-index` named it.
    """

    kind: Literal["parquet", "dedup_index"]
    path: str
    signatures: ColumnName = "minhash_word5_128"

    @model_validator(mode="before")
    @classmethod
    def _reads_an_index(cls, given: object) -> object:
        if isinstance(given, dict) and given.get("kind") == "dedup_index":
            names = ("id", "text_hash", str(given.get("signatures", "minhash_word5_128")))
            return {"columns": {name: name for name in names}, **given}
        return given


class TextSource(_Source):
    """Plain-text files, UTF-8, packed or not. Its fields are ``text`` and ``path``.

    Attributes:
        path: File, folder or glob, relative to the recipe, on any filesystem that fsspec reaches.
        per: What becomes a row: a whole ``file``, or each ``line`` that is not blank.
    """

    kind: Literal["text"]
    path: str
    per: Literal["file", "line"] = "file"


class HubSource(_Source):
    """A dataset of the Hugging Face Hub, or a folder that `datasets.load_dataset` opens.

    Attributes:
        dataset: ``org/name``, or a folder.
        config: Name of its configuration.
        split: Name of its split.
        revision: Commit, tag or branch; resolved to a commit, which the run records.
    """

    kind: Literal["hub"]
    dataset: str
    config: str | None = None
    split: str = "train"
    revision: str | None = None


class LimitSource(_Source):
    """Documents of the stress test LIMIT, made and not read: people, and what each of them likes.

    Its fields are ``id, text, name, likes, questions``. A question asks who likes one thing, which
    exactly `relevant` documents name; no two questions have the same ones. Equal settings make
    equal documents.

    Attributes:
        things: Text file with a thing that one may like in each line, relative to the recipe.
        documents: How many; as few as there can be when left out, others are relevant to nothing.
        queries: Questions over all documents.
        relevant: Documents that answer a question.
        pattern: ``dense``: every combination of the fewest documents that have so many; ``random``
            combinations; ``cycle``: documents that follow each other; ``disjoint``: each document
            answers one question.
        likes: Things in each document.
        seed: Draws who likes what.

    Source: LIMIT (arXiv:2508.21038).
    """

    kind: Literal["limit"]
    columns: Annotated[Columns, Field(min_length=1)] = {
        name: name for name in ("id", "text", "name", "likes", "questions")
    }
    things: str
    documents: PositiveInt | None = None
    queries: PositiveInt = 1000
    relevant: PositiveInt = 2
    pattern: Literal["dense", "random", "cycle", "disjoint"] = "dense"
    likes: PositiveInt = 45
    seed: NonNegativeInt = 42


class PasskeySource(_Source):
    """Sentences that give a person a pass key, made and not read; hide them with `haystack`.

    Its fields are ``id, text, name, key, question``; no two rows have one name or one key.

    Attributes:
        rows: How many.
        seed: Draws names and keys.

    Source: LongEmbed (arXiv:2404.12096).
    """

    kind: Literal["passkey"]
    columns: Annotated[Columns, Field(min_length=1)] = {
        name: name for name in ("id", "text", "name", "key", "question")
    }
    rows: PositiveInt = 800
    seed: NonNegativeInt = 0


class GridSource(_Source):
    """Rows that say what is to be written, made and not read: a value of each axis.

    Every value comes about as often as its weight says, in any number of rows, and combinations as
    often as their product. Its fields are the axes and ``number``, from 0. A grid that grows keeps
    the rows that it had, and with them the replies that were paid for.

    Attributes:
        rows: How many.
        axes: Values of each axis with relative weights; a list gives all of them the same.
        seed: Another seed lays the values out in another way.
    """

    kind: Literal["grid"]
    rows: PositiveInt
    axes: Annotated[dict[ColumnName, Axis], Field(min_length=1, max_length=MOST_AXES)]
    seed: NonNegativeInt = 0

    @model_validator(mode="before")
    @classmethod
    def _has_a_column_for_each_axis(cls, given: object) -> object:
        if isinstance(given, dict) and isinstance(given.get("axes"), dict):
            if "number" in given["axes"]:
                raise ValueError("the field `number` counts rows; call the axis something else")
            return {"columns": {str(name): str(name) for name in given["axes"]}, **given}
        return given


# Sources that read nothing.
MadeSource = LimitSource | PasskeySource | GridSource

SourceSpec: TypeAlias = Annotated[
    JsonlSource | ParquetSource | TextSource | HubSource | LimitSource | PasskeySource | GridSource,
    Field(discriminator="kind"),
]
