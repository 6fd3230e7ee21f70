"""Depth of written texts among those of the source, and how alike texts of a kind are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synth.algorithms.depth import depth, mean_cosine, own_depth, shift
from synth.core.errors import EngineError
from synth.engines.load import load_encoder
from synth.engines.specs import EncoderSpec, FakeSpec, SentenceTransformersSpec
from synth.figures.classes import histogram
from synth.quality.finding import Finding
from synth.quality.texts import Kind
from synth.recipe import parse_recipe
from synth.view import Run

# Texts of a kind, as the paper advises for its test.
_ENCODED = 500
# A rank-sum test finds any shift in samples large enough, so that Q judges, not p.
_WARN, _BAD = 0.35, 0.2
_NEAREST = 0.95
_TITLE = "Depth: do written texts lie where the source's lie?"
_TO_DO = (
    "No embeddings of both are in the run: add an `embed` step for them, or give `--encoder`, such "
    "as `--encoder bundled/all-minilm-l6-v2`, which encodes a sample."
)

Vectors = NDArray[np.float32]


def depths(run: Run, kinds: list[Kind], encoder: str | None) -> Finding:
    """TTE depth and Q of each kind of written text against the source's, with the rank-sum test."""
    vectors = _encoded(run, kinds, encoder) if encoder else _own(kinds)
    reference = vectors.pop(next((one.name for one in kinds if one.is_source), ""), None)
    usable = {} if reference is None else _of_one_width(vectors, reference)
    if reference is None or not usable:
        return Finding("depth", _TITLE, to_do=_TO_DO)
    own = own_depth(reference)
    lines = [("source text", f"{len(own):,}", f"{own.mean():.3f}", "", "", _self_cosine(reference))]
    found, verdicts = {"source text": own}, []
    for name, some in usable.items():
        theirs = depth(some, reference)
        q, p = shift(own, theirs)
        found[name] = theirs
        lines.append(
            (
                name,
                f"{len(theirs):,}",
                f"{theirs.mean():.3f}",
                f"{q:.2f}",
                _p(p),
                _self_cosine(some),
            )
        )
        verdicts.append(f"{name} {_verdict(q)}")
    by = f"by {encoder}" if encoder else "by the run's own embeddings"
    return Finding(
        "depth",
        _TITLE,
        f"Of evenly spread samples, {by}: {'; '.join(verdicts)}. Q is the probability that a "
        "written text lies at least as near to the middle of the source as a source text does: 0.5 "
        "where both are alike. A small p says that the difference is no chance, not that it is "
        "large.",
        ("texts", "number", "mean depth", "Q", "p", "mean cosine among them"),
        tuple(lines),
        tuple(histogram("depth", "Depth among the texts of the source", "depth", found, None)),
    )


def _verdict(q: float) -> str:
    told = "lie as deep as the source" if q >= _WARN else "lie further out than the source"
    return f"lie far outside the source (Q {q:.2f})" if q < _BAD else f"{told} (Q {q:.2f})"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _self_cosine(vectors: Vectors) -> str:
    return f"{mean_cosine(vectors):.3f}" if len(vectors) > 1 else ""


def _own(kinds: list[Kind]) -> dict[str, Vectors]:
    return {kind.name: _unit(kind.vectors) for kind in kinds if kind.vectors is not None}


def _of_one_width(vectors: dict[str, Vectors], reference: Vectors) -> dict[str, Vectors]:
    if len(reference) < 2:
        return {}
    return {
        name: one
        for name, one in vectors.items()
        if len(one) and one.shape[1] == reference.shape[1]
    }


def _encoded(run: Run, kinds: list[Kind], name: str) -> dict[str, Vectors]:
    model = load_encoder(_spec(run, name))
    found = {}
    for kind in kinds:
        at = np.linspace(0, len(kind.texts) - 1, min(_ENCODED, len(kind.texts))).astype(np.int64)
        found[kind.name] = _unit(model.encode(kind.texts.take(pa.array(at)).to_pylist()))
    return found


def _spec(run: Run, name: str) -> EncoderSpec:
    """The encoder of that name in the recipe, or the model that the name means."""
    models = parse_recipe(run.recipe, f"the recipe of {run.folder.url}").models
    if name not in models and not _is_elsewhere(name):
        known = ", ".join(models) or "none"
        raise EngineError(
            f"--encoder names {name!r}, which is no model of the recipe; it has: {known}. Give one "
            "of them, bundled/all-minilm-l6-v2, a Hub id such as org/model, or a folder"
        )
    if name not in models:
        return SentenceTransformersSpec(kind="sentence_transformers", model=name)
    spec = models[name]
    if not isinstance(spec, SentenceTransformersSpec | FakeSpec):
        raise EngineError(f"--encoder names {name!r}, which is a {spec.kind}; give an encoder")
    return spec


def _is_elsewhere(name: str) -> bool:
    return "/" in name or Path(name).exists()


def _unit(vectors: Vectors) -> Vectors:
    """Of length 1; those without a direction left out."""
    lengths = np.linalg.norm(vectors, axis=1)
    usable = np.isfinite(lengths) & (lengths > 0)
    found: Vectors = vectors[usable] / lengths[usable, None]
    return found
