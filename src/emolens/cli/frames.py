"""`emolens frames`: videos turned into pictures to learn from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emolens.cli.printing import progress, table
from emolens.errors import InputError, OptionError


def _shares(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise OptionError(f"--split {text!r}: needs shares of train, val and test, as 0.7,0.2,0.1") from None


def frames(
    videos: Annotated[list[str], typer.Argument(metavar="VIDEO...", help="Videos, or folders of them.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A new folder.")],
    method: Annotated[
        str, typer.Option(metavar="key|rate|scenes", help="Most changed frames, so many a second, or one a scene.")
    ] = "key",
    window: Annotated[int, typer.Option(metavar="N", help="key: frames over which changes are smoothed.")] = 50,
    fps: Annotated[float, typer.Option(metavar="F", help="rate: frames of each second.")] = 1.0,
    split: Annotated[
        str | None, typer.Option(metavar="A,B[,C]", help="Shares of train, val, test; a video is in one of them whole.")
    ] = None,
    labels: Annotated[bool, typer.Option("--labels", help="The class of a video is the name of its folder.")] = False,
    seed: Annotated[int, typer.Option(metavar="N", help="Decides which videos go to which split.")] = 0,
    no_plot: Annotated[bool, typer.Option("--no-plot", help="Write no plots of how key frames were chosen.")] = False,
) -> None:
    """Take frames out of videos: pictures, a table with their times, and a plot of how they were chosen.

    Splits are cut by video, never by frame. Exit code: 0; 2 where a video could not be read.
    """
    from emolens.preparing import frames as taking
    from emolens.preparing.frames_plot import can_plot, save_plot

    choice = taking.Choice(method, window, fps)
    wanted = taking.videos(videos, None if split is None else _shares(split), labels, seed)
    taking.spare(out)
    plots = method == "key" and not no_plot
    if plots and not can_plot():
        typer.echo("emolens: no plots: they need matplotlib, pip install 'emolens[evaluate]'", err=True)
        plots = False
    rows, shown, faults = [], [], 0
    for video in wanted:
        try:
            with progress("frames") as told:
                chosen = taking.choose(video.source, choice, told)
                written = taking.write_frames(video, chosen, out, told)
        except InputError as error:
            faults += 1
            typer.echo(f"emolens: {error}", err=True)
            continue
        rows += written
        shown.append((video.name, video.split or "-", str(len(written)), str(len(chosen.times) or "-")))
        if plots:
            save_plot(chosen, video.name, out / "plots" / f"{video.name}_plot.svg")
    if rows:
        taking.write_table(rows, out)
        table(f"{len(rows)} frames in {out}", ("video", "split", "taken", "of"), shown)
    if faults:
        raise typer.Exit(2)
