"""The predictions table: what a model said about rows whose labels are known. Everything that judges starts from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from emolens.errors import DataError, LabelError, UnknownName
from emolens.taxonomy import Taxonomy

JOIN = " + "
"""Stands between the names of the subsets in a table of several splits."""
JUDGED = ("expression", "group", "evoked")
"""The tasks whose answers are distributions."""
TOLERANCE = 1e-3
"""How far from 1 a row of probabilities may sum: published files print four digits."""
NOISE = 1e-3
"""Targets that differ by less are the same: files print four digits. One vote of many is more."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Predictions:
    """What one model said about N rows of one data set, beside what people said.

    `ids` and `splits` (N,) str, no id twice in a split. `targets` and `probabilities` float32 (N, K) over `taxonomy`,
    each row sums to 1. `confidence` float32 (N,) is the probability that the top label is right. `logits` float32
    (N, K) and `features` float32 (N, D) where they are known. `attributes`: name -> (N,) str, facts about the rows by
    which they can be grouped. `data`, `subset` and `model` name what they are, `sha` is the hex sha256 of the weights.
    `prior`: shares of the classes in what the model learnt from, in the order of `taxonomy`; empty where unknown.
    `task` is what was predicted. Of what pictures evoke, `values` and `true_values` float32 (N, 2) are valence and
    arousal, 1 to 9, NaN where a row has none.
    """

    ids: np.ndarray
    splits: np.ndarray
    taxonomy: Taxonomy
    targets: np.ndarray
    probabilities: np.ndarray
    confidence: np.ndarray
    logits: np.ndarray | None = None
    features: np.ndarray | None = None
    attributes: Mapping[str, np.ndarray] = field(default_factory=dict)
    data: str = ""
    subset: str = ""
    model: str = ""
    sha: str = ""
    prior: tuple[float, ...] = ()
    task: str = "expression"
    values: np.ndarray | None = None
    true_values: np.ndarray | None = None

    def __post_init__(self) -> None:
        rows, classes = len(self.ids), len(self.taxonomy)
        shapes: dict[str, tuple[int, ...]] = {"ids": (rows,), "splits": (rows,), "confidence": (rows,)}
        shapes |= dict.fromkeys(("targets", "probabilities", "logits"), (rows, classes))
        shapes |= dict.fromkeys(("values", "true_values"), (rows, 2))
        for name, wanted in shapes.items():
            given = getattr(self, name)
            if given is not None and given.shape != wanted:
                raise LabelError(f"{name} of {self.name} have shape {given.shape}, need {wanted}")
        for name, given in (("features", self.features), *self.attributes.items()):
            if given is not None and len(given) != rows:
                raise LabelError(f"{name} of {self.name} have {len(given)} rows, need {rows}")
        for name in ("targets", "probabilities"):
            self._check_distributions(name, getattr(self, name))
        if not np.all((self.confidence >= 0) & (self.confidence <= 1 + TOLERANCE)):
            raise LabelError(f"confidence of {self.name} is not from 0 to 1 everywhere")
        if self.prior and len(self.prior) != classes:
            raise LabelError(f"prior of {self.name} has {len(self.prior)} shares, needs {classes}")
        if self.task not in JUDGED:
            raise LabelError(f"task of {self.name} is {self.task!r}, needs {', '.join(JUDGED[:-1])} or {JUDGED[-1]}")
        self._check_ids()

    def _check_distributions(self, name: str, rows: np.ndarray) -> None:
        wrong = ~((np.abs(rows.sum(axis=1) - 1) <= TOLERANCE) & (rows.min(axis=1, initial=0) >= 0))  # NaN is wrong too
        if wrong.any():
            at = int(wrong.argmax())
            raise LabelError(
                f"{name} of {self.name}: row {self.ids[at]} is {rows[at].tolist()}, needs shares that sum to 1"
            )

    def _check_ids(self) -> None:
        keys, counts = np.unique(np.stack([self.splits, self.ids]).astype(str), axis=1, return_counts=True)
        if (counts > 1).any():
            split, name = keys[:, counts > 1][:, 0].tolist()
            raise DataError(f"{self.name}: id {name!r} comes more than once in split {split!r}; ids must be unique")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def name(self) -> str:
        """What messages and tables call it."""
        return self.model or "the predictions"

    @property
    def truth(self) -> np.ndarray:
        """The top class of each target, (N,) int; the first of equals."""
        return np.asarray(self.targets.argmax(axis=1))

    @property
    def guess(self) -> np.ndarray:
        """The top class of each prediction, (N,) int; the first of equals."""
        return np.asarray(self.probabilities.argmax(axis=1))

    @property
    def tops(self) -> np.ndarray:
        """The classes that no other has more votes than, (N, K) bool: several where the vote is tied."""
        return np.asarray(self.targets >= self.targets.max(axis=1, keepdims=True) - NOISE)

    @property
    def among_tops(self) -> np.ndarray:
        """Whether no class has more votes than the predicted one, (N,) bool: right, or as good where votes are tied."""
        return np.asarray(self.tops[np.arange(len(self)), self.guess])

    @property
    def voted(self) -> bool:
        """Whether the targets are votes or another distribution, not one label a row."""
        return bool((self.targets.max(axis=1, initial=0) < 1 - NOISE).any())

    def keep(self, rows: np.ndarray, subset: str | None = None) -> Predictions:
        """The rows of a mask or of indices, under the name `subset` if one is given."""
        return replace(
            self,
            ids=self.ids[rows],
            splits=self.splits[rows],
            targets=self.targets[rows],
            probabilities=self.probabilities[rows],
            confidence=self.confidence[rows],
            logits=None if self.logits is None else self.logits[rows],
            features=None if self.features is None else self.features[rows],
            values=None if self.values is None else self.values[rows],
            true_values=None if self.true_values is None else self.true_values[rows],
            attributes={name: values[rows] for name, values in self.attributes.items()},
            subset=self.subset if subset is None else subset,
        )

    def split(self, name: str) -> Predictions:
        """The rows of one split. Raises `UnknownName` where there is none."""
        if not (self.splits == name).any():
            raise UnknownName(f"split of {self.name}", name, set(self.splits.tolist()))
        parts, names = self.subset.split(JOIN), list(dict.fromkeys(self.splits.tolist()))
        of_it = parts[names.index(name)] if len(parts) == len(names) else self.subset
        return self.keep(self.splits == name, of_it)


