"""What recipes of group affect have: which pictures, faces and skeletons, which net, which faults of the sources."""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from emolens.data.face_columns import PLACES
from emolens.learn.config.base import NAMED, Data, NetSection, Optim, Recipe, Section, Width
from emolens.learn.config.nets import STRIDE, one_place
from emolens.models.card import GroupInput

Padding = Literal["masked", "as_faces", "repeated"]
GradientOf = Literal["trained", "frozen", "detached"]
FUSIONS = ("crossvit", "dot", "narrow", "score")


class GroupData(Data):
    """Which groups are learnt from, and where what was prepared from their pictures lies."""

    name: str = Field(default="gaf", description=NAMED)
    faces: str | None = Field(default=None, description="folder that `emolens faces` wrote from the same pictures")
    skeletons: str | None = Field(default=None, description="folder of skeleton pictures, laid out as the set is")


class Trunk(Section):
    """A backbone of timm; see `nets.backbone`."""

    backbone: str = Field(default="densenet161", description="its name in timm")
    options: tuple[str, ...] = Field(
        default=(), description="of its shape, each name=JSON, as growth_rate=8 for a narrow DenseNet"
    )
    weights: str = Field(default="timm", description="none, timm (downloads) or a local file, as resnet18_places365")

    @field_validator("options")
    @classmethod
    def _are_json(cls, options: tuple[str, ...]) -> tuple[str, ...]:
        for option in options:
            if "=" not in option:
                raise ValueError(f"{option!r} needs the form name=JSON")
            json.loads(option.partition("=")[2])
        return options

    @property
    def chosen(self) -> dict[str, Any]:
        """The options by name."""
        return {name: json.loads(value) for name, _, value in (option.partition("=") for option in self.options)}


class FaceTrunk(Section):
    """SphereFace-20 and the set of faces that it looks at; see `nets.sphereface`."""

    widths: tuple[Width, Width, Width, Width] = Field(default=(64, 128, 256, 512), description="of its stages")
    embed: int = Field(default=512, gt=0, description="width of its last layer")
    height: int = Field(default=112, ge=16, description="of a face as the net sees it, pixels; 6/7 of that wide")
    weights: str = Field(default="none", description="none, or the file sphere20a_20171020.pth")
    limit: int = Field(default=PLACES, gt=0, description="most faces of a picture, best first")
    padding: Padding = Field(
        default="masked", description="empty places: left out; or, as in sources, blank faces that count, or repeats"
    )
    transposed: bool = Field(
        default=False, description="faces 96 high and 112 wide, by the eyes, RGB 0 to 1, as in the source"
    )


class CrossVit(Section):
    """The shape of a CrossViT of two branches; see `nets.crossvit`."""

    depth: int = Field(default=4, gt=0, description="blocks")
    faces: int = Field(default=2, gt=0, description="layers of the encoder of faces, a block")
    scene: int = Field(default=3, gt=0, description="layers of the encoder of the scene, a block")
    cross: int = Field(default=2, gt=0, description="rounds of cross attention, a block")
    heads: int = Field(default=8, gt=0, description="of each attention")
    head_width: int = Field(default=64, gt=0, description="of each head")
    hidden: int = Field(default=2048, gt=0, description="width inside the feed-forward layers")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="of its tokens, weights and layers")


class _GroupNet(NetSection):
    """What all nets of groups have. `side` pictures are stretched to, where the net looks at whole pictures."""

    inputs: ClassVar[tuple[GroupInput, ...]] = ("image",)
    size: int = Field(default=224, gt=0, description="side of whole pictures in pixels; they are stretched to it")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="before the last layer")

    @property
    def asked(self) -> tuple[GroupInput, ...]:
        """The inputs by name, as cards name them."""
        return self.inputs


class SceneNet(_GroupNet):
    """A backbone with a linear head, on whole pictures or on skeletons; see `nets.scene`."""

    name: Literal["scene"] = "scene"
    source: Literal["image", "skeleton"] = Field(default="image", description="what is looked at")
    scene: Trunk = Trunk()
    pixels: Literal["trunk", "unit"] = Field(
        default="trunk", description="normalised as the backbone's weights want, or 0 to 1 as one source has it"
    )

    @property
    def asked(self) -> tuple[GroupInput, ...]:
        return (self.source,)

    @property
    def why_not_alone(self) -> str:
        return one_place(self.size) if self.size <= STRIDE else ""


