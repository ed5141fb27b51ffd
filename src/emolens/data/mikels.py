"""Sets of the eight emotions of Mikels et al. (2005): Artphoto (Machajdik, Hanbury 2010) and FI (You et al. 2016).

The class is a folder's name, or what a file's name begins with (`content_0012.jpg`).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from emolens.data.archive import Archive
from emolens.data.base import Count, DataReader, Info, Record, absent
from emolens.data.problems import Fault, Problems
from emolens.taxonomy import MIKELS8, canonical

SHORT = {"content": "contentment"}
"""Artphoto's own abbreviation."""


def _label(name: str) -> str | None:
    """The class of a picture, by its folder, else by how its name begins."""
    path = Path(name)
    for word in (path.parent.name, path.stem.split("_")[0]):
        label = canonical(SHORT.get(word.lower(), word))
        if label in MIKELS8.classes:
            return label
    return None


def _walk(info: Info, root: Path, problems: Problems) -> Iterator[Record]:
    archive, found = Archive(root), False
    for record in problems.each(archive.pictures("", problems), partial(_record, archive)):
        found = True
        yield record
    if not found:
        raise absent(info, root, "picture in a folder of one of the eight classes, or named as awe_0001.jpg,")


def _record(archive: Archive, name: str) -> Record:
    where = str(archive.root / name)
    label = _label(name)
    if label is None:
        raise Fault("label", where, f"neither folder nor name is one of {', '.join(MIKELS8.classes)}")
    return Record(
        id=name, split="train", picture=archive.file(name, where), taxonomy=MIKELS8, label=label, source=where
    )


def _counts(per_class: tuple[int, ...], source: str) -> tuple[Count, ...]:
    classes = zip(MIKELS8.classes, per_class, strict=True)
    return (Count(sum(per_class), source=source), *(Count(n, "train", label, source=source) for label, n in classes))


ARTPHOTO = Info(
    name="artphoto",
    title="Artphoto",
    citation="J. Machajdik, A. Hanbury. Affective image classification using features inspired by psychology and art "
    "theory. ACM Multimedia 2010.",
    terms="For research; the pictures belong to the artists of deviantArt.",
    obtain="get the archive testImages_artphoto from the authors' page (imageemotion.org) and unpack it",
    layout="<class>_<n>.jpg in one folder, or a folder a class",
    taxonomy=MIKELS8,
    task="evoked",
    counts=_counts((101, 102, 70, 105, 77, 70, 115, 166), "Machajdik and Hanbury 2010, table of the artistic photos"),
)
FI = Info(
    name="fi",
    title="FI (Flickr and Instagram)",
    citation="Q. You, J. Luo, H. Jin, J. Yang. Building a Large Scale Dataset for Image Emotion Recognition: The Fine "
    "Print and The Benchmark. AAAI 2016.",
    terms="For research, on the authors' request form; the pictures belong to their owners.",
    obtain="ask its authors (University of Rochester) for the pictures and unpack them into a folder a class; "
    "some of the 23,308 are no longer online",
    layout="<class>/<picture>.jpg",
    taxonomy=MIKELS8,
    task="evoked",
    counts=_counts((4942, 3151, 5374, 2963, 1266, 1658, 1032, 2922), "You et al. 2016, table of labels"),
)
READERS = {
    "artphoto": DataReader(ARTPHOTO, partial(_walk, ARTPHOTO)),
    "fi": DataReader(FI, partial(_walk, FI)),
}
