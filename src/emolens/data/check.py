"""What is there, what is missing, and whether it agrees with what its authors published: `emolens data check`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from emolens.data.base import SPLITS, Count, Info, OptionValue, Record
from emolens.data.columns import map_faults
from emolens.data.problems import KINDS, Fault, Problems
from emolens.data.registry import reader
from emolens.errors import DataError, InputError
from emolens.pictures.sources import pictures_in

Verdict = Literal["complete", "incomplete", "faulty"]

UNLABELLED = "(no label)"
AS_TEXT = {
    "missing": "named but not there",
    "path": "paths that leave the root",
    "unreadable": "unreadable",
    "size": "of the wrong size",
    "label": "labels out of range",
    "distribution": "probabilities that are none",
    "value": "values outside their scale",
    "box": "boxes that are none",
    "row": "rows with the wrong fields",
    "repeated": "ids that came before",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """An official count that the data does not have."""

    official: Count
    found: int

    def __str__(self) -> str:
        what = " ".join(part for part in (self.official.split, self.official.label) if part) or "all"
        return f"{what}: {self.found} found, {self.official.n} official"


@dataclass(frozen=True, slots=True, eq=False)
class CheckReport:
    """What a data set was found to hold.

    `counts`: (split, label) -> records; `official`: the counts to hold them against; `left_out`: reason -> rows.
    `faults`: kind -> number; `examples`: kind -> messages, some of them. `unlisted` counts pictures below the root
    that no record names. `opened` says how many pictures were decoded.
    """

    info: Info
    root: Path
    options: dict[str, OptionValue]
    records: int
    counts: dict[tuple[str, str], int]
    official: tuple[Count, ...]
    faults: dict[str, int]
    examples: dict[str, list[str]]
    left_out: dict[str, int]
    unlisted: int
    opened: int

    def found(self, count: Count) -> int:
        """How many records there are of what an official count counts."""
        return sum(
            n for (split, label), n in self.counts.items() if count.split in ("", split) and count.label in ("", label)
        )

    @property
    def differences(self) -> tuple[Difference, ...]:
        """The official counts that the data does not have."""
        found = ((count, self.found(count)) for count in self.official)
        return tuple(Difference(count, n) for count, n in found if n != count.n)

    @property
    def verdict(self) -> Verdict:
        """`faulty` where something that is there is wrong, `incomplete` where something is not there, or `complete`."""
        if any(n for kind, n in self.faults.items() if kind != "missing"):
            return "faulty"
        return "incomplete" if self.faults or self.differences or not self.records else "complete"

    @property
    def ok(self) -> bool:
        """Whether the verdict is `complete`: the exit code of the command is 0 then, else 1."""
        return self.verdict == "complete"

    def split_counts(self) -> dict[str, int]:
        """Records by split, for the splits that have any."""
        return {split: n for split in SPLITS if (n := sum(v for (s, _), v in self.counts.items() if s == split))}

    def lines(self) -> list[str]:
        """The report for people; the last line is the verdict."""
        chosen = ", ".join(f"{name}={value}" for name, value in self.options.items())
        told = [f"{self.info.title} in {self.root}" + (f" ({chosen})" if chosen else "")]
        for split, n in self.split_counts().items():
            told.append(f"  {split}: {n}{self._beside(split, '')}")
            labels = sorted(label for s, label in self.counts if s == split)
            told += [f"    {label}: {self.counts[split, label]}{self._beside(split, label)}" for label in labels]
        told += [f"  left out, {reason}: {n}" for reason, n in sorted(self.left_out.items())]
        told += [f"  differs from the official count, {difference}" for difference in self.differences]
        for kind, n in self.faults.items():
            told.append(f"  {AS_TEXT[kind]}: {n}")
            told += [f"    {message}" for message in self.examples[kind]]
            told += [f"    ... and {n - len(self.examples[kind])} more"] * (n > len(self.examples[kind]))
        told += [f"  pictures that nothing names: {self.unlisted}"] * bool(self.unlisted)
        return [*told, f"verdict: {self.verdict}; {self.records} records, {self.opened} pictures opened"]

    def _beside(self, split: str, label: str) -> str:
        """The official number, as it stands behind the one that was found."""
        return next((f" of {c.n}" for c in self.official if (c.split, c.label) == (split, label)), "")


def check(
    name: str,
    root: Path,
    *,
    open_pictures: bool = True,
    keep: int = 20,
    progress: Callable[[int], None] | None = None,
    **options: OptionValue,
) -> CheckReport:
    """Read a data set from end to end, open each of its pictures, and compare it with the official counts.

    `keep` messages of each kind of fault are kept; `progress` is told after each record how many there were. Faults
    are in the report, not raised; raises `UnknownName` and `OptionError` for the arguments, and `DataError` only where
    `root` does not exist.
    """
    found, problems = reader(name), Problems(strict=False, keep=keep)
    chosen = found.chosen(options)
    counts: Counter[tuple[str, str]] = Counter()
    named: set[str] = set()
    records = opened = 0
    for record in _until_broken(found.read(root, problems, **chosen), problems):
        records += 1
        counts[record.split, record.label or UNLABELLED] += 1
        named.update(str(path) for path in (record.picture, record.map) if isinstance(path, Path))
        for fault in record_faults(record, found.info, open_pictures):
            problems.add(fault)
        opened += open_pictures
        if progress:
            progress(records)
    return CheckReport(
        info=found.info,
        root=Path(root),
        options=chosen,
        records=records,
        counts=dict(counts),
        official=found.official(**chosen),
        faults={kind: problems.counts[kind] for kind in KINDS if problems.counts[kind]},
        examples={str(kind): messages for kind, messages in problems.examples.items()},
        left_out=dict(problems.left_out),
        unlisted=_unlisted(Path(root), named),
        opened=opened,
    )


def record_faults(record: Record, info: Info, open_picture: bool = True) -> Iterator[Fault]:
    """What is wrong with one record beyond what its birth checks: its scales, its picture, its map."""
    yield from value_faults(record, info)
    if not open_picture:
        return
    try:
        height, width = record.open().shape[:2]
    except InputError as error:
        yield Fault("unreadable", record.where, str(error))
        return
    yield from size_faults(record, info, width, height)
    yield from map_faults(record, width, height)


def value_faults(record: Record, info: Info) -> Iterator[Fault]:
    """Valence, arousal and dominance outside the set's scales; NaN is outside."""
    for name, (low, high) in info.scales.items():
        value = getattr(record, name)
        if value is not None and not low <= value <= high:
            yield Fault("value", record.where, f"{name} is {value:g}, allowed: {low:g} to {high:g}")


def size_faults(record: Record, info: Info, width: int, height: int) -> Iterator[Fault]:
    """A picture that is not as large as all pictures of its set are."""
    if info.size and info.size != (width, height):
        wanted = f"{info.size[0]} x {info.size[1]}"
        yield Fault("size", record.where, f"the picture has {width} x {height} pixels, {info.title} has {wanted}")


def _until_broken(records: Iterator[Record], problems: Problems) -> Iterator[Record]:
    """The records until the archive itself cannot be read on; why is then one more fault."""
    try:
        yield from records
    except Fault as fault:
        problems.add(fault)
    except DataError as error:
        where, _, what = str(error).partition(": ")
        problems.add(Fault("unreadable", where, what))


def _unlisted(root: Path, named: set[str]) -> int:
    """Pictures below the root that no record names; 0 where records hold their pixels themselves."""
    if not named or not root.is_dir():
        return 0
    return sum(1 for path in pictures_in(str(root)) if path not in named)
