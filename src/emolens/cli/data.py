"""`emolens data`: what is known, whether an archive is whole, Parquet from it, what it holds, what its splits share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emolens.cli.data_views import entry, show, show_stats
from emolens.cli.printing import progress, table, write_json
from emolens.errors import OptionError

if TYPE_CHECKING:
    from emolens.data.base import OptionValue, Record
    from emolens.data.entries import Entry
    from emolens.data.problems import Problems

app = typer.Typer(help="List, check, prepare, audit and describe data sets.", no_args_is_help=False)

BAD = 1
"""Exit code where the data is at fault."""

Name = Annotated[str, typer.Argument(metavar="NAME", help="A name from 'emolens data list'.")]
Root = Annotated[Path, typer.Argument(metavar="ROOT", help="Where its archive lies.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="A=B", help="An option of the data set. Repeatable.")
]
Json = Annotated[str | None, typer.Option("--json", metavar="FILE", help="The same as JSON; - is standard output.")]


@app.callback(invoke_without_command=True)
def _root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command("list")
def list_data(json: Json = None) -> None:
    """Name every known data set.

    Its size, its classes, its terms, and what you must obtain.
    """
    from emolens.data.registry import names, reader

    found = [(name, reader(name)) for name in names()]
    if json:
        return write_json(json, [entry(name, one) for name, one in found])
    for name, one in found:
        show(name, one)
    return None


@app.command("check")
def check_data(
    name: Name,
    root: Root,
    settings: Settings = None,
    names_only: Annotated[bool, typer.Option("--names-only", help="Open no picture: quick, and finds less.")] = False,
    json: Json = None,
) -> None:
    """Hold an archive against what was published.

    Exit code: 0 where it is complete, 1 where it is not, 2 where something must be changed.
    """
    from emolens.data.check import check

    with progress() as told:
        report = check(name, root, open_pictures=not names_only, progress=told, **set_options(settings))
    if json != "-":
        for line in report.lines():
            typer.echo(line)
    counts = [{"split": s, "label": label, "n": n} for (s, label), n in sorted(report.counts.items())]
    if json:
        write_json(json, {"data": name, "verdict": report.verdict, "records": report.records, "counts": counts,
                  "differences": [str(d) for d in report.differences], "faults": report.faults,
                  "examples": report.examples, "left_out": report.left_out, "unlisted": report.unlisted})  # fmt: skip
    if not report.ok:
        raise typer.Exit(BAD)


@app.command("prepare")
def prepare_data(
    name: Name,
    root: Root,
    out: Annotated[Path, typer.Option(metavar="DIR", help="A new folder, or one to go on with.")],
    settings: Settings = None,
    val_share: Annotated[
        float, typer.Option(metavar="SHARE", help="Cut this share of train as val where there is none; 0: do not.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(metavar="N", help="Decides which rows that are.")] = 0,
    skip_faulty: Annotated[
        bool, typer.Option("--skip-faulty", help="Leave out and count rows with faults; else the first one ends it.")
    ] = False,
) -> None:
    """Write an archive as Parquet.

    One folder a split; pandas, Hugging Face datasets and Ray read it too. What was stopped goes on.
    """
    from emolens.data.prepare import prepare
    from emolens.data.problems import Problems

    problems = Problems(strict=not skip_faulty)
    with progress() as told:
        made = prepare(name, root, out, val_share=val_share, seed=seed, problems=problems, progress=told,
                       **set_options(settings))  # fmt: skip
    rows = [(s, f"{made.rows(s):,}", str(len(parts)), _bytes(out, parts)) for s, parts in made.splits.items()]
    table(f"{made.about['title']} in {out}", ("split", "rows", "files", "MB"), rows)
    if made.moved_to_val:
        typer.echo(f"val: {made.moved_to_val:,} rows cut from train, subjects and videos whole")
    _left_out(made.left_out, made.faults, made.examples)


@app.command("convert-legacy")
def convert_legacy(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The folder with FaceCoordinates, ..., or one .npz file.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="A new folder, or one to go on with; a file for a file.")],
    pictures: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The pictures, to cut the faces out of them anew.")
    ] = None,
) -> None:
    """Turn faces in the old folder-of-npz layout into what 'emolens faces' writes, or one .npz into a plain one.

    The pickled arrays in them are read, and nothing in them is run.
    """
    if old.is_file():
        from emolens.preparing.object_arrays import plain_npz

        for name, shape in plain_npz(old, out).items():
            typer.echo(f"{name}: {shape}")
        return
    from emolens.data.face_parts import FacesWriter
    from emolens.preparing.legacy_reading import about_of, legacy_ids, read_one

    names = legacy_ids(old)
    with FacesWriter(out, about_of(old, pictures is not None)) as writer, progress("pictures") as told:
        for done, name in enumerate(names, start=1):
            if name not in writer.done:
                writer.add(read_one(old, name, pictures))
            told(done, len(names))
    counts = writer.counts
    typer.echo(f"{counts['faces']:,} faces in {counts['ok']:,} of {counts['pictures']:,} pictures, in {out}")


@app.command("draw-emotionroi")
def draw_data(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder.")],
    kind: Annotated[
        str, typer.Option(metavar="picture|label", help="Whether the picture or the emotion says where the map is.")
    ] = "picture",
    each: Annotated[int, typer.Option(metavar="N", help="Pictures of each of the six emotions.")] = 60,
    side: Annotated[int, typer.Option(metavar="PIXELS", help="Width of the pictures.")] = 128,
    seed: Annotated[int, typer.Option(metavar="N", help="Decides what is drawn.")] = 0,
) -> None:
    """Draw pictures whose stimuli maps are known.

    A stand-in for EmotionROI in its own folders and lists, to try out training on.
    """
    from emolens.data.drawn_emotionroi import draw_emotionroi

    typer.echo(f"written: {draw_emotionroi(out, kind, each, side, seed)} ({6 * each:,} pictures with maps)")


@app.command("audit")
def audit_data(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="[SPLIT=]PATH...", help="Train first: lists (.csv, .txt), prepared sets, or folders of pictures."
        ),
    ],
    root: Annotated[Path | None, typer.Option(metavar="DIR", help="Where the pictures of lists lie.")] = None,
    distance: Annotated[
        int | None, typer.Option(metavar="BITS", help="Near-duplicates differ in at most so many of 256 bits.")
    ] = None,
    no_near: Annotated[bool, typer.Option("--no-near", help="Do not look for near-duplicates.")] = False,
    fail_on: Annotated[
        list[str] | None,
        typer.Option("--fail-on", metavar="KIND", help="Exit code 1 where this is found; leak, any. Repeatable."),
    ] = None,
    json: Json = None,
) -> None:
    """Say what splits share.

    Paths, bytes, pixels, near-duplicates, people, videos. Exit code 1 only by --fail-on.
    """
    from emolens.data.audit import audit, kinds
    from emolens.data.audit_tables import tables
    from emolens.data.fingerprints import NEAR
    from emolens.data.problems import Problems

    kinds(fail_on or ())  # a wrong word is told before the work
    problems = Problems(strict=False)
    with progress() as told:
        entries = _counted(_entries(inputs, root, problems), told)
        found = audit(entries, distance=None if no_near else NEAR if distance is None else distance, problems=problems)
    if json != "-":
        for each in tables(found):
            table(each.title, each.columns, each.rows, each.notes)
        typer.echo(f"found: {', '.join(found.found()) or 'nothing'}")
    if json:
        write_json(json, found.to_dict())
    if failed := found.failed(fail_on or ()):
        typer.echo(f"failed: {', '.join(failed)}", err=True)
        raise typer.Exit(BAD)


@app.command("stats")
def stats_data(
    what: Annotated[str, typer.Argument(metavar="DIR|NAME", help="A prepared folder, or a data set's name.")],
    root: Annotated[Path | None, typer.Argument(metavar="[ROOT]", help="The archive, after a name.")] = None,
    settings: Settings = None,
    json: Json = None,
) -> None:
    """Count classes, values and sizes.

    Classes by split, mean distributions, valence and arousal, sizes of the pictures.
    """
    from emolens.data.problems import Problems
    from emolens.data.stats import stats

    problems = Problems(strict=False)
    with progress() as told:
        found = stats(_counted(_records(what, root, settings, problems), told), problems)
    if json != "-":
        show_stats(found)
        _left_out(problems.left_out, problems.counts, problems.examples)
    if json:
        write_json(json, {**found.to_dict(), "left_out": problems.left_out, "faults": problems.counts,
                          "examples": problems.examples})  # fmt: skip
    if problems.total:
        raise typer.Exit(BAD)


def _records(what: str, root: Path | None, settings: list[str] | None, problems: Problems) -> Iterator[Record]:
    from emolens.data.prepared import read_prepared
    from emolens.data.registry import reader

    if root is not None:
        return reader(what).read(root, problems, **set_options(settings))
    if settings:
        raise OptionError("--set goes with NAME ROOT; a prepared folder has its options")
    return read_prepared(Path(what))


def _entries(inputs: list[str], root: Path | None, problems: Problems) -> Iterator[Entry]:
    from emolens.data.audit_inputs import read_input

    for given in inputs:
        split, equals, path = given.partition("=")
        named = equals and not Path(given).exists()
        yield from read_input(Path(path if named else given), split if named else "", root, problems)


def _left_out(by_rule: Mapping[Any, int], faults: Mapping[Any, int], examples: Mapping[Any, list[str]]) -> None:
    """Nothing is dropped without a word: how many rows, why, and which."""
    for reason, n in by_rule.items():
        typer.echo(f"left out, {reason}: {n:,}")
    for kind, n in faults.items():
        typer.echo(f"left out for a fault ({kind}): {n:,}")
        for message in examples[kind]:
            typer.echo(f"  {message}")


def set_options(settings: list[str] | None) -> dict[str, Any]:
    """What `--set A=B` asks for, by name. Raises `OptionError`."""
    options: dict[str, OptionValue] = {}
    for setting in settings or ():
        name, equals, value = setting.partition("=")
        if not equals:
            raise OptionError(f"--set {setting!r}: needs the form option=value")
        options[name] = value
    return options


def _counted(items: Iterable[Any], told: Callable[..., None]) -> Iterator[Any]:
    for done, item in enumerate(items, start=1):
        told(done)
        yield item


def _bytes(out: Path, parts: Iterable[Any]) -> str:
    return f"{sum((out / part.file).stat().st_size for part in parts) / 1e6:.1f}"
