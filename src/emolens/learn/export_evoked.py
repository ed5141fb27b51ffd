"""An evoked model as one file: both views of the picture averaged, ONNX in int8 with its card, held to its net."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from emolens import __version__
from emolens.data.pictures import LabelledPictures
from emolens.errors import ModelError
from emolens.learn.export import RANGE_PICTURES, embed, publish, write_onnx
from emolens.learn.losses_evoked import unscaled
from emolens.learn.nets.wheel import EmotionWheelNet, trunk_range
from emolens.learn.quantise import shrink_weights
from emolens.models.card import Licences, Metric, ModelCard, Parity
from emolens.models.session import Classifier, softmax

TOLERANCE = 0.01
"""Mean over pictures of the largest difference of a probability that int8 weights may make."""
OUTPUTS = ("logits", "values", "features")
LICENCES = Licences(
    code="MIT",
    data="Emotion6: academic research only (Peng et al. 2015); the pictures belong to their owners on Flickr",
    weights="academic research only, as the data; ImageNet weights of EfficientNet-Lite0: Apache-2.0",
    commercial=False,
)
LIMITS = (
    "What a picture made 15 people on Amazon Mechanical Turk feel, in about 2013, among 1,980 Flickr photographs found "
    "by emotion words: not what it makes everybody feel, and nothing about the people in it. Anger is the top emotion "
    "of 31 of these pictures and is hardly ever predicted. Arousal is predicted poorly. For academic research only."
)


class BothViews(nn.Module):
    """A net's answer for a picture and its mirror image, averaged; `features` are those of the picture.

    `values` are valence and arousal, 1 to 9.
    """

    def __init__(self, net: EmotionWheelNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        n = images.shape[0]
        found = self.net(torch.cat([images, images.flip(-1)]))
        logits, values = ((found[name][:n] + found[name][n:]) / 2 for name in ("logits", "values"))
        return {"logits": logits, "values": unscaled(values).clamp(1, 9), "features": found["features"][:n]}


def write_evoked(
    net: EmotionWheelNet,
    pictures: LabelledPictures,
    temperatures: tuple[float, float],
    metrics: Sequence[Metric],
    out: Path,
    training: str,
) -> ModelCard:
    """Write `out` and its card, the weights in int8. `pictures` show that file and net agree.

    `temperatures` are those of the distribution and of the confidence. Raises `ModelError`, and writes nothing, where
    they do not agree, see `agreement`.
    """
    size = pictures.images.shape[1]
    low, span = (np.array(each, np.float32).reshape(1, 3, 1, 1) for each in trunk_range(net.trunk))
    both = BothViews(net).eval()
    shown = pictures.images[:: max(1, len(pictures) // RANGE_PICTURES)]
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "model.onnx"
        write_onnx(both, size, draft, 3, OUTPUTS)
        shrink_weights(draft)
        card = _card(pictures, out.stem, (low, span), temperatures, metrics, training)
        embed(draft, card)
        logits = _logits(both, shown, low, span)
        held = agreement(softmax(Classifier.load(draft).logits(shown, 8)), softmax(logits))
        card = card.model_copy(update={"parity": held})
        embed(draft, card)
        publish(draft, card, out)
    return ModelCard.read(out.with_suffix(".json"))


def agreement(exported: np.ndarray, original: np.ndarray) -> Parity:
    """Compare distributions (N, K) of the file and of the net. Raises `ModelError` where they do not agree.

    Many pictures have two top emotions that are all but equal, so what must be alike is the distribution.
    """
    gaps = np.abs(exported - original).max(axis=1)
    if gaps.mean() > TOLERANCE:
        raise ModelError(f"the int8 file differs from the net by {gaps.mean():.3f} on average, {TOLERANCE} is allowed")
    alike = float((exported.argmax(axis=1) == original.argmax(axis=1)).mean())
    return Parity(kind="int8", max_difference=float(gaps.max()), top1_agreement=alike, n=len(exported))


@torch.inference_mode()
def _logits(net: nn.Module, images: np.ndarray, low: np.ndarray, span: np.ndarray, batch: int = 8) -> np.ndarray:
    parts = []
    for at in range(0, len(images), batch):
        seen = (images[at : at + batch].transpose(0, 3, 1, 2).astype(np.float32) - low) / span
        parts.append(net(torch.from_numpy(seen).contiguous(memory_format=torch.channels_last))["logits"])
    return torch.cat(parts).numpy()


def _card(
    pictures: LabelledPictures,
    name: str,
    span: tuple[np.ndarray, np.ndarray],
    temperatures: tuple[float, float],
    metrics: Sequence[Metric],
    training: str,
) -> ModelCard:
    return ModelCard(
        name=name,
        version=__version__,
        task="evoked",
        summary=f"What a picture evokes in its viewers: {len(pictures.taxonomy)} emotions, valence and arousal",
        labels=pictures.taxonomy.classes,
        taxonomy=pictures.taxonomy.name,
        size=pictures.images.shape[1],
        colour="rgb",
        picture="stretched",
        mean=tuple(float(value) for value in span[0].ravel()),
        std=tuple(float(value) for value in span[1].ravel()),
        temperature=round(temperatures[0], 4),
        confidence_temperature=round(temperatures[1], 4),
        training_data=f"Emotion6, all {len(pictures)} pictures; figures are from five fixed folds, held out",
        training=training,
        licences=LICENCES,
        metrics=tuple(metrics),
        limits=LIMITS,
    )
