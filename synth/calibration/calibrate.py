"""The sweep of a margin over the rows of a run, judged on a sample."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from synth.algorithms.calibration import (
    LEAST_SKILL,
    Judge,
    Rates,
    Sampled,
    false_negative_rates,
    judge_of,
    stratified,
)
from synth.calibration.judging import FOLDER, Pairs, judge_named, judged
from synth.calibration.sweep import Candidates, Kept, kept_by, margins
from synth.charts import Mark, yield_chart
from synth.core.errors import SynthError
from synth.core.rows import Table
from synth.export.shaped import is_text
from synth.recipe import Recipe, parse_recipe
from synth.runner import Placement
from synth.steps import MarginFilter
from synth.steps.entry_lists import EntryLists
from synth.view import Run, open_run

# Rows from which the yield is known to a percent; more would take longer and tell no more.
_MOST_ROWS = 20_000
# Pairs known to be relevant, and as many known not to be, by which the judge is judged.
_CONTROLS = 200
_STRATA = 10

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Point:
    """What one margin does.

    Attributes:
        margin: What it is called; ``as it is`` is that of the recipe.
        a_row: Negatives kept of a row, on average.
        short: Share of rows with fewer than `keep`.
        lost: Share of rows that drop.
        false_negatives: Estimated share of relevant passages among those kept; None where the judge
            cannot tell.
        low: Lower end of its 95 % interval.
        high: Upper end of it.
    """

    margin: str
    a_row: float
    short: float
    lost: float
    false_negatives: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """What each margin does to a step's rows.

    Attributes:
        step: The margin step.
        judge: Name of the model that judged.
        hits: Share of known positives that it calls relevant.
        false_alarms: Share of passages of other queries that it calls relevant.
        asked: Candidates that it judged.
        rows: Rows that the yield was measured on.
        keep: Most negatives of a row.
        points: One for each margin tried.
    """

    step: str
    judge: str
    hits: float
    false_alarms: float
    asked: int
    rows: int
    keep: int | None
    points: tuple[Point, ...]

    @property
    def tells(self) -> bool:
        """Whether the judge tells positives from passages of other queries."""
        return self.hits - self.false_alarms >= LEAST_SKILL


def calibrate_margin(
    path: str,
    *,
    step: str | None = None,
    judge: str | None = None,
    sample: int = 400,
    seed: int = 0,
    placement: Placement | None = None,
) -> Calibration:
    """Tries margins on the rows that a run's margin step read.

    The judge looks at a sample of the candidates that any of the margins keeps, as many near the
    positive's score as far from it. How often it errs is measured on positives and on passages of
    other queries, and taken into account. The run's folder ``_calibration/`` gets ``margins.json``
    and ``margins.svg``.

    Args:
        path: Folder of the run.
        step: The margin step; may be left out where there is one.
        judge: A model of the recipe: a cross-encoder, an LLM (prompt `judge_relevance`), or an
            encoder that did not mine. Left out: the only cross-encoder, or else the only LLM.
        sample: Candidates that are judged.
        seed: Of the sample.
        placement: Where and how wide the judge runs.

    Raises:
        SynthError: If the run has no such step, or nothing to choose from.
        RecipeError: If there is no such judge.
    """
    opened = open_run(path)
    recipe = parse_recipe(opened.recipe, f"the recipe of {path}")
    name, declared = _margin_step(opened, recipe, step)
    judge = judge_named(recipe, judge)
    table = opened[opened[name].record.reads].to_arrow().slice(0, _MOST_ROWS)
    candidates = _candidates(table, declared, f"step {name!r} of {path}")
    tried = margins(declared, candidates)
    kept = [kept_by(one, table, candidates) for one in tried.values()]
    asked = _asked(table, candidates, kept, sample, seed)
    scores = judged(recipe, judge, asked.pairs, opened.folder, placement)
    told, relevant, irrelevant = np.split(scores, asked.ends)
    relevant, irrelevant = _readable(relevant), _readable(irrelevant)
    there = np.isfinite(told)
    at = asked.at[there]
    masks = np.stack([one.mask[at] for one in kept])
    looked_at = Sampled(told[there], asked.weights[there], candidates.entries.row[at], masks)
    rates = false_negative_rates(looked_at, relevant, irrelevant, seed)
    known = judge_of(relevant, irrelevant)
    calibration = Calibration(
        step=name,
        judge=judge,
        hits=known.hits,
        false_alarms=known.false_alarms,
        asked=int(there.sum()),
        rows=table.num_rows,
        keep=declared.keep,
        points=_points(list(tried), kept, known, rates),
    )
    _write(calibration, opened)
    return calibration


def _candidates(table: Table, declared: MarginFilter, reader: str) -> Candidates:
    """The candidates of the rows that a step reads.

    Raises:
        SynthError: If there is none to choose from.
    """
    found = Candidates.of(table, declared)
    if not found.fine.any():
        raise SynthError(
            f"{reader} read no row with a score for a positive and for a negative: "
            "nothing to try; put a step `kind: score` before it"
        )
    return found


def _margin_step(opened: Run, recipe: Recipe, wanted: str | None) -> tuple[str, MarginFilter]:
    found = {
        name: step
        for name, step in recipe.named_steps()
        if isinstance(step, MarginFilter) and name in opened.steps
    }
    if wanted is not None and wanted in found:
        return wanted, found[wanted]
    listed = ", ".join(found) or "none that is finished"
    if wanted is not None or not found:
        said = f" called {wanted!r}" if wanted else ""
        raise SynthError(f"run {opened.name} has no margin_filter step{said}; it has {listed}")
    if len(found) > 1:
        raise SynthError(f"run {opened.name} has several margin steps; give --step: {listed}")
    return next(iter(found.items()))


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the judge is asked.

    Attributes:
        pairs: Sampled candidates, then positives, then passages of other queries.
        at: Which candidates the first of them are, shape (sampled,).
        weights: How many candidates each of those stands for, shape (sampled,).
        ends: Where candidates and positives end.
    """

    pairs: Pairs
    at: Ids
    weights: NDArray[np.float64]
    ends: tuple[int, int]


