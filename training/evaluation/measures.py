"""What is measured of each embedding in an evaluation, with and without labels, and how it is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from training.evaluation.bootstrap import Estimate, bootstrap_difference, bootstrap_mean
from training.evaluation.label_free import LabelFreeCheck
from training.evaluation.linear_probe import LinearProbe
from training.evaluation.representation import Representation
from training.evaluation.retrieval import CategoryRetrieval, OriginalRetrieval
from training.evaluation.text_table import aligned


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """One embedding's figures; what there were no labels for is None."""

    original: LabelFreeCheck
    """Altered copy -> its original."""
    representation: Representation
    """Alignment, uniformity, RankMe, spread."""
    category: CategoryRetrieval | None = None
    """Query -> photos of its label."""
    product: OriginalRetrieval | None = None
    """Photo -> another photo of the same product."""
    probe: LinearProbe | None = None
    """A linear classifier on the frozen features."""

    def figures(self) -> dict[str, Any]:
        """As plain values, each mean with its interval."""
        found: dict[str, Any] = {
            "original": self.original.figures(),
            "representation": self.representation.to_json(),
        }
        if self.category is not None:
            category, labels = self.category, self.category.labels
            found["category"] = {
                "queries": len(category.rows),
                "without_answer": category.without_answer,
                "mean": {name: bootstrap_mean(values).to_json() for name, values in category.metrics().items()},
                "macro": {
                    name: bootstrap_mean(values, labels=labels).to_json() for name, values in category.metrics().items()
                },
            }
        if self.product is not None:
            metrics = self.product.metrics()
            found["product"] = {name: bootstrap_mean(values).to_json() for name, values in metrics.items()}
        if self.probe is not None:
            correct = bootstrap_mean(self.probe.classification.correct).to_json()
            found["linear_probe"] = {**self.probe.to_json(), "accuracy_estimate": correct}
        return found

    def better_than(self, other: Measures) -> dict[str, Estimate]:
        """Paired differences to another embedding's figures, on the same queries."""
        found = {"original recall@1": self.original.better_than(other.original)}
        if self.category is not None and other.category is not None:
            mine, theirs = self.category.metrics(), other.category.metrics()
            labels = self.category.labels
            for name in mine:
                found[name] = bootstrap_difference(mine[name], theirs[name])
                found[f"{name}, macro"] = bootstrap_difference(mine[name], theirs[name], labels=labels)
        if self.product is not None and other.product is not None:
            for name, values in self.product.metrics().items():
                found[f"product {name}"] = bootstrap_difference(values, other.product.metrics()[name])
        return found


def table(measures: Mapping[str, Measures], indexed: str) -> list[str]:
    """The figures of all embeddings as lines of text.

    Args:
        indexed: the one that searching uses; it is marked.
    """
    first = next(iter(measures.values()))
    header = ["", "original R@1", "R@5", "RankMe", "alignment", "uniformity"]
    if first.product is not None:
        header += ["product R@1", "R@5"]
    if first.category is not None:
        header += ["R@1", "R@5", "R@10", "mAP@R", "kNN", "macro R@1", "mAP@R", "kNN"]
    if any(one.probe is not None for one in measures.values()):
        header += ["linear acc.", "macro F1"]
    rows = [header]
    for name, one in measures.items():
        row = [f"{name} (indexed)" if name == indexed else name]
        row += [f"{one.original.recall(k).value:.3f}" for k in (1, 5)]
        alignment, uniformity = one.representation.alignment, one.representation.uniformity
        row += [
            f"{one.representation.rank_me:.0f}",
            "" if alignment is None else f"{alignment:.2f}",
            f"{uniformity:.2f}",
        ]
        if one.product is not None:
            row += [f"{value:.3f}" for value in one.product.means().values()]
        if one.category is not None:
            macro = one.category.macro_means()
            row += [f"{value:.3f}" for value in one.category.means().values()]
            row += [f"{macro[key]:.3f}" for key in ("recall@1", "map@r", "knn_accuracy")]
        if one.probe is not None:
            row += [f"{one.probe.classification.accuracy:.3f}", f"{one.probe.classification.macro_f1:.3f}"]
        rows.append(row + [""] * (len(header) - len(row)))
    return aligned(rows)


def verdict(difference: Estimate) -> str:
    """Whether training helped, by the paired difference of the label-free recall@1."""
    if difference.low > 0:
        return f"training helped: altered copies find their original more often, by {difference}"
    if difference.high < 0:
        return f"training harmed: altered copies find their original less often, by {difference}"
    return f"no measurable difference in finding originals: {difference}"
