"""Is the group ensemble worth its 79.6 %? The published outputs of two group systems, combined and judged anew.

The hybrid system (Gong et al., Information Sciences 704, 2025) reports 79.6 % on GAF for a weighted sum of five models'
logits. Its code chose those weights on the very 1,000 pictures (EVAL) that it reports on. Here they are chosen on VAL.
Its forerunner VL (Gupta et al., ICMI 2018) left the outputs of fourteen models on the same pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from emolens.errors import DataError
from emolens.evaluation.compare import Comparison, compare
from emolens.evaluation.ensemble import Combined, Space, combine, figures
from emolens.evaluation.forerunner import forerunner
from emolens.evaluation.predictions import Predictions, aligned
from emolens.evaluation.simplex import PARTS, kept_by_floats, right_on, simplex
from emolens.evaluation.storing import read_tables

PUBLISHED = (0.3, 0.0, 0.0, 0.2, 0.5)
"""Weights of the logits of models 1 to 5 in the source's `Acc_Reappearance.py`."""
HYBRID = ("1", "2", "3", "4_1", "5")
NAMES = (
    "1: scene, DenseNet161 from EMOTIC",
    "2: scene, ResNet18 from Places365",
    "3: skeletons, DenseNet161",
    "4: skeletons, EfficientNet-B6",
    "5: faces and scene, CrossViT",
)
FORERUNNER = Path("vl") / "fourteen_models_output_data.npz"
SPLITS = ("train", "val", "test")
HALVES = 200
TOP = 50
Say = Callable[[str], None]


def run(data: Path, out: Path, say: Say) -> Path:
    """Examine the outputs in `data` and write results.json and a page into `out`; the path of the page.

    `data` has `hybrid/model{0,1,2,3,4_1,5}_output_data.npz` and, if it is to be looked at, `vl/` with the forerunner's
    file. Raises `DataError` where files are missing or do not align.
    """
    from emolens.evaluation.group_study_page import write_report

    return write_report(out, examined(data, say))


def examined(data: Path, say: Say = lambda line: None) -> dict[str, Any]:
    """All figures of the study, ready for JSON."""
    members = hybrid_members(data)
    say("five models of the hybrid system: published weights and those chosen on val")
    ways: dict[Space, list[Combined]] = {
        "logits": combine(members, "val", "test", "logits", PUBLISHED),
        "probabilities": combine(members),
    }
    found: dict[str, Any] = {
        "rows": {split: len(members[0].split(split)) for split in SPLITS},
        "classes": members[0].taxonomy.classes,
        "members": [_member(name, one) for name, one in zip(NAMES, members, strict=True)],
        "ways": [_way(space, one) for space, each in ways.items() for one in each],
        "published": _published(members, ways["logits"][0]),
        "comparisons": _comparisons(members, ways),
        "choice": choice(members),
        "floats": dict(zip(("kept", "there"), kept_by_floats(len(members)), strict=True)),
        "shuffled": _shuffled(data, members[0]),
    }
    if (data / FORERUNNER).is_file():
        say("fourteen models of the forerunner")
        found["forerunner"] = forerunner(read_tables(data / FORERUNNER))
    return found


def hybrid_members(data: Path) -> list[Predictions]:
    """The five models whose rows agree. Raises `DataError`."""
    paths = [_path(data, name) for name in HYBRID]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise DataError(
            f"{missing[0]}: not there; --data needs hybrid/ with model{{0,1,2,3,4_1,5}}_output_data.npz, from the "
            "folder My_ModelOutputs of Shuaipenger/Group-Emotion-Recognition"
        )
    members = [one for path in paths for one in read_tables(path)]
    if len(members) != len(HYBRID):
        raise DataError(f"{data}: hybrid/ holds {len(members)} models in {len(HYBRID)} files; needs one in each")
    aligned(members)
    return members


