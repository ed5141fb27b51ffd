"""`emolens doctor`: what is installed, what works, what is missing and the command that mends it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import typer

from emolens import __version__
from emolens.errors import EmolensError, NotFetched

NOT_FOR_USERS = {"all", "dev"}


class Finding(NamedTuple):
    """One line of the report: `ok`, `note` (works, could do more) or `broken`; `mend` is a command."""

    state: Literal["ok", "note", "broken"]
    what: str
    says: str
    mend: str = ""


WIDTH = len("model expression_ferplus")
"""Of the names that are examined: the longest of what ships."""


def doctor() -> None:
    """Check this installation. Exit code 1 if something is broken."""
    broken = 0
    for examine in (_versions, _needed, _runtime, _cache, _extras, _models, _self_test):
        for finding in _examined(examine):
            _show(finding)
            broken += finding.state == "broken"
    typer.echo(f"\n{'everything works' if not broken else f'{broken} broken, see above'}")
    if broken:
        raise typer.Exit(1)


def _examined(examine: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """The findings; an examination that fails is a finding, since the ill are who calls a doctor."""
    try:
        yield from examine()
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        yield Finding("broken", examine.__name__.strip("_").replace("_", " "), reason)


def _show(finding: Finding) -> None:
    colour = {"ok": "green", "note": "yellow", "broken": "red"}[finding.state]
    typer.secho(f"{finding.state:<6}", fg=colour, nl=False)
    typer.echo(f"  {finding.what:<{WIDTH}} {finding.says}")
    if finding.mend:
        typer.echo(f"{'':{WIDTH + 9}}mend: {finding.mend}")


def _versions() -> Iterator[Finding]:
    yield Finding("ok", "emolens", f"{__version__}, in {Path(__file__).parents[1]}")
    yield Finding("ok", "python", f"{platform.python_version()}, {platform.platform(terse=True)}, {sys.executable}")


def _requirements() -> Iterator[tuple[str, str]]:
    """(extra or "", name of a package) for all that emolens's own metadata asks for."""
    for line in importlib.metadata.requires("emolens") or ():
        package = re.match(r"[A-Za-z0-9._-]+", line)
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)", line)
        if package and package.group() != "emolens":
            yield (extra.group(1) if extra else "", package.group())


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _needed() -> Iterator[Finding]:
    versions = {package: _version(package) for extra, package in _requirements() if not extra}
    present = [f"{package} {version}" for package, version in versions.items() if version]
    yield Finding("ok", "needed packages", ", ".join(present))
    for package in (package for package, version in versions.items() if not version):
        yield Finding("broken", package, "not installed", f"pip install {package}")


def _runtime() -> Iterator[Finding]:
    import onnxruntime

    yield Finding(
        "ok", "ONNX Runtime", f"{onnxruntime.__version__}: {', '.join(onnxruntime.get_available_providers())}"
    )
    threads = os.environ.get("EMOLENS_THREADS")
    chosen = f"EMOLENS_THREADS={threads}" if threads else "all are used; EMOLENS_THREADS or --threads bounds them"
    yield Finding("ok", "CPU", f"{os.cpu_count()} cores, {chosen}")


def _cache() -> Iterator[Finding]:
    from emolens.files import replacing
    from emolens.places import home

    folder = home()
    try:
        with replacing(folder / "doctor.txt") as draft:
            draft.write_text("writable\n", encoding="utf-8")
        (folder / "doctor.txt").unlink()
    except EmolensError as error:
        nothing_kept = f"{error}; all works, but no model can be fetched and MTCNN is built anew each time"
        yield Finding("note", "cache", nothing_kept, "export EMOLENS_HOME=<a folder that you may write to>")
        return
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    yield Finding("ok", "cache", f"{folder}, writable, {size / 1e6:.1f} MB")
    if os.environ.get("EMOLENS_OFFLINE", "0") not in ("", "0"):
        yield Finding("note", "offline", "EMOLENS_OFFLINE is set: no model is fetched", "unset EMOLENS_OFFLINE")


def _extras() -> Iterator[Finding]:
    wanted: dict[str, list[str]] = {}
    for extra, package in _requirements():
        if extra and extra not in NOT_FOR_USERS:
            wanted.setdefault(extra, []).append(package)
    for extra, packages in wanted.items():
        missing = [package for package in packages if not _version(package)]
        if missing:
            lacks = f"not installed: {', '.join(missing)}"
            yield Finding("note", f"extra [{extra}]", lacks, f"pip install 'emolens[{extra}]'")
        else:
            yield Finding("ok", f"extra [{extra}]", ", ".join(f"{p} {_version(p)}" for p in packages))


def _models() -> Iterator[Finding]:
    from emolens.models.catalogue import entries, where

    for entry in entries():
        try:
            path = where(entry.name)
            yield Finding("ok", f"model {entry.name}", f"{entry.size / 1e6:.1f} MB, sha256 as pinned, {path}")
        except NotFetched as error:
            if entry.source != "fetch":
                yield Finding("broken", f"model {entry.name}", str(error))
                continue
            yield Finding("note", f"model {entry.name}", "not fetched", f"emolens models fetch {entry.name}")
        except EmolensError as error:
            yield Finding("broken", f"model {entry.name}", str(error))


def _self_test() -> Iterator[Finding]:
    """A generated picture through detector and model: no face may be found, and as a face it has an answer."""
    import numpy as np

    from emolens.analyzer import Analyzer

    ramp = np.linspace(0, 255, 160, dtype=np.uint8)
    picture = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None, :], np.uint8(128)), axis=-1)
    empty = Analyzer().analyze(np.ascontiguousarray(picture))
    whole = Analyzer(whole_image=True)
    said = whole.analyze(np.ascontiguousarray(picture)).expressions[0]
    works = empty.status == "no_face" and abs(float(said.distribution.sum()) - 1) < 1e-3
    models = [said.model, *([empty.evoked.model] if empty.evoked else [])]
    answers = f"{empty.detector} and {', '.join(models)} answer on a drawn picture, with {whole.provider}"
    yield Finding("ok" if works else "broken", "self-test", answers)
