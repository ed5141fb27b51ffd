"""CK+ (Lucey et al. 2010): posed expressions from neutral to apex, as published and as the CK+48 repack.

A subject's sequence is one act: its frames differ by a hair, so a split must not tear apart sequences, nor subjects.
Neither form has an official split; everything is `train`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from emolens.data.archive import Archive
from emolens.data.base import Count, DataReader, Info, Option, Record, absent
from emolens.data.problems import Fault, Problems
from emolens.data.rows import coded, lines
from emolens.errors import DataError
from emolens.taxonomy import Taxonomy, canonical

CKPLUS = Taxonomy("ckplus", ("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise"))
"""Labels 1 to 7 of the emotion files; 0 is neutral."""
CKPLUS8 = Taxonomy("ckplus8", ("neutral", *CKPLUS.classes))
FRAME = re.compile(r"(S\d{3})_(\d{3})_(\d{8})")
SEQUENCES = {"anger": 45, "contempt": 18, "disgust": 59, "fear": 25, "happiness": 69, "sadness": 28, "surprise": 83}
"""Labelled sequences by class; 327 together, of 593 by 123 subjects."""


def _frame(name: str, where: str) -> tuple[str, str, int]:
    """Subject, sequence and number of a frame, from its file's name."""
    match = FRAME.match(Path(name).name)
    if match is None:
        raise Fault("row", where, "is not named as S005_001_00000011.png: subject, sequence, frame")
    subject, sequence, number = match.groups()
    return subject, f"{subject}_{sequence}", int(number)


def _walk48(root: Path, problems: Problems) -> Iterator[Record]:
    home = next((folder for folder in (root / "CK+48", root) if (folder / "happy").is_dir()), None)
    if home is None:
        raise absent(INFO48, root, "folder CK+48 with a folder a class")
    archive = Archive(home)
    for folder in archive.folders():
        yield from problems.each(archive.pictures(folder, problems), lambda name: _record48(archive, name))


def _record48(archive: Archive, name: str) -> Record:
    return _record(archive, name, canonical(name.split("/")[0]), CKPLUS)


def _walk(root: Path, problems: Problems, frames: int, neutral: bool) -> Iterator[Record]:
    archive = Archive(root)
    pictures = archive.first("cohn-kanade-images", "extended-cohn-kanade-images/cohn-kanade-images")
    labels = archive.first("Emotion", "Emotion_labels/Emotion", "Emotion_labels")
    if pictures is None or labels is None:
        raise absent(INFO, root, "folder cohn-kanade-images with a folder Emotion beside it")
    for subject in archive.folders(archive.name_of(pictures)):
        for sequence in archive.folders(archive.name_of(pictures / subject)):
            try:
                label = _label(labels / subject / sequence, problems)
            except Fault as fault:
                problems.add(fault)
                continue
            if label is not None:
                folder = archive.name_of(pictures / subject / sequence)
                yield from _sequence(archive, folder, label, problems, frames, neutral)


def _label(folder: Path, problems: Problems) -> str | None:
    """The class of a sequence; 266 of 593 have none: their folder is empty or absent."""
    files = sorted(folder.glob("*_emotion.txt")) if folder.is_dir() else []
    read = [line for file in files for line in _read(file)]
    if not read:
        problems.leave_out("sequences without a label")
        return None
    where, text = read[0]
    if not re.fullmatch(r"[0-7](\.0+(e[+-]?0+)?)?", text):
        raise Fault("label", where, f"label {text!r}; allowed: 0 to 7, as 3.0000000e+00")
    return coded(text[0], CKPLUS8.classes, where)


def _read(file: Path) -> list[tuple[str, str]]:
    try:
        return list(lines(file))
    except DataError:  # one sequence's label, not the archive
        raise Fault("unreadable", str(file), "not a readable text file; get the emotion labels again") from None


def _sequence(
    archive: Archive, folder: str, label: str, problems: Problems, frames: int, neutral: bool
) -> Iterator[Record]:
    names = list(archive.pictures(folder, problems))
    if not names:
        problems.add(Fault("missing", str(archive.root / folder), "holds a labelled sequence without a frame"))
        return
    chosen = [(name, label) for name in names[-frames:]]
    if neutral and len(names) > frames:
        chosen.insert(0, (names[0], "neutral"))
    problems.leave_out("frames between neutral and apex", len(names) - len(chosen))
    taxonomy = CKPLUS8 if neutral else CKPLUS
    yield from problems.each(chosen, lambda item: _record(archive, *item, taxonomy))


def _record(archive: Archive, name: str, label: str, taxonomy: Taxonomy) -> Record:
    where = str(archive.root / name)
    subject, sequence, number = _frame(name, where)
    return Record(
        id=Path(name).stem,
        split="train",
        picture=archive.file(name, where),
        taxonomy=taxonomy,
        label=label,
        subject=subject,
        sequence=sequence,
        source=where,
        attributes={"frame": str(number)},
    )


def _counts(frames: int) -> tuple[Count, ...]:
    when: dict[str, str | int | bool] = {"frames": frames, "neutral": False}
    source = "labelled sequences of the authors' emotion files"
    per_class = [Count(n * frames, "train", label, when, source) for label, n in SEQUENCES.items()]
    return (Count(sum(SEQUENCES.values()) * frames, "train", "", when, source), *per_class)


_CITATION = (
    "P. Lucey, J. F. Cohn, T. Kanade, J. Saragih, Z. Ambadar, I. Matthews. The Extended Cohn-Kanade Dataset (CK+): A "
    "complete dataset for action unit and emotion-specified expression. CVPR Workshops 2010."
)
_TERMS = "For research that is not commercial, under the authors' agreement; only some subjects may be printed."

INFO = Info(
    name="ckplus",
    title="CK+ (original)",
    citation=_CITATION,
    terms=_TERMS,
    obtain="sign the agreement of the Affect Analysis Group, University of Pittsburgh, and unpack the archives of the "
    "images and of the emotion labels into one folder",
    layout="cohn-kanade-images/S005/001/S005_001_00000011.png and Emotion/S005/001/S005_001_00000011_emotion.txt",
    taxonomy=CKPLUS,
    task="expression",
    counts=tuple(count for frames in (1, 3) for count in _counts(frames)),
)
INFO48 = Info(
    name="ckplus48",
    title="CK+48 (the last three frames of each labelled sequence, cropped to 48 x 48)",
    citation=_CITATION,
    terms=_TERMS,
    obtain="get the repack CK+48 (981 pictures) from those who hold the agreement for CK+; it is no official release",
    layout="CK+48/<class>/S005_001_00000011.png, 48 x 48 grey",
    taxonomy=CKPLUS,
    task="expression",
    counts=tuple(Count(c.n, c.split, c.label, source=c.source) for c in _counts(3)),
    size=(48, 48),
)


READERS = {
    "ckplus": DataReader(
        INFO,
        _walk,
        (
            Option("frames", 3, "how many frames at a sequence's end carry its label", tuple(range(1, 7))),
            Option("neutral", False, "whether the first frame of a sequence is read as neutral"),
        ),
    ),
    "ckplus48": DataReader(INFO48, _walk48),
}
