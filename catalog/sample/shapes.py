"""Every category of the sample catalog: how it is drawn, and what a shop calls it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from catalog.sample import bags, furnishings, garments, vessels
from catalog.sample.geometry import Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """One kind of product.

    Attributes:
        draw: makes the parts of one variant.
        nouns: what a shop calls each variant; as many as there are variants.
        gloss: how much the surface shines, 0 to 1.
        cloth: the surface is woven: it has a grain and soft folds.
        price: the cheapest and the dearest one.
        stands: it stands on a table or floor; otherwise it lies flat or hangs.
    """

    draw: Callable[[int], list[Part]]
    nouns: tuple[str, ...]
    gloss: float
    cloth: bool
    price: tuple[int, int]
    stands: bool = True


CATEGORIES: dict[str, Category] = {
    "mug": Category(
        draw=vessels.mug,
        nouns=("ceramic mug", "tapered mug", "cup and saucer", "tall latte mug"),
        gloss=0.5, cloth=False, price=(8, 24),
    ),
    "t-shirt": Category(
        draw=garments.t_shirt,
        nouns=("cotton t-shirt", "V-neck t-shirt", "long-sleeved top", "polo shirt"),
        gloss=0.0, cloth=True, price=(14, 39), stands=False,
    ),
    "sneaker": Category(
        draw=garments.sneaker,
        nouns=("low sneaker", "high-top sneaker", "running shoe", "slip-on shoe"),
        gloss=0.12, cloth=True, price=(45, 129),
    ),
    "handbag": Category(
        draw=bags.handbag,
        nouns=("tote bag", "satchel", "bucket bag", "half-moon bag"),
        gloss=0.2, cloth=False, price=(39, 159),
    ),
    "lamp": Category(
        draw=furnishings.lamp,
        nouns=("urn table lamp", "drum-shade lamp", "tripod lamp", "globe table lamp"),
        gloss=0.15, cloth=False, price=(29, 119),
    ),
    "chair": Category(
        draw=furnishings.chair,
        nouns=("dining chair", "spindle-back chair", "shell chair", "bistro chair"),
        gloss=0.1, cloth=True, price=(59, 189),
    ),
    "vase": Category(
        draw=vessels.vase,
        nouns=("amphora vase", "slender vase", "shoulder vase", "fluted vase"),
        gloss=0.55, cloth=False, price=(18, 79),
    ),
    "backpack": Category(
        draw=bags.backpack,
        nouns=("school backpack", "roll-top backpack", "flap backpack", "mini backpack"),
        gloss=0.08, cloth=True, price=(35, 119),
    ),
    "hat": Category(
        draw=garments.hat,
        nouns=("fedora", "bobble hat", "baseball cap", "bucket hat"),
        gloss=0.0, cloth=True, price=(15, 59),
    ),
    "bottle": Category(
        draw=vessels.bottle,
        nouns=("sports bottle", "milk bottle", "slim bottle", "travel flask"),
        gloss=0.65, cloth=False, price=(12, 35),
    ),
    "cushion": Category(
        draw=furnishings.cushion,
        nouns=("piped cushion", "tasselled cushion", "round cushion", "oblong cushion"),
        gloss=0.0, cloth=True, price=(16, 49), stands=False,
    ),
    "teapot": Category(
        draw=vessels.teapot,
        nouns=("round teapot", "tall teapot", "low teapot"),
        gloss=0.55, cloth=False, price=(24, 69),
    ),
    "dress": Category(
        draw=garments.dress,
        nouns=("summer dress", "tea dress", "bow dress", "shift dress"),
        gloss=0.0, cloth=True, price=(35, 129), stands=False,
    ),
    "clock": Category(
        draw=furnishings.clock,
        nouns=("round wall clock", "square wall clock", "alarm clock", "pendulum clock"),
        gloss=0.25, cloth=False, price=(19, 89), stands=False,
    ),
    "bowl": Category(
        draw=vessels.bowl,
        nouns=("deep bowl", "serving bowl", "footed bowl"),
        gloss=0.5, cloth=False, price=(9, 45),
    ),
    "umbrella": Category(
        draw=bags.umbrella,
        nouns=("walking umbrella", "dome umbrella", "parasol"),
        gloss=0.1, cloth=True, price=(18, 65), stands=False,
    ),
    "armchair": Category(
        draw=furnishings.armchair,
        nouns=("club armchair", "wing chair", "tub chair"),
        gloss=0.02, cloth=True, price=(199, 649),
    ),
    "plant pot": Category(
        draw=vessels.plant_pot,
        nouns=("cylinder plant pot", "tapered plant pot", "round plant pot"),
        gloss=0.3, cloth=False, price=(14, 49),
    ),
}  # fmt: skip
"""Every category by its name; a sample takes its families from them in turn."""
