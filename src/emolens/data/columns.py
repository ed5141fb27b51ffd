"""A record as a row of Parquet, and back. Every tool that reads Parquet reads these columns; none needs emolens.

| column | Arrow type | what |
|---|---|---|
| id, split | string | as in `Record` |
| picture, map | struct of bytes and path | encoded bytes as they were, PNG of arrays; as `datasets.Image` has it |
| width, height | int32 | of the picture, upright |
| label | string | |
| distribution | list of float32, of fixed length where every row has one | over the classes in the metadata |
| votes | list of float32 | |
| valence, arousal, dominance | float64 | in the units of the set |
| boxes | list of lists of float32 | x1, y1, x2, y2 |
| categories | list of string | |
| subject, sequence, group, source | string | |
| attributes | string | JSON |

Lists that may be absent have no fixed length: Arrow before 2026-07 writes such nulls but cannot read them.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from emolens.data.base import Info, Picture, Record
from emolens.data.problems import Fault
from emolens.errors import InputError, MissingExtra
from emolens.pictures.images import open_image
from emolens.pictures.sources import read_source
from emolens.taxonomy import Taxonomy

METADATA_KEY = b"emolens"
COLUMNS = (
    "id", "split", "picture", "width", "height", "label", "distribution", "votes", "valence", "arousal", "dominance",
    "boxes", "map", "categories", "subject", "sequence", "group", "source", "attributes",
)  # fmt: skip
DICTIONARIES = ("split", "label", "subject", "sequence", "group")
"""Columns whose values repeat."""
LISTS = ("distribution.list.element", "votes.list.element")
PACKED = ("id", "picture.path", "source", "attributes", *LISTS, *DICTIONARIES)
"""Columns worth compressing, by their paths in Parquet; pictures are compressed already."""


def arrow() -> Any:
    """The module pyarrow. Raises `MissingExtra`."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtra("a prepared data set", "tables") from None
    return pyarrow


def schema(info: Info, taxonomy: Taxonomy, options: Mapping[str, object], every_row_has_one: bool) -> Any:
    """The Arrow schema of a data set; `every_row_has_one` says whether no distribution is absent.

    The metadata holds what the set is under `emolens`, and under `huggingface` which columns are pictures.
    """
    pa = arrow()
    text, numbers = pa.string(), pa.list_(pa.float32())
    picture = pa.struct([("bytes", pa.binary()), ("path", text)])
    kinds = {
        **dict.fromkeys(("picture", "map"), picture),
        **dict.fromkeys(("width", "height"), pa.int32()),
        **dict.fromkeys(("valence", "arousal", "dominance"), pa.float64()),
        "distribution": pa.list_(pa.float32(), len(taxonomy)) if every_row_has_one else numbers,
        "votes": numbers,
        "boxes": pa.list_(numbers),
        "categories": pa.list_(text),
    }
    pictures = {"picture": {"_type": "Image"}, "map": {"_type": "Image"}}
    metadata = {
        METADATA_KEY: json.dumps(described(info, taxonomy, options)),
        b"huggingface": json.dumps({"info": {"features": pictures}}),
    }
    return pa.schema([(name, kinds.get(name, text)) for name in COLUMNS], metadata=metadata)


def described(info: Info, taxonomy: Taxonomy, options: Mapping[str, object]) -> dict[str, Any]:
    """What a prepared set is, in JSON's terms: the same in each Parquet file and in the manifest."""
    return {
        "name": info.name,
        "title": info.title,
        "task": info.task,
        "citation": info.citation,
        "terms": info.terms,
        "taxonomy": taxonomy.name,
        "classes": list(taxonomy.classes),
        "scales": {name: list(scale) for name, scale in info.scales.items()},
        "vote_columns": list(info.vote_columns),
        "options": dict(options),
    }


def to_row(record: Record, root: Path) -> dict[str, Any]:
    """A record as a row, its pictures read and tried. `root` is left out of `source` and of file names.

    Raises `Fault` where the picture or the map cannot be decoded, or the map is in colour, all zero or not as large as
    its picture.
    """
    picture, (width, height) = _encoded(record.picture, record, root)
    heat = _encoded_map(record, root, width, height)
    names = ("id", "split", "label", "valence", "arousal", "dominance", "subject", "sequence", "group")
    return {
        **{name: getattr(record, name) for name in names},
        "picture": picture,
        "width": width,
        "height": height,
        "distribution": _listed(record.distribution),
        "votes": _listed(record.votes),
        "boxes": _listed(record.boxes),
        "map": heat,
        "categories": list(record.categories),
        "source": without_root(record.source, root),
        "attributes": json.dumps(dict(record.attributes), sort_keys=True, ensure_ascii=False),
    }


