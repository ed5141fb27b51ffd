"""`emolens faces`: the faces of many pictures, found once, for what learns from them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emolens.cli.data import Settings, set_options
from emolens.cli.leaving import Signals, fail
from emolens.cli.printing import progress
from emolens.errors import OptionError, UnknownName

if TYPE_CHECKING:
    from emolens.data.face_columns import PictureFaces
    from emolens.preparing.projection import GlobalFeatures
    from emolens.preparing.wanted import Wanted

LAYOUTS = ("parquet", "legacy")
SHOWN = 5
"""So many pictures that could not be read are named."""


def faces(
    sources: Annotated[
        list[str], typer.Argument(metavar="SOURCE...", help="Photos, folders, a GAF folder, a table, a prepared set.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A new folder, or one to go on with.")],
    layout: Annotated[
        str, typer.Option(metavar="parquet|legacy", help="legacy: folders of .npz, as the old group systems had.")
    ] = "parquet",
    data: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which data set SOURCE is, from 'emolens data list'.")
    ] = None,
    settings: Settings = None,
    min_face: Annotated[int, typer.Option(metavar="PX", help="Height of the smallest face.")] = 20,
    min_score: Annotated[float, typer.Option(metavar="P", help="Least score of a face.")] = 0.8,
    grid: Annotated[bool, typer.Option("--grid", help="Cut four windows out of pictures without a face.")] = False,
    global_features: Annotated[bool, typer.Option(help="Describe whole pictures too, by 256 numbers.")] = True,
    model: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Whose features those are; by default the evoked model's.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Draws their projection.")] = 0,
    threads: Annotated[int | None, typer.Option(metavar="N", help="CPU threads; by default all cores.")] = None,
    skip_faulty: Annotated[
        bool, typer.Option("--skip-faulty", help="Leave out and count faulty rows of a data set; else one ends it.")
    ] = False,
) -> None:
    """Find the faces of many pictures and keep them: boxes, crops, aligned faces, features.

    What was stopped goes on. A picture without a face has none, never a made-up one. Exit code: 0; 1 where a split has
    not one face; 2 where something must be changed or nothing could be read.
    """
    from emolens.cli.options import limit_threads
    from emolens.data.problems import Problems
    from emolens.preparing.faces import Settings as Looking
    from emolens.preparing.wanted import check_apart, wanted_pictures

    if layout not in LAYOUTS:
        raise UnknownName("layout", layout, LAYOUTS)
    check_apart(out, sources)
    limit_threads(threads)
    problems = Problems(strict=not skip_faulty)
    looking = Looking(min_face, min_score, grid)
    wanted = wanted_pictures(sources, data, problems, **set_options(settings))
    whole = _global_features(model, out, seed) if global_features else None
    counts = _prepare(wanted, out, layout, looking, whole)
    _tell(counts, out, problems.total)


def _global_features(model: Path | None, out: Path, seed: int) -> GlobalFeatures:
    from emolens.choices import model_file, model_files
    from emolens.models.classifier import Classifier
    from emolens.preparing.projection import GlobalFeatures

    given = model_files(model) if model else {}
    if given and "evoked" not in given:
        raise OptionError(
            f"--model {model}: its card says task {next(iter(given))!r}, global features are those of a model for "
            "'evoked'; name such a model or leave it out"
        )
    return GlobalFeatures(Classifier.load(model_file("evoked", given), threads=1), out, seed)


def _prepare(
    wanted: list[Wanted], out: Path, layout: str, looking: Any, whole: GlobalFeatures | None
) -> Mapping[str, int]:
    from emolens.preparing.faces import find_faces

    about = {**looking.about(), "global_features": whole.about if whole else None}
    with _writer(out, layout, about) as writer, Signals() as signals, progress("pictures") as told:
        if whole:
            whole.keep(out)
        left = [one for one in wanted if one.id not in writer.done]
        told(len(wanted) - len(left), len(wanted))
        found = find_faces(left, looking, whole)
        for at, picture in enumerate(signals.until_one_comes(_named(found)), start=len(wanted) - len(left) + 1):
            writer.add(picture)
            told(at, len(wanted))
        if signals.came:
            writer.flush()
            fail(f"stopped after {len(writer.done)} of {len(wanted)} pictures, which are kept; run it again to go on",
                 128 + signals.came)  # fmt: skip
    counts: Mapping[str, int] = writer.counts
    return counts


def _writer(out: Path, layout: str, about: dict[str, Any]) -> Any:
    if layout == "legacy":
        from emolens.preparing.legacy import LegacyWriter

        return LegacyWriter(out, about)
    from emolens.data.face_parts import FacesWriter

    return FacesWriter(out, about)


def _named(found: Iterable[PictureFaces]) -> Iterator[PictureFaces]:
    """The pictures as they come; the first that cannot be read are named on the standard error."""
    shown = 0
    for picture in found:
        if picture.message and shown < SHOWN:
            shown += 1
            typer.echo(f"emolens: {picture.message}", err=True)
        yield picture


def _tell(counts: Mapping[str, int], out: Path, faults: int) -> None:
    unread = counts["pictures"] - counts["ok"] - counts["no_face"]
    typer.echo(f"{counts['faces']:,} faces in {counts['ok']:,} of {counts['pictures']:,} pictures, in {out}; "
               f"{counts['no_face']:,} without a face, {unread:,} could not be read")  # fmt: skip
    if faults:
        typer.echo(f"left out for faults: {faults:,}")
    if unread == counts["pictures"]:
        raise typer.Exit(2)
    splits = [key.partition(":")[0] for key in counts if key.endswith(": pictures")] or [""]
    empty = [split for split in splits if not counts[f"{split}: faces" if split else "faces"]]
    for split in empty:
        n = counts[f"{split}: pictures" if split else "pictures"]
        typer.echo(f"emolens: no face in any of the {n:,} pictures{f' of {split}' if split else ''}; "
                   "try a smaller --min-face or --min-score, or learn from scenes", err=True)  # fmt: skip
    if empty:
        raise typer.Exit(1)
