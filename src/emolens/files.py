"""How a file gets to its place whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emolens.errors import OutputError


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A temporary path beside `target` that becomes it on success and vanishes on failure.

    Raises `OutputError` where `target` is no ordinary file or its folder cannot be written: before the work, not after.
    """
    try:
        if target.is_dir():
            raise OutputError(f"cannot write {target}: it is a folder; name a file in it")
        if target.exists() and not target.is_file():  # a file in the place of a device would break the machine
            raise OutputError(f"cannot write {target}: it is a device or a pipe; name a file")
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(descriptor)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"cannot write {target}: {reason}; choose a folder that you may write to") from None
    draft = Path(name)
    try:
        yield draft
        umask = os.umask(0)
        os.umask(umask)
        draft.chmod(0o666 & ~umask)  # mkstemp makes files private; results are ordinary files
        draft.replace(target)
    except BrokenPipeError:  # some other output, not this file
        raise
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from None
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def replacing_report(target: Path, figures: str) -> Iterator[Path]:
    """A new folder beside `target` that becomes it on success, in place of a report that was there, and else vanishes.

    A report is known by its file `figures`. Raises `OutputError` where `target` holds something else or cannot be
    written.
    """
    if target.exists() and not (target / figures).is_file() and (not target.is_dir() or any(target.iterdir())):
        raise OutputError(f"{target}: holds something that is no report; name another --out")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as made:
            draft = Path(made) / "new"
            draft.mkdir()
            yield draft
            if target.exists():
                shutil.rmtree(target)
            draft.replace(target)
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}; choose another --out") from None
