"""Where files that are made or fetched once are kept, and how files and folders of ours are known."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

RECIPE, FIGURES = "recipe.json", "figures.json"
"""The files by which a run folder and a report are known."""
FOLD = "fold-"
"""The folders of the folds of a run begin so."""


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
