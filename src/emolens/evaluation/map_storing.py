"""Predicted maps as files: a folder of grey PNGs that `emolens compare-maps` reads, and a row for each."""

from __future__ import annotations

import csv
import shutil
import tempfile
from pathlib import Path
from types import TracebackType

import numpy as np
from PIL import Image

from emolens.data.prepared import Prepared
from emolens.errors import OutputError
from emolens.evaluation.map_asking import at_home

COLUMNS = ("picture", "split", "emotion", "centre_x", "centre_y", "spread", "mean", "highest")


class MapRows:
    """A folder of maps that takes its place whole when it is closed, or not at all after an error.

    `ID.png` is a map at the size of its picture, 65535 is full weight. In `rows.csv` `centre_x` and `centre_y` are the
    centre of mass and `spread` is the root mean square distance from it, all in shares of the sides. Raises
    `OutputError` where the folder holds something or cannot be written.
    """

    def __init__(self, out: Path) -> None:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise OutputError(f"{out}: holds something already; name a new or an empty folder")
        self.out = out
        self.count = 0
        self._rows: list[list[str]] = []

    def __enter__(self) -> MapRows:
        try:
            self.out.parent.mkdir(parents=True, exist_ok=True)
            self._draft = Path(tempfile.mkdtemp(prefix=f".{self.out.name}.", dir=self.out.parent))
        except OSError as error:
            raise OutputError(f"{self.out}: cannot be written ({error.strerror}); choose another --out") from None
        return self

    def add(self, found: np.ndarray, rows: Prepared) -> None:
        """Write the maps (N, S, S) of `rows`."""
        labels = rows.column("label")
        for at, name in enumerate(rows.column("id")):
            weights = at_home(found[at], rows, at)
            place = self._draft / f"{name}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.round(65535 * weights).astype(np.uint16)).save(place)
            where = [f"{value:.4f}" for value in (*lies(weights), weights.mean(), weights.max())]
            self._rows.append([str(name), rows.split, labels[at] or "", *where])
            self.count += 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is None:
            with (self._draft / "rows.csv").open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([COLUMNS, *self._rows])
            if self.out.exists():
                self.out.rmdir()
            self._draft.chmod(0o755)
            self._draft.replace(self.out)
        else:
            shutil.rmtree(self._draft, ignore_errors=True)


def lies(weights: np.ndarray) -> tuple[float, float, float]:
    """Centre of mass (x, y) and root mean square distance from it, in shares of the sides; if empty, the middle's."""
    height, width = weights.shape
    shares = weights.astype(np.float64) / weights.sum() if weights.any() else np.full(weights.shape, 1 / weights.size)
    rows, columns = (np.arange(height)[:, None] + 0.5) / height, (np.arange(width) + 0.5) / width
    x, y = float((shares * columns).sum()), float((shares * rows).sum())
    spread = float(np.sqrt((shares * ((columns - x) ** 2 + (rows - y) ** 2)).sum()))
    return x, y, spread
