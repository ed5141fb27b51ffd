"""A data set's archive as Parquet: one folder a split, parts of fixed cut, the same bytes each time.

A preparation that was stopped goes on where its last whole part ended, and ends with the same bytes as an unbroken
one: parts are cut by rows and bytes alone, nothing in them tells the date or the machine.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from emolens.data.base import DataReader, Info, OptionValue, Record
from emolens.data.check import size_faults, value_faults
from emolens.data.columns import arrow, described, schema, to_row, without_root
from emolens.data.manifest import (
    MANIFEST,
    UNFINISHED,
    Manifest,
    Part,
    archive_digest,
    is_prepared,
    part_path,
    read_manifest,
)
from emolens.data.parts import Parts
from emolens.data.problems import Fault, Problems
from emolens.data.registry import reader
from emolens.data.splits import val_ids
from emolens.errors import DataError, OptionError, OutputError
from emolens.taxonomy import Taxonomy

VAL_SHARE = 0.1
Progress = Callable[[int, int], None]
"""Told after each row: how many are done, and of how many."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a first walk over the records tells, before a picture is opened."""

    taxonomy: Taxonomy
    rows: int
    every_row_has_one: bool
    to_val: frozenset[str]


def prepare(
    name: str,
    root: Path,
    out: Path,
    *,
    val_share: float = VAL_SHARE,
    seed: int = 0,
    problems: Problems | None = None,
    progress: Progress | None = None,
    **options: OptionValue,
) -> Manifest:
    """Write the archive of data set `name` in `root` as a prepared folder `out`, or go on with one that was stopped.

    Where the set has no `val`, `val_share` of `train` becomes it, whole subjects and videos at a time; 0 leaves it
    out. Without `problems` the first fault is raised; with lenient ones the faulty rows are left out, counted and
    named in the manifest. A folder that is whole and of the same archive is left as it is.

    Raises `DataError` for the archive and for a whole folder with a part that was changed or removed, `UnknownName`
    and `OptionError` for options, `OutputError` where `out` holds something else or lies in the archive,
    `MissingExtra` without pyarrow.
    """
    arrow()
    if val_share and not 0 < val_share < 1:
        raise OptionError(f"val_share is {val_share}, needs 0 (no cut) to less than 1")
    found = reader(name)
    problems = problems if problems is not None else Problems()
    chosen = found.chosen(options)
    told = {**chosen, "val_share": val_share, "seed": seed, "strict": problems.strict}
    plan = _plan(found, root, problems.strict, chosen, val_share, seed)
    wanted = Manifest(described(found.info, plan.taxonomy, told), archive_digest(root))
    _check_place(out, root)
    with _alone(out):
        if is_prepared(out):
            there = _same(read_manifest(out), wanted, out)
            for part in (part for parts_of_one in there.splits.values() for part in parts_of_one):
                part_path(out, part)
            return there
        _claim(out, wanted)
        records = found.read(root, problems, **chosen)
        columns = schema(found.info, plan.taxonomy, told, plan.every_row_has_one)
        with Parts(out, columns) as parts:
            for done, record in enumerate(_in_its_split(records, plan.to_val), start=1):
                _add(record, parts, root, found.info, problems)
                if progress:
                    progress(done, plan.rows)
            splits = parts.finish()
        manifest = _finished(wanted, root, problems, splits, bool(plan.to_val))
        manifest.write(out / MANIFEST)
        (out / UNFINISHED).unlink()
    return manifest


def _finished(
    wanted: Manifest, root: Path, problems: Problems, splits: Mapping[str, tuple[Part, ...]], cut: bool
) -> Manifest:
    return replace(
        wanted,
        splits=splits,
        moved_to_val=sum(part.rows for part in splits.get("val", ())) if cut else 0,
        left_out=dict(sorted(problems.left_out.items())),
        faults=dict(sorted(problems.counts.items())),
        examples={k: [without_root(m, root) for m in v] for k, v in sorted(problems.examples.items())},
    )


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Wait while another process prepares the same folder. Systems without such a lock go on."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: no folder can be made there ({error.strerror}); choose another") from None
    lock = _lock(out)
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)


def _lock(folder: Path) -> int | None:
    try:
        import fcntl

        opened = os.open(folder, os.O_RDONLY)
        fcntl.flock(opened, fcntl.LOCK_EX)
    except (ImportError, OSError):  # Windows; file systems without locks
        return None
    return opened


def _plan(
    found: DataReader, root: Path, strict: bool, options: Mapping[str, Any], val_share: float, seed: int
) -> _Plan:
    """Walk once: what labels are wrong is known before hours of pictures are read."""
    taxonomies: dict[Taxonomy, str] = {}
    seen: Counter[bool] = Counter()

    def noted() -> Iterator[Record]:
        for record in found.read(root, Problems(strict, keep=0), **options):
            taxonomies.setdefault(record.taxonomy, record.where)
            seen[record.distribution is not None] += 1
            yield record

    walk = noted()
    to_val = val_ids(walk, val_share, seed) if val_share else frozenset[str]()
    for _ in walk:  # val_ids stops at the first row of `val`
        pass
    if len(taxonomies) != 1:
        places = ", ".join(f"{taxonomy.name} at {where}" for taxonomy, where in taxonomies.items())
        raise DataError(f"{root}: {f'more than one label set: {places}' if places else 'not one readable record'}")
    return _Plan(next(iter(taxonomies)), sum(seen.values()), not seen[False], to_val)


def _in_its_split(records: Iterator[Record], to_val: frozenset[str]) -> Iterator[Record]:
    return (replace(one, split="val") if one.split == "train" and one.id in to_val else one for one in records)


def _add(record: Record, parts: Parts, root: Path, info: Info, problems: Problems) -> None:
    if parts.holds(record):
        return
    try:
        row = to_row(record, root)
        for fault in (*value_faults(record, info), *size_faults(record, info, row["width"], row["height"])):
            raise fault
        parts.add(record.split, row)
    except Fault as fault:
        problems.add(fault)


def _check_place(out: Path, root: Path) -> None:
    if root.is_dir() and out.resolve().is_relative_to(root.resolve()):
        raise OutputError(f"{out}: lies in the archive {root}, which it would change; choose a folder outside")


def _same(there: Manifest, wanted: Manifest, out: Path) -> Manifest:
    if (there.about, there.archive) != (wanted.about, wanted.archive):
        raise OutputError(f"{out}: holds {there.about['name']} from another archive or with other options; "
                          "choose another folder, or remove this one")  # fmt: skip
    return there


def _claim(out: Path, wanted: Manifest) -> None:
    """Note what is being prepared into `out`. Raises `OutputError` where it is something else or no such folder."""
    begun = (out / UNFINISHED).is_file()
    if begun and any(out.glob("*/part-*.parquet")):
        _same(read_manifest(out, UNFINISHED), wanted, out)
        return
    if not begun and any(out.iterdir()):  # a claim without a part binds nobody: the archive may have been mended
        raise OutputError(f"{out}: is there and no prepared data set; choose a new or an empty folder")
    wanted.write(out / UNFINISHED)
