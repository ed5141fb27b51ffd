"""A model's predictions for rows, in the classes of the rows, and for another population where one is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from emolens.errors import OptionError
from emolens.evaluation.predictions import Predictions
from emolens.evaluation.rows import Rows
from emolens.models.classifier import Classifier, softmax
from emolens.models.prior import FEWEST, estimated_prior, read_prior, shifted, trained_prior
from emolens.taxonomy import Taxonomy, convert


def ask_model(path: Path, rows: Rows) -> Predictions:
    """What an ONNX model says about whole pictures, calibrated by its card."""
    model = Classifier.load(path)
    card = model.card
    names = tuple(name for name in ("logits", "values") if name in model.outputs)
    found = model.answers(rows.frames(card.size, card.colour == "grey"), names)
    logits = found["logits"]
    confidence = softmax(logits / card.confidence_temperature)
    return stated(
        rows, model.classes, softmax(logits / card.temperature), confidence, logits,
        model=card.name, sha=model.sha256, prior=card.prior, task=card.task, values=found.get("values"),
    )  # fmt: skip


def stated(
    rows: Rows,
    classes: Taxonomy,
    distributions: np.ndarray,
    believed: np.ndarray,
    logits: np.ndarray,
    features: np.ndarray | None = None,
    model: str = "",
    sha: str = "",
    prior: tuple[float, ...] = (),
    task: str = "expression",
    values: np.ndarray | None = None,
) -> Predictions:
    """A table from what a net with `classes` gave for `rows`: `distributions` (N, K) as the votes spread, `believed`
    (N, K) whose top is the confidence; `values` (N, 2) are valence and arousal, of a net of `task` evoked.

    Where classes differ, those that both have are judged: the other rows are left out, and of the net's distribution
    what the rows lack is dropped and the rest renormalised. Raises `LabelError` where nothing remains.
    """
    common = tuple(name for name in rows.taxonomy.classes if name in classes.classes)
    if common != rows.taxonomy.classes:
        kept = rows.in_classes(Taxonomy(f"{rows.taxonomy.name}, {len(common)} classes", common or classes.classes))
        place = np.searchsorted(rows.at, kept.at)
        distributions, believed, logits = distributions[place], believed[place], logits[place]
        features, values = (None if each is None else each[place] for each in (features, values))
        rows = kept
    same = classes.classes == rows.taxonomy.classes
    if not same:
        distributions, believed = (convert(one, classes, rows.taxonomy)[0] for one in (distributions, believed))
        prior = tuple(convert(np.array(prior), classes, rows.taxonomy)[0].tolist()) if prior else ()
    top = distributions.argmax(axis=1)
    return Predictions(
        ids=rows.ids,
        splits=np.full(len(rows), rows.split),
        taxonomy=rows.taxonomy,
        targets=rows.targets,
        probabilities=distributions,
        confidence=believed[np.arange(len(rows)), top],
        logits=logits if same else None,
        features=features,
        attributes=rows.attributes,
        data=rows.title,
        subset=rows.subset,
        model=model,
        sha=sha,
        prior=prior,
        task=task,
        values=values,
        true_values=None if values is None else rows.values,
    )


def for_population(predictions: Predictions, prior: str) -> tuple[Predictions, np.ndarray]:
    """The table for a population, and the shares (K,) it was re-weighted to.

    `prior` is what `read_prior` takes; `data` are the shares that the predictions themselves speak for, which no
    label is asked for. Raises `OptionError` where the shares in training are not known.
    """
    trained = trained_prior(predictions.prior, predictions.name)
    wanted = read_prior(prior, predictions.taxonomy, trained)
    if wanted is None and len(predictions) < FEWEST:
        raise OptionError(
            f"--prior data has {len(predictions)} rows to learn from, needs {FEWEST}; take uniform or a file"
        )
    if wanted is None:
        wanted = estimated_prior(predictions.probabilities, trained)
    probabilities, confidence = shifted(predictions.probabilities, predictions.confidence, trained, wanted)
    name = f"{predictions.name}, prior {Path(prior).name}"
    table = replace(predictions, probabilities=probabilities, confidence=confidence, logits=None, model=name)
    return replace(table, prior=tuple(wanted.tolist())), wanted
