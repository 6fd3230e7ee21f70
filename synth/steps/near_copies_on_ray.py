"""MinHash dedup of more rows than one process should hold; see `synth.steps.copies_on_ray`."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import ray
from numpy.typing import NDArray

from synth.algorithms.linking import Keys, groups, keys, linked, merged
from synth.algorithms.minhash import Duplicates
from synth.algorithms.near_duplicates import (
    Known,
    Settings,
    found_duplicates,
    known_texts,
    with_copies,
)
from synth.core.rows import Table
from synth.steps.copies_on_ray import (
    Corpus,
    Facts,
    Ref,
    as_dataset,
    blocks_of,
    corpus_of,
    facts_of,
    texts_of,
)

if TYPE_CHECKING:
    from ray.data import Dataset

    from synth.steps.minhash_dedup import MinhashDedup

Index = NDArray[np.int64]

# Texts of a band and range of keys that one task sorts: 16 bytes each.
_RANGE_TEXTS = 2_000_000
# Texts that are searched together in one task, but for a larger component.
_GROUP_TEXTS = 50_000


def minhash_on_ray(step: MinhashDedup, dataset: Dataset, tables: Mapping[str, Dataset]) -> Dataset:
    """All rows; those that are near copies of another dropped."""
    given, own = blocks_of(step, dataset, tables)
    ranges = 1 + (dataset.count() - 1) // _RANGE_TEXTS
    ask = ray.remote(_signed).options(num_cpus=1, num_returns=2 + ranges)
    settings = step.settings
    asked = [ask.remote(block, step, ranges, given=True) for block in given]
    asked += [ask.remote(block, step, ranges, given=False) for block in own]
    corpus = corpus_of(ray.get([one[0] for one in asked]), given, own)
    searched = corpus.valid & (corpus.first == np.arange(len(corpus.first)))
    pieces, count = _pieces(asked, corpus, searched, settings, ranges)
    found = _searched(step, asked, corpus, pieces, count)
    cluster = found.shared_cluster
    tell = ray.remote(_told_near).options(num_cpus=1)
    return as_dataset(
        [
            tell.remote(block, step, corpus.valid[rows], _told(corpus, found, cluster, rows))
            for block, rows in corpus.own()
        ]
    )


def _pieces(
    asked: list[list[Ref]],
    corpus: Corpus,
    searched: NDArray[np.bool_],
    settings: Settings,
    ranges: int,
) -> tuple[NDArray[np.int32], int]:
    """The piece of work that each row belongs to, and their number."""
    shared = ray.put(_Shared(corpus.begins, searched, corpus.place, settings.rule.least_equal))
    signed = [one[1] for one in asked]
    link = ray.remote(_linked).options(num_cpus=1)
    links = [
        link.remote([one[2 + part] for one in asked], signed, band, shared)
        for part in range(ranges)
        for band in range(settings.bands[0])
    ]
    roots = merged((ray.get(one) for one in links), len(searched))
    return groups(roots, searched, _GROUP_TEXTS)


@dataclass(frozen=True)
class _Shared:
    """What every task of a band needs, once on each node.

    Attributes:
        begins: Number of each block's first row, and of all rows.
        searched: Which rows are compared.
        place: When each is visited.
        least_equal: Least equal values of two signatures.
    """

    begins: Index
    searched: NDArray[np.bool_]
    place: Index
    least_equal: int


def _searched(
    step: MinhashDedup,
    asked: list[list[Ref]],
    corpus: Corpus,
    pieces: NDArray[np.int32],
    count: int,
) -> Duplicates:
    """What each row repeats."""
    rows = len(corpus.ids)
    of, cluster = np.full(rows, -1, np.int64), np.arange(rows)
    jaccard, estimated = np.zeros(rows, np.float32), np.zeros(rows, np.float32)
    if count:
        split = ray.remote(_split).options(num_cpus=1, num_returns=count)
        bounds = zip(corpus.begins[:-1].tolist(), corpus.begins[1:].tolist(), strict=True)
        parts = [
            split.remote(
                block,
                step,
                _Part(begin, pieces[begin:end], count),
                one[1],
                given=number < corpus.given,
            )
            for number, (block, one, (begin, end)) in enumerate(
                zip(corpus.blocks, asked, bounds, strict=True)
            )
        ]
        search = ray.remote(_search).options(num_cpus=1)
        given, place = int(corpus.begins[corpus.given]), ray.put(corpus.place)
        of_pieces = list(zip(*parts, strict=True)) if count > 1 else [tuple(parts)]
        done = [search.remote(list(refs), step, place, given) for refs in of_pieces]
        while done:
            ready, done = ray.wait(done)
            numbers, found = ray.get(ready[0])
            # Counted within the piece until here.
            of[numbers] = np.where(found.of < 0, -1, numbers[found.of])
            cluster[numbers] = numbers[found.cluster]
            jaccard[numbers], estimated[numbers] = found.jaccard, found.estimated
    return with_copies(corpus.first, of, jaccard, estimated, cluster)


def _signed(table: Table, step: MinhashDedup, ranges: int, *, given: bool) -> tuple[Any, ...]:
    """Facts, signatures and keys of a block."""
    settings = step.settings
    if given and step.index is not None:
        made = step.known(table)
        valid = np.ones(table.num_rows, np.bool_)
        facts = Facts(table.column("id").combine_chunks(), valid, made.hashes, None)
    else:
        texts = texts_of(table, step, given=given)
        made = known_texts(texts, settings.num_perm, settings.ngram, settings.unit)
        facts = facts_of(table, texts, step, made.hashes, given=given)
    return (facts, made.signatures, *keys(made.signatures, *settings.bands, ranges))


def _linked(
    blocks: list[Ref], signed: list[Ref], band: int, shared: _Shared
) -> tuple[Index, Index]:
    """Links of one band and range of keys; signatures are read where they lie."""
    of_blocks: list[Keys] = ray.get(blocks)
    parts = [one.band(band) for one in of_blocks]
    numbers = np.concatenate(
        [begin + texts for begin, (texts, _) in zip(shared.begins[:-1], parts, strict=True)]
    )
    of_texts = np.concatenate([found for _, found in parts])
    chosen = np.flatnonzero(shared.searched[numbers])
    chosen = chosen[np.argsort(shared.place[numbers[chosen]])]
    arrays = ray.get(signed)

    def read(at: Index) -> NDArray[np.uint32]:
        out = np.empty((len(at), arrays[0].shape[1]), np.uint32)
        block = np.searchsorted(shared.begins, at, side="right") - 1
        for one in np.unique(block):
            here = block == one
            out[here] = arrays[one][at[here] - shared.begins[one]]
        return out

    return linked(numbers[chosen], of_texts[chosen], read, shared.least_equal)


@dataclass(frozen=True)
class _Part:
    """What a block has of the pieces of work.

    Attributes:
        begin: Number of its first row.
        pieces: The piece of each row, -1 for none, shape (rows,).
        count: How many pieces there are.
    """

    begin: int
    pieces: NDArray[np.int32]
    count: int


def _split(
    table: Table, step: MinhashDedup, part: _Part, made: NDArray[np.uint32], *, given: bool
) -> Any:  # noqa: ANN401  (one for each piece of work)
    """The texts of a block that each piece needs: numbers, texts, signatures, and known hashes."""
    order = np.argsort(part.pieces, kind="stable")
    bounds = np.searchsorted(part.pieces[order], np.arange(part.count + 1))
    hashes = None
    if given and step.index is not None:
        texts, hashes = pa.nulls(len(order), pa.large_string()), step.known(table).hashes
    else:
        texts = texts_of(table, step, given=given).cast(pa.large_string())
    parts = []
    for start, end in itertools.pairwise(bounds.tolist()):
        rows = order[start:end]
        own = None if hashes is None else hashes[rows]
        parts.append((part.begin + rows, texts.take(pa.array(rows)), made[rows], own))
    return parts if part.count > 1 else parts[0]


def _search(
    refs: list[Ref], step: MinhashDedup, place: Index, given: int
) -> tuple[Index, Duplicates]:
    """What each text of a piece repeats, by their places in the first result."""
    parts = ray.get(refs)
    known = [part for part in parts if part[3] is not None]
    others = [part for part in parts if part[3] is None]
    numbers = np.concatenate([part[0] for part in others])
    made = np.concatenate([part[2] for part in others])
    texts = pa.concat_arrays([part[1] for part in others])
    order = np.argsort(place[numbers])
    seen, before = None, np.zeros(0, np.int64)
    if known:
        before = np.concatenate([part[0] for part in known])
        # Visited in the order of their ids, as where all rows are in one place.
        by_place = np.argsort(place[before])
        before = before[by_place]
        seen = Known(
            np.concatenate([part[3] for part in known])[by_place],
            np.concatenate([part[2] for part in known])[by_place],
        )
    found = found_duplicates(
        texts,
        order,
        step.settings,
        given=int((numbers < given).sum()),
        known=seen,
        made=made,
    )
    return np.concatenate([before, numbers]), found


def _told(
    corpus: Corpus, found: Duplicates, cluster: NDArray[np.int64], rows: slice
) -> dict[str, Any]:
    return {
        "of": corpus.named(found.of[rows]),
        "jaccard": found.jaccard[rows],
        "estimated": found.estimated[rows],
        "equal": found.equal[rows],
        "cluster": corpus.named(cluster[rows]),
    }


def _told_near(
    table: Table, step: MinhashDedup, valid: NDArray[np.bool_], found: Mapping[str, Any]
) -> Table:
    return step.told(table, ~valid, **found)
