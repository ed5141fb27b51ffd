"""The Group-and-Scene set (Gong et al. 2025): key frames of videos, negative or positive, with faces or without.

Frames of one video lie in several parts as published (they were moved one by one); `sequence` is the video, where
the name carries it. With `splits=video` each video is dealt to one part, 7 : 2 : 1 as published, by a hash of its name;
a frame whose name tells no video is dealt by itself. A picture is of the part `faces` where face crops of it lie in
`CroppedFaces2`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from emolens.data.archive import Archive
from emolens.data.base import SPLITS, Count, DataReader, Info, Option, Record, Split, absent
from emolens.data.problems import Fault, Problems
from emolens.taxonomy import Taxonomy

GROUP2 = Taxonomy("group2", ("negative", "positive"))
FOLDERS = {"Negative": "negative", "Positive": "positive"}
PREFIX = re.compile(r"[VT]?(neg|pos)(?=_)")
FRAME = re.compile(r"(?P<video>.+)_(?P<frame>\d+)")
CROPS = "CroppedFaces2"
DEALT: tuple[Split, ...] = ("train",) * 7 + ("val",) * 2 + ("test",)


def _walk(root: Path, problems: Problems, part: str, splits: str) -> Iterator[Record]:
    for record in _published(root, problems, part):
        yield record if splits == "published" else replace(record, split=_dealt(record.sequence or record.id))


def _dealt(name: str) -> Split:
    return DEALT[int(hashlib.blake2b(name.encode(), digest_size=8).hexdigest(), 16) % len(DEALT)]


def _published(root: Path, problems: Problems, part: str) -> Iterator[Record]:
    homes = [folder for folder in (root / "Faces", root / "NoFaces", root) if (folder / "train").is_dir()]
    if not homes:
        raise absent(INFO, root, "folder train with the folders Negative and Positive")
    archive = Archive(root)
    for home in homes:
        for split in SPLITS:
            for folder in FOLDERS:
                if (home / split / folder).is_dir():
                    names = archive.pictures(archive.name_of(home / split / folder), problems)
                    yield from problems.each(names, partial(_record, archive, split, part, problems))


def _record(archive: Archive, split: Split, wanted: str, problems: Problems, name: str) -> Record | None:
    path, where = Path(name), str(archive.root / name)
    if path.stem.endswith("_plot"):
        problems.leave_out("plots of how a video's key frames were found")
        return None
    part = _part(archive, name)
    if wanted not in ("all", part):
        problems.leave_out(f"not of the part {wanted}")
        return None
    prefix = PREFIX.match(path.stem)
    if prefix and not path.parent.name.lower().startswith(prefix[1]):
        raise Fault("label", where, f"lies in {path.parent.name} but its name says {prefix[1]}")
    return Record(
        id=name,
        split=split,
        picture=archive.file(name, where),
        taxonomy=GROUP2,
        label=FOLDERS[path.parent.name],
        sequence=_video(path.stem),
        source=where,
        attributes={"part": part},
    )


def _part(archive: Archive, name: str) -> str:
    path = Path(name)
    if path.parts[0] in ("Faces", "NoFaces"):
        return path.parts[0].lower()
    return "faces" if (archive.root / CROPS / path.with_suffix(".npz")).is_file() else "nofaces"


def _video(stem: str) -> str | None:
    """What stands before the frame's number; None for names that are renumbered (`Vneg_17`) and tell no video."""
    match = FRAME.fullmatch(stem)
    return None if match is None or re.fullmatch(r"[VT]?(neg|pos)", match["video"]) else match["video"]


_COUNTS = {
    "all": ((11471, 5083, 6388), (3294, 1460, 1834), (1621, 718, 903)),
    "faces": ((7551,), (2173,), (1082,)),
    "nofaces": ((3920,), (1121,), (539,)),
}

INFO = Info(
    name="groupscene",
    title="Group and Scene",
    citation="Gong, Wang, Wu, S. Gao, Vasilakos, Zhang. A hybrid fusion model for group-level emotion recognition in "
    "complex scenarios. Information Sciences 704, 2025, doi 10.1016/j.ins.2025.121968.",
    terms="None stated; for research, ask the authors.",
    obtain="ask its authors for the key frames and unpack them: train, val and test with the folders Negative and "
    "Positive, and CroppedFaces2 beside them",
    layout="{train,val,test}/{Negative,Positive}/<video>_<frame>.jpg, names with neg_, Vneg_, Tneg_, pos_, Vpos_ or "
    "Tpos_ in front; CroppedFaces2/<the same>.npz for pictures with faces, or the folders Faces and NoFaces on top",
    taxonomy=GROUP2,
    task="group",
    counts=tuple(
        Count(n, split, label, {"part": part, "splits": "published"}, "counted in the authors' published outputs")
        for part, splits in _COUNTS.items()
        for split, numbers in zip(SPLITS, splits, strict=True)
        for n, label in zip(numbers, ("", *GROUP2.classes), strict=False)
    ),
)
READERS = {
    "groupscene": DataReader(
        INFO,
        _walk,
        (
            Option("part", "all", "pictures with faces, without, or all", ("all", "faces", "nofaces")),
            Option("splits", "published", "as published, or each video in one", ("published", "video")),
        ),
    )
}
