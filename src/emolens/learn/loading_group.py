"""Groups as batches: whole pictures, sets of faces, skeletons, whichever a net asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from emolens.data.face_columns import CANVAS
from emolens.data.openpose import drawn_skeleton
from emolens.data.prepared import open_prepared
from emolens.data.prepared_faces import PreparedFaces, face_set, read_prepared
from emolens.errors import DataError, OptionError
from emolens.learn.config import GroupRecipe
from emolens.learn.config.group import FaceTrunk, HybridNet
from emolens.learn.devices import Place
from emolens.learn.loading import Batches, dealt
from emolens.pictures.images import open_image, stretched
from emolens.taxonomy import Taxonomy

ROOM = 8 / 7
"""Pictures that are cropped at random are kept so much larger than the net sees them: 256 for 224, as in the source."""


class GroupBatch(NamedTuple):
    """Targets (N, K), and of the inputs those that the net asks for, named as in `models.card.GroupInput`."""

    targets: Tensor
    image: Tensor | None = None
    skeleton: Tensor | None = None
    faces: Tensor | None = None
    mask: Tensor | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FaceReader:
    """The faces of pictures as a net takes them, by ids: aligned by five points, by the eyes, or windows of a grid."""

    prepared: PreparedFaces
    limit: int
    kind: str

    def read(self, ids: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """uint8 (N, limit, h, w, 3), and bool (N, limit), where one is."""
        sets = [self._set(name) for name in ids]
        return np.stack([faces for faces, _ in sets]), np.stack([mask for _, mask in sets])

    def _set(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        if self.kind == "aligned":
            return face_set(self.prepared, name, self.limit)
        found = (self.prepared.grid if self.kind == "grid" else self.prepared.canvas)(name)[: self.limit]
        faces = np.zeros((self.limit, *CANVAS, 3), np.uint8)
        faces[: len(found)] = found
        return faces, np.arange(self.limit) < len(found)


@dataclass(frozen=True, slots=True, eq=False)
class GroupRows:
    """The labelled pictures of one split, N of them.

    `ids` (N,) str, `targets` float32 (N, K) over `taxonomy`. `pixels` is uint8 (M, S, S, 3), whole pictures or
    skeletons, mapped from disk, of which those `at` (N,) are meant; None where the net asks for none.
    """

    ids: np.ndarray
    targets: np.ndarray
    taxonomy: Taxonomy
    at: np.ndarray
    asked: tuple[str, ...]
    pixels: np.ndarray | None = None
    faces: FaceReader | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def keep(self, rows: np.ndarray) -> GroupRows:
        """The rows of a mask (N,), or at these places."""
        return replace(self, ids=self.ids[rows], targets=self.targets[rows], at=self.at[rows])

    def batch(self, rows: np.ndarray) -> GroupBatch:
        """Some rows as a net takes them, float32 with values 0 to 255."""
        found: dict[str, Tensor] = {}
        if self.pixels is not None:
            found[self.asked[0]] = _planes(self.pixels[self.at[rows]])
        if self.faces is not None:
            faces, mask = self.faces.read(self.ids[rows].tolist())
            found |= {"faces": _planes(faces), "mask": torch.from_numpy(mask)}
        return GroupBatch(torch.from_numpy(self.targets[rows]), **found)


def _planes(pixels: np.ndarray) -> Tensor:
    """uint8 (..., H, W, 3) as float32 (..., 3, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(pixels, -1, -3))).float()


def group_rows(recipe: GroupRecipe, data: Path, split: str, room: bool = False) -> GroupRows:
    """The labelled rows of a split of a prepared folder; with `room` larger than the net sees them, for random crops.

    Raises `OptionError` where the net asks for faces or skeletons and none are given, `DataError` where nothing is
    labelled, or no picture of the split has a face.
    """
    prepared, net = open_prepared(data, split), recipe.net
    labels = prepared.column("label")
    at = np.array([row for row, label in enumerate(labels) if label is not None], int)[: recipe.data.limit]
    if not len(at):
        raise DataError(f"{data}, {split}: holds no labelled picture; take a split or a protocol that has labels")
    truth = [prepared.taxonomy.index(labels[row]) for row in at]
    rows = GroupRows(
        ids=np.array(prepared.column("id"))[at],
        targets=np.eye(len(prepared.taxonomy), dtype=np.float32)[truth],
        taxonomy=prepared.taxonomy,
        at=at,
        asked=net.asked,
    )
    if "faces" in net.asked:
        rows = replace(rows, faces=_faces(recipe, rows.ids.tolist(), split))
    size = round(net.size * ROOM) if room and recipe.augment.area < 1 else net.size
    if "image" in net.asked:
        return replace(rows, pixels=prepared.pixels(size=size))
    if "skeleton" in net.asked:
        return replace(rows, pixels=_skeletons(recipe, rows.ids.tolist(), size), at=np.arange(len(rows)))
    return rows


def _faces(recipe: GroupRecipe, ids: Sequence[str], split: str) -> FaceReader:
    """Where the faces of these pictures come from. Raises as `group_rows`."""
    net = recipe.net
    settings: FaceTrunk = net.faces  # type: ignore[union-attr]
    if recipe.data.faces is None:
        raise OptionError(
            f"recipe {recipe.name} looks at faces: find them once with 'emolens faces DIR --out FACES', then give "
            "--set data.faces=FACES"
        )
    prepared = read_prepared(Path(recipe.data.faces))
    grid = isinstance(net, HybridNet) and net.tokens == "grid"
    # The set may be cut into other splits than the folder was prepared with, so pictures are looked up one by one.
    if not any(len(prepared.grid(name)) if grid else len(prepared.scores(name)) for name in ids):
        what, how = ("window", "--grid") if grid else ("face", "a smaller --min-face or --min-score")
        raise DataError(
            f"{recipe.data.faces}: no {what} in any of the {len(ids)} pictures of {split}, so nothing can be learnt "
            f"from there; prepare it with {how}, or learn from scenes"
        )
    return FaceReader(prepared, settings.limit, "grid" if grid else "canvas" if settings.transposed else "aligned")


def _skeletons(recipe: GroupRecipe, ids: Sequence[str], size: int) -> np.ndarray:
    """The skeleton pictures of these ids, uint8 (N, size, size, 3). They are read whole: N x size x size x 3 bytes."""
    if recipe.data.skeletons is None:
        raise OptionError(
            f"recipe {recipe.name} looks at skeletons: draw them once with 'emolens skeletons DIR --out SKELETONS', or "
            "take OpenPose's pictures, then give --set data.skeletons=SKELETONS"
        )
    folder = Path(recipe.data.skeletons)
    return np.stack([stretched(open_image(drawn_skeleton(folder, name)), size) for name in ids])


def group_batches(rows: GroupRows, size: int, shuffle: bool, seed: int, place: Place) -> DataLoader[GroupBatch]:
    """Batches of groups, as `dealt`."""
    return dealt(Batches(len(rows), rows.batch), size, shuffle, seed, place)