def _asked(
    table: Table, candidates: Candidates, kept: list[Kept], sample: int, seed: int
) -> _Asked:
    pool = np.flatnonzero(np.any([one.mask for one in kept], axis=0))
    if not len(pool):
        raise SynthError("no margin keeps any negative of these rows: nothing to judge")
    taken, weights = stratified(candidates.gaps[pool], sample, _STRATA, seed)
    at, entries, draw = pool[taken], candidates.entries, np.random.default_rng(seed)
    positives = EntryLists.of(table, "positives")
    known = draw.permutation(_first_texts(positives))[:_CONTROLS]
    own, fine = positives.row[known], np.flatnonzero(candidates.fine)
    others = fine[draw.integers(0, len(fine), len(own))]
    foreign = entries.row[others] != own
    if not foreign.any():
        raise SynthError(
            "the judge cannot be judged: that takes two rows with positives and negatives at least"
        )
    parts = [
        _pairs(table, entries.row[at], entries, at),
        _pairs(table, own, positives, known),
        _pairs(table, own[foreign], entries, others[foreign]),
    ]
    return _Asked(Pairs.joined(parts), at, weights, (len(at), len(at) + len(known)))


def _first_texts(positives: EntryLists) -> Ids:
    """The first positive of each row that has a text."""
    there = np.flatnonzero(is_text(positives.field("text")))
    return np.asarray(there[np.unique(positives.row[there], return_index=True)[1]], np.int64)


def _pairs(table: Table, row: Ids, entries: EntryLists, at: Ids) -> Pairs:
    """The queries of rows with the texts of entries."""
    queries = table.column("query").combine_chunks().take(pa.array(row))
    texts = entries.field("text").take(pa.array(at))
    return Pairs(queries.cast(pa.string()), texts.cast(pa.string()))


def _readable(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = scores[np.isfinite(scores)]
    if not len(found):
        raise SynthError(
            "the judge gave no score that can be read; look at `_calibration/` in the run"
        )
    return found


def _points(names: list[str], kept: list[Kept], judge: Judge, rates: Rates) -> tuple[Point, ...]:
    tells = judge.skill >= LEAST_SKILL
    found = []
    for at, (name, one) in enumerate(zip(names, kept, strict=True)):
        told = [float(part[at]) for part in (rates.mean, rates.low, rates.high)]
        known = tells and not np.isnan(told[0])
        found.append(Point(name, one.a_row, one.short, one.lost, *(told if known else [None] * 3)))
    return tuple(found)


def _write(calibration: Calibration, opened: Run) -> None:
    folder = opened.folder.sub(FOLDER)
    folder.write("margins.json", orjson.dumps(asdict(calibration), option=orjson.OPT_INDENT_2))
    marks = [
        Mark(one.margin, one.false_negatives, one.a_row, (one.low or 0, one.high or 0))
        for one in calibration.points
        if one.false_negatives is not None
    ]
    if marks:
        folder.write("margins.svg", yield_chart(marks, calibration.keep).encode())
