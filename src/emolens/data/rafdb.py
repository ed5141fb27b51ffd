"""RAF-DB, basic expressions (Li, Deng, Du 2017): 15,339 faces from the web in an official train and test part."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from emolens.data.archive import Archive
from emolens.data.base import Count, DataReader, Info, Record, absent
from emolens.data.problems import Fault, Problems
from emolens.data.rows import coded, lines
from emolens.taxonomy import RAFDB

LIST = "EmoLabel/list_patition_label.txt"  # the authors' spelling
FACES = "Image/aligned"


def _walk(root: Path, problems: Problems) -> Iterator[Record]:
    home = next((f for f in (root, root / "raf-basic", root / "basic") if (f / LIST).is_file()), None)
    if home is None:
        raise absent(INFO, root, LIST)
    archive = Archive(home)
    yield from problems.each(lines(home / LIST), lambda line: _record(archive, *line))


def _record(archive: Archive, where: str, line: str) -> Record:
    name, _, label = line.partition(" ")
    part = name.split("_")[0]
    if part not in ("train", "test"):
        raise Fault("row", where, f"{name!r} begins with neither train_ nor test_")
    return Record(
        id=Path(name).stem,
        split="train" if part == "train" else "test",
        picture=archive.file(f"{FACES}/{Path(name).stem}_aligned.jpg", where),
        taxonomy=RAFDB,
        label=coded(label.strip(), RAFDB.classes, where, first=1),
        source=where,
    )


_COUNTS = {"train": (12271, 1290, 281, 717, 4772, 1982, 705, 2524), "test": (3068, 329, 74, 160, 1185, 478, 162, 680)}

INFO = Info(
    name="rafdb",
    title="RAF-DB (basic)",
    citation="S. Li, W. Deng, J. Du. Reliable Crowdsourcing and Deep Locality-Preserving Learning for Expression "
    "Recognition in the Wild. CVPR 2017.",
    terms="For research that is not commercial, under the authors' agreement; pictures may not be passed on.",
    obtain="ask its authors (Beijing University of Posts and Telecommunications) for access and unpack the archive "
    "'basic': the label list and the aligned pictures",
    layout="EmoLabel/list_patition_label.txt (train_00001.jpg 5) and Image/aligned/train_00001_aligned.jpg",
    taxonomy=RAFDB,
    task="expression",
    counts=tuple(
        Count(n, split, label, source="the authors' list")
        for split, part in _COUNTS.items()
        for n, label in zip(part, ("", *RAFDB.classes), strict=True)
    ),
    size=(100, 100),
)
READERS = {"rafdb": DataReader(INFO, _walk)}
