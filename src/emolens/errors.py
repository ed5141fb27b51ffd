"""The exceptions of emolens.

    EmolensError
    ├── InputError           a picture that cannot be analysed; `status` is what a table row says about it
    │   ├── NotFound             not_found      no such file, folder or match
    │   ├── Unreadable           unreadable     empty, truncated, not a picture
    │   │   └── Unsupported          unreadable     not in a format that is read here
    │   ├── TooSmall             too_small      fewer pixels than a face needs
    │   ├── TooLarge             too_large      more bytes or pixels than allowed
    │   └── FetchError           fetch_failed   a URL that cannot be fetched, or may not be
    ├── UnknownName          a name that is not in a registry; names the near miss
    ├── OptionError          an option with a value that is not allowed
    ├── LabelError           a distribution and its taxonomy do not fit together
    ├── DataError            a data set that is not as its reader needs it
    ├── ModelError           weights or a card that cannot be used
    │   ├── CardError            a model card is missing or wrong
    │   ├── ChecksumError        bytes are not those that were pinned
    │   └── NotFetched           the weights are not on this machine yet
    ├── TrainingError        a run that cannot go on
    │   └── Stopped              a run that a signal ended, which can be gone on with
    ├── OutputError          a result cannot be written
    └── MissingExtra         an optional dependency is not installed

Every message is one line: what came, what is allowed, what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class EmolensError(Exception):
    """Root of the tree."""


class InputError(EmolensError):
    """A picture that cannot be analysed. `status` goes into the table row that stands for it."""

    status = "unreadable"


class NotFound(InputError):
    status = "not_found"


class Unreadable(InputError):
    status = "unreadable"


class Unsupported(Unreadable):
    pass


class TooSmall(InputError):
    status = "too_small"


class TooLarge(InputError):
    status = "too_large"


class FetchError(InputError):
    status = "fetch_failed"


MOST_NAMES, NEAREST = 100, 12
"""An error lists at most so many known names; of more, the nearest."""


class UnknownName(EmolensError):
    """A name that a registry does not hold."""

    def __init__(self, kind: str, name: str, known: Iterable[str], advice: str = "") -> None:
        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        if (count := len(known)) > MOST_NAMES:  # timm knows more than a thousand
            known = [*difflib.get_close_matches(name, known, n=NEAREST, cutoff=0), f"... of {count:,}"]
        more = f"; {advice}" if advice else ""
        super().__init__(f"unknown {kind} {name!r}.{hint} Known: {', '.join(known) or 'none'}{more}")


class OptionError(EmolensError):
    pass


class LabelError(EmolensError):
    pass


class DataError(EmolensError):
    pass


class ModelError(EmolensError):
    pass


class CardError(ModelError):
    pass


class ChecksumError(ModelError):
    pass


class NotFetched(ModelError):
    pass


class TrainingError(EmolensError):
    pass


class Stopped(TrainingError):
    """A signal ended the run; `number` is that of the signal."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number


class OutputError(EmolensError):
    pass


class MissingExtra(EmolensError):
    """An optional dependency is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an optional dependency: pip install 'emolens[{extra}]'")
