"""Documents with topics, to be put in order: text books, proposals, manuals, encyclopedia."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from encoded import encoded
from json_lines import read_lines
from numpy.typing import NDArray

from synth.algorithms.neighbors import top_k
from synth.algorithms.similar_copies import distinct
from synth.steps.tokens import tokens_of

TOKENIZER = "bundled/smollm2-135m-instruct"
# What the encoder reads of each document: what it was trained on.
_ENCODED_TOKENS = 256
_NEAR_COPY, _NEIGHBORS = 0.95, 20

# The topic of a document in each set; none where its documents have none.
TOPICS: dict[str, Callable[[dict[str, Any]], str]] = {
    "openstax_topics": lambda row: f"{row['subject']}/{row['chapter']}",
    "peps": lambda row: str(row["topic"]),
    "powershell_docs": lambda row: str(row["module"]),
    "wiki_passages": lambda _: "",
}


@dataclass(frozen=True)
class Corpus:
    """Documents without near copies.

    Attributes:
        name: The set they are from.
        ids: Token ids of all documents, one behind the other.
        tokens: Of each document, shape (documents,).
        vectors: Of length 1, shape (documents, dim).
        topics: A number for the topic of each, -1 for none, shape (documents,).
        texts: Of each.
    """

    name: str
    ids: NDArray[np.int32]
    tokens: NDArray[np.int64]
    vectors: NDArray[np.float32]
    topics: NDArray[np.int64]
    texts: pa.Array

    @property
    def begins(self) -> NDArray[np.int64]:
        """Where the tokens of each document begin."""
        return np.cumsum(self.tokens) - self.tokens

    def part(self, at: NDArray[np.int64]) -> Corpus:
        """Some of the documents."""
        begins = self.begins
        pieces = [self.ids[begins[one] : begins[one] + self.tokens[one]] for one in at]
        ids = np.concatenate([np.zeros(0, np.int32), *pieces])
        texts = self.texts.take(pa.array(at))
        return Corpus(self.name, ids, self.tokens[at], self.vectors[at], self.topics[at], texts)


def read_corpus(data: Path, name: str, words: int | None = None) -> Corpus:
    """The documents of a set, near copies left out as `order_documents` does.

    Args:
        data: The folder of all sets.
        name: One of `TOPICS`.
        words: Cut documents into passages of about so many words, each with the title.

    Raises:
        FileNotFoundError: If the set is not there.
    """
    texts, topics = [], []
    for row in read_lines(data / name, "docs*.jsonl"):
        for passage in [row["text"]] if words is None else passages(row["text"], words):
            texts.append(f"{row['title']}\n{passage}")
            topics.append(TOPICS[name](row))
    vectors = encoded(texts, _ENCODED_TOKENS)
    column = pa.array(texts, pa.large_string())
    found = tokens_of(TOKENIZER, column)
    codes = np.unique(topics, return_inverse=True)[1]
    codes = np.where(np.array(topics) == "", -1, codes)
    corpus = Corpus(name, found.ids, found.counts, vectors, codes, column)
    kept = distinct(vectors, _NEIGHBORS, np.arange(len(texts)), _NEAR_COPY, top_k).kept
    return corpus.part(kept)


def passages(text: str, words: int) -> list[str]:
    """A text cut at the ends of lines into passages of about so many words."""
    found: list[str] = []
    waiting: list[str] = []
    for line in text.splitlines():
        waiting.append(line)
        if sum(len(one.split()) for one in waiting) >= words:
            found.append("\n".join(waiting))
            waiting = []
    return found + (["\n".join(waiting)] if waiting else [])
