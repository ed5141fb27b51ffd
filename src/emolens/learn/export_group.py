"""A run on groups as one file: ONNX with inputs by name and its card, calibrated, held to its net."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
from torch import nn

from emolens import __version__
from emolens.data.face_columns import ALIGNED, PLACES
from emolens.data.registry import reader
from emolens.errors import OptionError
from emolens.evaluation.calibration import fit_temperature
from emolens.learn.commands import command_of
from emolens.learn.config import GroupRecipe
from emolens.learn.config.group import GroupNet, HybridNet
from emolens.learn.export import embed, parity, publish, write_inputs_onnx
from emolens.learn.loading_group import GroupRows, group_rows
from emolens.learn.predict_group import BATCH, group_logits, load_group
from emolens.learn.runs import recipe_of
from emolens.models.card import Licences, ModelCard
from emolens.models.classifier import softmax
from emolens.models.session import open_session

LIMITS = (
    "How a group looks, not how anybody in it feels. Learnt from pictures whose label a few people gave. Not for use "
    "at work or in education (EU AI Act, Art. 5(1)(f)), nor for decisions about people."
)


def export_group(run: Path, data: Path, out: Path, checkpoint: str = "last") -> ModelCard:
    """Write `out` and its card; the temperature is fitted on `val`.

    Raises `OptionError` for nets whose inputs cannot be given to a file, `ModelError`, and writes nothing, where file
    and net differ by more than 1e-4 in a probability.
    """
    recipe = recipe_of(run, GroupRecipe)
    _check(recipe)
    net, val = load_group(run, checkpoint), group_rows(recipe, data, "val")
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "model.onnx"
        write_group_onnx(net, recipe.net, draft)
        wanted = group_logits(net, val)
        held = parity(softmax(file_logits(open_session(draft), val)), softmax(wanted), "float32")
        temperature = round(fit_temperature(wanted, val.targets), 4)
        card = _card(recipe, val, out.stem, temperature).model_copy(update={"parity": held})
        embed(draft, card)
        publish(draft, card, out)
    return ModelCard.read(out.with_suffix(".json"))


def write_group_onnx(net: nn.Module, config: GroupNet, path: Path) -> None:
    """Write a net with its inputs by name, N free, and the output `logits`; skeletons are an input of that name."""
    places, size = getattr(getattr(config, "faces", None), "limit", PLACES), config.size
    every = {
        "image": torch.rand(2, 3, size, size) * 255,
        "skeleton": torch.rand(2, 3, size, size) * 255,
        "faces": torch.rand(2, places, 3, *ALIGNED) * 255,
        "mask": torch.ones(2, places, dtype=torch.bool),
    }
    write_inputs_onnx(net, {name: every[name] for name in config.asked}, path)


def file_logits(session: ort.InferenceSession, rows: GroupRows, batch: int = BATCH) -> np.ndarray:
    """Logits (N, K) of a file for groups."""
    names = [each.name for each in session.get_inputs()]
    parts = []
    for start in range(0, len(rows), batch):
        given = rows.batch(np.arange(start, min(start + batch, len(rows))))
        parts.append(session.run(["logits"], {name: getattr(given, name).numpy() for name in names})[0])
    return np.concatenate(parts)


def _check(recipe: GroupRecipe) -> None:
    net = recipe.net
    faces = getattr(net, "faces", None)
    if faces is not None and (faces.transposed or faces.limit != PLACES or _of_windows(net)):
        raise OptionError(
            f"recipe {recipe.name} looks at {'windows' if _of_windows(net) else f'{faces.limit} faces'}"
            f"{', transposed' if faces.transposed else ''}; a file takes {PLACES} faces aligned by five points; "
            f"where only their number differs, train with --set net.faces.limit={PLACES}"
        )
    if isinstance(net, HybridNet) and not net.registered:
        raise OptionError(f"recipe {recipe.name} keeps its CrossViT outside of the net; train it without --legacy")


def _of_windows(net: GroupNet) -> bool:
    return isinstance(net, HybridNet) and net.tokens == "grid"


def _card(recipe: GroupRecipe, val: GroupRows, name: str, temperature: float) -> ModelCard:
    info, net = reader(recipe.data.name).info, recipe.net
    return ModelCard(
        name=name,
        version=__version__,
        task="group",
        summary=f"How a group looks, {' / '.join(val.taxonomy.classes)}, from {' and '.join(_seen(net.asked))}",
        labels=val.taxonomy.classes,
        taxonomy=val.taxonomy.name,
        size=net.size,
        colour="rgb",
        picture="stretched" if "image" in net.asked else None,
        inputs=net.asked,
        temperature=temperature,
        confidence_temperature=temperature,  # labels are single, so both are fitted to them
        training_data=f"Training part of {info.title}",
        training=f"{command_of(recipe)} ({recipe.source})",
        dataset=recipe.data.name,
        dataset_options=recipe.data.chosen,
        licences=Licences(
            code="MIT", data=f"{info.title}: {info.terms}", weights="as far as the terms of the data allow",
            commercial=False,
        ),
        limits=LIMITS,
    )  # fmt: skip


def _seen(asked: Sequence[str]) -> list[str]:
    words = {"image": "the whole picture", "skeleton": "skeletons", "faces": "its faces"}
    return [words[name] for name in asked if name in words]
