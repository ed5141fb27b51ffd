"""The default model of evoked emotions: cross-validated on the fixed folds of Emotion6, then taught on all of them.

Two EfficientNets from ImageNet stay as they are; several small heads read the statistics of three layers of each. What
is chosen, is chosen for each fold on the fold after it, which then joins the training rows.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from emolens.data.pictures import LabelledPictures, whole_set
from emolens.evaluation.calibration import fit_temperature, one_hot_top
from emolens.evaluation.distributions import concordance, measure, per_picture
from emolens.files import replacing
from emolens.learn.export_evoked import Origin, write_joined
from emolens.learn.join import TrunkFile
from emolens.learn.losses_evoked import unscaled_array
from emolens.learn.nets.backbone import trunk_range
from emolens.learn.nets.wheel import WheelHead
from emolens.learn.studies import Effort, Say
from emolens.learn.studies.folds import distributed, fingerprint, fixed_folds
from emolens.learn.studies.frozen import PLAIN, frozen_features
from emolens.learn.studies.members import Member, answers, joined_heads, narrowed, teach_member
from emolens.learn.studies.trunk import default_trunk, looking, recipe_digest, write_trunk
from emolens.models.card import Metric
from emolens.models.classifier import softmax
from emolens.places import home, sha256
from emolens.taxonomy import EKMAN6, EMOTION6

SIZE = 256
MEMBERS = 4
MIDDLE = 0.75
"""Side of the part that the second view shows, see `Views`: chosen on inner folds among .66, .75, .84, .9 and 1."""
CANDIDATES = (Member(hidden_dropout=0.4), Member())
"""What is chosen among, by the KL divergence on the inner fold. All weigh the largest error alike."""
RANK = 112
"""Of the first layer of all heads: 6,384 numbers a picture times 1,024 units would be larger than the trunk."""


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Logits (N, K) and values (N, 2) for N pictures."""

    logits: np.ndarray
    values: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A trunk's file, and what it tells of each picture in each view, (V, N, D)."""

    trunk: TrunkFile
    features: np.ndarray


ORIGIN = Origin(
    "emotion6",
    "emolens study evoked_default: EfficientNet-Lite0 and -Lite2 from ImageNet, frozen, in eight bits and four; "
    f"{MEMBERS} heads on the mean and spread of three layers of each, averaged, over the picture "
    "and the mirror image of its middle; "
    "ranges and rounding of the frozen nets from 96 of the pictures, without labels",
    "all pictures; the figures are from five fixed folds, each held out in turn",
)


def run(data: Path, out: Path, effort: Effort, say: Say) -> Path:
    """Cross-validate, teach the final head, and write `results.json` and `evoked_emotion6.onnx` with its card.

    `effort.seeds` is how many ensembles are taught a fold, for the spread over seeds; the first one counts. Raises
    `DataError` where the set has no distributions.
    """
    pictures = distributed(whole_set(data, SIZE))
    seen = default_features(pictures, say)
    features = seen.features
    folds = fixed_folds(pictures)
    chosen, told = _choices(features, pictures, folds, say)
    answered = [_out_of_fold(chosen, features, pictures, folds, seed, say) for seed in range(effort.seeds)]
    final = max(set(chosen), key=chosen.count)
    found = [cross_tempered(each, pictures, folds, final.farthest) for each in answered]
    figures = judged(found[0], pictures, folds)
    everything = np.arange(len(pictures))
    head = ensemble(final, features, pictures, everything, 0)
    results = {
        "n": len(pictures),
        "candidates": [asdict(each) for each in CANDIDATES],
        "inner": told,
        "final": asdict(final),
        "figures": [metric.model_dump() for metric in figures],
        "by_fold": by_fold(found[0], pictures, folds),
        "without_neutral": without_neutral(found[0], pictures),
        "seeds": seed_spread(found, pictures),
    }
    out.mkdir(parents=True, exist_ok=True)
    page = out / "results.json"
    with replacing(page) as draft:
        draft.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    spread = fit_temperature(answered[0].logits, pictures.targets, final.farthest)
    confident = fit_temperature(answered[0].logits, one_hot_top(pictures.targets))
    model = out / "evoked_emotion6.onnx"
    card = write_joined(seen.trunk, head, features[:PLAIN], pictures, (spread, confident), figures, model, ORIGIN)
    say(f"{card.name}: {card.parity}")
    return page


def default_features(pictures: LabelledPictures, say: Say) -> Seen:
    """What the trunk of the default model tells of pictures, and its file; both are kept in the cache."""
    trunk = default_trunk()
    path = home() / "trunks" / f"{recipe_digest()}-{fingerprint(pictures)}.onnx"
    if not path.is_file():
        say("the trunk in eight bits")
        write_trunk(trunk, pictures, path)
    features = frozen_features(pictures, looking(path, trunk), sha256(path)[:12], say, MIDDLE)
    return Seen(TrunkFile(path, *trunk_range(trunk), MIDDLE), features)


