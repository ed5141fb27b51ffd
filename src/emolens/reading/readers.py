"""All that is asked of pictures, looked for in each and read off many at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emolens.faces.detector import FaceDetector
from emolens.models.classifier import Classifier
from emolens.models.group_net import GroupNet
from emolens.models.map_net import MapNet
from emolens.reading.faces import FaceReader, SeenFaces
from emolens.reading.groups import GroupReader, GroupView
from emolens.reading.pictures import MapReader, PictureReader
from emolens.records import GroupAffect, Prediction, StimuliMap, Task


@dataclass(frozen=True, slots=True)
class Seen:
    """What the readers took from a picture of (width, height) pixels; the picture itself is not kept."""

    name: str
    size: tuple[int, int]
    faces: SeenFaces | None
    whole: np.ndarray | None
    mapped: np.ndarray | None
    grouped: GroupView | None


@dataclass(frozen=True, slots=True)
class Told:
    """What the models said of one picture; `group` is that of a trained model for groups."""

    expressions: tuple[Prediction, ...] = ()
    group: GroupAffect | None = None
    evoked: Prediction | None = None
    stimuli: StimuliMap | None = None


@dataclass(frozen=True, slots=True)
class Readers:
    """Who reads what off a picture; None where nobody is asked to."""

    faces: FaceReader | None = None
    groups: GroupReader | None = None
    pictures: PictureReader | None = None
    maps: MapReader | None = None

    @property
    def models(self) -> dict[Task, Classifier]:
        """The models in use, by the task that they serve."""
        readers: dict[Task, FaceReader | GroupReader | PictureReader | MapReader | None] = {
            "expression": self.faces,
            "group": self.groups,
            "evoked": self.pictures,
            "stimuli": self.maps,
        }
        return {task: reader.model for task, reader in readers.items() if reader is not None}

    def on_one_core(self) -> Readers:
        """The same readers, their nets run by the thread that calls them alone."""
        return Readers(
            self.faces and self.faces.on_one_core(),
            self.groups and self.groups.on_one_core(),
            self.pictures and self.pictures.on_one_core(),
            self.maps and self.maps.on_one_core(),
        )

    def look(self, name: str, picture: np.ndarray) -> Seen:
        """What the readers take from a picture, RGB uint8 (H, W, 3), whose faces are found first."""
        return self.look_at(name, picture, self.faces.look(picture) if self.faces else None)

    def look_at(self, name: str, picture: np.ndarray, faces: SeenFaces | None) -> Seen:
        """The same of a picture whose faces are known; None where nobody reads faces."""
        whole = self.pictures.look(picture) if self.pictures else None
        mapped = self.maps.look(picture) if self.maps else None
        grouped = self.groups.look(picture, faces.faces if faces else ()) if self.groups else None
        return Seen(name, (picture.shape[1], picture.shape[0]), faces, whole, mapped, grouped)

    def read(self, seen: Sequence[Seen], by_emotion: bool = False) -> list[Told]:
        """What the models say of each picture; what was taken from all of them goes through a model together.

        With `by_emotion` the maps hold one for each emotion too.
        """
        faces = [each.faces for each in seen if each.faces is not None]
        nothing = (None,) * len(seen)
        expressions = self.faces.read(faces) if self.faces else ((),) * len(seen)
        groups = self.groups.read([each.grouped for each in seen]) if self.groups else nothing
        evoked, maps = self._whole(seen, by_emotion)
        return [Told(*one) for one in zip(expressions, groups, evoked or nothing, maps or nothing, strict=True)]

    def _whole(
        self, seen: Sequence[Seen], by_emotion: bool
    ) -> tuple[Sequence[Prediction | None], Sequence[StimuliMap | None]]:
        """What the pictures evoke, and what in them does so; each is empty where nobody is asked."""
        sizes = [each.size for each in seen]
        views = [each.whole for each in seen if each.whole is not None]
        if self.pictures is not None and self.pictures.maps:
            found = self.pictures.read_maps(views, sizes, by_emotion)
            return [said for said, _ in found], [drawn for _, drawn in found]
        mapped = [each.mapped for each in seen if each.mapped is not None]
        maps = self.maps.read(mapped, sizes, by_emotion) if self.maps else ()
        return self.pictures.read(views) if self.pictures else (), maps


def load_model(task: Task, path: Path) -> Classifier:
    """The model in a file whose card names this task. Raises `ModelError` and `CardError` as loading does."""
    kinds: dict[Task, type[Classifier]] = {"stimuli": MapNet, "group": GroupNet}
    return kinds.get(task, Classifier).load(path)


def readers(
    models: Mapping[Task, Classifier],
    detector: FaceDetector | None,
    min_face: int | None = None,
    min_score: float | None = None,
    maps: bool = False,
) -> Readers:
    """The readers of these models, as `load_model` gives them for their tasks; faces are found by `detector`.

    With `maps` and no model of its own for them, that of what pictures evoke tells them too. Raises what each reader
    raises for a model that cannot serve it.
    """
    faced, grouped, evoked, mapped = (models.get(task) for task in ("expression", "group", "evoked", "stimuli"))
    own = MapReader(mapped) if isinstance(mapped, MapNet) else None
    return Readers(
        None if faced is None else FaceReader(faced, detector, min_face, min_score),
        GroupReader(grouped) if isinstance(grouped, GroupNet) else None,
        None if evoked is None else PictureReader(evoked, maps and own is None),
        own,
    )