def aligned(tables: Sequence[Predictions]) -> None:
    """Raises `DataError` at the first row where tables differ in id, label or votes, `LabelError` where classes do.

    Rows are compared as they stand: sorting them could hide that a loader was shuffled. A table that holds one label
    for each row, no votes, is held to the labels alone.
    """
    first = tables[0]
    for other in tables[1:]:
        if other.taxonomy.classes != first.taxonomy.classes:
            raise LabelError(
                f"{other.name} has classes {', '.join(other.taxonomy.classes)}, {first.name} has "
                f"{', '.join(first.taxonomy.classes)}; tables must have the same in one order"
            )
        if len(other) != len(first):
            raise DataError(
                f"{other.name} has {len(other)} rows, {first.name} has {len(first)}; make both from one split"
            )
        _same("id", first, other, first.ids, other.ids)
        names = np.array(first.taxonomy.classes)
        _same("label", first, other, names[first.truth], names[other.truth])
        if first.voted and other.voted:
            _same_votes(first, other)


def _same(what: str, first: Predictions, other: Predictions, wanted: np.ndarray, given: np.ndarray) -> None:
    differ = wanted != given
    if differ.any():
        at = int(differ.argmax())
        raise _misfit(first, other, differ, f"{what} {given[at]}", str(wanted[at]))


def _same_votes(first: Predictions, other: Predictions) -> None:
    """The whole distributions: with the same labels on top the divergences would still be those of other votes."""
    gaps = np.abs(first.targets - other.targets)
    differ = gaps.max(axis=1) > NOISE
    if differ.any():
        at = int(differ.argmax())
        k = int(gaps[at].argmax())
        shares = [f"{one.targets[at, k]:.4g}" for one in (other, first)]
        raise _misfit(first, other, differ, f"a share of {shares[0]} for {first.taxonomy.classes[k]}", shares[1])


def _misfit(first: Predictions, other: Predictions, differ: np.ndarray, there: str, here: str) -> DataError:
    at = int(differ.argmax())
    return DataError(
        f"{other.name} does not align with {first.name}: row {at} ({first.ids[at]}) has {there} there and {here} here, "
        f"{int(differ.sum())} of {len(first)} rows differ; make both from the same rows"
    )


def joined(tables: Sequence[Predictions]) -> Predictions:
    """Tables of one model on several splits as one; what one of them lacks is left out."""
    first = tables[0]
    optional = ("logits", "features", "values", "true_values")
    whole = [name for name in optional if all(getattr(one, name) is not None for one in tables)]
    columns = ("ids", "splits", "targets", "probabilities", "confidence", *whole)
    common = [name for name in first.attributes if all(name in one.attributes for one in tables)]
    arrays: dict[str, Any] = dict.fromkeys(optional)
    arrays |= {name: np.concatenate([getattr(one, name) for one in tables]) for name in columns}
    return replace(
        first,
        **arrays,
        attributes={name: np.concatenate([one.attributes[name] for one in tables]) for name in common},
        subset=JOIN.join(one.subset for one in tables),
    )
