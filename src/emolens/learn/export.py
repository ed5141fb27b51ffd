"""From runs to the one file that `emolens analyze` takes: ONNX with its card, calibrated, held to its net."""

from __future__ import annotations

import logging
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from emolens.data.labelled import LabelledFaces, digests
from emolens.errors import ModelError
from emolens.evaluation.calibration import fit_temperature, one_hot_top
from emolens.files import replacing
from emolens.learn.cards import draft_card
from emolens.learn.config import ExpressionRecipe
from emolens.learn.loading import rows_of
from emolens.learn.predict import load_runs, logits, planes
from emolens.learn.quantise import quantise
from emolens.learn.runs import recipe_of
from emolens.models.card import METADATA_KEY, ModelCard, Parity
from emolens.models.classifier import Classifier, softmax
from emolens.places import sha256

FLOAT_TOLERANCE = 1e-4
INT8_AGREEMENT = 0.99
RANGE_PICTURES = 1024
TIMED = 32


def export(
    runs: Sequence[Path],
    data: Path,
    out: Path,
    int8: bool = False,
    checkpoint: str = "last",
    tempered_as: Path | None = None,
) -> ModelCard:
    """Write `out` (ONNX) and its card beside it, from one run (both views averaged) or several (an ensemble).

    Both temperatures are fitted with the file's own outputs on the pictures of `val` that are not in `train`. Runs that
    learnt from `val` too take them from `tempered_as`, a model exported from runs of the same recipe that did not. With
    `int8` the convolutions are quantised, on pictures of `train`. Raises `ModelError`, and writes nothing, where the
    file does not agree with the net: 1e-4 in every probability for float32, the same top label for 99 % of these
    pictures for int8.
    """
    recipes = [recipe_of(run, ExpressionRecipe) for run in runs]
    first = recipes[0]
    if any(recipe.data != first.data or recipe.net.size != first.net.size for recipe in recipes):
        raise ModelError("the runs differ in data or input size; export runs together only where both are the same")
    if first.data.join_val and tempered_as is None:
        raise ModelError(
            f"{runs[0]}: learnt from val, so no temperature can be fitted there; give --tempered-as MODEL.onnx, "
            "exported from runs of the same recipe without data.join_val"
        )
    net, train, val = load_runs(runs, checkpoint), rows_of(first, data, "train"), rows_of(first, data, "val")
    if tempered_as is None:
        val = _unseen(val, train, runs[0])
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "model.onnx"
        write_onnx(net, first.net.size, draft, channels=1 if first.data.colour == "grey" else 3)
        if int8:
            some = train.images[:: max(1, len(train) // RANGE_PICTURES)]
            quantise(draft, planes(some).numpy(), draft)
        embed(draft, draft_card(recipes, out.stem, train))
        written = Classifier.load(draft)
        found, file_speed = _timed(lambda rows: written.logits(rows.images, TIMED), val)
        wanted, net_speed = _timed(lambda rows: logits(net, rows.images, TIMED), val)
        held = parity(softmax(found), softmax(wanted), "int8" if int8 else "float32")
        held = held.model_copy(update={"file_speed": file_speed, "net_speed": net_speed})
        card = _tempered(written.card, found, val, tempered_as).model_copy(update={"parity": held})
        embed(draft, card)
        publish(draft, card, out)
    return ModelCard.read(out.with_suffix(".json"))


def _unseen(val: LabelledFaces, train: LabelledFaces, run: Path) -> LabelledFaces:
    """The rows of val whose pixels are not in train too: of the published lists three quarters are."""
    known = set(digests(train.images))
    fresh = np.array([digest not in known for digest in digests(val.images)])
    if not fresh.any():
        raise ModelError(f"{run}: every picture of its val is in its train too, so no temperature can be fitted there")
    return val.keep(fresh)


def _timed(answer: Callable[[LabelledFaces], np.ndarray], rows: LabelledFaces) -> tuple[np.ndarray, float]:
    """What is said about rows, and how many a second that was; the first batch warms up."""
    answer(rows.keep(np.arange(len(rows)) < TIMED))
    start = time.perf_counter()
    found = answer(rows)
    return found, round(len(rows) / (time.perf_counter() - start), 1)


def _tempered(card: ModelCard, found: np.ndarray, val: LabelledFaces, tempered_as: Path | None) -> ModelCard:
    if tempered_as is None:
        return calibrated(card, found, val)
    other = Classifier.load(tempered_as).card
    if other.labels != card.labels:
        raise ModelError(f"{tempered_as}: has the labels {', '.join(other.labels)}; the runs {', '.join(card.labels)}")
    names = ("temperature", "confidence_temperature")
    return card.model_copy(update={name: getattr(other, name) for name in names})


def calibrated(card: ModelCard, found: np.ndarray, val: LabelledFaces) -> ModelCard:
    """The card with the temperatures that fit the logits `found` (N, K): to the votes, and to the top label."""
    return card.model_copy(
        update={
            "temperature": round(fit_temperature(found, val.targets), 4),
            "confidence_temperature": round(fit_temperature(found, one_hot_top(val.targets)), 4),
        }
    )


def parity(exported: np.ndarray, original: np.ndarray, kind: str) -> Parity:
    """Compare probabilities (N, K) of the file and of the net. Raises `ModelError` where they do not agree."""
    report = Parity(
        kind="int8" if kind == "int8" else "float32",
        max_difference=float(np.abs(exported - original).max()),
        top1_agreement=float((exported.argmax(axis=1) == original.argmax(axis=1)).mean()),
        n=len(exported),
    )
    if kind == "float32" and report.max_difference > FLOAT_TOLERANCE:
        raise ModelError(
            f"the exported file differs from the net by {report.max_difference:.1e}, {FLOAT_TOLERANCE} is allowed"
        )
    if kind == "int8" and report.top1_agreement < INT8_AGREEMENT:
        raise ModelError(
            f"the int8 file gives the net's top label for {report.top1_agreement:.2%} of val, {INT8_AGREEMENT:.0%} is "
            "needed; export without --int8"
        )
    return report


def write_onnx(net: nn.Module, size: int, path: Path, channels: int = 1, outputs: Sequence[str] = ("logits",)) -> None:
    """Write a net as ONNX with input `images` (N, channels, size, size), N free, and these of its outputs."""
    write_inputs_onnx(net, {"images": torch.zeros(2, channels, size, size)}, path, outputs)


def write_inputs_onnx(
    net: nn.Module, inputs: Mapping[str, Tensor], path: Path, outputs: Sequence[str] = ("logits",)
) -> None:
    """Write a net as ONNX with inputs of these names and shapes, N free, in their order, and these of its outputs."""
    n = torch.export.Dim("n")
    with _quiet():
        torch.onnx.export(
            _Named(net, outputs).eval(),
            tuple(inputs.values()),
            str(path),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=(tuple({0: n} for _ in inputs),),
            dynamo=True,
            external_data=False,
        )
    model = onnx.load(str(path))
    # The exporter notes stack traces with the paths of this machine at every node; they are not ours to ship.
    for part in (
        model,
        model.graph,
        *model.graph.node,
        *model.graph.input,
        *model.graph.output,
        *model.graph.value_info,
    ):
        del part.metadata_props[:]
        part.doc_string = ""
    onnx.save(model, str(path))


class _Named(nn.Module):
    """Some of a net's outputs in their order: ONNX outputs have no keys."""

    def __init__(self, net: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.net = net
        self.names = tuple(names)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        found = self.net(*inputs)
        return tuple(found[name] for name in self.names)


def embed(path: Path, card: ModelCard) -> None:
    """Put the card into the file's metadata, without the file's own digest, which it cannot hold."""
    model = onnx.load(str(path))
    del model.metadata_props[:]
    model.metadata_props.add(key=METADATA_KEY, value=card.model_copy(update={"sha256": ""}).model_dump_json())
    onnx.save(model, str(path))


def publish(draft: Path, card: ModelCard, out: Path) -> None:
    """Put a finished file and its card in their places."""
    with replacing(out) as target:
        target.write_bytes(draft.read_bytes())
    card.model_copy(update={"sha256": sha256(out)}).write(out.with_suffix(".json"))


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter talks of its passes on stdout and by warnings about its own insides."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):  # noqa: PTH123
        warnings.simplefilter("ignore")
        yield
