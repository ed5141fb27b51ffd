"""Predictions tables as files: Parquet, `.npz`, and the `.npz` outputs of the old group systems.

Parquet: columns `id, split, label, predicted, confidence, target, probabilities`, where known `logits`, `features`,
`values` and `true_values` (valence and arousal), and `attribute:NAME`; the metadata key `emolens_predictions` holds
JSON with the labels, the names of data, subset and model, the digest of the weights, the prior and the task. `.npz`:
the same arrays, and that JSON under `metadata`.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np

from emolens.errors import DataError, LabelError, MissingExtra, OptionError
from emolens.evaluation.old_outputs import is_old, read_old
from emolens.evaluation.predictions import Predictions
from emolens.files import replacing
from emolens.taxonomy import Taxonomy

METADATA_KEY = "emolens_predictions"
FORMAT = 1
SUFFIXES = (".parquet", ".npz")
ATTRIBUTE = "attribute:"
_MATRICES = {
    "target": "targets",
    **{name: name for name in ("probabilities", "logits", "features", "values", "true_values")},
}
"""Column -> field."""


def is_table(path: Path) -> bool:
    """Whether a name, which may end in `#MODEL`, is that of a predictions table."""
    return Path(str(path).partition("#")[0]).suffix in SUFFIXES


def write_predictions(predictions: Predictions, path: Path) -> None:
    """Write a table whole or not at all. Raises `OptionError` for a name that ends in neither .parquet nor .npz."""
    if path.suffix not in SUFFIXES:
        raise OptionError(f"{path}: a predictions table ends in {' or '.join(SUFFIXES)}")
    with replacing(path) as draft:
        if path.suffix == ".npz":
            with draft.open("wb") as file:
                arrays: dict[str, Any] = _arrays(predictions) | {"metadata": np.array(_metadata(predictions))}
                np.savez_compressed(file, **arrays)
        else:
            _arrow().parquet.write_table(_to_arrow(predictions), draft, compression="zstd")


def read_predictions(path: Path) -> Predictions:
    """Read one table. An old file of several models needs `FILE.npz#MODEL`.

    Raises `DataError` where it is none, or holds several models and none is named.
    """
    found = read_tables(path)
    if len(found) > 1:
        names = ", ".join(f"'{path.name}#{one.model}'" for one in found[:3])
        raise DataError(f"{path}: holds {len(found)} models; name one, as {names}")
    return found[0]


def read_tables(path: Path) -> list[Predictions]:
    """All tables in a file: one, or one a model for the old group outputs. `FILE.npz#MODEL` takes one of them."""
    name, _, wanted = str(path).partition("#")
    file = Path(name)
    if not file.is_file():
        raise DataError(f"{file}: no such predictions table; 'emolens predict' writes one")
    if file.suffix not in SUFFIXES:
        raise DataError(f"{file}: not a predictions table, whose name ends in {' or '.join(SUFFIXES)}")
    found = _read_npz(file) if file.suffix == ".npz" else [_read_parquet(file)]
    if wanted:
        found = [one for one in found if one.model == wanted]
        if not found:
            raise DataError(f"{file}: holds no model {wanted!r}")
    return found


def _metadata(predictions: Predictions) -> str:
    about = {
        "format": FORMAT,
        "taxonomy": predictions.taxonomy.name,
        "labels": predictions.taxonomy.classes,
        **{name: getattr(predictions, name) for name in ("data", "subset", "model", "sha", "prior", "task")},
    }
    return json.dumps(about)


def _arrays(predictions: Predictions) -> dict[str, np.ndarray]:
    """The table as named arrays, in the order of the columns."""
    labels = np.array(predictions.taxonomy.classes)
    arrays = {
        "id": predictions.ids.astype(str),
        "split": predictions.splits.astype(str),
        "label": labels[predictions.truth],
        "predicted": labels[predictions.guess],
        "confidence": predictions.confidence.astype(np.float32),
    }
    for column, name in _MATRICES.items():
        if (values := getattr(predictions, name)) is not None:
            arrays[column] = values.astype(np.float32)
    return arrays | {ATTRIBUTE + name: values.astype(str) for name, values in predictions.attributes.items()}


def _record(arrays: dict[str, np.ndarray], metadata: str, path: Path) -> Predictions:
    """A table from named arrays and its metadata. Raises `DataError`."""
    try:
        about = json.loads(metadata)
        if about["format"] != FORMAT:
            raise DataError(f"{path}: format {about['format']}, this emolens reads {FORMAT}; write it again")
        return Predictions(
            ids=arrays["id"],
            splits=arrays["split"],
            taxonomy=Taxonomy(about["taxonomy"], tuple(about["labels"])),
            confidence=arrays["confidence"],
            **{name: arrays.get(column) for column, name in _MATRICES.items()},  # type: ignore[arg-type]
            attributes={n.removeprefix(ATTRIBUTE): v for n, v in arrays.items() if n.startswith(ATTRIBUTE)},
            **{name: about[name] for name in ("data", "subset", "model", "sha")},
            prior=tuple(about["prior"]),
            task=about.get("task", "expression"),  # tables from before it was told are of expressions
        )
    except (KeyError, ValueError, TypeError, AttributeError, LabelError) as error:
        raise DataError(
            f"{path}: not a predictions table of emolens ({error}); write it with 'emolens predict'"
        ) from None


def _read_npz(path: Path) -> list[Predictions]:
    arrays = _plain_arrays(path)
    if is_old(arrays):
        return read_old(arrays, path)
    metadata = str(arrays.pop("metadata", ""))
    return [_record(arrays, metadata, path)]


def _plain_arrays(path: Path) -> dict[str, np.ndarray]:
    """What the file holds. A pickle is a program, and is never run: its array is named instead."""
    name = ""
    try:
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.ndarray):  # an .npy under another name
            raise DataError(f"{path}: one array without a name, not an .npz of plain arrays; write it with np.savez")
        arrays = {}
        with found:
            for name in found.files:
                arrays[name] = found[name]
        return arrays
    except (OSError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error, TokenError) as error:
        if "pickle" in str(error):
            what = f"array {name!r} holds" if name else "the file is or holds"
            raise DataError(
                f"{path}: not an .npz of plain arrays: {what} pickled objects, which are programs and never run; "
                f"'emolens data convert-legacy {path} --out NEW.npz' writes plain ones where they are numbers or text"
            ) from None
        raise DataError(f"{path}: not an .npz of plain arrays ({error})") from None


def _read_parquet(path: Path) -> Predictions:
    pa = _arrow()
    try:
        table = pa.parquet.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a readable Parquet file ({error})") from None
    metadata = (table.schema.metadata or {}).get(METADATA_KEY.encode(), b"").decode()
    return _record({name: _from_arrow(table[name]) for name in table.column_names}, metadata, path)


def _to_arrow(predictions: Predictions) -> Any:
    pa = _arrow()
    columns = {
        name: pa.array(values)
        if values.ndim == 1
        else pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
        for name, values in _arrays(predictions).items()
    }
    return pa.table(columns).replace_schema_metadata({METADATA_KEY: _metadata(predictions)})


def _from_arrow(column: Any) -> np.ndarray:
    whole = column.combine_chunks()
    if hasattr(whole.type, "list_size"):
        flat: np.ndarray = whole.flatten().to_numpy(zero_copy_only=False)
        return flat.reshape(len(whole), whole.type.list_size)
    values: np.ndarray = whole.to_numpy(zero_copy_only=False)
    return values.astype(str) if values.dtype == object else values


def _arrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtra("a predictions table as Parquet", "tables") from None
    return pyarrow
