"""The analyzer that the options of a command ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from emolens.errors import OptionError

if TYPE_CHECKING:
    from emolens.analyzer import Analyzer


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


def fit_to(sources: Sequence[str], analyzer: Analyzer) -> None:
    """Look at all faces once, estimate what shares of the classes they speak for, and let the model take these.

    Raises `OptionError` where that cannot be: for pictures that come once, or too few faces.
    """
    import numpy as np

    from emolens.models.prior import FEWEST, estimated_prior, trained_prior
    from emolens.pictures.sources import expand

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
