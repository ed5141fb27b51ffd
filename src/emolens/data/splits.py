"""Who is in which part: folds, `val` cut from `train`, and the fixed lists of Emotion6.

Rows that belong together (a subject, a sequence, a video, near-duplicates) go to one side: give them as groups, joined
by `emolens.data.clusters` where there is more than one reason.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from emolens.data.base import Record
from emolens.data.clusters import joined_by
from emolens.errors import DataError, MissingExtra, OptionError
from emolens.files import replacing

FOLDS = 5
EMOTION6_SEED = 0
_LIST = "emotion6_fold{}.txt"
_PER_KEYWORD = 330


def stratified_folds(labels: Sequence[object], folds: int = FOLDS, seed: int = 0) -> np.ndarray:
    """The fold of each row, int (N,) from 0: shuffled by `seed`, every class spread evenly.

    By scikit-learn's StratifiedKFold. Raises `DataError` for a class with fewer rows than folds, `MissingExtra`
    without scikit-learn.
    """
    _check_folds(folds, labels, "rows")
    return _dealt(_sklearn().StratifiedKFold(folds, shuffle=True, random_state=seed), labels, None)


def grouped_folds(labels: Sequence[object], groups: Sequence[object], folds: int = FOLDS, seed: int = 0) -> np.ndarray:
    """As `stratified_folds`, and no group is in two folds (scikit-learn's StratifiedGroupKFold).

    `groups` names the group of each row; None is a group of its own. Classes are spread as evenly as the groups allow.
    Raises `DataError` also where a class is seen in fewer groups than there are folds.
    """
    clusters = joined_by(groups)
    if len(labels) != len(clusters):
        raise DataError(f"{len(labels)} labels and {len(clusters)} groups; give one of each a row")
    pairs = sorted({(str(label), cluster) for label, cluster in zip(labels, clusters.tolist(), strict=True)})
    _check_folds(folds, [label for label, _ in pairs], "groups")
    return _dealt(_sklearn().StratifiedGroupKFold(folds, shuffle=True, random_state=seed), labels, clusters)


def _check_folds(folds: int, labels: Sequence[object], what: str) -> None:
    if folds < 2:
        raise OptionError(f"{folds} folds; needs 2 or more")
    counts = Counter(map(str, labels))
    if not counts:
        raise DataError(f"no rows to deal to {folds} folds")
    name, count = min(counts.items(), key=lambda one: one[1])
    if count < folds:
        raise DataError(f"class {name!r} has {count} {what}, {folds} folds need {folds}; use fewer folds or merge it")


def _dealt(splitter: Any, labels: Sequence[object], groups: np.ndarray | None) -> np.ndarray:
    classes = np.array([str(label) for label in labels])
    folds = np.empty(len(classes), np.int64)
    for fold, (_, rows) in enumerate(splitter.split(classes, classes, groups)):
        folds[rows] = fold
    return folds


def cut_val(ids: Sequence[str], *columns: Sequence[object], share: float = 0.1, seed: int = 0) -> np.ndarray:
    """Which rows of `train` become `val`, bool (N,): about `share` of them.

    Rows with the same value in any of `columns` (subjects, videos, clusters; None is no value) stay together; without
    columns each id is for itself. Groups are taken in the order of the hash of their ids until `share` is reached, so
    the answer depends on `seed` and the ids alone, not on the order of the rows. Raises `OptionError` for a share that
    is not between 0 and 1, `DataError` where there are fewer than two groups.
    """
    if not 0 < share < 1:
        raise OptionError(f"share is {share}, needs more than 0 and less than 1")
    clusters = joined_by(ids, *columns)
    sizes = np.bincount(clusters) if len(clusters) else np.empty(0, np.int64)
    if len(sizes) < 2:
        raise DataError(
            f"{len(ids)} rows in {len(sizes)} group: val cannot be cut off; give rows of two groups or more"
        )
    keys = [""] * len(sizes)
    for name, cluster in zip(ids, clusters.tolist(), strict=True):
        keys[cluster] = min(keys[cluster] or "g", _rank(name, seed))  # "g" comes after every hex digit
    order = np.argsort(keys)
    taken = order[: _groups_for(sizes[order], share)]
    return np.isin(clusters, taken)


def _groups_for(sizes: np.ndarray, share: float) -> int:
    """How many of the groups, in their order, come nearest to `share` of all rows: at least one, never all."""
    gaps = np.abs(np.cumsum(sizes) - share * sizes.sum())
    return 1 + int(gaps[:-1].argmin())


def val_ids(records: Iterable[Record], share: float = 0.1, seed: int = 0) -> frozenset[str]:
    """The ids that move from `train` to `val` in a set without a `val`: empty where it has one.

    Subjects, sequences, videos, groups and pictures of several people stay whole, see `cut_val`. Only ids and names are
    kept, no picture is opened.
    """
    rows = []
    for record in records:
        if record.split == "val":
            return frozenset()
        if record.split == "train":
            file = record.picture if isinstance(record.picture, Path) else None
            rows.append((record.id, record.subject, record.sequence, record.group, file))
    if not rows:
        return frozenset()
    ids, *columns = zip(*rows, strict=True)
    moved = cut_val(ids, *columns, share=share, seed=seed)
    return frozenset(name for name, move in zip(ids, moved.tolist(), strict=True) if move)


def emotion6_folds() -> tuple[tuple[str, ...], ...]:
    """The five fixed folds of Emotion6, 396 ids each (`joy/12`): 66 of every keyword folder.

    Emotion6 has no official split; results on these lists compare. Choose on the fold after the one that is tested.
    """
    folder = resources.files("emolens.data") / "folds"
    texts = [(folder / _LIST.format(fold)).read_text(encoding="utf-8") for fold in range(1, FOLDS + 1)]
    return tuple(tuple(line for line in text.splitlines() if not line.startswith("#")) for text in texts)


def deal_folds(ids: Iterable[str], folds: int = FOLDS, seed: int = EMOTION6_SEED) -> tuple[tuple[str, ...], ...]:
    """Folds of ids with a folder (`joy/12`), each folder spread evenly: ids go around in the order of their hash.

    The answer rests on `seed` and the ids alone, not on any library's version, so it can be reproduced for ever.
    """
    dealt: list[list[str]] = [[] for _ in range(folds)]
    for at, name in enumerate(sorted(set(ids), key=lambda one: (one.rpartition("/")[0], _rank(one, seed)))):
        dealt[at % folds].append(name)
    return tuple(tuple(sorted(fold, key=_natural)) for fold in dealt)


def write_emotion6_folds(folder: Path) -> None:
    """Write the five lists as they are shipped, with the seed in their header."""
    keywords = ("anger", "disgust", "fear", "joy", "sadness", "surprise")
    ids = [f"{keyword}/{n}" for keyword in keywords for n in range(1, _PER_KEYWORD + 1)]
    for fold, names in enumerate(deal_folds(ids), start=1):
        head = (
            f"# Emotion6 (Peng et al. 2015), fold {fold} of {FOLDS}, {len(names)} pictures, by keyword folder.\n"
            f'# seed {EMOTION6_SEED}: ids in the order of blake2b("seed id", 16 bytes) go around the folds.\n'
        )
        with replacing(folder / _LIST.format(fold)) as draft:
            draft.write_text(head + "".join(f"{name}\n" for name in names), encoding="utf-8")


def _rank(name: str, seed: int) -> str:
    return hashlib.blake2b(f"{seed} {name}".encode(), digest_size=16).hexdigest()


def _natural(name: str) -> tuple[str | int, ...]:
    return tuple(int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name))


def _sklearn() -> Any:
    try:
        import sklearn.model_selection
    except ImportError:
        raise MissingExtra("folds", "evaluate") from None
    return sklearn.model_selection
