"""What `--data DIR` means, everywhere: a prepared folder, or an archive, which is prepared into the cache first."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from emolens.data.base import OptionValue
from emolens.data.manifest import FORMAT, archive_stamp, is_prepared, read_manifest
from emolens.data.prepare import VAL_SHARE, Progress, prepare
from emolens.data.registry import reader
from emolens.errors import DataError
from emolens.places import home


def prepared_folder(data: Path, name: str, progress: Progress | None = None, **options: OptionValue) -> Path:
    """The prepared folder of data set `name` that `data` means.

    An archive goes into the cache folder, once for its files as they are, the options and the format. Raises
    `DataError` where `data` is neither, or is prepared from another set or with other options, and what `prepare`
    raises.
    """
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


def _check(folder: Path, name: str, wanted: dict[str, OptionValue]) -> None:
    about = read_manifest(folder).about
    if about["name"] != name:
        raise DataError(f"{folder}: holds {about['name']}, {name} is needed; give a folder of that")
    for option, value in wanted.items():
        if about["options"].get(option) != value:
            raise DataError(
                f"{folder}: prepared with {option}={about['options'].get(option)}, {option}={value} is needed; "
                f"prepare it with --set {option}={value}"
            )
