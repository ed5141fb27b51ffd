"""Predictions for a population unlike the one that a model learnt from.

A net's posterior carries the shares of the classes it was trained on. With p the prediction, t(k) the share of class k
in training and w(k) its share in the population at hand, p'(k) is proportional to p(k) * w(k) / t(k) (Saerens, Latinne
and Decaestecker, Neural Computation 14, 2002). It holds where faces of one class look alike in both populations; what
nobody labelled, the shares w, can be estimated from the predictions themselves by expectation maximisation.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from emolens.errors import OptionError
from emolens.taxonomy import Taxonomy, canonical

STEPS, SETTLED = 10_000, 1e-8
FEWEST = 20
"""From fewer predictions no shares are estimated."""


def reweighted(distributions: np.ndarray, trained: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Distributions (..., K) of a net trained on the shares `trained` (K,) for a population with shares `wanted`.

    A class that training never had gets nothing: the little that a net says of it means nothing.
    """
    weights = np.divide(wanted, trained, out=np.zeros(len(trained)), where=trained > 0)
    shares = distributions.astype(np.float64) * weights
    total = shares.sum(axis=-1, keepdims=True)
    # Where only classes that the population lacks were thought possible, nothing is known: the population's shares.
    found = np.where(total > 0, shares / np.where(total > 0, total, 1), wanted)
    return np.asarray(found, np.float32)


def estimated_prior(distributions: np.ndarray, trained: np.ndarray) -> np.ndarray:
    """The shares (K,) of the classes that predictions (N, K) speak for, by expectation maximisation, without labels.

    The likeliest shares alone would rule rare classes out; the estimate leans on training as on `FEWEST` rows more.
    """
    wanted: np.ndarray = trained.astype(np.float64)
    for _ in range(STEPS):
        spoken = reweighted(distributions, trained, wanted).sum(axis=0, dtype=np.float64)
        new = (spoken + FEWEST * trained) / (len(distributions) + FEWEST)
        if np.abs(new - wanted).max() < SETTLED:
            break
        wanted = new
    return wanted


def trained_prior(shares: tuple[float, ...], model: str) -> np.ndarray:
    """A card's `prior` as an array. Raises `OptionError` where the card has none."""
    if not shares:
        raise OptionError(
            f"--prior needs the shares of the classes in training; {model} does not state them: it is a card without "
            "'prior', or the table of a run; give the run itself, or the model that 'emolens export' makes of it"
        )
    return np.array(shares, np.float64)


def read_prior(name: str, taxonomy: Taxonomy, trained: np.ndarray) -> np.ndarray | None:
    """The shares (K,) that an option names: `uniform`, or a JSON file `{"anger": 0.1, ...}`. None for `data`.

    `uniform:0.2` goes a fifth of the way from the shares in training, `trained` (K,), to even ones, in logarithms:
    logit adjustment after training with tau .2 (Menon et al. 2021, arXiv 2007.07314); classes that training never had
    stay out. Raises `OptionError` for a way that is not between 0 and 1, and where a file does not give every class of
    `taxonomy` a share of 0 or more, or one above 0 to such a class.
    """
    if name == "data":
        return None
    if (way := way_to_uniform(name)) is not None:
        evened = np.where(trained > 0, trained ** (1 - way), 0)
        return np.asarray(evened / evened.sum())
    given = read_shares(name)
    if set(given) != set(taxonomy.classes):
        raise OptionError(f"{name}: names {', '.join(given) or 'nothing'}; needs {', '.join(taxonomy.classes)}")
    shares = np.array([given[label] for label in taxonomy.classes])
    if not (np.all(shares >= 0) and 0 < shares.sum() < np.inf):
        raise OptionError(f"{name}: shares are {given}; each must be 0 or more and one above 0")
    if never := [taxonomy.classes[k] for k in np.flatnonzero((shares > 0) & (trained == 0))]:
        raise OptionError(f"{name}: gives {', '.join(never)} a share, which the model never learnt; needs 0 there")
    return np.asarray(shares / shares.sum())


def way_to_uniform(name: str) -> float | None:
    """How far towards even shares `uniform` (1) or `uniform:0.2` goes; None for what is neither."""
    kind, colon, text = name.partition(":")
    if kind != "uniform":
        return None
    try:
        way = float(text) if colon else 1.0
    except ValueError:
        way = -1.0
    if not 0 < way <= 1:
        raise OptionError(
            f"--prior is {name!r}; after 'uniform:' a number above 0, at most 1 is needed, as uniform:0.2"
        )
    return way


def read_shares(name: str) -> dict[str, float]:
    """Label -> share, as a JSON file has them. Raises `OptionError` where it has none."""
    try:
        return {canonical(label): float(share) for label, share in json.loads(Path(name).read_text("utf-8")).items()}
    except (FileNotFoundError, IsADirectoryError):
        raise OptionError(f"--prior is {name!r}; needs data, uniform, uniform:0.2, or a JSON file of shares") from None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise OptionError(f'{name}: not a JSON object such as {{"anger": 0.1, ...}} ({error})') from None


def shifted(
    distributions: np.ndarray, confidence: np.ndarray, trained: np.ndarray, wanted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Distributions (N, K) and the confidences (N,) in their top labels, for a population with shares `wanted` (K,).

    A confidence is of the top label alone: what it leaves is shared out as the distribution shares it, and the whole
    is re-weighted. The new confidence is that of the new top label.
    """
    rows, top = np.arange(len(distributions)), distributions.argmax(axis=1)
    others = distributions.astype(np.float64)
    others[rows, top] = 0
    left = np.maximum(others.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    believed = others / left * (1 - confidence[:, None])
    believed[rows, top] = confidence
    new = reweighted(distributions, trained, wanted)
    return new, reweighted(believed, trained, wanted)[rows, new.argmax(axis=1)]
