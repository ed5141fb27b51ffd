"""Stand-ins for GAF: groups of FER+ faces on backgrounds, whose mean emotion is known from the votes.

GAF cannot be had here. A composite says which faces are in it, where, and what people voted about each; its class is
that of the mean of positive minus negative votes. It shows what a system makes of known faces, nothing about how real
groups look: faces are grey, frontal, of one size, and the scene has to do with them only as far as it is told to.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from emolens.data.composite_drawing import CELL, COLUMNS, ROWS, render, skeleton
from emolens.data.labelled import LabelledFaces
from emolens.errors import DataError, OptionError
from emolens.files import replacing
from emolens.taxonomy import GROUP3, Taxonomy

BORDER = 0.2
"""A group whose mean of positive minus negative votes is beyond it, on either side, is positive or negative."""
FEWEST, MOST = 3, ROWS * COLUMNS
SIDES = (96, 136)
"""Smallest and largest side of a pasted face in pixels: below 96 detectors begin to miss them."""
GAP = 8
"""So many pixels at the least between a face and the edge of its cell: a detector needs a background around it."""
FOLDERS = {"negative": ("Negative", "neg"), "neutral": ("Neutral", "neu"), "positive": ("Positive", "pos")}
SPLITS = ("train", "val", "test")
TRUTH = "composites.jsonl"
TRIES = 10_000
Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Composite:
    """A group that is to be drawn: its `label` and all that is in it.

    `mean` is that of the votes of its `faces` (ids), -1 to 1, and `margin` how far it is from the nearer border.
    `boxes` are x, y, width, height in pixels, one a face. `background` is the place of its scene among those there
    are. `scene` and `skeleton` are the classes that the colour of the scene and the poses of the bodies hint at.
    """

    id: str
    split: str
    label: str
    mean: float
    margin: float
    faces: tuple[str, ...]
    boxes: tuple[Box, ...]
    background: int
    scene: str
    skeleton: str
    seed: int


@dataclass(frozen=True, slots=True)
class Cues:
    """How often, 0 to 1, the colour of the scene and the poses hint at the class; else at one drawn at random.

    At 0 they say nothing about the class. None leaves the scene uncoloured or the skeletons out.
    """

    scene: float | None = None
    skeleton: float | None = None


def balances(targets: np.ndarray, taxonomy: Taxonomy) -> np.ndarray:
    """Positive minus negative share of each distribution (N, K): float64 (N,), -1 to 1."""
    signs = {"negative": -1.0, "neutral": 0.0, "positive": 1.0}
    return np.asarray(targets.astype(np.float64) @ [signs[one] for one in taxonomy.polarity()])


def group_label(mean: float) -> str:
    """The class of a group whose mean of positive minus negative votes this is."""
    return "positive" if mean > BORDER else "negative" if mean < -BORDER else "neutral"


def planned(
    faces: LabelledFaces, count: int, split: str, seed: int = 0, cues: Cues = Cues(), backgrounds: int = 1
) -> Iterator[Composite]:
    """`count` groups of 3 to 12 different faces, as many of each class as of the others, known before one is drawn.

    A group is drawn from negative, neutral and positive faces in shares that are themselves drawn evenly from all
    there can be, and drawn again until it has the class whose turn it is. So there are groups of one mind and mixed
    ones, and means near the borders are as usual as others. Each group rests on the seed and its number alone. Raises
    `DataError` where the faces cannot make a class.
    """
    values = balances(faces.targets, faces.taxonomy)
    pools = [np.flatnonzero(_faces_of(label, values)) for label in GROUP3.classes]
    if min(map(len, pools)) < MOST:
        counts = ", ".join(f"{len(pool)} {label}" for pool, label in zip(pools, GROUP3.classes, strict=True))
        raise DataError(f"{split}: {counts} faces; needs {MOST} of each to make groups of")
    for number in range(count):
        chance = np.random.default_rng([seed, SPLITS.index(split), number])
        label = GROUP3.classes[number % len(GROUP3)]
        rows = _group(label, values, pools, chance)
        yield _composite(number, label, faces.ids[rows], values[rows], split, chance, cues, backgrounds)


def write_composites(
    folder: Path,
    faces: Mapping[str, LabelledFaces],
    counts: Mapping[str, int],
    backgrounds: Sequence[np.ndarray],
    *,
    seed: int = 0,
    cues: Cues = Cues(),
    told: Callable[[int], None] = lambda done: None,
) -> list[Composite]:
    """A data set in the layout of GAF in `folder`, and the truth about it in `composites.jsonl`.

    `faces` has the faces of each split of `counts`; those of one split are in no other. Pictures of `test` lie in the
    folder `val` and in the list `test_list.txt`, as `protocol=lists` reads them. `backgrounds` are RGB uint8 (480, 640,
    3). With `cues.skeleton` the bodies are in `emotiw_skeletons`, as OpenPose draws them. Pictures that are there
    already stay, so a run that was stopped goes on. `told` hears how many are done. Raises `OptionError` for splits
    that are none, `DataError` where faces are in two splits or cannot make a class.
    """
    _check(faces, counts, backgrounds)
    written: list[Composite] = []
    for split, count in counts.items():
        by_id = {name: faces[split].images[at] for at, name in enumerate(faces[split].ids)}
        for one in planned(faces[split], count, split, seed, cues, len(backgrounds)):
            one = replace(one, id=_place(one, len(written)))
            _write(folder, one, by_id, backgrounds, cues)
            written.append(one)
            told(len(written))
    _write_lists(folder, written)
    return written


def read_composites(folder: Path) -> list[Composite]:
    """The truth about a folder of composites. Raises `DataError` where there is none."""
    path = folder / TRUTH
    if not path.is_file():
        raise DataError(f"{path}: not there; write_composites writes it beside the pictures")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    listed = [row | {"faces": tuple(row["faces"]), "boxes": tuple(map(tuple, row["boxes"]))} for row in rows]
    return [Composite(**row) for row in listed]


def _faces_of(label: str, values: np.ndarray) -> np.ndarray:
    """Faces whose own votes are beyond the borders, or between them."""
    return np.array([group_label(value) == label for value in values], bool)


def _group(label: str, values: np.ndarray, pools: Sequence[np.ndarray], chance: np.random.Generator) -> np.ndarray:
    for _ in range(TRIES):
        size = int(chance.integers(FEWEST, MOST + 1))
        parts = chance.multinomial(size, chance.dirichlet(np.ones(len(pools))))
        rows = np.concatenate([chance.choice(pool, n, replace=False) for pool, n in zip(pools, parts, strict=True)])
        if group_label(float(values[rows].mean())) == label:
            return np.asarray(chance.permutation(rows))
    raise DataError(f"no {label} group in {TRIES:,} draws; the faces are too much alike")


def _composite(
    number: int, label: str, ids: np.ndarray, values: np.ndarray, split: str, chance: np.random.Generator, cues: Cues,
    backgrounds: int,
) -> Composite:  # fmt: skip
    mean = float(values.mean())
    return Composite(
        id=f"{split}-{number:05d}",
        split=split,
        label=label,
        mean=round(mean, 6),
        margin=round(abs(abs(mean) - BORDER), 6),
        faces=tuple(ids.tolist()),
        boxes=_boxes(len(ids), chance),
        background=int(chance.integers(backgrounds)),
        scene=_hint(label, cues.scene, chance),
        skeleton=_hint(label, cues.skeleton, chance),
        seed=int(chance.integers(2**31)),
    )


def _boxes(count: int, chance: np.random.Generator) -> tuple[Box, ...]:
    """Each face in a cell of its own, anywhere inside it."""
    found = []
    for cell in chance.permutation(ROWS * COLUMNS)[:count]:
        side = int(chance.integers(SIDES[0], SIDES[1] + 1))
        x, y = chance.integers(GAP, CELL - side - GAP + 1, 2)
        found.append((int(cell % COLUMNS * CELL + x), int(cell // COLUMNS * CELL + y), side, side))
    return tuple(found)


def _hint(label: str, share: float | None, chance: np.random.Generator) -> str:
    if share is None:
        return ""
    return label if chance.random() < share else str(chance.choice(GROUP3.classes))


def _check(faces: Mapping[str, LabelledFaces], counts: Mapping[str, int], backgrounds: Sequence[np.ndarray]) -> None:
    wrong = [split for split in counts if split not in SPLITS or split not in faces]
    if wrong or not counts or not backgrounds:
        raise OptionError(f"splits {', '.join(counts)}, {len(backgrounds)} backgrounds; needs faces of each split out "
                          f"of {', '.join(SPLITS)}, and a background")  # fmt: skip
    ids = [set(faces[split].ids.tolist()) for split in counts]
    if sum(map(len, ids)) != len(set().union(*ids)):
        raise DataError("some faces are in two splits; give each split faces of its own")


def _place(one: Composite, number: int) -> str:
    folder, prefix = FOLDERS[one.label]
    return f"{'train' if one.split == 'train' else 'val'}/{folder}/{prefix}_{number}.jpg"


def _write(
    folder: Path, one: Composite, faces: Mapping[str, np.ndarray], backgrounds: Sequence[np.ndarray], cues: Cues
) -> None:
    picture = folder / "emotiw" / one.id
    if not picture.is_file():
        _save(render(one, [faces[name] for name in one.faces], backgrounds[one.background]), picture)
    if cues.skeleton is not None:
        drawn = (folder / "emotiw_skeletons" / one.id).with_suffix(".png")
        if not drawn.is_file():
            _save(skeleton(one), drawn)


def _save(pixels: np.ndarray, path: Path) -> None:
    with replacing(path) as draft:
        Image.fromarray(pixels).save(draft, "png" if path.suffix == ".png" else "jpeg", quality=95)


def _write_lists(folder: Path, written: Sequence[Composite]) -> None:
    files = {TRUTH: [json.dumps(asdict(one)) for one in written]}
    for split in ("val", "test"):
        files[f"{split}_list.txt"] = [Path(one.id).name for one in written if one.split == split]
    for name, lines in files.items():
        with replacing(folder / name) as draft:
            draft.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
