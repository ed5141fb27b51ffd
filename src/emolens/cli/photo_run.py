"""A run over photos: each is analyzed, written and shown before the next, until the last or a signal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emolens.cli.leaving import READER_LEFT, Signals

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


def run_photos(
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
        # A data URI is too long a name for Path.is_dir, which raises.
        roots = [source for source in sources if os.path.isdir(source)]  # noqa: PTH112
        drawn = AnnotatedPictures(Path(out), pictures, truths, roots) if out else None
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
    from emolens.pictures.sources import expand

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
