"""An evoked model as one file: both views of the picture averaged, ONNX with its card, held to its net."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnx

from emolens import __version__
from emolens.data.pictures import LabelledPictures
from emolens.data.registry import reader
from emolens.errors import ModelError
from emolens.evaluation.calibration import fit_temperature, one_hot_top
from emolens.learn.config import EvokedRecipe
from emolens.learn.export import embed, parity, publish, write_onnx
from emolens.learn.nets.backbone import trunk_range
from emolens.learn.nets.wheel import EmotionWheelNet
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

    It gives valence and arousal where the run learnt them.

    Raises `ModelError` where the folder holds no such run, or the file does not agree with its net.
    """
    recipe = recipe_of(run, EvokedRecipe)
    net, val = load_evoked(run, checkpoint), pictures_of(recipe, data, "val")
    logits = answers(net, val.images)["logits"]
    fitted = fit_temperature(logits, val.targets), fit_temperature(logits, one_hot_top(val.targets))
    words = f"emolens train {recipe.name}, {recipe.optim.epochs} epochs, seed {recipe.seed} ({recipe.source})"
    origin = Origin(recipe.data.name, words, "its rows of train", valued=recipe.loss.values > 0)
    return write_evoked(net, val, fitted, (), out, origin, int8)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a model comes from, for its card: the data set, how it was taught, and on which rows.

    `valued`: whether it learnt valence and arousal too.
    """

    data: str
    training: str
    rows: str
    valued: bool = True

    @property
    def licences(self) -> Licences:
        """Those of the code, the data and the weights; what is learnt from research data stays for research."""
        terms = f"{reader(self.data).info.title}: {reader(self.data).info.terms}"
        return Licences(code="MIT", data=terms, weights="for academic research only, as the data", commercial=False)


def write_evoked(
    net: EmotionWheelNet,
    pictures: LabelledPictures,
    temperatures: tuple[float, float],
    metrics: Sequence[Metric],
    out: Path,
    origin: Origin,
    int8: bool = True,
) -> ModelCard:
    """Write `out` and its card, the weights in int8 or in float32. `pictures` show that file and net agree.

    The file also gives the `evidence` for its answer, for maps, where the head lets it be traced.

    `temperatures` are those of the distribution and of the confidence. Raises `ModelError`, and writes nothing, where
    they do not agree, see `agreement`.
    """
    size = pictures.images.shape[1]
    low, span = (np.array(each, np.float32).reshape(1, 3, 1, 1) for each in trunk_range(net.trunk))
    both = BothViews(net).eval()
    shown = pictures.images[:: max(1, len(pictures) // SHOWN)]
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "model.onnx"
        write_onnx(both, size, draft, 3, ("logits", *(("values",) if origin.valued else ()), "features"))
        if int8:
            shrink_weights(draft)
        _trace(draft)
        card = _card(pictures, out.stem, (low, span), temperatures, metrics, origin)
        embed(draft, card)
        logits = answers(net, shown)["logits"]
        compared = agreement if int8 else partial(parity, kind="float32")
        held = compared(softmax(Classifier.load(draft).logits(shown, 8)), softmax(logits))
        card = card.model_copy(update={"parity": held})
        embed(draft, card)
        publish(draft, card, out)
    return ModelCard.read(out.with_suffix(".json"))


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
    span: tuple[np.ndarray, np.ndarray],
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
        mean=tuple(float(value) for value in span[0].ravel()),
        std=tuple(float(value) for value in span[1].ravel()),
        temperature=round(temperatures[0], 4),
        confidence_temperature=round(temperatures[1], 4),
        training_data=f"{reader(origin.data).info.title}, {origin.rows}",
        training=origin.training,
        licences=origin.licences,
        metrics=tuple(metrics),
        limits=LIMITS if origin.data == "emotion6" else "",
    )
