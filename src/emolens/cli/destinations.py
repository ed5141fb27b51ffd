"""Where a report or a table goes: its name, and that it can be written there, known before the work."""

from __future__ import annotations

import tempfile
from pathlib import Path

from emolens.errors import OptionError, OutputError
from emolens.places import FIGURES, FOLD

REPORTS = Path("reports")


def report_place(model: str, data: str, split: str, *options: str) -> Path:
    """Where a report goes that is given no place; `options` are what else tells it from other reports."""
    name, _, member = model.partition("#")
    path = Path(name).absolute()
    short = path.name if path.is_dir() else path.stem
    if path.is_dir() and short.startswith(FOLD):  # every run of folds has one of this name
        short = f"{path.parent.name}-{short}"
    parts = [_plain(one) for one in (short, member, data or "table", split, *options) if one]
    return REPORTS / "-".join(parts)


def check_report(out: Path | None) -> None:
    """Raises `OutputError` where no report can be written to `out`, or below `reports` for none given."""
    if out is None:
        return _check_room(REPORTS / "report", str(REPORTS))
    if out.exists() and not out.is_dir():
        raise OutputError(f"--out {out} is a file, and a report is a folder; name another --out")
    if out.is_dir() and not (out / FIGURES).is_file() and any(out.iterdir()):
        raise OutputError(f"--out {out}: holds something that is no report; name another --out")
    return _check_room(out)


def check_folder(out: Path) -> None:
    """Raises `OutputError` where `out` cannot be a folder that files are written into; it may hold others."""
    if out.exists() and not out.is_dir():
        raise OutputError(f"--out {out} is a file, and several are written; name a folder")
    _check_room(out / "file")


def check_table(out: Path, suffixes: tuple[str, ...]) -> None:
    """Raises `OptionError` for a name that no table has, `OutputError` where none can be written to `out`."""
    if out.suffix not in suffixes:
        raise OptionError(f"--out is {out}, needs a name that ends in {' or '.join(suffixes)}")
    if out.is_dir():
        raise OutputError(f"--out {out} is a folder; name a file in it")
    _check_room(out)


def _check_room(place: Path, asked: str = "") -> None:
    """Raises `OutputError` where nothing can be made at `place`: tried in the nearest folder that is there.

    `asked` names the place in the error where it is not what was given as `--out`.
    """
    named = asked or f"--out {place}"
    try:
        folder = next(one for one in place.absolute().parents if one.exists())
        if not folder.is_dir():
            raise OutputError(f"{named}: {folder} is a file, not a folder; name another --out")
        with tempfile.TemporaryDirectory(prefix=f".{place.name}.", dir=folder):
            pass  # rights alone do not tell: a disk can be read-only
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"{named}: cannot be written ({reason}); name another --out") from None


def _plain(text: str) -> str:
    """A text as part of a folder's name."""
    kept = "".join(
        letter if letter.isalnum() or letter in "._" else "-" for letter in text.lower().replace("+", "plus")
    )
    return "-".join(part for part in kept.split("-") if part)
