from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synth.core.errors import EngineError
from synth.engines.bundled import local_model
from synth.engines.encoder import BiEncoder, PairScorer
from synth.engines.specs import CrossEncoderSpec, SentenceTransformersSpec

ENCODER = "bundled/all-minilm-l6-v2"
TEXTS = ["A cat sat on the mat.", "Trains run late.", "", "A cat sat on the mat.", "café 😀"]


def bi_encoder(model: str = ENCODER, **more: Any) -> BiEncoder:
    return BiEncoder(SentenceTransformersSpec(kind="sentence_transformers", model=model, **more))


@pytest.fixture(scope="module")
def encoder() -> BiEncoder:
    return bi_encoder()


def test_vectors_have_length_one_and_equal_texts_the_same_one(encoder: BiEncoder) -> None:
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (5, 384)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(vectors[0], vectors[3])


def test_a_vector_does_not_depend_on_the_texts_around_it(encoder: BiEncoder) -> None:
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    assert encoder.encode(TEXTS) == pytest.approx(alone, abs=1e-5)
    assert bi_encoder(batch_texts=1).encode(TEXTS) == pytest.approx(alone, abs=1e-5)


def test_no_texts_have_no_vectors_of_the_same_width(encoder: BiEncoder) -> None:
    assert encoder.encode([]).shape == (0, 384)
    assert encoder.score([]).shape == (0,)


def test_a_pair_scores_the_cosine_of_its_texts_and_a_related_pair_more(encoder: BiEncoder) -> None:
    related, unrelated = encoder.score(
        [("Where is the cat?", TEXTS[0]), ("Where is the cat?", TEXTS[1])]
    )
    one, other = encoder.encode(["Where is the cat?", TEXTS[0]])
    assert related == pytest.approx(float(one @ other), abs=1e-5)
    assert related > unrelated


def test_a_text_is_cut_where_the_spec_says() -> None:
    cut = bi_encoder(max_seq_length=8)
    start = "one two three four five six seven eight nine"
    assert np.array_equal(cut.encode([start]), cut.encode([f"{start} and more of it"]))


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> PairScorer:
    """A cross-encoder of two small layers with random weights."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    folder = tmp_path_factory.mktemp("cross_encoder")
    tokenizer = AutoTokenizer.from_pretrained(local_model(ENCODER))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        num_labels=1,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    spec = CrossEncoderSpec(kind="cross_encoder", model=str(folder), batch_pairs=2, max_length=64)
    return PairScorer(spec)


def test_a_cross_encoder_scores_each_pair_between_zero_and_one(scorer: PairScorer) -> None:
    pairs = [("cat", text) for text in TEXTS]
    scores = scorer.score(pairs)
    assert scores.shape == (5,)
    assert scores.dtype == np.float32
    assert ((scores > 0) & (scores < 1)).all()
    assert scores[::-1] == pytest.approx(scorer.score(pairs[::-1]), abs=1e-5)
    assert scorer.score([]).shape == (0,)


def test_an_encoder_that_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="cannot load encoder no/where") as raised:
        bi_encoder("no/where")
    assert "\n" not in str(raised.value)
    with pytest.raises(EngineError, match="cannot load cross-encoder"):
        PairScorer(CrossEncoderSpec(kind="cross_encoder", model=str(tmp_path)))
