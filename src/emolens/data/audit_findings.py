"""What an audit finds in rows: things that splits share, repeats, contradictions, mixed official parts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from emolens.data.entries import Entry

Shared = Literal["path", "bytes", "pixels", "near", "name", "subject", "sequence", "group"]
MEANING: Mapping[Shared, str] = {
    "path": "the same path or id",
    "bytes": "the same file, byte by byte",
    "pixels": "the same pixels",
    "near": "nearly the same picture, by its perceptual hash; other pixels",
    "name": "the same file name under another class: identity unknown, a relabelled copy or only the same number",
    "subject": "the same person",
    "sequence": "the same image sequence or video",
    "group": "the same group, as given",
}
EXAMPLES = 5
Pair: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Relation:
    """What rows may share: a key for each row, None where it is not known.

    `close` holds the other keys that count as shared with a key; None where a key is shared with itself alone.
    """

    kind: Shared
    keys: Sequence[str | None]
    close: Mapping[str, frozenset[str]] | None = None

    def matches(self, key: str) -> Iterable[str]:
        """The keys of other rows that would share something with this one."""
        return (key,) if self.close is None else self.close.get(key, ())


@dataclass(frozen=True, slots=True)
class Overlap:
    """How much of `split` is also in `other` (one split, or several joined by +).

    `rows` of the `known` rows of `split` share something, by `things` of `known_things` distinct subjects, pictures...
    `collections`: name, rows that share, rows known. `examples`: a row of `split` and one of `other`.
    """

    kind: Shared
    split: str
    other: str
    rows: int
    known: int
    things: int
    known_things: int
    collections: tuple[tuple[str, int, int], ...]
    examples: tuple[Pair, ...]


def overlaps(relation: Relation, rows: Sequence[Entry], order: Sequence[str]) -> tuple[Overlap, ...]:
    """Each split against each one before it, and against all of them together; those with unknown keys are left out."""
    members: dict[str, dict[str, int]] = {split: {} for split in order}
    for at, (row, key) in enumerate(zip(rows, relation.keys, strict=True)):
        if key is not None:
            members[row.split].setdefault(key, at)
    found = []
    for place, split in enumerate(order):
        before = [[other] for other in order[:place]] + ([list(order[:place])] if place > 1 else [])
        for others in before:
            pool = {key: at for other in reversed(others) for key, at in members[other].items()}
            if pool and members[split]:
                found.append(_overlap(relation, rows, split, "+".join(others), pool))
    return tuple(found)


def _overlap(relation: Relation, rows: Sequence[Entry], split: str, other: str, pool: Mapping[str, int]) -> Overlap:
    twins: dict[str, int | None] = {}
    known: Counter[str] = Counter()
    shared: Counter[str] = Counter()
    examples: list[Pair] = []
    for row, key in zip(rows, relation.keys, strict=True):
        if row.split != split or key is None:
            continue
        if key not in twins:
            twins[key] = next((pool[match] for match in relation.matches(key) if match in pool), None)
        known[row.collection] += 1
        twin = twins[key]
        if twin is not None:
            shared[row.collection] += 1
            examples.append((str(row), str(rows[twin])))
    return Overlap(
        kind=relation.kind,
        split=split,
        other=other,
        rows=shared.total(),
        known=known.total(),
        things=sum(twin is not None for twin in twins.values()),
        known_things=len(twins),
        collections=tuple((name, shared[name], count) for name, count in sorted(known.items())),
        examples=tuple(examples[:EXAMPLES]),
    )


def same_name(rows: Sequence[Entry]) -> Relation:
    """Rows whose file name occurs under another label. Numbers such as `1.jpg` recur without meaning anything."""
    keys = [None if row.label is None else f"{row.name}\0{row.label}" for row in rows]
    by_name: dict[str, set[str]] = defaultdict(set)
    for row, key in zip(rows, keys, strict=True):
        if key is not None:
            by_name[row.name].add(key)
    close = {key: frozenset(by_name[row.name] - {key}) for row, key in zip(rows, keys, strict=True) if key is not None}
    return Relation("name", keys, close)


@dataclass(frozen=True, slots=True)
class Repeats:
    """Rows beyond the first of each distinct picture (and person in it), within `split`; "" for the whole set."""

    kind: Shared
    split: str
    rows: int
    distinct: int

    @property
    def repeated(self) -> int:
        """Rows that could go without a picture being lost."""
        return self.rows - self.distinct


def repeats(relation: Relation, rows: Sequence[Entry], order: Sequence[str]) -> tuple[Repeats, ...]:
    """Of the whole set, then of each split; those with no known key are left out."""
    keys: dict[str, list[Pair]] = {split: [] for split in ("", *order)}
    for row, key in zip(rows, relation.keys, strict=True):
        if key is not None:
            keys[""].append((key, row.region))
            keys[row.split].append((key, row.region))
    return tuple(Repeats(relation.kind, split, len(k), len(set(k))) for split, k in keys.items() if k)


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Equal pictures with different labels: so many distinct `pictures`, on so many `rows`.

    `examples`: a row and its label beside another row and its label.
    """

    kind: Shared
    pictures: int
    rows: int
    examples: tuple[Pair, ...]


def contradiction(relation: Relation, rows: Sequence[Entry]) -> Contradiction:
    """What equal keys say about labels, over all splits; rows without a label have no say."""
    alike: dict[Pair, list[Entry]] = defaultdict(list)
    for row, key in zip(rows, relation.keys, strict=True):
        if key is not None and row.label is not None:
            alike[key, row.region].append(row)
    torn = [same for same in alike.values() if len({row.label for row in same}) > 1]
    examples = tuple((_labelled(same[0]), _labelled(_other_label(same))) for same in torn[:EXAMPLES])
    return Contradiction(relation.kind, len(torn), sum(map(len, torn)), examples)


def _other_label(same: Sequence[Entry]) -> Entry:
    return next(row for row in same if row.label != same[0].label)


def _labelled(row: Entry) -> str:
    return f"{row}: {row.label}"


@dataclass(frozen=True, slots=True)
class OfficialPart:
    """So many rows of `split` are of the official part `official`, by their names.

    `misplaced` where they should not be: official train pictures belong in train (or a val cut from it), official test
    pictures in test; a split with another name may hold one of the two, not both.
    """

    split: str
    collection: str
    official: str
    rows: int
    misplaced: bool = field(default=False)


def official_parts(rows: Iterable[Entry]) -> tuple[OfficialPart, ...]:
    """Which official parts each split is made of, where file names tell."""
    counts = Counter((row.split, row.collection, row.official) for row in rows if row.official is not None)
    parts = defaultdict(set)
    for split, _, official in counts:
        parts[split].add(official)
    allowed = {"train": {"train"}, "val": {"train"}, "test": {"test"}}
    return tuple(
        OfficialPart(split, collection, official, n, _misplaced(official, allowed.get(split), parts[split]))
        for (split, collection, official), n in counts.items()
    )


def _misplaced(official: str, allowed: set[str] | None, parts: set[str]) -> bool:
    return len(parts) > 1 if allowed is None else official not in allowed
