"""A question as it comes from outside Python: one shape for the page and the HTTP API."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from index.colour_weights import DEFAULT_COLOUR
from search.config import ProductBy
from search.question import MOST_ANSWERS, Crop, Question

DEFAULT_K = 12
MOST_REFERENCES = 64
"""Products that may be liked, and disliked."""

Reference = Annotated[str, Field(max_length=4096)]


class Asked(BaseModel):
    """What is asked, apart from the photos themselves."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    k: Annotated[int, Field(ge=1, le=MOST_ANSWERS)] = DEFAULT_K
    """How many products at most."""
    product: Reference | int | None = None
    """A product of the catalog to search with, by its item_id, or one of its photos by its image_id."""
    crop: tuple[float, float, float, float] | None = None
    """The part of the photo that counts: left, top, right, bottom as parts of its width and height, 0 … 1."""
    where: str = ""
    """A condition on the columns, such as price < 20 and "red" in tags."""
    colour: Annotated[float, Field(ge=0, le=1)] | Literal["same-design", "same-colour"] = DEFAULT_COLOUR
    """How much colours count: 0 to 1, or same-design (not at all) or same-colour (most)."""
    close_only: bool = False
    """Leave out what is no close match."""
    hide_duplicates: bool = False
    """Of products that show the same photo, leave only the first."""
    product_by: ProductBy = "best"
    """A product is as similar as its best photo, or as the mean of its photos."""
    liked: Annotated[list[Reference], Field(max_length=MOST_REFERENCES)] = []
    """More like these: item_ids or image_ids of the catalog."""
    disliked: Annotated[list[Reference], Field(max_length=MOST_REFERENCES)] = []
    """Less like these, which are not shown themselves."""

    def question(self) -> Question:
        """The same for the service.

        Raises:
            UsageError: the crop is none.
        """
        given = self.model_dump(exclude={"crop", "liked", "disliked"})
        box = (
            None if self.crop is None else Crop(**dict(zip(("left", "top", "right", "bottom"), self.crop, strict=True)))
        )
        return Question(**given, crop=box, liked=tuple(self.liked), disliked=tuple(self.disliked))
