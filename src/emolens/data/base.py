"""The one door to all data sets: a record, what is known about its set, and the reader that gives records.

A reader streams: it opens no picture and keeps no list of records, since AffectNet has 290,000 of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from emolens.data.problems import Fault, Problems
from emolens.errors import DataError, OptionError, UnknownName
from emolens.maps import read_map
from emolens.pictures.images import open_image
from emolens.taxonomy import Taxonomy

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
Picture: TypeAlias = "Path | bytes | np.ndarray"
OptionValue: TypeAlias = "str | int | bool"

SUM_TOLERANCE = 1e-3
"""How far from 1 probabilities may sum: published files print four to six digits."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Record:
    """One labelled picture, or one labelled person in it, as its data set has it. The picture is opened when asked.

    `id` is unique in the set and stable. `picture` is a path, encoded bytes, or uint8 (H, W) or (H, W, 3) RGB.
    `label` is a class of `taxonomy`; None where the set has none. `distribution` is float32 (K,) over `taxonomy`, as
    published: it sums to 1 within the print of the file. `votes` is float32 (V,), counts in the set's own columns.
    `valence`, `arousal`, `dominance` are in the set's own units (`Info.scales`). `boxes` is float32 (n, 4): x1, y1,
    x2, y2 in pixels, of the people that the labels are about. `map` is the stimuli map. `categories` are further
    labels that may hold together (EMOTIC's 26). `subject` is who is seen, `sequence` the recording (image sequence or
    video) a frame is from, `group` the user's own cluster: what must not be torn apart by a split. `source` names the
    file and row it came from. `attributes` holds whatever else is known, as text.
    """

    id: str
    split: Split
    picture: Picture
    taxonomy: Taxonomy
    label: str | None = None
    distribution: np.ndarray | None = None
    votes: np.ndarray | None = None
    valence: float | None = None
    arousal: float | None = None
    dominance: float | None = None
    boxes: np.ndarray | None = None
    map: Picture | None = None
    categories: tuple[str, ...] = ()
    subject: str | None = None
    sequence: str | None = None
    group: str | None = None
    source: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.id or self.split not in SPLITS:
            raise Fault("row", self.where, f"id {self.id!r} in split {self.split!r}; needs an id and one of {SPLITS}")
        if self.label is not None and self.label not in self.taxonomy.classes:
            allowed = ", ".join(self.taxonomy.classes)
            raise Fault("label", self.where, f"label {self.label!r} is not in {self.taxonomy.name}: {allowed}")
        if self.distribution is not None:
            _check_distribution(self.distribution, self.taxonomy, self.where)
        if self.boxes is not None:
            _check_boxes(self.boxes, self.where)

    @property
    def where(self) -> str:
        """What errors call this record: its file and row, else its id."""
        return self.source or self.id

    def open(self) -> np.ndarray:
        """The picture as RGB uint8 (H, W, 3). Raises `InputError` where it cannot be read."""
        return open_image(self.picture)

    def open_map(self) -> np.ndarray | None:
        """The stimuli map as float32 (H, W) in [0, 1], or None. Raises `InputError` where it cannot be read."""
        if self.map is None:
            return None
        return read_map(self.map, f"the map of {self.where}")


def _check_distribution(distribution: np.ndarray, taxonomy: Taxonomy, where: str) -> None:
    if distribution.shape != (len(taxonomy),):
        raise Fault("distribution", where, f"{distribution.shape} probabilities, {taxonomy.name} has {len(taxonomy)}")
    total, lowest = float(distribution.sum()), float(distribution.min())
    if not (abs(total - 1) <= SUM_TOLERANCE and lowest >= 0):  # NaN fails too
        what = f"probabilities sum to {total:.4f} and the lowest is {lowest:.4g}; they must sum to 1, none below 0"
        raise Fault("distribution", where, what)


def _check_boxes(boxes: np.ndarray, where: str) -> None:
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise Fault("box", where, f"boxes of shape {boxes.shape}, need (n, 4): x1, y1, x2, y2")
    if not np.all((boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])):
        raise Fault("box", where, f"boxes {boxes.tolist()}: one is empty or not x1, y1, x2, y2")


@dataclass(frozen=True, slots=True)
class Count:
    """An official number of records: of a split ("" for the whole set), of a class of it ("" for all).

    `when` names the options it holds for; `source` says who states it.
    """

    n: int
    split: str = ""
    label: str = ""
    when: Mapping[str, OptionValue] = field(default_factory=dict)
    source: str = ""


