"""The faces of a picture as a row of Parquet, and back. Any tool that reads Parquet reads these columns.

| column | Arrow type | what |
|---|---|---|
| id, split, label, source | string | as in `emolens.data.base.Record`; empty where there is none |
| status, message | string | `ok`, `no_face`, or why the picture could not be read |
| width, height | int32 | of the picture, upright |
| boxes | list of 4 float32 | x1, y1, x2, y2 in pixels of the picture, by falling score |
| scores | list of float32 | of the detector, 0 to 1 |
| landmarks | list of 10 float32 | x, y of left eye, right eye, nose, left and right mouth corner, as seen |
| features | list of 256 float32 | the last hidden layer of the detector, row for row with the boxes |
| global_features | list of float32 | of the whole picture; empty where they were not asked for |
| crop_sizes | list of 2 int32 | height, width of each crop |
| crops, aligned, canvas, grid | binary | RGB bytes, one face after the other |

`aligned` are faces 112 high and 96 wide by five points, `canvas` 96 high and 112 wide by the eyes, `grid` windows of a
picture without a face, 96 high and 112 wide. Pixels are raw: Parquet packs them, and no edge is blurred twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emolens.columnar import column, lists
from emolens.data.columns import arrow
from emolens.errors import LabelError

ALIGNED = (112, 96)
"""Height and width of a face as SphereFace takes it."""
CANVAS = (96, 112)
"""Height and width of a face aligned by its eyes, as the hybrid group system kept it."""
PLACES = 15
"""Faces of a picture that nets learn from, best first, unless another number is asked for: 80 % of the pictures of GAF
have at most 12 (counted by the authors of the forerunner)."""
FEATURES = 256
"""Width of the last hidden layer of O-Net, and of the projected features of a whole picture."""
PIXELS = ("crops", "aligned", "canvas", "grid")


def _none(*shape: int, dtype: Any = np.float32) -> Callable[[], np.ndarray]:
    return lambda: np.zeros((0, *shape), dtype)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PictureFaces:
    """All that is kept of one picture; F faces by falling score, F = 0 where none was found.

    `boxes` (F, 4), `scores` (F,), `landmarks` (F, 5, 2) and `features` (F, 256) are float32; `crops` has F arrays uint8
    (h, w, 3); `aligned` is uint8 (F, 112, 96, 3), `canvas` uint8 (F, 96, 112, 3); `grid` uint8 (G, 96, 112, 3) is there
    only for a picture without a face, where it was asked for. `global_features` is float32 (D,), D = 0 where they were
    not asked for. `size` is (width, height). Raises `LabelError` where the lengths differ.
    """

    id: str
    split: str = ""
    label: str = ""
    source: str = ""
    status: str = "no_face"
    message: str = ""
    size: tuple[int, int] = (0, 0)
    boxes: np.ndarray = field(default_factory=_none(4))
    scores: np.ndarray = field(default_factory=_none())
    landmarks: np.ndarray = field(default_factory=_none(5, 2))
    features: np.ndarray = field(default_factory=_none(FEATURES))
    global_features: np.ndarray = field(default_factory=_none())
    crops: tuple[np.ndarray, ...] = ()
    aligned: np.ndarray = field(default_factory=_none(*ALIGNED, 3, dtype=np.uint8))
    canvas: np.ndarray = field(default_factory=_none(*CANVAS, 3, dtype=np.uint8))
    grid: np.ndarray = field(default_factory=_none(*CANVAS, 3, dtype=np.uint8))

    def __post_init__(self) -> None:
        count = len(self.boxes)
        for name in ("scores", "landmarks", "features", "crops", "aligned", "canvas"):
            if (n := len(getattr(self, name))) != count:
                raise LabelError(f"{self.id}: {n} {name} and {count} boxes; there must be one of each a face")

    def __len__(self) -> int:
        return len(self.boxes)


def face_schema() -> Any:
    """The Arrow schema of a row."""
    pa = arrow()
    text, number = pa.string(), pa.float32()
    kinds = {
        **dict.fromkeys(("id", "split", "label", "source", "status", "message"), text),
        **dict.fromkeys(("width", "height"), pa.int32()),
        "boxes": pa.list_(pa.list_(number, 4)),
        "scores": pa.list_(number),
        "landmarks": pa.list_(pa.list_(number, 10)),
        "features": pa.list_(pa.list_(number, FEATURES)),
        "global_features": pa.list_(number),
        "crop_sizes": pa.list_(pa.list_(pa.int32(), 2)),
        **dict.fromkeys(PIXELS, pa.binary()),
    }
    return pa.schema(list(kinds.items()))


def faces_table(rows: list[PictureFaces]) -> Any:
    """Rows, at least one, as an Arrow table."""
    schema, columns = face_schema(), []
    for each in schema:
        cells = [_cell(row, each.name) for row in rows]
        columns.append((lists if isinstance(cells[0], np.ndarray) else column)(cells, each.type))
    return arrow().Table.from_arrays(columns, schema=schema)


def _cell(row: PictureFaces, name: str) -> Any:
    if name in ("width", "height"):
        return row.size[name == "height"]
    if name == "crop_sizes":
        return np.array([crop.shape[:2] for crop in row.crops], np.int32).reshape(-1, 2)
    if name == "crops":
        return b"".join(crop.tobytes() for crop in row.crops)
    value = getattr(row, name)
    return value.tobytes() if name in PIXELS else value


def numbers(cell: Any, *shape: int) -> np.ndarray:
    """A list cell as float32 or int32 (n, *shape)."""
    values = cell.values
    flat = values if not shape else values.flatten()
    found: np.ndarray = np.array(flat.to_numpy(zero_copy_only=False)).reshape(-1, *shape)
    return found


def pixels(cell: Any, *shape: int) -> np.ndarray:
    """A binary cell as uint8 (n, *shape), a copy that may be written to."""
    found: np.ndarray = np.frombuffer(cell.as_buffer(), np.uint8).reshape(-1, *shape).copy()
    return found


def from_cells(cells: Mapping[str, Any]) -> PictureFaces:
    """The picture of a row, given as Arrow scalars by column."""
    sizes = numbers(cells["crop_sizes"], 2)
    texts = {name: cells[name].as_py() for name in ("id", "split", "label", "source", "status", "message")}
    return PictureFaces(
        **texts,
        size=(cells["width"].as_py(), cells["height"].as_py()),
        boxes=numbers(cells["boxes"], 4),
        scores=numbers(cells["scores"]),
        landmarks=numbers(cells["landmarks"], 5, 2),
        features=numbers(cells["features"], FEATURES),
        global_features=numbers(cells["global_features"]),
        crops=tuple(cut_crops(pixels(cells["crops"]), sizes)),
        aligned=pixels(cells["aligned"], *ALIGNED, 3),
        canvas=pixels(cells["canvas"], *CANVAS, 3),
        grid=pixels(cells["grid"], *CANVAS, 3),
    )


def cut_crops(flat: np.ndarray, sizes: np.ndarray) -> list[np.ndarray]:
    """The crops that lie one after the other in `flat` (n,), by their heights and widths (F, 2)."""
    ends = np.cumsum(sizes.prod(axis=1) * 3, dtype=np.int64)
    parts = np.split(flat, ends[:-1]) if len(sizes) else []
    return [part.reshape(height, width, 3) for part, (height, width) in zip(parts, sizes.tolist(), strict=True)]
