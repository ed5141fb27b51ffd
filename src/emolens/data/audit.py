"""The leak audit: can a score on `val` or `test` be believed, or has the model seen those rows?"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from emolens.data.audit_findings import (
    MEANING,
    Contradiction,
    OfficialPart,
    Overlap,
    Relation,
    Repeats,
    contradiction,
    official_parts,
    overlaps,
    repeats,
    same_name,
)
from emolens.data.base import SPLITS
from emolens.data.entries import Entry
from emolens.data.fingerprints import NEAR, Fingerprint, fingerprint, near_pairs
from emolens.data.problems import Fault, Kind, Problems
from emolens.errors import DataError, InputError, UnknownName

SCHEMA_VERSION = 1
KINDS = (*MEANING, "official", "labels", "repeats", "blank", "classes", "faults")
"""What an audit may find. The first eight are shared between splits. official: official parts mixed or misplaced.
labels: equal pictures with different labels. repeats: equal rows within a split. blank: pictures of one colour.
classes: a class that a split lacks. faults: rows or files that could not be audited."""
LEAKS = ("path", "bytes", "pixels", "near", "subject", "sequence", "group", "official")
"""What lets a model be judged on what it has seen. The same name alone proves nothing."""
FAIL_ON: Mapping[str, tuple[str, ...]] = {"leak": LEAKS, "any": KINDS}
"""Words for several kinds at once."""


@dataclass(frozen=True, slots=True)
class SplitSize:
    """`rows` of a split; `pictures`: how many of them were opened and compared; `blank`: of one colour throughout."""

    name: str
    rows: int
    pictures: int
    blank: int


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found. `distance`: bits of 256 within which pictures are near, None where that was not asked.

    `unchecked` names the kinds for which no two splits had anything to compare: absence of a finding means nothing
    there. `classes` is split -> label -> rows. `faults` counts rows and files left out, by kind, with examples.
    """

    splits: tuple[SplitSize, ...]
    overlaps: tuple[Overlap, ...]
    repeats: tuple[Repeats, ...]
    contradictions: tuple[Contradiction, ...]
    official: tuple[OfficialPart, ...]
    classes: Mapping[str, Mapping[str, int]]
    faults: Mapping[str, int]
    fault_examples: tuple[str, ...]
    unchecked: tuple[str, ...]
    distance: int | None

    def found(self) -> tuple[str, ...]:
        """The kinds of `KINDS` that were found at least once."""
        shared = {one.kind for one in self.overlaps if one.rows}
        known = {label for counts in self.classes.values() for label in counts}
        others = {
            "official": any(part.misplaced for part in self.official),
            "labels": any(one.pictures for one in self.contradictions),
            "repeats": any(one.split and one.repeated for one in self.repeats),
            "blank": any(split.blank for split in self.splits),
            "classes": any(counts and len(counts) < len(known) for counts in self.classes.values()),
            "faults": bool(self.faults),
        }
        return tuple(kind for kind in KINDS if kind in shared or others.get(kind))

    def failed(self, fail_on: Iterable[str] = ("leak",)) -> tuple[str, ...]:
        """Which of these kinds were found; `leak` and `any` stand for several. Raises `UnknownName`."""
        wanted = kinds(fail_on)
        return tuple(kind for kind in self.found() if kind in wanted)

    def overlap(self, kind: str, split: str, other: str) -> Overlap | None:
        """What `split` shares with `other` ("train", "train+val"); None where that could not be checked."""
        matches = (one for one in self.overlaps if (one.kind, one.split, one.other) == (kind, split, other))
        return next(matches, None)

    def to_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON, with the kinds that were found."""
        return {"schema_version": SCHEMA_VERSION, "found": list(self.found()), **asdict(self)}

    def to_json(self) -> str:
        """All of it as JSON text."""
        return json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n"


def kinds(fail_on: Iterable[str]) -> frozenset[str]:
    """The kinds behind the words of `--fail-on`. Raises `UnknownName`."""
    words = list(fail_on)
    for word in words:
        if word not in KINDS and word not in FAIL_ON:
            raise UnknownName("finding", word, (*KINDS, *FAIL_ON))
    return frozenset(kind for word in words for kind in FAIL_ON.get(word, (word,)))


def audit(
    entries: Iterable[Entry],
    *,
    distance: int | None = NEAR,
    problems: Problems | None = None,
    step: Callable[[], None] = lambda: None,
) -> Audit:
    """Compare the splits of `entries`: train, val, test, then others in the order in which they come.

    Each split is compared with those before it.

    Pictures that entries hold are opened one at a time; entries without pictures are compared by their names.
    `distance` None leaves out the search for near-duplicates. Faults are counted in the result (give the `Problems`
    that the lists were read with; a strict one raises the first). `step` is called after each row. Raises `DataError`
    for no entries at all, `OptionError` for a distance that is not allowed, `MissingExtra` without imagehash.
    """
    problems = problems if problems is not None else Problems(strict=False)
    if distance is not None:
        near_pairs(np.empty((0, 0)), distance)  # says what is wrong with a distance before hours of reading
    rows, prints = _read(entries, distance is not None, problems, step)
    if not rows:
        raise DataError(_nothing(problems))
    rows = _shortened(rows)
    order = _in_order(row.split for row in rows)
    relations = [*_named(rows, prints), *_seen(prints, distance)]
    shared = [one for relation in relations for one in overlaps(relation, rows, order)]
    equal = [relation for relation in relations if relation.kind in ("path", "bytes", "pixels")]
    return Audit(
        splits=tuple(_size(split, rows, prints) for split in order),
        overlaps=tuple(shared),
        repeats=tuple(one for relation in equal for one in repeats(relation, rows, order)),
        contradictions=tuple(contradiction(relation, rows) for relation in equal if any(relation.keys)),
        official=official_parts(rows),
        classes={split: _classes(split, rows) for split in order},
        faults=dict[str, int](problems.counts.items()),
        fault_examples=tuple(text for texts in problems.examples.values() for text in texts),
        unchecked=tuple(kind for kind in MEANING if kind not in {one.kind for one in shared}),
        distance=distance,
    )


def _shortened(rows: Sequence[Entry]) -> list[Entry]:
    """The rows without the folders that all collections begin with: `data/RAF` beside `data/CK+` is `RAF`."""
    parts = {row.collection: PurePosixPath(row.collection).parts for row in rows}
    least, most = min(parts.values()), max(parts.values())
    pairs = list(zip(least, most, strict=False))
    common = next((at for at, (a, b) in enumerate(pairs) if a != b), len(pairs))
    if len(parts) == 1:
        common -= 1  # the only collection keeps its own name
    names = {name: "/".join(folders[max(common, 0) :]) for name, folders in parts.items()}
    return [replace(row, collection=names[row.collection]) for row in rows]


def _in_order(splits: Iterable[str]) -> list[str]:
    found = dict.fromkeys(splits)
    return [*(split for split in SPLITS if split in found), *(split for split in found if split not in SPLITS)]


def _nothing(problems: Problems) -> str:
    examples = [text for texts in problems.examples.values() for text in texts]
    return f"nothing to audit: {examples[0]}" if examples else "nothing to audit: no row in any split"


def _read(
    entries: Iterable[Entry], looks: bool, problems: Problems, step: Callable[[], None]
) -> tuple[list[Entry], list[Fingerprint | None]]:
    """The entries without their pictures, and what the pictures are. A file that is named twice is opened once."""
    rows: list[Entry] = []
    prints: list[Fingerprint | None] = []
    files: dict[Path, Fingerprint | None] = {}
    for entry in entries:
        key = entry.picture if isinstance(entry.picture, Path) else None
        seen = files[key] if key in files else _print(entry, looks, problems)
        if key is not None:
            files[key] = seen
        rows.append(replace(entry, picture=None))
        prints.append(seen)
        step()
    return rows, prints


def _print(entry: Entry, looks: bool, problems: Problems) -> Fingerprint | None:
    if entry.picture is None:
        return None
    try:
        return fingerprint(entry.picture, looks)
    except InputError as error:
        kind: Kind = "missing" if error.status == "not_found" else "unreadable"
        reason = str(error).partition(": ")[2]  # what comes before names the source, in other words
        problems.add(Fault(kind, entry.where or entry.path, f"{entry.path}: {reason}"))
        return None


def _named(rows: Sequence[Entry], prints: Sequence[Fingerprint | None]) -> list[Relation]:
    # Two prepared sets may each hold a `1.jpg` of their own: where pictures were opened, they must be alike too.
    paths = [f"{row.path}\0{one.pixels if one else ''}" for row, one in zip(rows, prints, strict=True)]
    return [
        Relation("path", paths),
        same_name(rows),
        Relation("subject", [row.subject for row in rows]),
        Relation("sequence", [row.sequence for row in rows]),
        Relation("group", [row.group for row in rows]),
    ]


def _seen(prints: Sequence[Fingerprint | None], distance: int | None) -> list[Relation]:
    pixels = [one.pixels if one else None for one in prints]
    found = [Relation("bytes", [(one.file or None) if one else None for one in prints]), Relation("pixels", pixels)]
    return found if distance is None else [*found, Relation("near", pixels, _neighbours(prints, distance))]


def _neighbours(prints: Sequence[Fingerprint | None], distance: int) -> dict[str, frozenset[str]]:
    looks = {one.pixels: one.look for one in prints if one and one.look is not None}
    names = list(looks)
    found: dict[str, set[str]] = {}
    for a, b in near_pairs(np.array(list(looks.values()), dtype=bool), distance).tolist():
        found.setdefault(names[a], set()).add(names[b])
        found.setdefault(names[b], set()).add(names[a])
    return {name: frozenset(close) for name, close in found.items()}


def _size(split: str, rows: Sequence[Entry], prints: Sequence[Fingerprint | None]) -> SplitSize:
    opened = [one for row, one in zip(rows, prints, strict=True) if row.split == split and one]
    return SplitSize(split, sum(row.split == split for row in rows), len(opened), sum(one.blank for one in opened))


def _classes(split: str, rows: Sequence[Entry]) -> dict[str, int]:
    counts = Counter(row.label for row in rows if row.split == split and row.label is not None)
    return dict(sorted(counts.items()))
