"""Floor 2: the steps of a recipe, one file each, and the one list of them all."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from synth.steps.consistency_filter import ConsistencyFilter
from synth.steps.copy_filter import CopyFilter
from synth.steps.decontaminate import Decontaminate
from synth.steps.diverse_negatives import DiverseNegatives
from synth.steps.downsample_corpus import DownsampleCorpus
from synth.steps.drop_listed import DropListed
from synth.steps.embed import Embed
from synth.steps.exact_dedup import ExactDedup
from synth.steps.generate import Generate
from synth.steps.length_filter import LengthFilter
from synth.steps.margin_filter import MarginFilter
from synth.steps.mine_negatives import MineNegatives
from synth.steps.minhash_dedup import MinhashDedup
from synth.steps.order_documents import OrderDocuments
from synth.steps.pack import Pack
from synth.steps.relabel_positive import RelabelPositive
from synth.steps.retrieve import Retrieve
from synth.steps.sample import Sample
from synth.steps.score import Score
from synth.steps.score_filter import ScoreFilter
from synth.steps.semantic_dedup import SemanticDedup
from synth.steps.soft_labels import SoftLabels
from synth.steps.take import Take

__all__ = [
    "AnyStep",
    "ConsistencyFilter",
    "CopyFilter",
    "Decontaminate",
    "DiverseNegatives",
    "DownsampleCorpus",
    "DropListed",
    "Embed",
    "ExactDedup",
    "Generate",
    "LengthFilter",
    "MarginFilter",
    "MineNegatives",
    "MinhashDedup",
    "OrderDocuments",
    "Pack",
    "RelabelPositive",
    "Retrieve",
    "Sample",
    "Score",
    "ScoreFilter",
    "SemanticDedup",
    "SoftLabels",
    "Take",
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
    | OrderDocuments
    | Pack,
    Field(discriminator="kind"),
]
