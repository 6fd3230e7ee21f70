"""Pairs that a judge is asked about: a small run of its own, beside the run that it is about."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synth.core.errors import RecipeError
from synth.core.ids import fingerprint
from synth.core.rows import Table
from synth.engines.specs import CrossEncoderSpec, LlmSpec, ScorerSpec
from synth.formats import RowsExport
from synth.inputs.files import Folder
from synth.inputs.sources import ParquetSource
from synth.recipe import Recipe
from synth.runner import Placement, run
from synth.runner.work import write_parquet
from synth.steps import AnyStep, Generate, Score
from synth.steps.entry_lists import listed
from synth.steps.made import NEGATIVES, POSITIVES

PROMPT = "judge_relevance"
FOLDER = "_calibration"
_NAME = "judged"
_COLUMNS = ("id", "query", "positives", "negatives")


@dataclass(frozen=True, slots=True)
class Pairs:
    """Queries and passages.

    Attributes:
        queries: Shape (pairs,).
        passages: Shape (pairs,).
    """

    queries: pa.Array
    passages: pa.Array

    @staticmethod
    def joined(parts: Sequence[Pairs]) -> Pairs:
        """Several one behind the other."""
        return Pairs(
            pa.concat_arrays([one.queries for one in parts]),
            pa.concat_arrays([one.passages for one in parts]),
        )


def judge_named(recipe: Recipe, name: str | None) -> str:
    """The model of a recipe that is to judge.

    Args:
        recipe: The recipe.
        name: What the user calls it; None for the only cross-encoder, or else the only LLM.

    Raises:
        RecipeError: If there is none, or more than one to choose from.
    """
    models = recipe.models
    if name is not None and name not in models:
        near = difflib.get_close_matches(name, models, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(models) or 'none'}"
        raise RecipeError(f"--judge names {name!r}, which is no model of the recipe; {hint}")
    if name is not None:
        return name
    for kinds in ((CrossEncoderSpec,), get_args(LlmSpec)):
        found = [one for one, spec in models.items() if isinstance(spec, kinds)]
        if len(found) == 1:
            return found[0]
        if found:
            raise RecipeError(
                f"--judge: several models of the recipe could judge; name one of {', '.join(found)}"
            )
    raise RecipeError(
        "--judge: the recipe has neither a cross-encoder nor an LLM; run the recipe again with one "
        "more model in it, which changes no row"
    )


def judged(
    recipe: Recipe, judge: str, pairs: Pairs, folder: Folder, placement: Placement | None
) -> NDArray[np.float64]:
    """The judge's score of each pair, NaN where it gave none.

    Pairs and replies stay in the folder ``_calibration`` of the run, so that a call that was ended
    goes on, and pairs judged once are not asked about again.

    Args:
        recipe: The recipe of the run, for its models.
        judge: Name of the model that judges.
        pairs: What it is asked about.
        folder: The run's folder.
        placement: Where and how wide.
    """
    table = _rows(pairs)
    mark = fingerprint(judge, table.column("id").to_pylist())[:12]
    home = folder.sub(FOLDER)
    home.make()
    name = f"pairs-{mark}.parquet"
    write_parquet(table, home, name)
    made = Recipe(
        name=_NAME,
        version=mark,
        seed=recipe.seed,
        source=ParquetSource(
            kind="parquet", path=f"{home.url}/{name}", columns={one: one for one in _COLUMNS}
        ),
        models={judge: recipe.models[judge]},
        steps=(_step(recipe, judge),),
        export=(RowsExport(),),
    ).placed(recipe.base)
    done = run(made, out=home.url, placement=placement).open()
    found = done[done.steps[-1]].to_arrow(dropped=True)
    scores = pc.struct_field(pc.list_element(found.column("positives"), 0), "score")
    by_id = dict(zip(found.column("id").to_pylist(), scores.to_pylist(), strict=True))
    told = [by_id.get(one) for one in table.column("id").to_pylist()]
    return np.array([np.nan if one is None else one for one in told], np.float64)


def _step(recipe: Recipe, judge: str) -> AnyStep:
    if isinstance(recipe.models[judge], get_args(ScorerSpec)):
        return Score(model=judge, fill="all")
    return Generate(prompt=PROMPT, model=judge, on_failure="keep", max_error_rate=1)


def _rows(pairs: Pairs) -> Table:
    texts = zip(pairs.queries.to_pylist(), pairs.passages.to_pylist(), strict=True)
    ids = pa.array(f"{at:07}-{fingerprint(*both)[:12]}" for at, both in enumerate(texts))
    entries = pa.StructArray.from_arrays(
        [ids, pairs.passages, pa.nulls(len(ids), pa.float32())],
        fields=list(POSITIVES.type.value_type),
    )
    one, none = np.ones(len(ids), np.int64), np.zeros(len(ids), np.int64)
    return pa.table(
        {
            "id": ids,
            "query": pairs.queries,
            "positives": listed(entries, one, POSITIVES.type),
            "negatives": listed(pa.nulls(0, NEGATIVES.type.value_type), none, NEGATIVES.type),
        }
    )
