"""`emolens analyze`: photos in, a table for people, files for programs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emolens.cli.leaving import READER_LEFT, fail
from emolens.cli.loading import fit_to, load_analyzer
from emolens.cli.options import (
    Abstain,
    BatchSize,
    Detector,
    MinFace,
    MinScore,
    Models,
    Quiet,
    Tasks,
    Threads,
    limit_threads,
    number,
)
from emolens.cli.passed_over import videos_below
from emolens.cli.photo_run import run_photos
from emolens.cli.targets import spare_inputs, targets_of
from emolens.errors import OptionError

if TYPE_CHECKING:
    from emolens.analyzer import Analyzer
    from emolens.cli.console import Screen
    from emolens.cli.tally import Tally

_WEIGHT = number("--group-scene", float, "a number from 0 to 1")

Sources = Annotated[
    list[str],
    typer.Argument(metavar="SOURCES...", help="Photos, folders, globs, URLs, videos; - is the standard input."),
]
Whole = Annotated[bool, typer.Option("--whole-image", help="Each picture is one face, already cropped.")]
Out = Annotated[
    str | None, typer.Option("--out", metavar="DIR", help="Write drawings, results.json and results.csv here.")
]
Json = Annotated[str | None, typer.Option("--json", metavar="FILE", help="Write a JSON list; - is standard output.")]
Csv = Annotated[
    str | None, typer.Option("--csv", metavar="FILE", help="Write one row per face, group, evoked; - as above.")
]
Parquet = Annotated[str | None, typer.Option("--parquet", metavar="FILE", help="The same rows as Parquet.")]
GroupScene = Annotated[
    float | None,
    typer.Option(
        "--group-scene", metavar="W", parser=_WEIGHT,
        help="Part that what a photo evokes takes in the group, 0 to 1. 0 by default: nothing here could choose one.",
    ),
]  # fmt: skip
Prior = Annotated[
    str | None,
    typer.Option(
        "--prior",
        metavar="data|uniform[:W]|FILE",
        help="Re-weight for people unlike the training set's: a JSON file of shares, estimated from these pictures, or "
        "even shares; uniform:0.2 goes a fifth of the way, rare expressions are missed less.",
    ),
]
Strict = Annotated[bool, typer.Option("--strict", help="Exit code 1 if any picture could not be read.")]
ByEmotion = Annotated[bool, typer.Option("--by-emotion", help="With task stimuli: a map for each emotion too.")]
Truth = Annotated[
    Path | None,
    typer.Option("--truth", metavar="FILE|DIR", help="With task stimuli: true maps, drawn and judged beside."),
]


def analyze(
    sources: Sources,
    task: Tasks = None,
    whole_image: Whole = False,
    out: Out = None,
    json: Json = None,
    csv: Csv = None,
    parquet: Parquet = None,
    detector: Detector = "auto",
    model: Models = None,
    abstain_below: Abstain = None,
    prior: Prior = None,
    group_scene: GroupScene = None,
    min_face: MinFace = None,
    min_score: MinScore = None,
    batch_size: BatchSize = None,
    by_emotion: ByEmotion = False,
    truth: Truth = None,
    threads: Threads = None,
    strict: Strict = False,
    quiet: Quiet = False,
) -> None:
    """Say what each face in photos shows, how the group looks, what the photo evokes, and what in it does.

    Videos go to `emolens video`.

    Exit code: 0, with a line that counts what could not be read; 1 for any of those under --strict; 2 where something
    must be changed, as for a single photo that cannot be read.
    """
    limit_threads(threads)
    if _are_videos(sources):
        _refuse(sources, whole_image=whole_image, json=json, csv=csv, parquet=parquet, prior=prior,
                group_scene=group_scene,
                by_emotion=by_emotion, truth=truth)  # fmt: skip
        from emolens.cli.video import watch_videos

        analyzer = load_analyzer(
            task, detector, model, False, abstain_below, min_face, min_score, batch_size, frames=True
        )
        watch_videos(sources, analyzer, out, quiet=quiet)
        return
    targets = targets_of(json, csv, parquet, out)
    cards = [os.path.splitext(file)[0] + ".json" for file in model or ()]  # noqa: PTH122  "." has no stem for pathlib
    spare_inputs(targets, [*sources, detector, *(model or ()), *cards])
    named = None if prior == "data" else prior
    analyzer = load_analyzer(
        task, detector, model, whole_image, abstain_below, min_face, min_score, batch_size, prior=named,
        by_emotion=by_emotion, group_scene=group_scene,
    )  # fmt: skip
    _check_maps(analyzer, by_emotion, truth)
    if prior == "data":
        fit_to(sources, analyzer)
    tally, stopped = run_photos(analyzer, sources, targets, out, _screen(targets, quiet, analyzer), truth)
    if not quiet and (videos := videos_below(sources)):
        typer.echo(f"{len(videos)} files are videos, such as {videos[0]}: give those to 'emolens video'", err=True)
    _leave(tally, stopped, strict)


def _check_maps(analyzer: Analyzer, by_emotion: bool, truth: Path | None) -> None:
    """Raises `OptionError` for an option of maps where none is asked for, `NotFound` for a truth that is not there."""
    from emolens.errors import NotFound

    given = [name for name, value in (("--by-emotion", by_emotion), ("--truth", truth)) if value]
    if given and "stimuli" not in analyzer.tasks:
        raise OptionError(f"{given[0]} is for maps, which are not asked for; add --task stimuli")
    if truth is not None and not truth.exists():
        raise NotFound(f"{truth}: no such map; name a grey picture, an .npy file or a folder of them")


def _are_videos(sources: Sequence[str]) -> bool:
    from emolens.video import is_video

    videos = [source for source in sources if is_video(source)]
    if videos and len(videos) < len(sources):
        raise OptionError(f"{videos[0]} is a video and other sources are not; analyze photos and videos apart")
    return bool(videos)


def _refuse(sources: Sequence[str], **options: object) -> None:
    """Raises `OptionError` for an option that is of photos only."""
    for name, value in options.items():
        if value:
            option = f"--{name.replace('_', '-')}"
            raise OptionError(f"{sources[0]} is a video, {option} is for photos; use --out DIR, see 'emolens video -h'")


def _screen(targets: Sequence[tuple[str, str]], quiet: bool, analyzer: Analyzer) -> Screen | None:
    from emolens.cli.console import Screen

    if quiet:
        return None
    cards = [model.card for model in analyzer.models.values()]
    return Screen(to_stderr=any(target == "-" for target, _ in targets), provider=analyzer.provider, cards=cards)


def _leave(tally: Tally, came: int, strict: bool) -> None:
    """Say on the standard error what went wrong, and leave with the exit code for it."""
    if came == READER_LEFT:
        raise BrokenPipeError
    unread = tally.unread
    if unread:
        counts = ", ".join(f"{n} {status}" for status, n in unread.items())
        typer.echo(
            f"emolens: {sum(unread.values())} of {tally.pictures} pictures could not be read ({counts})", err=True
        )
    if came:
        fail(f"stopped after {tally.pictures} pictures; their results are whole", 128 + came)
    if unread.get("not_found", 0) == tally.pictures:
        fail("no source names a picture that exists; check the spelling and the folder you are in")
    if unread and strict:
        raise typer.Exit(1)
