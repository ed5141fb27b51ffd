"""The maps that a net finds in labelled pictures, held to the true ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from emolens.data.mapped import true_map
from emolens.data.pictures import keywords
from emolens.data.prepared import Prepared
from emolens.errors import CardError, DataError
from emolens.evaluation.map_pairs import Judged, Pair, judge_pairs
from emolens.maps import resized
from emolens.models.classifier import read_card
from emolens.models.session import open_session
from emolens.places import sha256

BATCH = 16


@dataclass(frozen=True, slots=True, eq=False)
class MapModel:
    """What gives maps: `every` takes pictures, uint8 (n, S, S, 3) with S = `size`, and gives float32 (n, K, S, S).

    `labels` names the K emotions that the maps are for; one name alone is a map for any emotion.
    """

    name: str
    sha: str
    size: int
    labels: tuple[str, ...]
    every: Callable[[np.ndarray], np.ndarray]


def onnx_maps(path: Path) -> MapModel:
    """A model of task `stimuli` from an ONNX file with its card. Raises `ModelError` and `CardError`."""
    session = open_session(path)
    card = read_card(path, session)
    if "map" not in (output.name for output in session.get_outputs()):
        raise CardError(f"{path}: gives no output 'map'; its card says task {card.task}, stimuli is needed")
    low, span = (np.array(each, np.float32).reshape(1, -1, 1, 1) for each in (card.mean, card.std))
    name = session.get_inputs()[0].name

    def every(images: np.ndarray) -> np.ndarray:
        seen = (images.transpose(0, 3, 1, 2).astype(np.float32) - low) / span
        found: np.ndarray = session.run(["map"], {name: seen})[0]
        return found

    return MapModel(card.name, sha256(path), card.size, card.labels, every)


def ask_maps(model: MapModel, rows: Prepared) -> np.ndarray:
    """The map of each row under its own emotion, float32 (N, S, S).

    A model with one map for each emotion is told the emotion that the set files a picture under, and where it names
    none, the maps of all are averaged. Raises `DataError` for an emotion that the model does not know.
    """
    images, emotion = rows.pixels(size=model.size), keywords(rows)
    names = [rows.taxonomy.classes[at] if at >= 0 else "" for at in emotion.tolist()]
    if len(model.labels) > 1 and (unknown := [name for name in names if name and name not in model.labels]):
        raise DataError(f"{model.name} has maps for {', '.join(model.labels)}; {unknown[0]} is in the data")
    parts = []
    for start in range(0, len(images), BATCH):
        found = model.every(np.asarray(images[start : start + BATCH]))
        parts += [_own(maps, name, model.labels) for maps, name in zip(found, names[start:], strict=False)]
    return np.stack(parts)


def _own(maps: np.ndarray, name: str, labels: tuple[str, ...]) -> np.ndarray:
    if len(maps) == 1:
        one: np.ndarray = maps[0]
        return one
    return np.asarray(maps[labels.index(name)] if name else maps.mean(axis=0))


def judge_rows(found: np.ndarray, rows: Prepared) -> Judged:
    """Maps (N, S, S) of rows beside the true ones, at the size of each picture."""
    ids = [str(name) for name in rows.column("id")]
    return judge_pairs({name: _pair(found[at], rows, at, name) for at, name in enumerate(ids)})


def _pair(found: np.ndarray, rows: Prepared, at: int, name: str) -> Pair:
    return Pair(partial(at_home, found, rows, at), partial(true_map, rows, at), (f"the map of {name}", name))


def at_home(found: np.ndarray, rows: Prepared, at: int) -> np.ndarray:
    """A map (S, S) at the size of the picture of row `at`, float32 (H, W) in [0, 1]."""
    height, width = (rows.table[name][at].as_py() for name in ("height", "width"))
    return np.asarray(np.clip(resized(found, width, height), 0, 1))
