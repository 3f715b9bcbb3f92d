"""Catalogs of random vectors: several photos of a product, products with one photo, equal vectors, equal bytes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from catalog.manifest import Manifest
from index.faiss_index import FlatIndex
from index.loading import LoadedVersion
from index.vectors import Floats, unit_norm
from search.snapshot import Snapshot

D = 7


def unit_by_block(vectors: Floats, widths: tuple[int, ...]) -> Floats:
    """Every block of every row to length 1, by itself."""
    first = widths[0]
    rest = [unit_norm(vectors[:, first:])] if first < D else []
    return np.concatenate([unit_norm(vectors[:, :first]), *rest], axis=1)


@dataclass(frozen=True)
class RandomCatalog:
    """Photos with vectors of one or two blocks, product and content; equal contents have equal vectors."""

    vectors: Floats
    owners: list[str]
    hashes: list[str]
    widths: tuple[int, ...]

    @classmethod
    def draw(cls, seed: int, photos: int, products: int, widths: tuple[int, ...]) -> RandomCatalog:
        random = np.random.default_rng(seed)
        contents = random.integers(0, max(1, 2 * photos // 3), photos)
        of_content = unit_by_block(random.normal(size=(photos, D)).astype(np.float32), widths)
        of_content = of_content[random.integers(0, photos, photos)]  # other contents may have equal vectors, too
        return cls(
            of_content[contents],
            [f"item-{number}" for number in random.integers(0, products, photos)],
            [hashlib.sha256(str(content).encode()).hexdigest() for content in contents],
            widths,
        )

    def queries(self, seed: int, count: int) -> Floats:
        """Queries as they are searched for: blocks of equal weights that sum to 1."""
        vectors = np.random.default_rng(seed).normal(size=(count, D)).astype(np.float32)
        weighted: Floats = unit_by_block(vectors, self.widths) / np.float32(len(self.widths))
        return weighted

    def snapshot(self, loaded: LoadedVersion) -> Snapshot:
        """The catalog as a version that is searched."""
        count = len(self.vectors)
        table = pa.table(
            {
                "image_id": pa.array(range(count), pa.int64()),
                "item_id": self.owners,
                "path": [f"{number}.jpg" for number in range(count)],
                "sha256": self.hashes,
                "width": pa.array([9] * count, pa.int32()),
                "height": pa.array([9] * count, pa.int32()),
            }
        )
        blocks = {f"block {number}": width for number, width in enumerate(self.widths)}
        version = replace(loaded.version, blocks=blocks, dimension=D)
        index = FlatIndex.build(self.vectors, "cpu")
        return Snapshot(replace(loaded, version=version, items=Manifest(table), index=index))

    def photos_of(self, least: int = 0) -> dict[str, list[int]]:
        """Positions from `least` on, by product."""
        found: dict[str, list[int]] = {}
        for position, owner in enumerate(self.owners):
            if position >= least:
                found.setdefault(owner, []).append(position)
        return found

    def mean(self, positions: list[int]) -> Floats:
        """The vector of a product with photos at these positions."""
        mean: Floats = unit_by_block(self.vectors[positions].sum(axis=0, keepdims=True), self.widths)[0]
        return mean


def catalogs(*widths: tuple[int, ...]) -> st.SearchStrategy[RandomCatalog]:
    """Small catalogs whose vectors have blocks of one of these widths."""
    return st.builds(
        RandomCatalog.draw,
        seed=st.integers(0, 2**32 - 1),
        photos=st.integers(1, 40),
        products=st.integers(1, 12),
        widths=st.sampled_from(widths),
    )
