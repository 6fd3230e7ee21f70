"""sentence-transformers in this process: bi-encoders and cross-encoders."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from synth.core.errors import EngineError, in_one_line
from synth.engines.bundled import local_model
from synth.engines.specs import CrossEncoderSpec, SentenceTransformersSpec


class BiEncoder:
    """Texts to unit vectors; a pair's score is the cosine of its two texts.

    Raises:
        EngineError: If the model cannot be loaded.
    """

    def __init__(self, spec: SentenceTransformersSpec) -> None:
        from sentence_transformers import SentenceTransformer

        try:
            self._model = SentenceTransformer(
                local_model(spec.model),
                revision=spec.revision,
                trust_remote_code=spec.trust_remote_code,
            )
        except (OSError, ValueError) as error:
            raise EngineError(f"cannot load encoder {spec.model}: {in_one_line(error)}") from error
        if spec.max_seq_length:
            self._model.max_seq_length = spec.max_seq_length
        self._batch_texts = spec.batch_texts

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of length 1, shape (len(texts), dim); a text is encoded once, however often."""
        unique = list(dict.fromkeys(texts))
        if not unique:
            return self.encode([" "])[:0]  # of the same width
        vectors = self._model.encode(
            unique,
            batch_size=self._batch_texts,
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        if len(unique) == len(texts):
            return np.asarray(vectors, np.float32)
        at = {text: index for index, text in enumerate(unique)}
        return np.asarray(vectors, np.float32)[[at[text] for text in texts]]

    def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Cosine of each pair, shape (len(pairs),)."""
        if not pairs:
            return np.empty(0, np.float32)
        both = self.encode([*(one for one, _ in pairs), *(other for _, other in pairs)])
        scores: NDArray[np.float32] = np.einsum("nd,nd->n", both[: len(pairs)], both[len(pairs) :])
        return scores


class PairScorer:
    """A cross-encoder whose scores are probabilities.

    Raises:
        EngineError: If the model cannot be loaded.
    """

    def __init__(self, spec: CrossEncoderSpec) -> None:
        import torch
        from sentence_transformers import CrossEncoder

        try:
            self._model = CrossEncoder(
                local_model(spec.model),
                revision=spec.revision,
                max_length=spec.max_length,
                trust_remote_code=spec.trust_remote_code,
                activation_fn=torch.nn.Sigmoid(),
            )
        except (OSError, ValueError) as error:
            raise EngineError(
                f"cannot load cross-encoder {spec.model}: {in_one_line(error)}"
            ) from error
        self._batch_pairs = spec.batch_pairs

    def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Relevance of each pair in (0, 1), shape (len(pairs),)."""
        scores = self._model.predict(
            list(pairs), batch_size=self._batch_pairs, show_progress_bar=False
        )
        return np.asarray(scores, np.float32).reshape(len(pairs))
