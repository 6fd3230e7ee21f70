"""Floor 2: the steps of a recipe, one file each, and the one list of them all."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from synth.steps.aspect_pairs import AspectPairs
from synth.steps.bucket import Bucket
from synth.steps.chunk import Chunk
from synth.steps.compose import Compose
from synth.steps.consistency_filter import ConsistencyFilter
from synth.steps.copy_filter import CopyFilter
from synth.steps.decontaminate import Decontaminate
from synth.steps.diverse_negatives import DiverseNegatives
from synth.steps.downsample_corpus import DownsampleCorpus
from synth.steps.drop_listed import DropListed
from synth.steps.embed import Embed
from synth.steps.exact_dedup import ExactDedup
from synth.steps.generate import Generate
from synth.steps.haystack import Haystack
from synth.steps.invert import Invert
from synth.steps.label_pairs import LabelPairs
from synth.steps.language_filter import LanguageFilter
from synth.steps.length_filter import LengthFilter
from synth.steps.margin_filter import MarginFilter
from synth.steps.measure import Measure
from synth.steps.mine_negatives import MineNegatives
from synth.steps.minhash_dedup import MinhashDedup
from synth.steps.mirror import Mirror
from synth.steps.mutual_match import MutualMatch
from synth.steps.order_documents import OrderDocuments
from synth.steps.pack import Pack
from synth.steps.pseudo_label import PseudoLabel
from synth.steps.quota import Quota
from synth.steps.recode import Recode
from synth.steps.relabel_positive import RelabelPositive
from synth.steps.retrieval_row import RetrievalRow
from synth.steps.retrieve import Retrieve
from synth.steps.sample import Sample
from synth.steps.score import Score
from synth.steps.score_cascade import ScoreCascade
from synth.steps.score_filter import ScoreFilter
from synth.steps.semantic_dedup import SemanticDedup
from synth.steps.serialize import Serialize
from synth.steps.soft_labels import SoftLabels
from synth.steps.take import Take
from synth.steps.unnest import Unnest
from synth.steps.value_filter import ValueFilter

__all__ = [
    "AnyStep",
    "AspectPairs",
    "Bucket",
    "Chunk",
    "Compose",
    "ConsistencyFilter",
    "CopyFilter",
    "Decontaminate",
    "DiverseNegatives",
    "DownsampleCorpus",
    "DropListed",
    "Embed",
    "ExactDedup",
    "Generate",
    "Haystack",
    "Invert",
    "LabelPairs",
    "LanguageFilter",
    "LengthFilter",
    "MarginFilter",
    "Measure",
    "MineNegatives",
    "MinhashDedup",
    "Mirror",
    "MutualMatch",
    "OrderDocuments",
    "Pack",
    "PseudoLabel",
    "Quota",
    "Recode",
    "RelabelPositive",
    "RetrievalRow",
    "Retrieve",
    "Sample",
    "Score",
    "ScoreCascade",
    "ScoreFilter",
    "SemanticDedup",
    "Serialize",
    "SoftLabels",
    "Take",
    "Unnest",
    "ValueFilter",
]

AnyStep: TypeAlias = Annotated[
    Generate
    | ExactDedup
    | MinhashDedup
    | SemanticDedup
    | Decontaminate
    | Embed
    | Retrieve
    | ConsistencyFilter
    | MineNegatives
    | Score
    | RelabelPositive
    | MarginFilter
    | DiverseNegatives
    | SoftLabels
    | DownsampleCorpus
    | LengthFilter
    | ScoreFilter
    | CopyFilter
    | DropListed
    | Sample
    | Take
    | Quota
    | ValueFilter
    | ScoreCascade
    | Measure
    | Bucket
    | Chunk
    | Unnest
    | Invert
    | Serialize
    | RetrievalRow
    | MutualMatch
    | AspectPairs
    | PseudoLabel
    | Haystack
    | OrderDocuments
    | Compose
    | LabelPairs
    | LanguageFilter
    | Mirror
    | Recode
    | Pack,
    Field(discriminator="kind"),
]
