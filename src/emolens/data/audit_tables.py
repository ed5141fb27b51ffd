"""An audit as tables for people: what to show, not how."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from emolens.data.audit import Audit
from emolens.data.audit_findings import MEANING, Overlap
from emolens.data.fingerprints import BITS

_NO_NAME = "(all)"


@dataclass(frozen=True, slots=True)
class Table:
    """A title, the names of the columns, rows of text of the same width, and notes that go below."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def text(self) -> str:
        """The table in plain text: the first column to the left, the others to the right."""
        widths = [max(len(cell) for cell in column) for column in zip(self.columns, *self.rows, strict=True)]
        lines = [_line(row, widths) for row in (self.columns, *self.rows)]
        return "\n".join([self.title, *(f"  {line}" for line in lines), *(f"  {note}" for note in self.notes)])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = [
        cell.ljust(width) if at == 0 else cell.rjust(width)
        for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join([first, *others]).rstrip()


def tables(audit: Audit) -> tuple[Table, ...]:
    """Sizes, what splits share, equal rows, official parts, classes, faults; tables without a finding are left out."""
    made = (_sizes(audit), *_shared(audit), _equal(audit), _official(audit), _classes(audit), _faults(audit))
    return tuple(table for table in made if table.rows)


def as_text(audit: Audit) -> str:
    """All tables in plain text, with a verdict as the last line."""
    found = audit.found()
    verdict = f"Found: {', '.join(found)}." if found else "Found nothing."
    return "\n\n".join([*(table.text() for table in tables(audit)), verdict]) + "\n"


def _sizes(audit: Audit) -> Table:
    rows = tuple((s.name, f"{s.rows:,}", f"{s.pictures:,}", f"{s.blank:,}") for s in audit.splits)
    clean = [kind for kind in MEANING if kind not in audit.unchecked and kind not in audit.found()]
    notes = {
        f"near: at most {audit.distance} of {BITS} bits of the perceptual hash differ": "near" not in audit.unchecked,
        f"compared, and nothing shared: {', '.join(clean)}": bool(clean),
        f"not compared, since it is not known in two splits: {', '.join(audit.unchecked)}": bool(audit.unchecked),
    }
    shown = tuple(note for note, holds in notes.items() if holds)
    return Table("Splits", ("split", "rows", "pictures opened", "blank"), rows, shown)


def _shared(audit: Audit) -> Iterator[Table]:
    columns = ("split, collection", "also in", "rows", "of", "share", "distinct", "of")
    for kind, meaning in MEANING.items():
        if kind not in audit.found():
            continue
        overlaps = [one for one in audit.overlaps if one.kind == kind]
        rows = tuple(row for one in overlaps for row in _overlap(one))
        notes = tuple(
            f"{one.split}: {a}  =  {one.other}: {b}"
            for one in overlaps
            if "+" not in one.other
            for a, b in one.examples[:1]
        )
        yield Table(f"Shared {kind}: {meaning}", columns, rows, notes)


def _overlap(one: Overlap) -> Iterator[tuple[str, ...]]:
    """The row of the split, then one for each collection that shares something, where there are several."""
    yield (one.split, one.other, *_share(one.rows, one.known), f"{one.things:,}", f"{one.known_things:,}")
    if len(one.collections) > 1:
        for name, rows, known in one.collections:
            if rows:
                yield (f"  {name or '.'}", one.other, *_share(rows, known), "", "")


def _share(rows: int, known: int) -> tuple[str, str, str]:
    return f"{rows:,}", f"{known:,}", f"{100 * rows / known:.1f} %"


def _equal(audit: Audit) -> Table:
    rows = [
        (f"same {one.kind}", one.split or _NO_NAME, f"{one.rows:,}", f"{one.distinct:,}", f"{one.repeated:,}")
        for one in audit.repeats
        if one.repeated
    ]
    torn = [one for one in audit.contradictions if one.pictures]
    rows += [(f"labels differ on the same {c.kind}", _NO_NAME, f"{c.rows:,}", f"{c.pictures:,}", "") for c in torn]
    notes = tuple(f"{a}  but  {b}" for one in torn for a, b in one.examples)
    return Table("Equal rows", ("what", "split", "rows", "distinct", "repeated"), tuple(rows), notes)


def _official(audit: Audit) -> Table:
    rows = tuple(
        (part.split, part.collection, part.official, f"{part.rows:,}", "does not belong here" if part.misplaced else "")
        for part in audit.official
    )
    return Table("Official parts, by file names", ("split", "collection", "official part", "rows", ""), rows)


def _classes(audit: Audit) -> Table:
    names = sorted({label for counts in audit.classes.values() for label in counts})
    rows = tuple((name, *(_count(counts.get(name, 0), counts) for counts in audit.classes.values())) for name in names)
    return Table("Classes: rows, share of the split", ("class", *audit.classes), rows)


def _count(n: int, counts: Mapping[str, int]) -> str:
    total = sum(counts.values())
    return f"{n:,} {100 * n / total:5.1f} %" if total else f"{n:,}"


def _faults(audit: Audit) -> Table:
    rows = tuple((kind, f"{n:,}") for kind, n in audit.faults.items())
    return Table("Rows and files left out", ("fault", "rows"), rows, audit.fault_examples)
