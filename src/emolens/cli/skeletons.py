"""`emolens skeletons`: people drawn as skeletons on black, for nets that learn from them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emolens.cli.data import Settings, set_options
from emolens.cli.leaving import Signals, fail
from emolens.cli.printing import progress
from emolens.errors import DataError, InputError, MissingExtra, OptionError
from emolens.pictures.limits import LIMITS

if TYPE_CHECKING:
    import numpy as np

    from emolens.preparing.wanted import Wanted


def skeletons(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE...", help="Photos, folders, a GAF folder, or OpenPose JSON."),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where <id>_rendered.png and keypoints go.")],
    weights: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Of torchvision's keypointrcnn_resnet50_fpn; by default it fetches them."),
    ] = None,
    pictures: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The pictures behind OpenPose JSON: they give the sizes.")
    ] = None,
    size: Annotated[str | None, typer.Option(metavar="WxH", help="One size for all OpenPose JSON: 1920x1080.")] = None,
    data: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which data set SOURCE is, from 'emolens data list'.")
    ] = None,
    settings: Settings = None,
    min_score: Annotated[float, typer.Option(metavar="P", help="Least score of a person.")] = 0.7,
) -> None:
    """Find people's joints and draw them on black as OpenPose did. OpenPose's own JSON is drawn without torch.

    What was stopped goes on. A picture without a person is black. Exit code: 0; 2 where a source could not be read.
    """
    from emolens.preparing.skeletons import draw_one, is_done, keypoints_below
    from emolens.preparing.wanted import check_apart

    check_apart(out, sources)
    files, left_out = keypoints_below(sources), 0
    if files:
        given = None if size is None else _size(size)
        drawable = _with_picture(files, pictures, out) if pictures else files
        left_out = len(files) - len(drawable)
        jobs = [(name, _given(path, name, pictures, given)) for name, path in drawable]
    else:
        jobs = _found(sources, data, settings, weights, min_score, pictures, size)
    drawn = people = faults = 0
    with Signals() as signals, progress("pictures") as told:
        for at, (name, look) in enumerate(signals.until_one_comes(jobs), start=1):
            if not is_done(out, name):
                try:
                    people += draw_one(out, name, *look())
                    drawn += 1
                except (InputError, DataError) as error:
                    faults += 1
                    typer.echo(f"emolens: {error}", err=True)
            told(at, len(jobs))
    if signals.came:
        fail(f"stopped after {drawn} pictures, which are kept; run it again to go on", 128 + signals.came)
    typer.echo(f"{people} people in {drawn} pictures, drawn in {out}; {len(jobs) - drawn - faults} were there, "
               f"{faults + left_out} could not be read")  # fmt: skip
    if faults or left_out:
        raise typer.Exit(2)


def _with_picture(files: list[tuple[str, Path]], pictures: Path, out: Path) -> list[tuple[str, Path]]:
    """The keypoints whose picture is there, or which are drawn already; the others are told of in one line."""
    from emolens.preparing.skeletons import is_done, without_picture

    absent = set(without_picture((name for name, _ in files if not is_done(out, name)), pictures))
    if absent:
        first = next(name for name, _ in files if name in absent)
        said = (f"--pictures {pictures}: no picture of {len(absent):,} of {len(files):,} files of keypoints, such as "
                f"{first}; name the folder from which OpenPose read them")  # fmt: skip
        if len(absent) == len(files):
            raise OptionError(said)
        typer.echo(f"emolens: {said}", err=True)
    return [(name, path) for name, path in files if name not in absent]


def _given(path: Path, name: str, pictures: Path | None, size: tuple[int, int] | None) -> Any:
    from emolens.preparing.skeletons import given_keypoints

    return lambda: given_keypoints(path, name, pictures, size)


def _size(text: str) -> tuple[int, int]:
    width, cross, height = text.lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise OptionError(f"--size {text!r}: needs width and height in pixels, as 1920x1080")
    if int(width) * int(height) > LIMITS.max_pixels:
        raise OptionError(f"--size {text!r}: at most {LIMITS.max_pixels:,} pixels are drawn; needs fewer, as 1920x1080")
    return int(width), int(height)


def _found(
    sources: list[str],
    data: str | None,
    settings: list[str] | None,
    weights: Path | None,
    min_score: float,
    pictures: Path | None,
    size: str | None,
) -> list[tuple[str, Any]]:
    from importlib.util import find_spec

    from emolens.preparing.wanted import wanted_pictures

    if pictures or size:
        raise OptionError("--pictures and --size go with OpenPose JSON, and there is no *_keypoints.json in the source")
    wanted = wanted_pictures(sources, data, **set_options(settings))
    if any(find_spec(name) is None for name in ("torch", "torchvision")):
        raise MissingExtra("finding people's joints (drawing OpenPose's JSON does not)", "learn")
    from emolens.learn.skeletons import SkeletonFinder

    finder = SkeletonFinder(weights, min_score)
    return [(one.id, _looking(finder, one)) for one in wanted]


def _looking(finder: Any, wanted: Wanted) -> Any:
    from emolens.pictures.images import open_image

    def look() -> tuple[np.ndarray, tuple[int, int]]:
        picture = open_image(wanted.picture)
        return finder.find(picture), (picture.shape[1], picture.shape[0])

    return look