def choice(members: Sequence[Predictions]) -> dict[str, Any]:
    """What choosing on EVAL gives away: every weighting of the simplex of twentieths, on VAL and on EVAL.

    `halves`: weights are chosen on one half of EVAL, drawn at random, and judged on either; `gain` is the mean gap.
    """
    points = np.array(list(simplex(len(members))))
    val, test = (_right(points, members, split) for split in ("val", "test"))
    on_val, on_test = val.mean(axis=1), test.mean(axis=1)
    best = points[on_test == on_test.max()] / PARTS
    top = on_test[np.argsort(-on_val, kind="stable")[:TOP]]
    return {
        "points": len(points),
        "best_on_test": float(on_test.max()),
        "best_on_test_weights": best.tolist(),
        "top_of_val": {"n": TOP, "mean": float(top.mean()), "low": float(top.min()), "high": float(top.max())},
        "halves": _halves(test),
    }


def _halves(right: np.ndarray, seed: int = 0) -> dict[str, Any]:
    chance, rows = np.random.default_rng(seed), right.shape[1]
    levels = right.astype(np.float32)
    known, fresh = [], []
    for _ in range(HALVES):
        mask = chance.permutation(rows) < rows // 2
        scores = levels @ np.stack([mask, ~mask], axis=1).astype(np.float32)
        at = int(scores[:, 0].argmax())
        known.append(scores[at, 0] / mask.sum())
        fresh.append(scores[at, 1] / (~mask).sum())
    both = {"chosen_half": float(np.mean(known)), "other_half": float(np.mean(fresh))}
    return {"n": HALVES, "rows": rows // 2, **both, "gain": both["chosen_half"] - both["other_half"]}


def _right(points: np.ndarray, members: Sequence[Predictions], split: str) -> np.ndarray:
    rows = [one.split(split) for one in members]
    return right_on(points, np.stack([one.logits for one in rows if one.logits is not None]), rows[0].truth)


def _member(name: str, one: Predictions) -> dict[str, Any]:
    return {"name": name, **{split: figures(one.split(split)) for split in SPLITS}}


def _way(space: Space, one: Combined) -> dict[str, Any]:
    shown = {"val": figures(one.chosen), "test": figures(one.reported)}
    return {"method": one.method, "space": space, "weights": one.weights or None, "notes": one.notes, **shown}


def _published(members: Sequence[Predictions], given: Combined) -> dict[str, Any]:
    """The published weights on all three parts; train is no split to choose on, and is only looked at."""
    train = combine(members, "train", "test", "logits", PUBLISHED)[0].chosen
    parts = {"train": train, "val": given.chosen, "test": given.reported}
    return {"weights": PUBLISHED, **{split: figures(rows) for split, rows in parts.items()}}


def _comparisons(members: Sequence[Predictions], ways: dict[Space, list[Combined]]) -> list[dict[str, Any]]:
    by = {one.method: one.reported for one in ways["logits"]}
    alone = replace(members[-1].split("test"), model="model 5 alone")
    stack = next(one.reported for one in ways["probabilities"] if one.method == "stacking")
    pairs = [
        ("published weights", by["given"], "weights chosen on val", by["simplex"]),
        ("published weights", by["given"], "model 5 alone", alone),
        ("weights chosen on val", by["simplex"], "model 5 alone", alone),
        ("weights chosen on val", by["simplex"], "mean of all five", by["mean"]),
        ("a stack learnt on val", stack, "weights chosen on val", by["simplex"]),
    ]
    return [_compared(compare(replace(a, model=x), replace(b, model=y))) for x, a, y, b in pairs]


def _compared(one: Comparison) -> dict[str, Any]:
    return {**asdict(one), "n": one.differences["accuracy"].n}


def _shuffled(data: Path, first: Predictions) -> dict[str, Any]:
    """Model 0 beside the others: whether its rows are theirs, and why it is refused."""
    path = _path(data, "0")
    if not path.is_file():
        return {"there": False}
    (other,) = read_tables(path)
    differ = {split: int((first.split(split).truth != other.split(split).truth).sum()) for split in SPLITS}
    try:
        aligned([one.split("val") for one in (first, replace(other, ids=first.ids))])  # by place: the labels tell
    except DataError as error:
        return {"there": True, "labels_that_differ": differ, "refused": str(error)}
    return {"there": True, "labels_that_differ": differ, "refused": None}


def _path(data: Path, name: str) -> Path:
    return data / "hybrid" / f"model{name}_output_data.npz"
