"""AffectNet (Mollahosseini et al. 2017): 290,000 faces from the web, with expression, valence and arousal.

Three forms: the authors' `.npy` annotations beside the pictures, a list `affectnet.csv` (phase, img_path, label), and
folders by class. The test part was never published, so results are reported on the authors' validation set. It is
`val` here, or, with `published_val=test`, the test part: then `val` is cut from `train`, and nothing is chosen on the
pictures that are reported on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from emolens.data.archive import Archive
from emolens.data.base import Count, DataReader, Info, Option, Record, Split, absent
from emolens.data.problems import Fault, Problems
from emolens.data.rows import Row, coded, csv_rows, number
from emolens.taxonomy import AFFECTNET7, AFFECTNET8, Taxonomy, canonical

PARTS: dict[str, Split] = {"train_set": "train", "val_set": "val", "train": "train", "val": "val", "valid": "val"}
CODES = (*AFFECTNET8.classes, "none", "uncertain", "no face")
"""The numbers 0 to 10 of the manual annotation; the last three are no expressions and are left out."""


def _walk(root: Path, problems: Problems, classes: int, published_val: Split) -> Iterator[Record]:
    for record in _published(root, problems, classes):
        yield replace(record, split=published_val) if record.split == "val" else record


def _published(root: Path, problems: Problems, classes: int) -> Iterator[Record]:
    taxonomy = AFFECTNET7 if classes == 7 else AFFECTNET8
    archive = Archive(root)
    parts = [part for part in PARTS if (root / part).is_dir()]
    if any((root / part / "annotations").is_dir() for part in parts):
        for part in parts:
            names = archive.pictures(f"{part}/images", problems)
            yield from problems.each(names, partial(_annotated, archive, part, taxonomy, problems))
    elif (root / "affectnet.csv").is_file():
        rows = csv_rows(root / "affectnet.csv", ("phase", "img_path", "label"))
        yield from problems.each(rows, partial(_listed, archive, taxonomy, problems))
    else:
        yield from _folders(archive, parts, taxonomy, problems)


def _annotated(archive: Archive, part: str, taxonomy: Taxonomy, problems: Problems, name: str) -> Record | None:
    stem = f"{part}/annotations/{Path(name).stem}"
    where = str(archive.root / f"{stem}_exp.npy")
    label = _label(_value(archive, f"{stem}_exp.npy"), where, taxonomy, problems)
    if label is None:
        return None
    valence, arousal = (_affect(archive, f"{stem}_{kind}.npy") for kind in ("val", "aro"))
    return Record(
        id=f"{part}/{Path(name).stem}",
        split=PARTS[part],
        picture=archive.file(name, where),
        taxonomy=taxonomy,
        label=label,
        valence=valence,
        arousal=arousal,
        source=where,
    )


def _value(archive: Archive, name: str) -> str:
    """The one number in a `.npy` file, as text: some releases store numbers, others strings."""
    path = archive.file(name, str(archive.root / name))
    try:
        return str(np.load(path, allow_pickle=False).reshape(-1)[0])
    except (OSError, ValueError, IndexError, EOFError) as error:
        raise Fault("unreadable", str(path), f"holds no number ({error})") from None


def _affect(archive: Archive, name: str) -> float | None:
    if not (archive.root / name).is_file():
        return None
    return number(_value(archive, name), "valence or arousal", str(archive.root / name), -1, 1)


def _listed(archive: Archive, taxonomy: Taxonomy, problems: Problems, row: Row) -> Record | None:
    phase, name = row.text("phase"), row.text("img_path")
    if phase not in PARTS:
        raise Fault("row", row.where, f"phase is {phase!r}; allowed: train, val")
    label = _label(row.text("label"), row.where, taxonomy, problems)
    if label is None:
        return None
    picture = name if (archive.root / name).is_file() else f"{phase}_set/images/{name}"
    return Record(
        id=f"{phase}/{name}",
        split=PARTS[phase],
        picture=archive.file(picture, row.where),
        taxonomy=taxonomy,
        label=label,
        source=row.where,
    )


def _label(code: str, where: str, taxonomy: Taxonomy, problems: Problems) -> str | None:
    """The class behind a number; None, and counted, for what is none of the classes asked for."""
    name = coded(code.removesuffix(".0"), CODES, where)
    if name in taxonomy.classes:
        return name
    problems.leave_out(f"labelled {name}")
    return None


def _folders(archive: Archive, parts: list[str], taxonomy: Taxonomy, problems: Problems) -> Iterator[Record]:
    """`{train,val}/{0..7}`, `{train,val}/<class>` or `<class>` alone, which is all `train`."""
    places = [(part, PARTS[part]) for part in parts] or [("", PARTS["train"])]
    found = [(p, s, f) for p, s in places for f in archive.folders(p) if _folder_label(f) in AFFECTNET8.classes]
    if not found:
        raise absent(INFO, archive.root, "train_set/annotations, affectnet.csv or folder a class")
    for part, split, folder in found:
        label, below = _folder_label(folder), f"{part}/{folder}".lstrip("/")
        names = archive.pictures(below, problems)
        if label not in taxonomy.classes:
            problems.leave_out(f"labelled {label}", sum(1 for _ in names))
            continue
        yield from problems.each(names, partial(_in_folder, archive, split, taxonomy, label))


def _folder_label(folder: str) -> str:
    return CODES[int(folder)] if folder in map(str, range(8)) else canonical(folder)


def _in_folder(archive: Archive, split: Split, taxonomy: Taxonomy, label: str, name: str) -> Record:
    where = str(archive.root / name)
    picture = archive.file(name, where)
    return Record(
        id=str(Path(name).with_suffix("")), split=split, picture=picture, taxonomy=taxonomy, label=label, source=where
    )


_TRAIN = (74874, 134415, 25459, 14090, 6378, 3803, 24882, 3750)
_VAL = (500, 500, 500, 500, 500, 500, 500, 499)
_SOURCE = "the manual annotation of the release with eight expressions"


def _counts(classes: int) -> list[Count]:
    counts: list[Count] = []
    for split, part in (("train", _TRAIN[:classes]), ("val", _VAL[:classes]), ("test", _VAL[:classes])):
        when: dict[str, str | int | bool] = {"classes": classes}
        if split != "train":
            when["published_val"] = split
        per_class = zip(AFFECTNET8.classes, part, strict=False)
        counts.append(Count(sum(part), split, "", when, _SOURCE))
        counts.extend(Count(n, split, label, when, _SOURCE) for label, n in per_class)
    return counts


INFO = Info(
    name="affectnet",
    title="AffectNet (manually annotated, 7 or 8 expressions)",
    citation="A. Mollahosseini, B. Hasani, M. H. Mahoor. AffectNet: A Database for Facial Expression, Valence, and "
    "Arousal Computing in the Wild. IEEE Transactions on Affective Computing, 2017.",
    terms="For research that is not commercial, under the authors' agreement; pictures may not be passed on.",
    obtain="ask its authors (University of Denver) for access and unpack the release with train_set and val_set",
    layout="train_set/images/<id>.jpg with train_set/annotations/<id>_exp.npy, _val.npy, _aro.npy, and the same in "
    "val_set; or affectnet.csv (phase, img_path, label); or {train,val}/{0..7}/<picture>",
    taxonomy=AFFECTNET8,
    task="expression",
    counts=(*_counts(7), *_counts(8)),
    scales={"valence": (-1, 1), "arousal": (-1, 1)},
)
READERS = {
    "affectnet": DataReader(
        INFO,
        _walk,
        (
            Option("classes", 8, "7 leaves out contempt and counts it", (7, 8)),
            Option("published_val", "val", "test: what is reported on is not chosen on", ("val", "test")),
        ),
    )
}
