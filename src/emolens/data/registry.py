"""All readers by name. A reader's module is imported when its name is asked for."""

from __future__ import annotations

import importlib

from emolens.data.base import DataReader
from emolens.errors import UnknownName

MODULES = {
    "fer2013": "fer2013",
    "ferplus": "fer2013",
    "ckplus": "ckplus",
    "ckplus48": "ckplus",
    "rafdb": "rafdb",
    "affectnet": "affectnet",
    "emotion6": "emotion6",
    "emotionroi": "emotionroi",
    "artphoto": "mikels",
    "fi": "mikels",
    "gaf": "gaf",
    "groupscene": "groupscene",
    "emotic": "emotic",
    "lists": "lists",
    "table": "table",
    "folder": "folder",
}
"""Name -> module of `emolens.data`; each module holds `READERS`, a dict of its readers by name."""


def names() -> tuple[str, ...]:
    """The names of all data sets, in their own order."""
    return tuple(MODULES)


def reader(name: str) -> DataReader:
    """The reader of a data set. Raises `UnknownName` with the near miss."""
    if name not in MODULES:
        raise UnknownName("data set", name, MODULES)
    module = importlib.import_module(f"emolens.data.{MODULES[name]}")
    found: DataReader = module.READERS[name]
    return found
