"""An evoked model as one file: two views of the picture averaged, ONNX with its card, held to its net."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import torch

from emolens import __version__
from emolens.data.pictures import LabelledPictures
from emolens.data.registry import reader
from emolens.errors import ModelError
from emolens.evaluation.calibration import fit_temperature, one_hot_top
from emolens.learn.commands import command_of
from emolens.learn.config import EvokedRecipe
from emolens.learn.export import embed, parity, publish, write_onnx
from emolens.learn.join import TrunkFile, join
from emolens.learn.nets.backbone import trunk_range
from emolens.learn.nets.wheel import WheelHead
from emolens.learn.predict_evoked import BothViews, answers, load_evoked
from emolens.learn.quantise import shrink_weights
from emolens.learn.runs import recipe_of
from emolens.learn.tasks.evoked import pictures_of
from emolens.models.card import Licences, Metric, ModelCard, Parity
from emolens.models.classifier import Classifier, softmax
from emolens.models.evidence import insert_evidence

TOLERANCE = 0.01
"""Mean over pictures of the largest difference of a probability that int8 weights may make."""
SHOWN = 128
"""So many pictures show that file and net agree."""
LIMITS = (
    "What 1,980 Flickr photographs, found by emotion words, made the people feel who were asked (Peng et al. 2015): "
    "not what a picture makes everybody feel, and nothing about the people in it. Anger is the top emotion of 31 of "
    "them, so little is known about it. Arousal is predicted poorly. For academic research only."
)


def export_evoked(run: Path, data: Path, out: Path, int8: bool = False, checkpoint: str = "last") -> ModelCard:
    """Write `out` and its card from a run on evoked emotions; both temperatures are fitted on its `val`.

    It gives valence and arousal where the run learnt them. Weights take eight bits with `int8`, else they are float32.

    Raises `ModelError`, and writes nothing, where the folder holds no such run, or the file does not agree with its
    net, see `agreement`.
    """
    recipe = recipe_of(run, EvokedRecipe)
    net, val = load_evoked(run, checkpoint), pictures_of(recipe, data, "val")
    logits = answers(net, val.images)["logits"]
    fitted = fit_temperature(logits, val.targets), fit_temperature(logits, one_hot_top(val.targets))
    words = f"{command_of(recipe)} ({recipe.source})"
    valued = recipe.loss.values > 0
    origin = Origin(recipe.data.name, words, "its rows of train", valued, recipe.data.chosen)

    def write(draft: Path) -> None:
        outputs = ("logits", *(("values",) if origin.valued else ()), "features")
        write_onnx(BothViews(net).eval(), val.images.shape[1], draft, 3, outputs)
        if int8:
            shrink_weights(draft)

    card = _card(val, out.stem, trunk_range(net.trunk), fitted, (), origin)
    compared = agreement if int8 else partial(parity, kind="float32")
    return _finish(write, card, _some_of(val), logits[:: _step(val)], compared, out)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a model comes from, for its card: the data set, how it was taught, and on which rows.

    `valued`: whether it learnt valence and arousal too; `options` are those that the data set was read with.
    """

    data: str
    training: str
    rows: str
    valued: bool = True
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def licences(self) -> Licences:
        """Those of the code, the data and the weights; what is learnt from research data stays for research."""
        terms = f"{reader(self.data).info.title}: {reader(self.data).info.terms}"
        return Licences(code="MIT", data=terms, weights="for academic research only, as the data", commercial=False)


def write_joined(
    trunk: TrunkFile,
    head: WheelHead,
    told: np.ndarray,
    pictures: LabelledPictures,
    temperatures: tuple[float, float],
    metrics: Sequence[Metric],
    out: Path,
    origin: Origin,
) -> ModelCard:
    """Write `out` and its card from a trunk's file and a head, see `join`. Raises `ModelError` as `export_evoked` does.

    `told` (2, N, D) is what the trunk tells of both views of the pictures; `temperatures` are those of the
    distribution and of the confidence.
    """
    shown = _some_of(pictures)
    views = [head(torch.from_numpy(view[:: _step(pictures)]).float())["logits"].detach().numpy() for view in told]
    card = _card(pictures, out.stem, (trunk.mean, trunk.std), temperatures, metrics, origin)
    return _finish(partial(join, trunk, head), card, shown, np.mean(views, axis=0), agreement, out)


def _finish(
    write: Callable[[Path], None],
    card: ModelCard,
    shown: np.ndarray,
    logits: np.ndarray,
    compared: Callable[[np.ndarray, np.ndarray], Parity],
    out: Path,
) -> ModelCard:
    """Write a file, give it `evidence` for maps where its head lets it be traced, and its card; held to its net.

    `logits` (N, K) are what the net says of the pictures `shown`, RGB uint8 (N, S, S, 3).
    """
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "model.onnx"
        write(draft)
        _trace(draft)
        embed(draft, card)
        held = compared(softmax(Classifier.load(draft).logits(shown, 8)), softmax(logits))
        card = card.model_copy(update={"parity": held})
        embed(draft, card)
        publish(draft, card, out)
    return ModelCard.read(out.with_suffix(".json"))


def _some_of(pictures: LabelledPictures) -> np.ndarray:
    """The pictures that show that file and net agree."""
    return pictures.images[:: _step(pictures)]


def _step(pictures: LabelledPictures) -> int:
    return max(1, len(pictures) // SHOWN)


def _trace(draft: Path) -> None:
    """Add the output `evidence`; a head with a wheel layer or other steps that cannot be traced goes without."""
    whole = onnx.load(str(draft))
    try:
        insert_evidence(whole)
    except ModelError:
        return
    onnx.save(whole, str(draft))


def agreement(exported: np.ndarray, original: np.ndarray) -> Parity:
    """Compare distributions (N, K) of the file and of the net. Raises `ModelError` where they do not agree.

    Many pictures have two top emotions that are all but equal, so what must be alike is the distribution.
    """
    gaps = np.abs(exported - original).max(axis=1)
    if gaps.mean() > TOLERANCE:
        raise ModelError(
            f"the int8 file differs from the net by {gaps.mean():.3f} on average, {TOLERANCE} is allowed; export "
            "without --int8"
        )
    alike = float((exported.argmax(axis=1) == original.argmax(axis=1)).mean())
    return Parity(kind="int8", max_difference=float(gaps.max()), top1_agreement=alike, n=len(exported))


def _card(
    pictures: LabelledPictures,
    name: str,
    span: tuple[tuple[float, ...], tuple[float, ...]],
    temperatures: tuple[float, float],
    metrics: Sequence[Metric],
    origin: Origin,
) -> ModelCard:
    return ModelCard(
        name=name,
        version=__version__,
        task="evoked",
        summary=f"What a picture evokes in its viewers: {len(pictures.taxonomy)} emotions"
        + (", valence and arousal" if origin.valued else ""),
        labels=pictures.taxonomy.classes,
        taxonomy=pictures.taxonomy.name,
        size=pictures.images.shape[1],
        colour="rgb",
        picture="stretched",
        mean=span[0],
        std=span[1],
        temperature=round(temperatures[0], 4),
        confidence_temperature=round(temperatures[1], 4),
        training_data=f"{reader(origin.data).info.title}, {origin.rows}",
        training=origin.training,
        dataset=origin.data,
        dataset_options=dict(origin.options),
        licences=origin.licences,
        metrics=tuple(metrics),
        limits=LIMITS if origin.data == "emotion6" else "",
    )
