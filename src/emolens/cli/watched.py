"""What a run of `emolens video` writes into its folder, while it runs and at its end."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from emolens.errors import EmolensError, OptionError, OutputError
from emolens.files import replacing
from emolens.video import VideoReader, VideoWriter
from emolens.watching.overlay import clock, overlay
from emolens.watching.series import NAMES, Series, earlier
from emolens.watching.summary import Summary

if TYPE_CHECKING:
    from emolens.records import FrameResult

FILM, PNG, PAGE, RECORD, MOMENTS = "annotated.mp4", "timeline.png", "timeline.html", "summary.json", "moments"
ROWS = NAMES["parquet"]
OURS = ("most_faces.jpg", "group_*.jpg", "evoked_*.jpg", "clearest_*.jpg")
"""Names of moments: somebody may keep pictures of his own in a folder of that name."""


class Watched:
    """Rows, film, timeline, summary and key moments of one video; without a folder, the summary in memory alone.

    What an earlier run left in the folder under these names is removed first, so that no two runs mix. `draws` says
    whether frames are needed, `written` names what is there after `close`. A frame of another size than the first
    is fitted into the film. Raises `OutputError` where the folder cannot be written.
    """

    def __init__(
        self,
        folder: Path | None,
        reader: VideoReader,
        rows: str,
        classes: Sequence[str],
        film: bool,
        pictures: bool,
        fps: float | None,
    ) -> None:
        self.folder, self.draws, self.written = folder, bool(folder and pictures), list[str]()
        self.summary, self._reader = Summary(reader.name), reader
        self._series: Series | None = None
        self._film: VideoWriter | None = None
        if folder is None:
            return
        _clear(folder)
        self._series = Series(folder, rows, classes)
        if film:
            rates = [rate for rate in (fps, reader.rate) if rate]
            self._film = VideoWriter(folder / FILM, (reader.width, reader.height), min(rates, default=None))

    def add(self, result: FrameResult) -> None:
        """One frame, into everything. Raises `OutputError` where the disk is full."""
        drawn = None if result.pixels is None else cache(partial(overlay, result.pixels, result))
        if self._series:
            self._series.add(result)
        if self._film and drawn:
            self._film.write(fitted(drawn(), self._film.size), result.time_s)
        self.summary.add(result, drawn)

    def close(self, fault: EmolensError | None) -> EmolensError | None:
        """End every file, write what is made of the whole, and give the fault that is to be told, if there is one.

        After a fault of the disk everything is still tried: a small file may find room where a large one did not.
        """
        self.summary.finish()
        self.summary.damaged = self._reader.damaged
        steps = [self._end_rows, self._end_film]
        if self.folder and self.summary.frames:
            steps += [self._write_moments, self._write_record, self._write_png, self._write_page]
        for step in steps:
            try:
                step()
            except OutputError as error:
                fault = fault if isinstance(fault, OutputError) else error
        return fault

    @property
    def kept(self) -> str:
        """What is safe, in words."""
        frames = self._series.kept if self._series else self.summary.frames
        if not frames:
            return "no frame was analysed before"
        where = f" in {self.folder}" if self.folder else ""
        until = f" (to {clock(self.summary.last_s)})" if frames == self.summary.frames else ""
        return f"what {frames:,} frame{'' if frames == 1 else 's'}{until} showed is kept{where}"

    def _end_rows(self) -> None:
        if self._series:
            try:
                self._series.close()
            finally:
                self.written += [self._series.name] if self._series.kept else []

    def _end_film(self) -> None:
        if self._film:
            try:
                self._film.close()
            finally:
                self.written += [FILM] if self._film.begun else []

    def _write_moments(self) -> None:
        pictures = [(moment_file(m.kind), m.jpeg) for m in self.summary.moments.list() if m.jpeg]
        for name, jpeg in pictures:
            with replacing(self._folder / name) as draft:
                draft.write_bytes(jpeg)
        if pictures:
            self.written.append(f"{MOMENTS}/")

    def _write_record(self) -> None:
        record = self.summary.record()
        for moment in record["moments"]:
            name = moment_file(moment["kind"])
            moment["picture"] = name if (self._folder / name).exists() else None
        self._write_text(RECORD, json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n")

    def _write_png(self) -> None:
        from emolens.drawing.photo import save
        from emolens.watching.timeline import draw_timeline

        save(draw_timeline(self.summary), self._folder / PNG)
        self.written.append(PNG)

    def _write_page(self) -> None:
        from emolens.watching.page import timeline_page

        self._write_text(PAGE, timeline_page(self.summary, FILM if FILM in self.written else None))

    def _write_text(self, name: str, text: str) -> None:
        with replacing(self._folder / name) as draft:
            draft.write_text(text, encoding="utf-8")
        self.written.append(name)

    @property
    def _folder(self) -> Path:
        assert self.folder is not None
        return self.folder


def moment_file(kind: str) -> str:
    """The name of a moment's picture inside the folder."""
    return f"{MOMENTS}/{re.sub(r'[^0-9A-Za-z_-]', '_', kind)}.jpg"


def fitted(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A frame, RGB uint8 (H, W, 3), in the middle of one of `size`, (width, height), made smaller or larger to fit."""
    if pixels.shape[1::-1] == size:
        return pixels
    return np.asarray(ImageOps.pad(Image.fromarray(pixels), size))


def _earlier(folder: Path) -> list[Path]:
    """What an earlier run may have left in a folder."""
    moments = [path for name in OURS for path in (folder / MOMENTS).glob(name)]
    return [*(folder / name for name in (FILM, PNG, PAGE, RECORD)), *moments, *earlier(folder)]


def spare_sources(folder: Path, sources: Iterable[str]) -> None:
    """Raises `OptionError` where a run into `folder` would remove or overwrite one of the sources."""
    for path in _earlier(folder):
        for source in sources:
            with suppress(OSError, ValueError):  # a URL is no file
                if path.samefile(source):
                    raise OptionError(f"{source} lies where this run would write {path.name}; name another --out")


def _clear(folder: Path) -> None:
    try:
        for path in _earlier(folder):
            path.unlink(missing_ok=True)
        for name in (MOMENTS, ROWS):
            with suppress(OSError):  # it holds something else, or was never there
                (folder / name).rmdir()
    except OSError as error:
        raise OutputError(f"cannot write {folder}: {error.strerror or error}; choose another folder") from None
