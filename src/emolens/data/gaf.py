"""GAF, the Group Affect database 2.0 and 3.0 (Dhall et al., EmotiW 2017 and 2018): groups, negative to positive.

The test pictures of the challenge have no labels (`label` is None). Later systems cut the validation part in two by a
pair of lists, `val_list` and `test_list`: `protocol=lists`. The lists came as pickles, which are read, never executed.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from emolens.data.archive import Archive
from emolens.data.base import Count, DataReader, Info, Option, Record, Split, absent
from emolens.data.pickled_names import names_in
from emolens.data.problems import Fault, Problems
from emolens.errors import DataError
from emolens.taxonomy import GROUP3

FOLDERS = {"Negative": "negative", "Neutral": "neutral", "Positive": "positive"}
PREFIXES = {"neg": "Negative", "neu": "Neutral", "pos": "Positive"}
TESTS = ("test_shared/test", "test_shared", "test")
LISTS: dict[Split, tuple[str, ...]] = {
    "val": ("val_list", "val_list.pkl", "val_list.txt"),
    "test": ("test_list", "test_list.pkl", "test_list.txt", "eval_list.txt"),
}


def _walk(root: Path, problems: Problems, protocol: str) -> Iterator[Record]:
    home = next((f for f in (root, root / "emotiw", root / "Dataset" / "emotiw") if (f / "train").is_dir()), None)
    if home is None:
        raise absent(INFO, root, "folder train with the folders Negative, Neutral and Positive")
    archive = Archive(home)
    yield from _part(archive, "train", problems)
    if protocol == "lists":
        yield from _by_lists(archive, root, problems)
        return
    yield from _part(archive, "val", problems)
    folder = next((name for name in TESTS if (home / name).is_dir()), None)
    if folder is not None:
        names = archive.pictures(folder, problems)
        yield from problems.each(names, partial(_record, archive, "test"))


def _part(archive: Archive, split: Split, problems: Problems) -> Iterator[Record]:
    for folder in FOLDERS:
        if not (archive.root / split / folder).is_dir():
            problems.add(Fault("missing", str(archive.root / split / folder), "the folder is not there"))
            continue
        names = archive.pictures(f"{split}/{folder}", problems)
        yield from problems.each(names, partial(_record, archive, split))


def _by_lists(archive: Archive, root: Path, problems: Problems) -> Iterator[Record]:
    listed = 0
    for split, choices in LISTS.items():
        found = next((f / name for f in (archive.root, root) for name in choices if (f / name).is_file()), None)
        if found is None:
            raise DataError(f"{root}: no {choices[0]} there; protocol=lists needs val_list and test_list")
        names = names_in(found)
        listed += len(names)
        yield from problems.each(names, partial(_listed, archive, split))
    present = sum(1 for folder in FOLDERS for _ in archive.pictures(f"val/{folder}", problems))
    problems.leave_out("validation pictures in neither list", max(0, present - listed))


def _listed(archive: Archive, split: Split, entry: tuple[str, str]) -> Record:
    where, name = entry
    prefix = name.split("_")[0]
    if prefix not in PREFIXES:
        raise Fault("label", where, f"{name!r} begins with none of {', '.join(PREFIXES)}")
    return _record(archive, split, f"val/{PREFIXES[prefix]}/{name}", where)


def _record(archive: Archive, split: Split, name: str, where: str = "") -> Record:
    place = where or str(archive.root / name)
    folder, prefix = Path(name).parent.name, Path(name).name.split("_")[0]
    if PREFIXES.get(prefix, folder) != folder and folder in FOLDERS:
        raise Fault("label", place, f"lies in {folder} but its name says {PREFIXES[prefix]}")
    return Record(
        id=name,
        split=split,
        picture=archive.file(name, place),
        taxonomy=GROUP3,
        label=FOLDERS.get(folder),
        source=place,
    )


_COUNTS: dict[str, dict[Split, tuple[int, ...]]] = {
    "official": {"train": (9815, 2758, 3080, 3977), "val": (4346, 1231, 1368, 1747), "test": (3011,)},
    "lists": {"train": (9815, 2758, 3080, 3977), "val": (3341, 953, 1048, 1340), "test": (1000, 278, 318, 404)},
}

INFO = Info(
    name="gaf",
    title="GAF (Group Affect database 2.0 / 3.0)",
    citation="A. Dhall, A. Kaur, R. Goecke, T. Gedeon. EmotiW 2018: Audio-Video, Student Engagement and Group-Level "
    "Affect Prediction. ICMI 2018.",
    terms="Academic research only, under the organisers' agreement; pictures may not be passed on.",
    obtain="ask the organisers of the EmotiW challenge for the group-level part and unpack it: train and val with a "
    "folder a class",
    layout="{train,val}/{Negative,Neutral,Positive}/{neg,neu,pos}_<n>.jpg, test_shared/test/test_<n>.jpg; for "
    "protocol=lists also val_list and test_list (names, one a line or pickled)",
    taxonomy=GROUP3,
    task="group",
    counts=tuple(
        Count(n, split, label, {"protocol": protocol}, "counted in the release of EmotiW 2018")
        for protocol, parts in _COUNTS.items()
        for split, part in parts.items()
        for n, label in zip(part, ("", *GROUP3.classes), strict=False)
    ),
)
READERS = {
    "gaf": DataReader(
        INFO,
        _walk,
        (Option("protocol", "official", "the challenge's parts, or its val cut by two lists", ("official", "lists")),),
    )
}