@dataclass(frozen=True, slots=True)
class Option:
    """What a reader may be asked for. `allowed` is empty where any value of the default's type will do."""

    name: str
    default: OptionValue
    meaning: str
    allowed: tuple[OptionValue, ...] = ()

    def value(self, given: OptionValue) -> OptionValue:
        """A given value, or its text from a command line, as this option's type. Raises `OptionError`."""
        try:
            value = _typed(given, self.default)
        except ValueError:
            raise OptionError(f"{self.name}={given!r} needs {_an_example(self.default)}; {self.meaning}") from None
        if self.allowed and value not in self.allowed:
            raise OptionError(f"{self.name}={given!r}; allowed: {', '.join(map(str, self.allowed))}; {self.meaning}")
        return value


def _typed(given: OptionValue, default: OptionValue) -> OptionValue:
    if isinstance(default, bool):
        if str(given).lower() not in ("true", "false", "yes", "no"):
            raise ValueError
        return str(given).lower() in ("true", "yes")
    return int(given) if isinstance(default, int) else str(given)


def _an_example(default: OptionValue) -> str:
    return "yes or no" if isinstance(default, bool) else f"a whole number such as {default}"


@dataclass(frozen=True, slots=True)
class Info:
    """What is known about a data set before it is read.

    `citation` and `terms` are the authors'; `obtain` says what the user must get and from whom: nothing gated is ever
    fetched. `taxonomy` is that of the default options (None where the files themselves name the classes). `scales`:
    lowest and highest of `valence`, `arousal`, `dominance`. `size`: width and height of every picture, where all are
    alike. `counts` are the official ones. `layout` describes the files, in words. `vote_columns` names `Record.votes`.
    """

    name: str
    title: str
    citation: str
    terms: str
    obtain: str
    layout: str
    taxonomy: Taxonomy | None
    task: Literal["expression", "group", "evoked", "stimuli"]
    counts: tuple[Count, ...] = ()
    scales: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    vote_columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DataReader:
    """A data set's info, its options, and the function that walks its archive.

    `walk(root, problems, **options)` gives records in a fixed order and reports each fault to `problems`.
    """

    info: Info
    walk: Callable[..., Iterator[Record]]
    options: tuple[Option, ...] = ()

    def read(self, root: Path | str, problems: Problems | None = None, **options: OptionValue) -> Iterator[Record]:
        """The records of the archive in or at `root`, one after the other, ids unique.

        Without `problems` the first fault is raised. Raises `UnknownName` and `OptionError` for options and
        `DataError` where `root` is not there, at once; while it is read, `DataError` where the archive is not in
        `root` (it says what to obtain) or is not as it should be.
        """
        chosen = self.chosen(options)
        if not Path(root).exists():
            raise DataError(f"{root}: no such file or folder; {self.info.title}: {self.info.obtain}")
        problems = problems if problems is not None else Problems()
        return _distinct(self.walk(Path(root), problems, **chosen), problems)

    def chosen(self, options: Mapping[str, OptionValue]) -> dict[str, Any]:
        """All options with their values, the given ones checked. Raises `UnknownName`, `OptionError`."""
        known = {option.name: option for option in self.options}
        for name in options:
            if name not in known:
                raise UnknownName(f"option of {self.info.name}", name, known)
        return {name: option.value(options.get(name, option.default)) for name, option in known.items()}

    def official(self, **options: OptionValue) -> tuple[Count, ...]:
        """The official counts that hold for these options."""
        chosen = self.chosen(options)
        return tuple(c for c in self.info.counts if all(chosen.get(k) == v for k, v in c.when.items()))


def absent(info: Info, root: Path, wanted: str) -> Fault:
    """The error for an archive whose index is not in `root`: what was looked for, and what to obtain."""
    return Fault("missing", str(root), f"no {wanted} there; {info.title}: {info.obtain}")


def _distinct(records: Iterator[Record], problems: Problems) -> Iterator[Record]:
    seen: set[int] = set()  # hashes, not names: 450,000 ids are 30 MB, not 100
    for record in records:
        key = hash(record.id)
        if key in seen:
            problems.add(Fault("repeated", record.where, f"the id {record.id!r} came before; ids must be unique"))
            continue
        seen.add(key)
        yield record
