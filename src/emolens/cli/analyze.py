"""`emolens analyze`: photos in, a table for people, files for programs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emolens.cli.leaving import READER_LEFT, Signals, fail
from emolens.cli.passed_over import videos_below
from emolens.errors import OptionError

if TYPE_CHECKING:
    from emolens.analyzer import Analyzer
    from emolens.cli.console import Screen
    from emolens.cli.tally import Tally
    from emolens.cli.truths import Truths
    from emolens.records import PhotoResult
    from emolens.writers import Writer

FEW = 3
"""Up to so many pictures are shown in full; of more, each has a line."""
LINES = 60
"""Beyond so many pictures only those that could not be read have a line."""


def number(option: str, kind: type, wanted: str) -> Callable[[str], float]:
    """What reads a number from the command line and says what came where it is none."""

    def read(text: str) -> float:
        try:
            number: float = kind(text)
        except ValueError:
            raise OptionError(f"{option} is {text!r}, needs {wanted}") from None
        return number

    return read


_PROBABILITY = number("--abstain-below", float, "a number from 0 to 1")
_SCORE = number("--min-score", float, "a number from 0 to 1")
_WEIGHT = number("--group-scene", float, "a number from 0 to 1")
_PIXELS = number("--min-face", int, "a whole number of pixels")
_PICTURES = number("--batch-size", int, "a whole number")
_THREADS = number("--threads", int, "a whole number")

Sources = Annotated[
    list[str],
    typer.Argument(metavar="SOURCES...", help="Photos, folders, globs, URLs, videos; - is the standard input."),
]
Tasks = Annotated[
    list[str] | None,
    typer.Option(
        "--task",
        metavar="NAME,...",
        help="expression, group, evoked, stimuli; by default all that apply, and no map.",
        show_default=False,
    ),
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
Detector = Annotated[str, typer.Option("--detector", metavar="NAME|FILE", help="auto, mtcnn, yunet, or a YuNet file.")]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", metavar="FILE", help="An ONNX model with its card, for the task it names. Repeatable."),
]
Abstain = Annotated[
    float | None,
    typer.Option(
        "--abstain-below",
        metavar="P",
        parser=_PROBABILITY,
        help="Say 'unsure' where the confidence is below P, 0 to 1.",
    ),
]
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
        metavar="data|uniform|FILE",
        help="Re-weight for people unlike the training set's: a JSON file of shares, or estimated from these pictures.",
    ),
]
Strict = Annotated[bool, typer.Option("--strict", help="Exit code 1 if any picture could not be read.")]
MinFace = Annotated[
    int | None, typer.Option("--min-face", metavar="PX", parser=_PIXELS, help="Leave out smaller faces.")
]
MinScore = Annotated[
    float | None,
    typer.Option("--min-score", metavar="P", parser=_SCORE, help="Leave out faces detected with less than P, 0 to 1."),
]
BatchSize = Annotated[
    int | None, typer.Option("--batch-size", metavar="N", parser=_PICTURES, help="Pictures analysed together.")
]
Threads = Annotated[
    int | None, typer.Option("--threads", metavar="N", parser=_THREADS, help="CPU threads; by default all cores.")
]
ByEmotion = Annotated[bool, typer.Option("--by-emotion", help="With task stimuli: a map for each emotion too.")]
Truth = Annotated[
    Path | None,
    typer.Option("--truth", metavar="FILE|DIR", help="With task stimuli: true maps, drawn and judged beside."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No table, no progress; errors only.")]


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
    targets = _targets(json, csv, parquet, out)
    cards = [os.path.splitext(file)[0] + ".json" for file in model or ()]  # noqa: PTH122  "." has no stem for pathlib
    _spare_inputs(targets, [*sources, detector, *(model or ()), *cards])
    named = None if prior == "data" else prior
    analyzer = load_analyzer(
        task, detector, model, whole_image, abstain_below, min_face, min_score, batch_size, prior=named,
        by_emotion=by_emotion, group_scene=group_scene,
    )  # fmt: skip
    _check_maps(analyzer, by_emotion, truth)
    if prior == "data":
        _fit_to(sources, analyzer)
    tally, stopped = _run(analyzer, sources, targets, out, _screen(targets, quiet, analyzer), truth)
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


def _targets(json: str | None, csv: str | None, parquet: str | None, out: str | None) -> list[tuple[str, str]]:
    """(file, kind) of everything to be written."""
    asked = [(json, "json"), (csv, "csv"), (parquet, "parquet")]
    for given, option in [*asked, (out, "out")]:
        if given == "":  # of a script whose variable is not set
            raise OptionError(f"--{option} is empty, needs the name of a {'folder' if option == 'out' else 'file'}")
    if out is not None:
        asked += [(str(Path(out) / "results.json"), "json"), (str(Path(out) / "results.csv"), "csv")]
    targets = [(target, kind) for target, kind in asked if target]
    places = [target if target == "-" else os.path.abspath(target) for target, _ in targets]  # noqa: PTH100
    for place in places:
        if places.count(place) > 1:
            name = "the standard output" if place == "-" else place
            raise OptionError(f"two results would go to {name}; give each a file of its own")
    return targets


def _spare_inputs(targets: Sequence[tuple[str, str]], inputs: Sequence[str]) -> None:
    """Raises `OptionError` where a result would take the place of a photo, as in `--csv a.jpg b.jpg`, or of a model."""
    from emolens.sources import SUFFIXES

    taken = {os.path.abspath(name) for name in inputs if name != "-"}  # noqa: PTH100
    for target, kind in targets:
        if target != "-" and (os.path.abspath(target) in taken or Path(target).suffix.lower() in SUFFIXES):  # noqa: PTH100
            raise OptionError(f"{target} is a picture or another input; name a new file, such as results.{kind}")


def limit_threads(threads: int | None) -> None:
    """Let what loads models from here on use so many threads. Raises `OptionError` for none."""
    if threads is None:
        return
    if threads < 1:
        raise OptionError(f"--threads is {threads}, needs 1 or more")
    os.environ["EMOLENS_THREADS"] = str(threads)


def load_analyzer(
    task: Sequence[str] | None,
    detector: str,
    model: Sequence[str] | None,
    whole_image: bool,
    abstain_below: float | None,
    min_face: int | None,
    min_score: float | None,
    batch_size: int | None,
    frames: bool = False,
    prior: str | None = None,
    by_emotion: bool = False,
    group_scene: float | None = None,
) -> Analyzer:
    """The `Analyzer` that the options ask for; `frames` of a video, or photos."""
    from emolens.analyzer import Analyzer

    options: dict[str, Any] = {"batch_size": batch_size, "group_scene": group_scene}
    options = {name: value for name, value in options.items() if value is not None}
    return Analyzer(
        ",".join(task) if task else None,
        detector,
        tuple(model or ()),
        whole_image=whole_image,
        abstain_below=abstain_below,
        min_face=min_face,
        min_score=min_score,
        frames=frames,
        prior=prior,
        by_emotion=by_emotion,
        **options,
    )


def _fit_to(sources: Sequence[str], analyzer: Analyzer) -> None:
    """Look at all faces once, estimate what shares of the classes they speak for, and let the model take these.

    Raises `OptionError` where that cannot be: for pictures that come once, or too few faces.
    """
    import numpy as np

    from emolens.images import expand
    from emolens.models.prior import FEWEST, estimated_prior, trained_prior

    if "-" in sources or "expression" not in analyzer.tasks:
        raise OptionError(
            "--prior data looks at every picture twice, for expressions: name files, with --task expression"
        )
    card = analyzer.model.card
    trained = trained_prior(card.prior, card.name)  # before the wait
    seen = [one.distribution for result in analyzer.analyze_many(expand(sources)) for one in result.expressions]
    if len(seen) < FEWEST:
        raise OptionError(f"--prior data has {len(seen)} faces to learn from, needs {FEWEST}; take uniform or a file")
    shares = estimated_prior(np.stack(seen), trained)
    analyzer.expect(shares, "data")
    told = ", ".join(f"{name} {share:.2f}" for name, share in zip(card.labels, shares.tolist(), strict=True))
    typer.echo(f"emolens: --prior data, from {len(seen)} faces: {told}", err=True)


def _screen(targets: Sequence[tuple[str, str]], quiet: bool, analyzer: Analyzer) -> Screen | None:
    from emolens.cli.console import Screen

    if quiet:
        return None
    cards = [model.card for model in analyzer.models.values()]
    return Screen(to_stderr=any(target == "-" for target, _ in targets), provider=analyzer.provider, cards=cards)


def _run(
    analyzer: Analyzer,
    sources: Sequence[str],
    targets: Sequence[tuple[str, str]],
    out: str | None,
    screen: Screen | None,
    truth: Path | None = None,
) -> tuple[Tally, int]:
    """Analyze, write and show. Returns the counts, and the number of the signal that ended the run early or 0."""
    from emolens.cli.annotated import AnnotatedPictures, nearness
    from emolens.cli.tally import Tally
    from emolens.writers import open_writer

    pictures, results = _results(analyzer, sources)
    tally = Tally()
    truths = _truths(truth, pictures)
    if screen:
        screen.terms()
    with ExitStack() as stack:
        # The standard output closes last: a reader who has left it takes none of the files along.
        targets = sorted(targets, key=lambda target: target[0] != "-")
        writers: list[Writer] = [stack.enter_context(open_writer(*target, analyzer.classes)) for target in targets]
        drawn = AnnotatedPictures(Path(out), pictures, truths) if out else None
        shown = stack.enter_context(_showing(screen, pictures))
        signals = stack.enter_context(Signals())
        for picture, result in signals.until_one_comes(zip(pictures, results, strict=True)):
            tally.add(result)
            for writer in writers:
                with signals.or_reader_leaves():
                    writer.write(result)
            if drawn:
                drawn.add(picture, result)
            with signals.or_reader_leaves():
                shown(result)
                if screen and truths and result.stimuli:
                    beside = nearness(result.stimuli.weights, truths.of(result.source, result.size))
                    screen.beside_truth(beside)
    if screen and signals.came != READER_LEFT:
        if tally.pictures > FEW:
            screen.summary(tally)
        screen.notice()
    return tally, signals.came


def _truths(place: Path | None, pictures: Sequence[object]) -> Truths | None:
    from emolens.cli.truths import Truths

    if place is None:
        return None
    truths = Truths(place, pictures)
    truths.check(pictures)
    return truths


def _results(analyzer: Analyzer, sources: Sequence[str]) -> tuple[list[Any], Iterator[PhotoResult]]:
    """The pictures that the sources stand for, and their results in the same order."""
    from emolens.cli.annotated import StandardInput
    from emolens.images import expand

    names = list(expand(sources))
    pictures = [StandardInput() if name == "-" else name for name in names]
    if names == list(sources) and len(names) == 1:
        # One photo that was named by itself and cannot be read is a mistake to mend, not a row: this raises.
        return pictures, iter([analyzer.analyze(pictures[0])])
    return pictures, analyzer.analyze_many(pictures)


@contextmanager
def _showing(screen: Screen | None, pictures: Sequence[object]) -> Iterator[Callable[[PhotoResult], None]]:
    """What shows one result as it comes: in full, as a line, or as a step of the progress bar."""
    total = len(pictures)
    if screen is None:
        yield lambda result: None
    elif total <= FEW:
        yield screen.photo
    else:
        screen.longest = max(len(p) if isinstance(p, str) else 1 for p in pictures)
        with screen.progress(total) as step:

            def show(result: PhotoResult) -> None:
                if total <= LINES or not result.ok:
                    screen.line(result)
                step()

            yield show


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
