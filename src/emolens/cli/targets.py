"""Where results are to be written, and that no photo or model lies there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from emolens.errors import OptionError


def targets_of(json: str | None, csv: str | None, parquet: str | None, out: str | None) -> list[tuple[str, str]]:
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


def spare_inputs(targets: Sequence[tuple[str, str]], inputs: Sequence[str]) -> None:
    """Raises `OptionError` where a result would take the place of a photo, as in `--csv a.jpg b.jpg`, or of a model."""
    from emolens.pictures.sources import SUFFIXES

    taken = {os.path.abspath(name) for name in inputs if name != "-"}  # noqa: PTH100
    for target, kind in targets:
        if target != "-" and (os.path.abspath(target) in taken or Path(target).suffix.lower() in SUFFIXES):  # noqa: PTH100
            raise OptionError(f"{target} is a picture or another input; name a new file, such as results.{kind}")
