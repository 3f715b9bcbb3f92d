"""`lookalike tag`: what stands in a column's empty cells, as the most similar products have it; and how right that is.

One pass over the products of the version in use: the most similar other products whose value is known vote. Products
whose own value is known are asked, too, without themselves: how often their neighbours are right tells what a proposal
is worth.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog.errors import UsageError
from catalog.manifest import Manifest
from catalog.paths import shown
from index.colour_weights import colour_weight
from index.search_index import SearchIndex
from index.vectors import Ids, Mask
from search.calibration import Calibration, cross_fitted
from search.nearest_photos import Weighed, nearest_others
from search.rows import check_output
from search.service import SearchService
from search.tag_config import TagConfig
from search.tag_report import Judged, Proposal, TagSummary, write_proposals
from search.vote import Vote, vote


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """A column's values, by product.

    Attributes:
        names: the different values, as text.
        of_position: int64 (N,), the code of the value of each position's product; -1 where it is missing.
    """

    names: tuple[str, ...]
    of_position: Ids

    @property
    def known(self) -> Mask:
        """Positions whose product has a value, bool (N,)."""
        return self.of_position >= 0


def tag(config: TagConfig) -> TagSummary:
    """Propose the missing values, write them, and tell how right the known ones would be proposed.

    Raises:
        UsageError: there is no such column, it has no values or none that can be voted on, or the output cannot be
            written.
        StoreError, VersionError: there is nothing to look through.
    """
    begun = time.monotonic()
    check_output(config.output)
    snapshot = SearchService.open(config.store, device=config.device).pin()
    loaded, products = snapshot.loaded, snapshot.product_codes
    labels = read_labels(loaded.items, config.column, products)
    weighed = partial(snapshot.weighed, colour=colour_weight(config.colour))
    judged: list[tuple[int, int, float]] = []  # value, proposed value, share
    waiting: list[tuple[int, Vote]] = []
    for position, ballot in votes(loaded.index, weighed, products, labels, config.k):
        own = int(labels.of_position[position])
        if own < 0:
            waiting.append((position, ballot))
        else:
            judged.append((own, ballot.value, ballot.share))
    values, proposed = (np.array([row[column] for row in judged], np.int64) for column in (0, 1))
    shares = np.array([row[2] for row in judged], np.float64)
    right = values == proposed
    calibration = Calibration.fit(shares, right) if len(judged) else None
    proposals = []
    for position, ballot in waiting:
        confidence = 0.0 if calibration is None else float(calibration(np.array([ballot.share]))[0])
        proposals.append(
            Proposal(
                item=loaded.items.item(position),
                value=labels.names[ballot.value],
                confidence=confidence,
                second=labels.names[ballot.second] if ballot.second >= 0 else "",
                nearest=loaded.items.item(ballot.nearest),
                similarity=ballot.similarity,
            )
        )
    proposals.sort(key=lambda proposal: -proposal.confidence)
    write_proposals(config.output, config.column, proposals)
    return TagSummary(
        column=config.column,
        k=config.k,
        judged=Judged(names=labels.names, values=values, proposed=proposed, confidence=cross_fitted(shares, right)),
        proposals=tuple(proposals),
        printed=config.output == "",
        version=loaded.version.id,
        seconds=time.monotonic() - begun,
    )


def read_labels(items: Manifest, column: str, products: Ids) -> Labels:
    """A column's values; a product's is that of its first photo that has one. Empty text counts as missing.

    Args:
        products: int64 (N,), a number for the product of each position.

    Raises:
        UsageError: there is no such column, no value in it, or it holds none that can be voted on.
    """
    if column not in items.user_columns:
        there_are = ", ".join(shown(name) for name in items.user_columns) or "none"
        raise UsageError(
            f'--column must name a column of your table; received "{shown(column)}": there are {there_are}'
        )
    cells = items.table[column].combine_chunks()
    if isinstance(cells, pa.DictionaryArray):
        cells = cells.dictionary_decode()
    if not _can_be_voted_on(cells.type):
        raise UsageError(
            f'--column must hold text, whole numbers or True and False; "{shown(column)}" holds {cells.type}: '
            "name another column"
        )
    encoded = pc.utf8_trim_whitespace(cells.cast(pa.string())).dictionary_encode("encode")  # empty cells, too
    texts = encoded.dictionary.to_pylist()
    names = [text for text in texts if text]
    code_of = {text: code for code, text in enumerate(names)}
    codes = np.array([code_of.get(text, -1) for text in texts], np.int64)[np.from_dlpack(encoded.indices)]
    known = np.flatnonzero(codes >= 0)
    if not len(known):
        raise UsageError(f'--column must have some values to learn from; "{shown(column)}" has none: fill in a few')
    of_product = np.full(int(products.max()) + 1, -1, np.int64)
    of_product[products[known[::-1]]] = codes[known[::-1]]  # the first photo's is written last
    return Labels(names=tuple(names), of_position=of_product[products])


def votes(index: SearchIndex, weighed: Weighed, products: Ids, labels: Labels, k: int) -> Iterator[tuple[int, Vote]]:
    """For each product the position of its first photo, and what the k most similar others of each photo say together.

    Products without any other product of a known value are left out. Memory does not grow with their number.
    """
    asked = np.argsort(products, kind="stable")
    among = None if labels.known.all() else labels.known
    found = nearest_others(index, weighed, products, asked, k, among=among, description="asking the neighbours")
    for _, photos in groupby(found, key=lambda others: int(products[others.position])):
        together = list(photos)
        positions = np.concatenate([others.positions for others in together])
        if len(positions):
            similarities = np.concatenate([others.similarities for others in together])
            yield together[0].position, vote(positions, similarities, labels.of_position[positions])


def _can_be_voted_on(kind: pa.DataType) -> bool:
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_integer, pa.types.is_boolean, pa.types.is_null)
    return any(test(kind) for test in tests)
