"""Finding faces: one protocol, two detectors and a stand-in."""

from __future__ import annotations

import difflib
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emolens.errors import NotFound, OptionError, UnknownName
from emolens.faces.detector import FaceDetector, FixedDetector

if TYPE_CHECKING:
    from emolens.faces.mtcnn import MTCNN

__all__ = ["DETECTORS", "MTCNN", "FaceDetector", "FixedDetector", "load_detector"]

DETECTORS = ("auto", "mtcnn", "yunet")


def load_detector(name: str = "auto", min_face: float | None = None, **options: Any) -> FaceDetector:
    """A detector by its name, or by a YuNet file.

    `auto` and `mtcnn` are MTCNN, which ships in the box, so that two machines give one answer. `yunet` is the fetched
    file, or the one that `path=` names; a `name` that is a file or ends in `.onnx` is such a file itself. `min_face` is
    the smallest face that the caller cares for, in pixels: MTCNN, whose time depends on it, looks for no smaller ones
    (12 at the least), YuNet finds what it finds. The other options are the detector's own.

    Raises `UnknownName`, `NotFound` where a file is missing, `NotFetched` for `yunet` before it was fetched,
    `OptionError` for an option the detector does not have.
    """
    if name in ("auto", "mtcnn"):
        from emolens.faces.mtcnn import CELL, MTCNN

        size = {} if min_face is None else {"min_face_size": max(min_face, CELL)}
        return MTCNN(**{**size, **_checked("mtcnn", MTCNN, options)})
    if name == "yunet" or Path(name).suffix.lower() == ".onnx" or Path(name).is_file():
        return _yunet(options if name == "yunet" else {"path": name, **options})
    raise UnknownName("detector", name, (*DETECTORS, "a YuNet .onnx file"))


def _yunet(options: dict[str, Any]) -> FaceDetector:
    from emolens.faces.yunet import YuNet
    from emolens.models.catalogue import where

    path = Path(options.get("path") or where("yunet"))
    if not path.is_file():
        raise NotFound(f"{path}: no such file; give a YuNet .onnx file, or run 'emolens models fetch yunet'")
    return YuNet(**{**_checked("yunet", YuNet, options), "path": path})


def _checked(name: str, detector: type, options: dict[str, Any]) -> dict[str, Any]:
    """The options, if the detector has them all."""
    known = list(inspect.signature(detector).parameters)
    for option in options:
        if option not in known:
            near = difflib.get_close_matches(option, known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise OptionError(f"{name} has no option {option!r}.{hint} Known: {', '.join(known)}")
    return options


def __getattr__(name: str) -> Any:
    """`MTCNN` is loaded when asked for: a caller with a detector of its own needs no ONNX Runtime."""
    if name == "MTCNN":
        from emolens.faces.mtcnn import MTCNN

        return MTCNN
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
