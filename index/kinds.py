"""Which kind of index a catalog gets, and how each is built and read.

The rules, in their order (the reasons: docs/decisions/0019), where a catalog has N vectors of D numbers:

    under 1,000 vectors              exact, whatever was asked for: nothing is quicker, and no promise could be measured
    a kind was asked for             that one
    N × D up to 64 Mi (256 MiB)      exact: a search takes less time than encoding the query
    more                             ivf-pq: codes of at most 128 bytes each in memory, vectors in a mapped file

The others are there for those who ask for them. ivf keeps whole vectors in memory and reads many more bytes for a
query, but nothing is approximate in it except where it looks. hnsw takes longest to build, and all of its vectors and
256 bytes more for each stay in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from index.config import AskedKind, Kind
from index.faiss_index import FlatIndex
from index.hnsw_index import HNSWIndex
from index.ivf_index import IVFIndex
from index.ivf_pq_index import IVFPQIndex
from index.search_index import SearchIndex
from index.settings import Settings
from index.vectors import Floats
from index.versions import INDEX_FILE, VECTORS_FILE
from training.config import Device

FEWEST = 1000
MOST_EXACT = 64 * 2**20

BUILD: Mapping[Kind, Callable[[Floats, Sequence[int]], SearchIndex]] = {
    "exact": lambda vectors, widths: FlatIndex.build(vectors, "cpu"),
    "ivf": lambda vectors, widths: IVFIndex.build(vectors),
    "hnsw": lambda vectors, widths: HNSWIndex.build(vectors),
    "ivf-pq": IVFPQIndex.build,
}
"""From vectors, float32 (N, D), and the widths of their blocks."""


def choose_kind(asked: AskedKind, vectors: int, dimension: int) -> Kind:
    """The kind for so many vectors of that dimension, by the rules above."""
    if vectors < FEWEST:
        return "exact"
    if asked != "auto":
        return asked
    return "exact" if vectors * dimension <= MOST_EXACT else "ivf-pq"


def files_of(index: SearchIndex) -> dict[str, SearchIndex]:
    """The files that an index is written to, and what to write there."""
    return {INDEX_FILE: index, VECTORS_FILE: index.exact} if isinstance(index, IVFPQIndex) else {INDEX_FILE: index}


def read_index(folder: Path, kind: str, settings: Settings | None, device: Device) -> SearchIndex:
    """The index in a version's folder; exact and ivf are searched on a GPU where there is one, the others on the CPU.

    Args:
        kind, settings: as version.json says; an exact index has no settings.

    Raises:
        VersionError: a file cannot be read, or is of another kind.
        DeviceError: "gpu" was asked for and there is none.
    """
    file = folder / INDEX_FILE
    if settings is None:
        return FlatIndex.read(file, device)
    if kind == "ivf":
        return IVFIndex.read(file, settings, device)
    if kind == "hnsw":
        return HNSWIndex.read(file, settings)
    return IVFPQIndex.read(file, folder / VECTORS_FILE, settings)
