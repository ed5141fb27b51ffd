"""Where files that are made or fetched once are kept, and how they get there whole."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emolens.errors import OutputError


def home() -> Path:
    """The cache folder: `EMOLENS_HOME`, else the platform's own place. It need not exist yet."""
    if named := os.environ.get("EMOLENS_HOME"):
        return Path(named).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", "~")).expanduser() / "emolens"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "emolens"
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "emolens"


def sha256(path: Path) -> str:
    """Hex digest of a file, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A temporary path beside `target` that becomes it on success and vanishes on failure.

    Raises `OutputError` where the folder cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(descriptor)
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror}; choose a folder that you may write to") from None
    draft = Path(name)
    try:
        yield draft
        umask = os.umask(0)
        os.umask(umask)
        draft.chmod(0o666 & ~umask)  # mkstemp makes files private; results are ordinary files
        draft.replace(target)
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from None
    finally:
        draft.unlink(missing_ok=True)
