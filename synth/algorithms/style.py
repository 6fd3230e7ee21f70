"""How well the origin of a text can be told by how it is written, whatever it is about."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(r"\w+")
_SENTENCE = re.compile(r"[.!?]+(?:\s|$)")
_MARKS = (",", ";", ":", "-", "—", "(", '"', "'", "?", "!", "%")
# Words that carry style rather than matter.
_SMALL = (
    *("the", "a", "of", "and", "to", "in", "is", "that", "it", "this", "with", "as"),
    *("can", "may", "also", "however", "such", "these", "their", "not", "was", "were"),
)
FEATURES = (
    *("characters", "words", "sentences", "characters a word", "words a sentence"),
    *("different words", "capitals", "digits", "begins with a capital", "ends with a full stop"),
    *(f"{mark!r} a character" for mark in _MARKS),
    *(f"share of {word!r}" for word in _SMALL),
)
_FOLDS = 5
_DRAWS = 300
_TOLD = 3
# Words that a classifier sees: the most frequent ones, so that it is done in seconds.
_VOCABULARY = 20_000


class Leak(NamedTuple):
    """How well two kinds of text are told apart.

    Attributes:
        auc: Area under the ROC curve on texts of rows that the classifier did not see: 0.5 for
            guessing, 1 for a style that gives every text away.
        low: Lower end of its 95 % interval, by a bootstrap over rows.
        high: Upper end of it.
        tells: What tells most, with its weight: above 0 for the second kind.
    """

    auc: float
    low: float
    high: float
    tells: tuple[tuple[str, float], ...]


def features(texts: Sequence[str]) -> NDArray[np.float64]:
    """What can be counted of each text, shape (texts, `FEATURES`)."""
    return np.array([_features(text) for text in texts], np.float64).reshape(-1, len(FEATURES))


def _features(text: str) -> list[float]:
    words = [word.lower() for word in _WORD.findall(text)]
    counts = Counter(words)
    count, chars = max(1, len(words)), max(1, len(text))
    sentences = max(1, len(_SENTENCE.findall(text)))
    stripped = text.strip()
    return [
        np.log1p(len(text)),
        np.log1p(len(words)),
        np.log1p(sentences),
        sum(map(len, words)) / count,
        np.log1p(len(words) / sentences),
        len(counts) / count,
        sum(map(str.isupper, text)) / chars,
        sum(map(str.isdigit, text)) / chars,
        float(stripped[:1].isupper()),
        float(stripped.endswith((".", "!", "?"))),
        *(text.count(mark) / chars for mark in _MARKS),
        *(counts[word] / count for word in _SMALL),
    ]


def style_leak(
    texts: Sequence[str], second: Sequence[bool], row: Sequence[int], seed: int = 0
) -> Leak:
    """How well a linear classifier tells texts of a second kind from those of the first.

    It sees lengths, marks, capitals, digits and small words, and nothing of what a text is about.

    Args:
        texts: Of both kinds.
        second: Which are of the second kind; ten of each at least.
        row: The row that each belongs to: texts of one row are learned from or tested on together.
        seed: Of folds and bootstrap.

    Source:
        Classifier two-sample tests, Lopez-Paz and Oquab (ICLR 2017).
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(
        StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000)
    )
    return _leak(model, features(texts), second, row, seed, FEATURES)


def word_leak(
    texts: Sequence[str], second: Sequence[bool], row: Sequence[int], seed: int = 0
) -> Leak:
    """How well a linear classifier tells texts of a second kind by the words that they use.

    Args:
        texts: Of both kinds.
        second: Which are of the second kind; ten of each at least.
        row: As `style_leak` takes it.
        seed: Of folds and bootstrap.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    words = TfidfVectorizer(
        sublinear_tf=True, max_features=_VOCABULARY, token_pattern=_WORD.pattern
    )
    model = make_pipeline(words, LogisticRegression(class_weight="balanced", max_iter=1000))
    return _leak(model, np.array(texts, object), second, row, seed)


def _leak(
    model: Any,  # noqa: ANN401  (scikit-learn has no types)
    table: NDArray[Any],
    second: Sequence[bool],
    row: Sequence[int],
    seed: int,
    names: Sequence[str] | None = None,
) -> Leak:
    """How well a classifier tells kinds apart on rows that it did not see.

    Args:
        model: A linear one.
        table: What it sees of each text.
        second: Which are of the second kind.
        row: The row that each belongs to.
        seed: Of folds and bootstrap.
        names: What the columns of the table are called; the model's own when left out.
    """
    from sklearn.model_selection import PredefinedSplit, cross_val_predict

    kind = np.asarray(second, np.bool_)
    _, at = np.unique(np.asarray(row), return_inverse=True)
    folds = PredefinedSplit(_folds(kind, at, seed))
    told = cross_val_predict(model, table, kind, cv=folds, method="decision_function")
    draw = np.random.default_rng(seed)
    rows = int(at.max()) + 1
    drawn = [
        auc(told, kind, draw.multinomial(rows, np.full(rows, 1 / rows))[at]) for _ in range(_DRAWS)
    ]
    low, high = np.nanpercentile(drawn, (2.5, 97.5))
    weights = model.fit(table, kind)[-1].coef_[0]
    if names is None:
        names = model[0].get_feature_names_out()
    most = np.argsort(-np.abs(weights))[:_TOLD]
    tells = tuple((str(names[one]), float(weights[one])) for one in most)
    return Leak(auc(told, kind), float(low), float(high), tells)


def _folds(kind: NDArray[np.bool_], row: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """The fold of each text: its row's, with as many rows of either kind in each as can be."""
    rows = int(row.max()) + 1
    has_both = 2 * (np.bincount(row, kind, rows) > 0) + (np.bincount(row, ~kind, rows) > 0)
    drawn = np.random.default_rng(seed).random(rows)
    fold = np.empty(rows, np.int64)
    fold[np.lexsort((drawn, has_both))] = np.arange(rows) % _FOLDS
    return fold[row]


def auc(
    scores: NDArray[np.floating],
    second: NDArray[np.bool_],
    times: NDArray[np.integer] | None = None,
) -> float:
    """The probability that one of the second kind scores above one of the first; ties count half.

    Args:
        scores: Shape (n,).
        second: Which are of the second kind, shape (n,).
        times: How often each counts, shape (n,); once when left out.

    Returns:
        NaN where one kind is missing.
    """
    weight = np.ones(len(scores)) if times is None else np.asarray(times, np.float64)
    values, at = np.unique(scores, return_inverse=True)
    of_first = np.bincount(at, weight * ~second, len(values))
    of_second = np.bincount(at, weight * second, len(values))
    below = np.cumsum(of_first) - of_first
    pairs = of_first.sum() * of_second.sum()
    return float((of_second * (below + of_first / 2)).sum() / pairs) if pairs else float("nan")