def ensemble(
    settings: Member, features: np.ndarray, pictures: LabelledPictures, rows: np.ndarray, seed: int
) -> WheelHead:
    """`MEMBERS` heads with seeds of their own as one, narrowed to what they look at in these rows."""
    seeds = range(seed * MEMBERS, (seed + 1) * MEMBERS)
    whole = joined_heads([teach_member(settings, features, pictures, rows, each) for each in seeds])
    return narrowed(whole, features[:PLAIN, rows], RANK)


def _choices(
    features: np.ndarray, pictures: LabelledPictures, folds: np.ndarray, say: Say
) -> tuple[list[Member], list[list[float]]]:
    """For each fold the candidate with the least KL on the fold after it, taught without either; and all these KLs."""
    chosen, told = [], []
    for fold in range(int(folds.max()) + 1):
        inner = (fold + 1) % (int(folds.max()) + 1)
        rows, val = np.flatnonzero((folds != fold) & (folds != inner)), np.flatnonzero(folds == inner)
        kls = []
        for candidate in CANDIDATES:
            head = teach_member(candidate, features, pictures, rows, 0)
            logits, _ = answers(head, features[:PLAIN, val])
            kls.append(float(per_picture(softmax(logits), pictures.targets[val])["kl"].mean()))
        told.append(kls)
        chosen.append(CANDIDATES[int(np.argmin(kls))])
        say(f"fold {fold + 1}: KL on the inner fold {', '.join(f'{kl:.4f}' for kl in kls)}")
    return chosen, told


def _out_of_fold(
    chosen: list[Member], features: np.ndarray, pictures: LabelledPictures, folds: np.ndarray, seed: int, say: Say
) -> Answers:
    logits = np.empty_like(pictures.targets)
    values = np.empty_like(pictures.values)
    for fold, settings in enumerate(chosen):
        head = ensemble(settings, features, pictures, np.flatnonzero(folds != fold), seed)
        test = np.flatnonzero(folds == fold)
        logits[test], values[test] = answers(head, features[:PLAIN, test])
        kl = per_picture(softmax(logits[test]), pictures.targets[test])["kl"].mean()
        say(f"seed {seed}, fold {fold + 1}: KL {kl:.4f} on {len(test)} pictures")
    return Answers(logits, unscaled_array(values))


def cross_tempered(found: Answers, pictures: LabelledPictures, folds: np.ndarray, farthest: float) -> Answers:
    """The same answers, the logits of each fold divided by the temperature that fits the answers in the other folds.

    It fits by the loss that heads are taught by, see `Member.farthest`.
    """
    logits = found.logits.copy()
    for fold in range(int(folds.max()) + 1):
        others = folds != fold
        logits[~others] /= fit_temperature(found.logits[others], pictures.targets[others], farthest)
    return Answers(logits, found.values)


def judged(found: Answers, pictures: LabelledPictures, folds: np.ndarray) -> tuple[Metric, ...]:
    """All figures of out-of-fold answers, pooled, and those of each fold's mean predictor."""
    means = np.stack([pictures.targets[folds != fold].mean(axis=0) for fold in folds])
    values = {name: (found.values[:, at], pictures.values[:, at]) for at, name in enumerate(("valence", "arousal"))}
    subset = "Emotion6, five fixed folds, held out"
    return measure(softmax(found.logits), pictures.targets, means, subset, pictures.keyword, values)


def by_fold(found: Answers, pictures: LabelledPictures, folds: np.ndarray) -> list[dict[str, float]]:
    """The figures of each fold."""
    rows = [np.flatnonzero(folds == fold) for fold in range(int(folds.max()) + 1)]
    return [_figures(found, pictures, each) for each in rows]


def without_neutral(found: Answers, pictures: LabelledPictures) -> dict[str, float]:
    """The figures over Ekman's six, as the wheel paper had them: neutral is left out of answers and of targets.

    Nothing for a set that has other classes. Pictures that evoked nothing else do not count.
    """
    if pictures.taxonomy != EMOTION6:
        return {}
    six = pictures.expressed_in(EKMAN6)
    kept = [EMOTION6.classes.index(name) for name in EKMAN6.classes]
    rows = np.isin(pictures.ids, six.ids)
    figures = per_picture(softmax(found.logits[rows][:, kept]), six.targets, six.keyword)
    return {"n": len(six), **{name: float(values.mean()) for name, values in figures.items()}}


def seed_spread(found: list[Answers], pictures: LabelledPictures) -> dict[str, dict[str, float]]:
    """Mean and standard deviation over the seeds of each pooled figure; the deviation is 0 for one seed."""
    everything = np.arange(len(pictures))
    figures = [_figures(each, pictures, everything) for each in found]
    spread = 1 if len(figures) > 1 else 0
    return {
        name: {
            "mean": float(np.mean([f[name] for f in figures])),
            "sd": float(np.std([f[name] for f in figures], ddof=spread)),
        }
        for name in figures[0]
    }


def _figures(found: Answers, pictures: LabelledPictures, rows: np.ndarray) -> dict[str, float]:
    figures = per_picture(softmax(found.logits[rows]), pictures.targets[rows], pictures.keyword[rows])
    told = {name: float(values.mean()) for name, values in figures.items()}
    for at, name in enumerate(("valence", "arousal")):
        told[f"{name}_ccc"] = concordance(found.values[rows, at], pictures.values[rows, at])
    return told
