"""`emolens video`: who shows what, when; rows, an annotated film, a timeline and a summary of each video."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emolens.cli.leaving import USAGE, Signals, fail
from emolens.cli.loading import load_analyzer
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
from emolens.errors import EmolensError, InputError, OptionError, OutputError, UnknownName

if TYPE_CHECKING:
    from emolens.analyzer import Analyzer
    from emolens.cli.video_screen import VideoScreen

SMOOTH_S = 0.5
"""Boxes are drawn with the mean over about so many seconds: a label that flickers cannot be read. Rows are as found."""

_FRAMES = number("--every", int, "a whole number of frames")
_RATE = number("--fps", float, "a number of frames a second")

Sources = Annotated[
    list[str],
    typer.Argument(metavar="SOURCES...", help="Videos, URLs, rtsp://... streams, cameras (0, 1, ... or /dev/video0)."),
]
Out = Annotated[
    str | None, typer.Option("--out", metavar="DIR", help="Write everything here; several sources each get a folder.")
]
Every = Annotated[
    int, typer.Option("--every", metavar="N", parser=_FRAMES, help="Look for faces in every N-th frame, track between.")
]
Fps = Annotated[
    float | None, typer.Option("--fps", metavar="F", parser=_RATE, help="Take F frames of each second; by default all.")
]
Rows = Annotated[str, typer.Option("--rows", metavar="parquet|csv|jsonl", help="The kind of the rows.")]
NoVideo = Annotated[bool, typer.Option("--no-video", help="Write no annotated.mp4.")]
NoPictures = Annotated[bool, typer.Option("--no-pictures", help="Write numbers only: no film, no frame of it.")]


def video(
    sources: Sources,
    out: Out = None,
    every: Every = 1,
    fps: Fps = None,
    task: Tasks = None,
    rows: Rows = "parquet",
    no_video: NoVideo = False,
    no_pictures: NoPictures = False,
    detector: Detector = "auto",
    model: Models = None,
    abstain_below: Abstain = None,
    min_face: MinFace = None,
    min_score: MinScore = None,
    batch_size: BatchSize = None,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Say who shows what, when: each face of a video or camera, frame by frame.

    DIR gets rows, annotated.mp4, timeline.png, timeline.html, summary.json and key moments; without --out the summary
    is only shown. Ctrl-C ends a run and keeps what was analysed. Exit code: 0; 2 where a source could not be read to
    its end or something must be changed; 130 after Ctrl-C.
    """
    _check(rows, every, fps, out, quiet)
    limit_threads(threads)
    analyzer = load_analyzer(task, detector, model, False, abstain_below, min_face, min_score, batch_size, frames=True)
    watch_videos(sources, analyzer, out, rows, not (no_video or no_pictures), not no_pictures, quiet, every, fps)


def _check(rows: str, every: int, fps: float | None, out: str | None, quiet: bool) -> None:
    from emolens.watching.series import NAMES

    if rows not in NAMES:
        raise UnknownName("kind of rows", rows, NAMES)
    if every < 1:
        raise OptionError(f"--every is {every}, needs 1 (each frame) or more")
    if fps is not None and not 0 < fps < math.inf:
        raise OptionError(f"--fps is {fps:g}, needs a number of frames a second above 0")
    if quiet and out is None:
        raise OptionError("--quiet without --out would say nothing; name a folder with --out DIR")


def watch_videos(
    sources: list[str],
    analyzer: Analyzer,
    out: str | None,
    rows: str = "parquet",
    film: bool = True,
    pictures: bool = True,
    quiet: bool = False,
    every: int = 1,
    fps: float | None = None,
) -> None:
    """Watch each source to its end, write and show what it held; leaves with the exit code."""
    from emolens.cli.video_screen import VideoScreen
    from emolens.cli.watched import spare_sources

    folders = _folders(sources, out)
    for folder in folders:
        if folder:
            spare_sources(folder, sources)
    screen = VideoScreen(quiet)
    options: dict[str, Any] = {"every": every, "fps": fps, "rows": rows, "film": film, "pictures": pictures}
    faults = 0
    for source, folder in zip(sources, folders, strict=True):
        try:
            _watch_one(source, folder, analyzer, screen, **options)
        except InputError as error:
            faults += 1
            typer.echo(f"emolens: {' '.join(str(error).split())}", err=True)
    screen.notice()
    if faults:
        raise typer.Exit(USAGE)


def _folders(sources: list[str], out: str | None) -> list[Path | None]:
    """Where each source goes: DIR itself for one, a folder in it with the name of the source for several."""
    from emolens.cli.annotated import stem

    if out == "":  # of a script whose variable is not set
        raise OptionError("--out is empty, needs the name of a folder")
    if out is None or len(sources) == 1:
        return [Path(out) if out else None] * len(sources)
    taken: list[str] = []
    for source in sources:
        name = plain = stem(source).strip(". ") or "video"  # a name of dots would be a folder above
        count = 1
        while name.lower() in taken:
            count += 1
            name = f"{plain}_{count}"
        taken.append(name.lower())
    return [Path(out) / name for name in taken]


def _watch_one(
    source: str,
    folder: Path | None,
    analyzer: Analyzer,
    screen: VideoScreen,
    *,
    every: int,
    fps: float | None,
    rows: str,
    film: bool,
    pictures: bool,
) -> None:
    """One source. Raises what ended it before its time, once everything before that is written and shown."""
    from emolens.cli.watched import Watched
    from emolens.video import VideoReader
    from emolens.watching.stream import watch

    reader = VideoReader(source)
    try:
        watched = Watched(folder, reader, rows, analyzer.classes, film, pictures, fps)
    except EmolensError:
        reader.close()
        raise
    frames = watch(reader, every=every, fps=fps, smooth=SMOOTH_S, pixels=watched.draws, analyzer=analyzer)
    fault: EmolensError | None = None
    with Signals() as signals, screen.progress(reader) as step:
        try:
            for result in signals.until_one_comes(frames):
                watched.add(result)
                step(result)
        except EmolensError as error:
            fault = error
        finally:
            frames.close()  # a generator: the reader and its thread end with it
        with signals.in_one_turn():
            fault = watched.close(fault)
    screen.summary(watched.summary, folder, watched.written)
    if signals.came and not isinstance(fault, OutputError):
        fail(f"stopped; {watched.kept}", 128 + signals.came)
    if isinstance(fault, (InputError, OutputError)):
        raise type(fault)(f"{fault}; {watched.kept}")
    if fault:
        raise fault
