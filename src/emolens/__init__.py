"""What each face in a photo shows, how the group looks, what the photo evokes and what in it does.

The public names are loaded when they are first asked for (PEP 562), so that `import emolens` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from emolens.analyzer import Analyzer, analyze
    from emolens.drawing.photo import annotate
    from emolens.errors import (
        CardError,
        ChecksumError,
        DataError,
        EmolensError,
        FetchError,
        InputError,
        LabelError,
        MissingExtra,
        ModelError,
        NotFetched,
        NotFound,
        OptionError,
        OutputError,
        TooLarge,
        TooSmall,
        UnknownName,
        Unreadable,
        Unsupported,
    )
    from emolens.group import group_affect
    from emolens.pictures.images import open_image
    from emolens.records import Face, FrameResult, GroupAffect, PhotoResult, Prediction, StimuliMap
    from emolens.tables import rows
    from emolens.taxonomy import Taxonomy
    from emolens.watching.stream import watch

__all__ = [
    "Analyzer",
    "CardError",
    "ChecksumError",
    "DataError",
    "EmolensError",
    "Face",
    "FetchError",
    "FrameResult",
    "GroupAffect",
    "InputError",
    "LabelError",
    "MissingExtra",
    "ModelError",
    "NotFetched",
    "NotFound",
    "OptionError",
    "OutputError",
    "PhotoResult",
    "Prediction",
    "StimuliMap",
    "Taxonomy",
    "TooLarge",
    "TooSmall",
    "UnknownName",
    "Unreadable",
    "Unsupported",
    "__version__",
    "analyze",
    "annotate",
    "group_affect",
    "open_image",
    "rows",
    "watch",
]

_ROOMS = {
    "Analyzer": "analyzer",
    "analyze": "analyzer",
    "annotate": "drawing.photo",
    "group_affect": "group",
    "open_image": "pictures.images",
    "Face": "records",
    "FrameResult": "records",
    "GroupAffect": "records",
    "PhotoResult": "records",
    "Prediction": "records",
    "StimuliMap": "records",
    "Taxonomy": "taxonomy",
    "rows": "tables",
    "watch": "watching.stream",
}
"""Where each public name lives; those not named here are in `errors`."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_ROOMS.get(name, 'errors')}"), name)
    globals()[name] = value  # found once, a plain attribute from then on
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
