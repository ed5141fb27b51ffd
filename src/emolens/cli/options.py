"""Options that several commands take: what to look for, with which models, on how many threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Annotated

import typer

from emolens.errors import OptionError


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
_PIXELS = number("--min-face", int, "a whole number of pixels")
_PICTURES = number("--batch-size", int, "a whole number")
_THREADS = number("--threads", int, "a whole number")

Tasks = Annotated[
    list[str] | None,
    typer.Option(
        "--task",
        metavar="NAME,...",
        help="expression, group, evoked, stimuli; by default all that apply, and no map.",
        show_default=False,
    ),
]
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
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No table, no progress; errors only.")]


def limit_threads(threads: int | None) -> None:
    """Let what loads models from here on use so many threads. Raises `OptionError` for none."""
    if threads is None:
        return
    if threads < 1:
        raise OptionError(f"--threads is {threads}, needs 1 or more")
    os.environ["EMOLENS_THREADS"] = str(threads)
