"""The drawings of a run, and the names under which they neither meet each other nor a photo of the user's."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np

from emolens.errors import InputError
from emolens.files import replacing
from emolens.pictures.limits import LIMITS, as_shown
from emolens.records import PhotoResult, Prediction, StimuliMap

if TYPE_CHECKING:
    from emolens.cli.truths import Truths

PIXELS_A_UNIT = 2  # of a chart
MOST_OF_JPEG = 65_500  # pixels on a side that the format can hold


class StandardInput(io.BytesIO):
    """The bytes of the standard input, kept so that they can be read twice: to analyze and to draw."""

    name = "-"

    def __init__(self) -> None:
        super().__init__(sys.stdin.buffer.read(LIMITS.max_bytes + 1))


class AnnotatedPictures:
    """Writes `<name>_annotated.jpg` into a folder for each picture that could be read, and what it evokes beside it.

    That is `<name>_evoked.png` and `.svg`, where it was asked for: wheel, bars, valence and arousal. For what in it
    does so it is `<name>_stimuli.png`, with the truth where there is one, and the map as `<name>_map.png`, `_map16.png`
    and `_map.npy`; with those of single emotions `<name>_emotions.png` and `<name>_map_<emotion>.png` too. What comes
    from a subfolder of one of the folders `roots` goes to a subfolder of the same name, so that maps lie as a tree of
    true ones does. Pictures of one name that would meet all the same get `_2`, `_3`, ... in the order of the run; no
    picture that is analysed is ever overwritten, though they lie in the same folder. Those of an earlier run are:
    `expand` knows them by their mark and leaves them out.
    """

    def __init__(
        self, folder: Path, pictures: Iterable[object], truths: Truths | None = None, roots: Iterable[str] = ()
    ) -> None:
        self._folder = folder
        self._roots = [Path(os.path.abspath(root)) for root in roots]  # noqa: PTH100  links keep their names
        self._truths = truths
        self._taken = {os.path.abspath(p).lower() for p in pictures if isinstance(p, str)}  # noqa: PTH100

    def add(self, picture: str | StandardInput, result: PhotoResult) -> None:
        """Draw and write one picture. Raises `OutputError` where the folder cannot be written."""
        if not result.ok:
            return
        from emolens.drawing.photo import annotate, save

        name = self._below(picture) + stem(result.source)
        if result.evoked is not None:
            self._add_evoked(name, result.evoked)
        from emolens.pictures.images import open_image

        try:
            pixels = open_image(picture)
        except InputError:  # gone since it was analysed: its row is right all the same
            return
        if result.stimuli is not None:
            self._add_stimuli(name, pixels, result, result.stimuli)
            if not (result.faces or result.evoked or result.status == "no_face"):
                return
        drawn = annotate(pixels, result)
        (path,) = self._free(f"{name}_annotated", ".jpg" if max(drawn.shape) <= MOST_OF_JPEG else ".png")
        save(drawn, path)

    def _below(self, picture: str | StandardInput) -> str:
        """The subfolder that a picture comes from, with a slash at its end; empty for one in a root, or in none."""
        if not isinstance(picture, str):
            return ""
        folder = Path(os.path.abspath(picture)).parent  # noqa: PTH100
        below = next((folder.relative_to(root) for root in self._roots if folder.is_relative_to(root)), Path())
        return "".join(f"{part}/" for part in below.parts)

    def _add_evoked(self, name: str, evoked: Prediction) -> None:
        from emolens.drawing.evoked_chart import evoked_sheet
        from emolens.drawing.photo import save
        from emolens.drawing.shapes import as_pixels, as_svg

        png, svg = self._free(f"{name}_evoked", ".png", ".svg")
        sheet = evoked_sheet(evoked)
        save(as_pixels(sheet, PIXELS_A_UNIT), png)
        with replacing(svg) as draft:
            draft.write_text(as_svg(sheet, f"What {as_shown(name)} evokes"), encoding="utf-8")

    def _add_stimuli(self, name: str, pixels: np.ndarray, result: PhotoResult, found: StimuliMap) -> None:
        from emolens.drawing.photo import save
        from emolens.drawing.stimuli_sheet import emotion_sheet, stimuli_sheet
        from emolens.maps import write_map

        names = found.taxonomy.classes if found.taxonomy and found.emotions is not None else ()
        several = ("_emotions.png", *(f"_map_{each}.png" for each in names)) if names else ()
        paths = self._free(name, "_stimuli.png", "_map.png", "_map16.png", "_map.npy", *several)
        truth = self._truths.of(result.source, found.size) if self._truths else None
        weights = found.weights
        save(stimuli_sheet(pixels, found, truth, nearness(weights, truth)), paths[0])
        for path, bits in zip(paths[1:4], (8, 16, 32), strict=True):
            write_map(weights, path, bits)
        if names:
            save(emotion_sheet(pixels, found, result.evoked), paths[4])
            for each, path in zip(names, paths[5:], strict=True):
                write_map(found.of(each), path)

    def _free(self, stem: str, *suffixes: str) -> list[Path]:
        """Paths with one name and these suffixes, none of which is taken."""
        number = 1
        while True:
            name = f"{stem}{f'_{number}' if number > 1 else ''}"
            paths = [self._folder / f"{name}{suffix}" for suffix in suffixes]
            keys = {os.path.abspath(path).lower() for path in paths}  # noqa: PTH100  some file systems see no case
            if not keys & self._taken:
                self._taken |= keys
                return paths
            number += 1


def nearness(weights: np.ndarray, truth: np.ndarray | None) -> str:
    """How near a map is to the truth, both (H, W), in a few figures; empty without one."""
    if truth is None:
        return ""
    from emolens.evaluation.maps import correlation, mae, similarity

    figures = {"CC": correlation, "SIM": similarity, "MAE": mae}
    return ", ".join(f"{name} {figure(weights, truth):.2f}" for name, figure in figures.items())


def stem(source: str) -> str:
    """The name of a source as part of the name of a file."""
    if source.startswith("data:") or source == "-":
        return "picture"
    path = urlsplit(source).path if "://" in source else source
    stem = re.sub(r'[<>:"|?*\\\x00-\x1f]', "_", Path(path).stem)
    return stem[:100] or "picture"