def without_root(text: str, root: Path) -> str:
    """A text without the folder that an archive happens to lie in: two copies of it give the same files."""
    folder = str(root.parent if root.is_file() else root)
    if folder == ".":  # is not part of a path's text
        return text
    return re.sub(rf"(?<![\w/\\.-]){re.escape(folder)}[/\\]", "", text)


def _listed(values: np.ndarray | None) -> Any:
    return None if values is None else values.tolist()


def _encoded_map(record: Record, root: Path, width: int, height: int) -> dict[str, Any] | None:
    """The struct of bytes and path of a map, PNG whatever it was; None where the record has none."""
    if record.map is None:
        return None
    for fault in map_faults(record, width, height):
        raise fault
    data = b"" if isinstance(record.map, np.ndarray) else read_source(record.map)
    name = without_root(str(record.map), root) if isinstance(record.map, Path) else f"{record.id}.png"
    if not data.startswith(b"\x89PNG"):
        data, name = encode(_whole_numbers(record)), str(Path(name).with_suffix(".png"))
    return {"bytes": data, "path": name}


def _whole_numbers(record: Record) -> np.ndarray:
    """The map in 8 bits where it has no more, else in 16."""
    stimuli = record.open_map()
    assert stimuli is not None
    eight = np.round(255 * stimuli)
    if np.abs(255 * stimuli - eight).max() < 1e-3:
        return eight.astype(np.uint8)
    return np.asarray(np.round(65535 * stimuli)).astype(np.uint16)


def map_faults(record: Record, width: int, height: int) -> Iterator[Fault]:
    """A map that cannot be read, is in colour, is of another size than its picture, or says nothing."""
    try:
        stimuli = record.open_map()
    except InputError as error:
        yield Fault("unreadable", record.where, str(error).removeprefix(f"the map of {record.where}: "))
        return
    if stimuli is None:
        return
    if stimuli.shape != (height, width):
        what = f"{stimuli.shape[1]} x {stimuli.shape[0]} pixels, its picture {width} x {height}; they must be alike"
        yield Fault("size", record.where, f"the map has {what}")
    elif not stimuli.any():
        yield Fault("value", record.where, "the map is all zero, it says nothing of where; leave the picture out")


def _encoded(picture: Picture, record: Record, root: Path) -> tuple[dict[str, Any], tuple[int, int]]:
    """The struct of bytes and path, and width and height."""
    name = without_root(str(picture), root) if isinstance(picture, Path) else f"{record.id}.png"
    try:
        data = encode(picture) if isinstance(picture, np.ndarray) else read_source(picture)
        pixels = picture if isinstance(picture, np.ndarray) else open_image(data)
    except InputError as error:
        reason = str(error).partition(": ")[2]  # what comes before names the source a second time
        raise Fault("unreadable", record.where, f"{name}: {reason}") from None
    return {"bytes": data, "path": name}, (pixels.shape[1], pixels.shape[0])


def encode(pixels: np.ndarray) -> bytes:
    """uint8 (H, W) or (H, W, 3) RGB, or uint16 (H, W), as PNG, without a date or any other note."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=6)
    return out.getvalue()


def from_row(row: Mapping[str, Any], taxonomy: Taxonomy) -> Record:
    """The record of a row."""
    names = ("id", "split", "label", "valence", "arousal", "dominance", "subject", "sequence", "group", "source")
    return Record(
        **{name: row[name] for name in names},
        picture=row["picture"]["bytes"],
        taxonomy=taxonomy,
        distribution=_array(row["distribution"]),
        votes=_array(row["votes"]),
        boxes=_array(row["boxes"]),
        map=row["map"] and row["map"]["bytes"],
        categories=tuple(row["categories"]),
        attributes=json.loads(row["attributes"]),
    )


def _array(values: Any) -> np.ndarray | None:
    return None if values is None else np.array(values, np.float32)
