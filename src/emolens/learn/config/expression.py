"""What recipes of facial expression have."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from emolens.learn.config.base import NAMED, FoldedData, Recipe, Section
from emolens.learn.config.nets import Net, VggNet


class ExpressionData(FoldedData):
    """Which faces are learnt from, and as which classes."""

    name: str = Field(default="ferplus", description=NAMED)
    taxonomy: str | None = Field(default=None, description="classes to learn, where not all of the set's")
    colour: Literal["grey", "rgb"] = Field(default="grey", description="what the net is shown")
    join_val: bool = Field(
        default=False, description="learn from val too, once every choice was made on it; its figures then say nothing"
    )


class Augment(Section):
    """Random changes of a training picture; lengths are fractions of its side, angles degrees."""

    rotate: float = Field(default=12.0, ge=0, le=180, description="most degrees, one way or the other")
    scale: float = Field(default=0.12, ge=0, lt=1, description="most that it grows or shrinks")
    shift: float = Field(default=0.08, ge=0, le=1, description="most that it moves, along either side")
    share: float = Field(default=1.0, ge=0, le=1, description="of pictures that are turned, scaled and shifted")
    flip: float = Field(default=0.5, ge=0, le=1, description="share of pictures that are mirrored")
    upend: float = Field(default=0, ge=0, le=1, description="share of pictures turned upside down")
    erase: float = Field(default=0.4, ge=0, le=1, description="share of pictures with a patch blanked")
    erase_side: tuple[float, float] = Field(default=(0.12, 0.4), description="least and largest side of that patch")
    val: bool = Field(default=False, description="change the pictures of val too, as some sources did by mistake")

    @field_validator("erase_side")
    @classmethod
    def _is_a_range(cls, sides: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= sides[0] <= sides[1] <= 1:
            raise ValueError("needs two fractions of the side from 0 to 1, the smaller one first")
        return sides


class Loss(Section):
    """What is minimised: the cross-entropy to a distribution or to the top label, and what is done for rare classes."""

    targets: Literal["distribution", "label"] = Field(
        default="distribution", description="of the votes, or the class that has most of them"
    )
    smoothing: float = Field(default=0, ge=0, lt=1, description="share of the target spread over all classes")
    mixup: float = Field(default=0, ge=0, description="alpha of mixup; 0 is without")
    balance: Literal["none", "weights", "sampling"] = Field(
        default="none", description="rare classes count more, or are drawn more often"
    )
    adjust: float = Field(default=0, ge=0, description="tau of logit adjustment; 0 is without, 1 the paper's")
    affinity: float = Field(default=0, ge=0, description="weight of the affinity loss; for nets with heads")
    partition: float = Field(default=0, ge=0, description="weight of the partition loss; for nets with heads")
    centres: Literal["learnt", "fixed"] = Field(default="learnt", description="class centres of the affinity loss")

    @property
    def attends(self) -> bool:
        """Whether a loss of attention heads has a weight."""
        return bool(self.affinity or self.partition)


class Distil(Section):
    """What a run takes from runs before it: a teacher beside the votes, and the weights to start from."""

    teacher: str | None = Field(
        default=None, description="an ONNX model with its card; several after commas are averaged"
    )
    weight: float = Field(default=0.5, ge=0, le=1, description="share of the teacher in the targets")
    view: Literal["still", "seen"] = Field(
        default="still", description="what the teacher answers: the picture as it is, or as the student sees it"
    )
    start: str | None = Field(default=None, description="a run folder with the same net")

    @property
    def teachers(self) -> tuple[str, ...]:
        """The files of the models that teach."""
        return tuple(part.strip() for part in self.teacher.split(",")) if self.teacher is not None else ()

    @model_validator(mode="after")
    def _has_its_teacher(self) -> Distil:
        if not all(self.teachers):
            raise ValueError(f"distil.teacher={self.teacher!r}; needs MODEL.onnx, or several with commas between")
        for name in ("weight", "view"):
            value = getattr(self, name)
            if self.teacher is None and value != type(self).model_fields[name].default:
                raise ValueError(f"distil.{name}={value} needs a teacher; give distil.teacher=MODEL.onnx too")
        return self


class ExpressionRecipe(Recipe):
    """Learn what faces show."""

    task: Literal["expression"] = "expression"
    data: ExpressionData = ExpressionData()
    net: Net = Field(default=VggNet(), discriminator="name")
    augment: Augment = Augment()
    loss: Loss = Loss()
    distil: Distil = Distil()
    best: Literal["kl", "accuracy"] = Field(
        default="kl", description="figure of val that the best epoch is kept by, and that optim.stop_after waits for"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> ExpressionRecipe:
        if self.data.colour not in self.net.colours:
            raise ValueError(f"data.colour is {self.data.colour}; net {self.net.name} takes {self.net.colours[0]} only")
        if self.loss.attends and not self.net.attends:
            raise ValueError(f"loss.affinity and loss.partition need a net with heads, as dan, not {self.net.name}")
        return self
