"""What `--data DIR` means, everywhere: a prepared folder, or an archive, which is prepared into the cache first."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from emolens.data.base import OptionValue
from emolens.data.manifest import FORMAT, archive_stamp, is_prepared, read_manifest
from emolens.data.prepare import VAL_SHARE, Progress, prepare
from emolens.data.registry import reader
from emolens.errors import DataError
from emolens.places import home

COMBINED: dict[str, tuple[str, ...]] = {"ck_raf_aff": ("ckplus", "rafdb", "affectnet")}
"""Sets of sets: each is a folder with a folder a member, which is prepared or the archive of that member."""


def prepared_folder(data: Path, name: str, progress: Progress | None = None, **options: OptionValue) -> Path:
    """The prepared folder of data set `name` that `data` means.

    An archive goes into the cache folder, once for its files as they are, the options and the format. Of a set of sets
    all members are prepared, and `data` itself is the answer. Raises
    `DataError` where `data` is neither, or is prepared from another set or with other options, and what `prepare`
    raises.
    """
    if name in COMBINED:
        member_folders(data, name, progress)
        return data
    chosen = reader(name).chosen(options)
    if is_prepared(data):
        _check(data, name, chosen)
        return data
    if not data.exists():
        info = reader(name).info
        raise DataError(f"{data}: no such file or folder; {info.title}: {info.obtain}, or give a prepared folder")
    key = json.dumps([name, chosen, VAL_SHARE, FORMAT, str(data.resolve()), archive_stamp(data)])
    folder = home() / "data" / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    if not is_prepared(folder):
        prepare(name, data, folder, progress=progress, **chosen)
    return folder


def member_folders(data: Path, name: str, progress: Progress | None = None) -> dict[str, Path]:
    """The prepared folder of each member of a set of sets, by the member's name. Raises as `prepared_folder`."""
    missing = [member for member in COMBINED[name] if not (data / member).is_dir()]
    if missing:
        raise DataError(
            f"{data}: no folder {', '.join(missing)}; {name} needs {', '.join(COMBINED[name])} there, each prepared or "
            "the archive of that set"
        )
    return {member: prepared_folder(data / member, _form(data / member, member), progress) for member in COMBINED[name]}


def _form(folder: Path, member: str) -> str:
    """The name of the reader: CK+ is also to be had as CK+48."""
    if member != "ckplus":
        return member
    if is_prepared(folder):
        found = str(read_manifest(folder).about["name"])
        return found if found == "ckplus48" else member
    return "ckplus48" if (folder / "CK+48").is_dir() or (folder / "happy").is_dir() else member


def _check(folder: Path, name: str, wanted: dict[str, OptionValue]) -> None:
    about = read_manifest(folder).about
    if about["name"] != name:
        raise DataError(f"{folder}: holds {about['name']}, {name} is needed; give a folder of that")
    there = chosen_then(name, about["options"])
    for option, value in wanted.items():
        if there[option] != value:
            raise DataError(
                f"{folder}: prepared with {option}={there[option]}, {option}={value} is needed; "
                f"prepare it with --set {option}={value}"
            )


def chosen_then(name: str, noted: Mapping[str, OptionValue]) -> dict[str, OptionValue]:
    """The options of a reader that a prepared folder noted; one that came later has its default, which changes nothing.

    Those of `prepare` itself, as the share of val, are left out.
    """
    return {one.name: noted.get(one.name, one.default) for one in reader(name).options}