class FaceSetNet(_GroupNet):
    """SphereFace-20 on each face, the mean over faces; see `nets.face_set`."""

    inputs: ClassVar[tuple[GroupInput, ...]] = ("faces", "mask")

    name: Literal["face_set"] = "face_set"
    faces: FaceTrunk = FaceTrunk()


class HybridNet(_GroupNet):
    """Faces and scene fused by a CrossViT or by attention over faces; see `nets.hybrid`."""

    inputs: ClassVar[tuple[GroupInput, ...]] = ("image", "faces", "mask")

    name: Literal["hybrid"] = "hybrid"
    dropout: float = Field(default=0.5, ge=0, lt=1, description="of faces and scene where they meet")
    scene: Trunk = Trunk()
    scene_gradient: GradientOf = Field(
        default="trained", description="detached: as in the source, no gradient, and running statistics drift"
    )
    faces: FaceTrunk = FaceTrunk()
    tokens: Literal["faces", "grid"] = Field(
        default="faces", description="what is attended to: faces by SphereFace, or windows of the picture by the scene"
    )
    width: int = Field(default=256, gt=0, description="of faces and scene where they meet")
    fusion: Literal["crossvit", "dot", "narrow", "score"] = Field(
        default="crossvit", description="dot, narrow and score are the forerunner's attention A, B and C"
    )
    crossvit: CrossVit = CrossVit()
    registered: bool = Field(default=True, description="false: the fusion is neither trained nor stored, as once")
    attention_gradient: bool = Field(default=True, description="false: nothing learns through the weights of faces")
    mixed: bool = Field(default=False, description="faces and channels mixed up by a wrong reshape, as in the source")

    @property
    def why_not_alone(self) -> str:
        return "faces and scene are normalised over the batch where they meet"


class PixelCrossVitNet(_GroupNet):
    """A CrossViT on the pixels themselves, a stage before the hybrid; see `nets.hybrid`."""

    inputs: ClassVar[tuple[GroupInput, ...]] = ("image", "faces", "mask")

    name: Literal["pixel_crossvit"] = "pixel_crossvit"
    size: int = Field(default=256, gt=0, description="side of whole pictures in pixels; they are stretched to it")
    faces: FaceTrunk = FaceTrunk(limit=16)
    width: int = Field(default=256, gt=0, description="of faces and picture in the CrossViT")
    crossvit: CrossVit = CrossVit()


GroupNet = Annotated[SceneNet | FaceSetNet | HybridNet | PixelCrossVitNet, Field(discriminator="name")]


class Crops(Section):
    """Random changes of a whole picture in training."""

    area: float = Field(default=0.08, gt=0, le=1, description="least share of the picture that a crop shows; 1 is all")
    ratio: float = Field(default=4 / 3, ge=1, description="most that a crop is stretched, one way or the other")
    flip: float = Field(default=0.5, ge=0, le=1, description="share of pictures that are mirrored")


class GroupLoss(Section):
    """Cross-entropy to the label of the group."""

    each_face: bool = Field(default=False, description="each face by itself is to tell the label of its group")


class Begin(Section):
    """Runs before this one, whose best weights a part of the net begins with."""

    faces: str | None = Field(default=None, description="a run whose SphereFace this one begins with")
    scene: str | None = Field(default=None, description="a run whose backbone this one begins with")
    crossvit: str | None = Field(default=None, description="a run whose CrossViT this one begins with")


class GroupRecipe(Recipe):
    """Learn how groups look."""

    task: Literal["group"] = "group"
    data: GroupData = GroupData()
    net: GroupNet = SceneNet()
    augment: Crops = Crops()
    loss: GroupLoss = GroupLoss()
    begin: Begin = Begin()
    optim: Optim = Optim(
        lr=0.001, weight_decay=0, schedule="step", step_epochs=7, epochs=25, warmup_epochs=0, batch=32, ema=0
    )

    @model_validator(mode="after")
    def _fits_together(self) -> GroupRecipe:
        if self.loss.each_face and self.net.name != "face_set":
            raise ValueError(f"loss.each_face needs a net that judges each face, as face_set, not {self.net.name}")
        if isinstance(self.net, HybridNet) and not self.net.registered and self.net.fusion != "crossvit":
            raise ValueError("net.registered=false is a fault of the CrossViT; take net.fusion=crossvit")
        return self
