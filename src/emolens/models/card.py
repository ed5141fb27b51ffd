"""The model card: everything that must travel with weights so that nobody has to guess.

It lies beside the weights as JSON (`model.onnx`, `model.json`) and again in the metadata of the ONNX file under the key
`emolens_card`, so a file that was moved alone still knows its labels. Weights without a card are refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, ValidationError, model_validator

from emolens.errors import CardError, LabelError
from emolens.files import replacing
from emolens.records import Task
from emolens.taxonomy import TAXONOMIES, Taxonomy, taxonomy

METADATA_KEY = "emolens_card"
GroupInput = Literal["image", "faces", "mask", "skeleton"]
"""What a model of groups may ask for, each an input of that name in its file.

`image` and `skeleton` are float32 (N, 3, size, size), RGB with values 0 to 255, the whole picture stretched, and the
people in it drawn as OpenPose does on black, stretched alike. `faces` is float32 (N, 15, 3, 112, 96), RGB 0 to 255, the
faces aligned by five points, empty places 0; `mask` is bool (N, 15), true where a face is.
"""
EVIDENCE = "evidence"
"""The output that tells what each place of a picture brought to each logit, see `emolens.models.evidence`."""


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Framing(_Frozen):
    """How a face lies in the square frame that the model was trained on, as each detector sees it.

    `points`: detector name -> the five landmarks (x, y) in fractions of the frame; `box`: detector name -> x, y, width,
    height of the detector's box in fractions of the frame. The key `default` serves detectors that were not measured.
    """

    source: str
    points: dict[str, tuple[tuple[float, float], ...]]
    box: dict[str, tuple[float, float, float, float]]
    n: int = Field(description="faces measured")

    @model_validator(mode="after")
    def _complete(self) -> Framing:
        if "default" not in self.points or "default" not in self.box:
            raise ValueError("framing needs the key 'default' in both points and box")
        if any(len(points) != 5 for points in self.points.values()):
            raise ValueError("framing needs five landmarks per detector")
        if any(width <= 0 or height <= 0 for _, _, width, height in self.box.values()):
            raise ValueError("framing needs boxes with a width and a height above 0")
        return self


class Metric(_Frozen):
    """A measured figure with its 95 % bootstrap interval; `subset` names the rows it was measured on."""

    name: str
    value: float
    n: int
    subset: str
    low: float | None = None
    high: float | None = None


class Parity(_Frozen):
    """How near the exported file comes to the net it was exported from, over `n` pictures."""

    kind: Literal["float32", "int8"]
    max_difference: float = Field(description="largest difference of a probability")
    top1_agreement: float = Field(description="share of pictures with the same top label")
    n: int
    file_speed: float | None = Field(default=None, description="pictures/s of the file where it was exported")
    net_speed: float | None = Field(default=None, description="pictures/s of the net there, at the same batch size")


class Licences(_Frozen):
    """Terms of the code, of the training data and of the weights, and whether all of them allow commercial use."""

    code: str
    data: str
    weights: str
    commercial: bool


class ModelCard(_Frozen):
    """What a model is, what it takes and gives, where it comes from and how good it is.

    Input: float32 (N, C, size, size) with values 0 to 255, C = 1 for `grey` and 3 for `rgb`, then (x - mean) / std. A
    net that standardises each picture itself has mean 0 and std 1 here.
    A model of whole pictures says in `picture` how one becomes its input: `stretched` is both sides resized to `size`
    by Pillow's bicubic filter, which averages where it shrinks, without regard to their ratio.
    A model of groups names its inputs in `inputs`, and takes them as they are, without mean and std; see `GroupInput`.
    Output `logits`: float32 (N, K). The distribution is softmax(logits / temperature); the confidence in the top label
    is the largest entry of softmax(logits / confidence_temperature). Output `values`, where a model has it: float32
    (N, 2), valence and arousal in the units 1 to 9. Output `evidence`, where it has it: float32 (N, K, h, w), what each
    place of the picture brought to each logit. A model of task `stimuli` has no logits but an output `map`, float32
    (N, K, H, W) in [0, 1]: one map, or one for each label.
    """

    name: str
    version: str
    task: Task
    summary: str
    labels: tuple[str, ...]
    taxonomy: str
    size: int = Field(gt=0)
    colour: Literal["grey", "rgb"]
    mean: tuple[float, ...] = (0.0,)
    std: tuple[PositiveFloat, ...] = (1.0,)
    framing: Framing | None = None
    picture: Literal["stretched"] | None = None
    inputs: tuple[GroupInput, ...] = Field(default=(), description="of a model of groups; others have one, of frames")
    temperature: float = Field(default=1.0, gt=0)
    confidence_temperature: float = Field(default=1.0, gt=0)
    training_data: str
    training: str
    dataset: str = Field(default="", description="name of the data set it learnt from, as in `emolens data list`")
    dataset_options: dict[str, str] = Field(default={}, description="those that the data set was read with")
    prior: tuple[float, ...] = Field(
        default=(),
        description="share of each label that the answers take for granted, in order: that in the training data, "
        "unless the loss or the sampling made rare labels count more",
    )
    licences: Licences
    metrics: tuple[Metric, ...] = ()
    parity: Parity | None = None
    limits: str = ""
    sha256: str = ""

    @model_validator(mode="after")
    def _prior_fits(self) -> ModelCard:
        shares = self.prior
        if shares and (len(shares) != len(self.labels) or min(shares) < 0 or abs(sum(shares) - 1) > 1e-3):
            raise ValueError(f"prior needs {len(self.labels)} shares, one for each label, that sum to 1")
        return self

    @property
    def classes(self) -> Taxonomy:
        """The taxonomy of the labels, in the order of the outputs.

        Raises `LabelError` where a known taxonomy is named and these are not its classes in its order.
        """
        found = taxonomy(self.taxonomy, self.labels)
        if (known := TAXONOMIES.get(self.taxonomy, found)) != found:
            raise LabelError(
                f"{', '.join(found.classes)} are not those of taxonomy {self.taxonomy!r}: {', '.join(known.classes)}; "
                "give the taxonomy a name of its own"
            )
        return found

    @classmethod
    def read(cls, path: Path) -> ModelCard:
        """Read and check a card. Raises `CardError` with the first field that is wrong."""
        try:
            return cls.parse(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8 text"
            raise CardError(f"{path}: no readable model card ({reason}); a model needs its card beside it") from None

    @classmethod
    def parse(cls, text: str, where: str) -> ModelCard:
        """A card from its JSON text; `where` names it in errors."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "card"
            raise CardError(f"{where}: not a model card: {field}: {first['msg']}") from None

    def write(self, path: Path) -> None:
        """Write the card as JSON."""
        with replacing(path) as draft:
            draft.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
