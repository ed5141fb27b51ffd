"""`emolens study`: an old claim re-examined, from data to a page. `emolens studies` names them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from emolens.cli.evaluate import needs_statistics
from emolens.cli.printing import field, progress, write_json
from emolens.errors import OptionError, OutputError

JUDGED = "group_ensemble"
"""The study that trains nothing: it judges outputs that were published, and needs no torch."""
JUDGED_WRITES = ("results.json", "index.html")
JUDGED_EXAMINES = "whether the group ensemble is worth its 79.6 %: published outputs of two systems, combined anew"
OPTIONS = {"seeds": "--seeds", "epochs": "--epochs", "as_published": "--as-published", "settings": "--set"}
"""The options that say how much a study does, by the fields of `Effort`."""


def study(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name from 'emolens studies'.")],
    data: Annotated[
        Path, typer.Option(metavar="DIR", help="Emotion6, FER2013, EmotionROI or group outputs, as the study needs.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where figures, plots and page go.")],
    seeds: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, show_default="3", help="Repetitions, for the spread; of all but group_ensemble."
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, show_default="20",
            help="Of the nets of emotion_wheel, map_to_emotion, split_leak and stimuli_condition.",
        ),
    ] = None,
    as_published: Annotated[
        bool,
        typer.Option(
            "--as-published", help="Of emotion_wheel: also score as the source did, training pictures, KL / classes."
        ),
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="A.B=C", help="Of the recipe of stimuli_condition, as net.size=96. Repeatable."),
    ] = None,
    threads: Annotated[int | None, typer.Option(metavar="N", min=1, help="CPU threads; by default all cores.")] = None,
) -> None:  # fmt: skip
    """Repeat a study: figures as JSON, plots and a page in --out."""
    asked = {"seeds": seeds, "epochs": epochs, "as_published": as_published, "settings": tuple(settings or ())}
    given = {one: value for one, value in asked.items() if value}
    if name == JUDGED:
        if given:
            raise _unheeded(name, next(iter(given)))
        _check_place(out, JUDGED_WRITES)
        _judge(data, out)
        return
    from emolens.data.given import prepared_folder
    from emolens.learn.studies import Effort
    from emolens.learn.studies import study as known

    chosen = known(name)
    for one in given:
        if one not in chosen.heeds:
            raise _unheeded(name, one)
    _check_place(out, chosen.writes)
    from emolens.cli.learn import needs_torch

    needs_torch()
    import torch

    if threads:
        torch.set_num_threads(threads)
    with progress() as told:
        prepared = prepared_folder(data, chosen.data, told)
    effort = Effort(**given)  # type: ignore[arg-type]
    typer.echo(f"written: {chosen.run(prepared, out, effort, lambda line: typer.echo(line, err=True))}")


def studies(
    json: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="The same as JSON; - is standard output.")
    ] = None,
) -> None:
    """Name every study: what it examines, on which data, and which options it has."""
    from emolens.learn.studies import STUDIES

    found: list[dict[str, Any]] = [
        {"name": one.name, "data": one.data, "examines": one.examines, "options": [OPTIONS[each] for each in one.heeds]}
        for one in STUDIES.values()
    ]
    found.append({"name": JUDGED, "data": "group outputs", "examines": JUDGED_EXAMINES, "options": []})
    if json:
        return write_json(json, found)
    for one in found:
        typer.secho(one["name"], bold=True)
        field("examines", one["examines"])
        field("data", one["data"])
        field("options", ", ".join(one["options"]) or "none")
        typer.echo()
    return None


def _unheeded(name: str, unheeded: str) -> OptionError:
    from emolens.learn.studies import STUDIES

    those = [one.name for one in STUDIES.values() if unheeded in one.heeds]
    return OptionError(f"study {name} has no {OPTIONS[unheeded]}; leave it out, it is for {', '.join(those)}")


def _check_place(out: Path, writes: Iterable[str]) -> None:
    """Raises `OutputError` where a study would write over another, which is known before any work."""
    if out.exists() and not out.is_dir():
        raise OutputError(f"--out {out} is a file, and a study is a folder; name another --out")
    there = [place for pattern in writes for place in sorted(out.glob(pattern))]
    if there:
        raise OutputError(f"--out {out}: holds a study already, as {there[0].name}; name another --out, or delete it")


def _judge(data: Path, out: Path) -> None:
    needs_statistics(f"emolens study {JUDGED}")
    from emolens.evaluation.group_study import run

    typer.echo(f"written: {run(data, out, lambda line: typer.echo(line, err=True))}")
