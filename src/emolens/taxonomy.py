"""Ordered label sets, the aliases of their names, their polarity, and the way from one set to another.

Names travel, indices stay home: RAF-DB, AffectNet, FER2013, FER+ and Emotion6 number their classes in five different
ways, so nothing outside this module may assume an order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emolens.errors import LabelError, UnknownName

CANONICAL = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral", "contempt")
"""The canonical names of facial expressions, in the order in which tables list them."""

ALIASES = {
    "angry": "anger",
    "disgusted": "disgust",
    "fearful": "fear",
    "scared": "fear",
    "happy": "happiness",
    "joy": "happiness",
    "sad": "sadness",
    "surprised": "surprise",
    "contemptuous": "contempt",
    "neutrality": "neutral",
}

POLARITY = {
    "anger": "negative",
    "disgust": "negative",
    "fear": "negative",
    "sadness": "negative",
    "contempt": "negative",
    "neutral": "neutral",
    "happiness": "positive",
    # Surprise is neither pleasant nor unpleasant by itself (Russell's circumplex puts it near valence 0).
    "surprise": "neutral",
    # The four positive categories of Mikels et al. 2005.
    "amusement": "positive",
    "awe": "positive",
    "contentment": "positive",
    "excitement": "positive",
    "negative": "negative",
    "positive": "positive",
}


def canonical(name: str) -> str:
    """The canonical spelling of a class name: `Happy`, `joy` and `happiness` are all `happiness`."""
    name = name.strip().lower()
    return ALIASES.get(name, name)


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """A named, ordered label set. `classes` holds canonical names, each once."""

    name: str
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        wrong = [c for c in self.classes if c != canonical(c)]
        if wrong:
            raise LabelError(f"taxonomy {self.name}: {wrong} are aliases, use {[canonical(c) for c in wrong]}")
        if len(set(self.classes)) != len(self.classes) or not self.classes:
            raise LabelError(f"taxonomy {self.name}: classes must be distinct and at least one, got {self.classes}")

    def __len__(self) -> int:
        return len(self.classes)

    def index(self, name: str) -> int:
        """Position of a class, by its canonical name or an alias. Raises `UnknownName`."""
        try:
            return self.classes.index(canonical(name))
        except ValueError:
            raise UnknownName(f"class of {self.name}", name, self.classes) from None

    def polarity(self) -> tuple[str, ...]:
        """`negative`, `neutral` or `positive` for each class. Raises `LabelError` where a class has none."""
        missing = [c for c in self.classes if c not in POLARITY]
        if missing:
            raise LabelError(f"taxonomy {self.name}: no polarity is known for {missing}")
        return tuple(POLARITY[c] for c in self.classes)


FERPLUS = Taxonomy("ferplus", ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"))
"""FER+ (Barsoum et al. 2016), in the column order of fer2013new.csv."""
FER2013 = Taxonomy("fer2013", ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"))
"""FER2013 (Goodfellow et al. 2013), labels 0 to 6."""
RAFDB = Taxonomy("rafdb", ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"))
"""RAF-DB basic (Li et al. 2017), labels 1 to 7."""
AFFECTNET8 = Taxonomy(
    "affectnet8", ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
)
"""AffectNet (Mollahosseini et al. 2017), labels 0 to 7; AffectNet-7 drops the last."""
AFFECTNET7 = Taxonomy("affectnet7", AFFECTNET8.classes[:7])
EKMAN6 = Taxonomy("ekman6", ("anger", "disgust", "fear", "happiness", "sadness", "surprise"))
"""Ekman's six; also Emotion6's order (its `joy` is our `happiness`) without neutral."""
EMOTION6 = Taxonomy("emotion6", (*EKMAN6.classes, "neutral"))
"""Emotion6 (Peng et al. 2015), in the column order of ground_truth.txt."""
MIKELS8 = Taxonomy("mikels8", ("amusement", "awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness"))
"""The eight emotions that pictures evoke (Mikels et al. 2005), the positive four first; of Artphoto and FI."""
GROUP3 = Taxonomy("group3", ("negative", "neutral", "positive"))
"""Group affect as in GAF (Dhall et al.), labels 0 to 2."""

TAXONOMIES = {t.name: t for t in (FERPLUS, FER2013, RAFDB, AFFECTNET8, AFFECTNET7, EKMAN6, EMOTION6, MIKELS8, GROUP3)}


def taxonomy(name: str, classes: Sequence[str] | None = None) -> Taxonomy:
    """A known taxonomy by its name, or a new one from `classes` (aliases are made canonical)."""
    if classes is not None:
        return Taxonomy(name, tuple(canonical(c) for c in classes))
    if name not in TAXONOMIES:
        raise UnknownName("taxonomy", name, TAXONOMIES)
    return TAXONOMIES[name]


def convert(distribution: np.ndarray, source: Taxonomy, target: Taxonomy) -> tuple[np.ndarray, np.ndarray]:
    """Express distributions (..., K) over `source` in the classes of `target`.

    Classes that `target` lacks are dropped and the rest renormalised; what was dropped is returned, never silent.
    Returns the distributions (..., K') and the dropped mass (...). Raises `LabelError` where nothing remains.
    """
    columns = [source.classes.index(c) if c in source.classes else -1 for c in target.classes]
    kept = np.where(np.array(columns) >= 0, distribution[..., columns], 0.0)
    mass = kept.sum(axis=-1)
    if np.any(mass <= 0):
        raise LabelError(f"no probability is left when {source.name} is expressed in {target.name}")
    return (kept / mass[..., None]).astype(np.float32), (distribution.sum(axis=-1) - mass).astype(np.float32)
