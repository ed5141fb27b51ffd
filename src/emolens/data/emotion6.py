"""Emotion6 (Peng et al. 2015): 1,980 photographs, the emotions they evoke as a distribution, valence and arousal.

The label is the keyword that a picture was searched by, the name of its folder: `neutral` is never one. What people
were most often made to feel is another thing, and far less balanced: `label=top`.

The set has no official split. `fold=1` to `fold=5` makes one of the five fixed lists of `emolens.data.splits` its test
part; results on these lists compare.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from emolens.data.archive import Archive
from emolens.data.base import Count, DataReader, Info, Option, Record, absent
from emolens.data.problems import Problems
from emolens.data.rows import Row, csv_rows
from emolens.data.splits import FOLDS, emotion6_folds
from emolens.taxonomy import EKMAN6, EMOTION6, canonical

TABLE = "ground_truth.txt"
NAME = "[image_filename]"
PROBABILITIES = tuple(f"[prob. {'joy' if name == 'happiness' else name}]" for name in EMOTION6.classes)
LOW, HIGH = 1.0, 9.0


def _walk(root: Path, problems: Problems, label: str, fold: int) -> Iterator[Record]:
    home = next((folder for folder in (root, root / "Emotion6") if (folder / TABLE).is_file()), None)
    if home is None:
        raise absent(INFO, root, TABLE)
    rows = csv_rows(home / TABLE, (NAME, "[valence]", "[arousal]", *PROBABILITIES), delimiter="\t")
    held_out = frozenset(emotion6_folds()[fold - 1]) if fold else frozenset()
    yield from problems.each(rows, partial(_record, Archive(home), label, held_out))


def _record(archive: Archive, label: str, held_out: frozenset[str], row: Row) -> Record:
    name = row.text(NAME)
    picture = archive.file(f"images/{name}", row.where)
    distribution = np.array([row.number(c, kind="distribution") for c in PROBABILITIES], np.float32)
    keyword = canonical(name.split("/")[0])
    identity = str(Path(name).with_suffix(""))
    return Record(
        id=identity,
        split="test" if identity in held_out else "train",
        picture=picture,
        taxonomy=EMOTION6,
        # argmax takes the first of equals: 85 pictures have a tie at the top
        label=keyword if label == "keyword" else EMOTION6.classes[int(distribution.argmax())],
        distribution=distribution,
        valence=row.number("[valence]", LOW, HIGH),
        arousal=row.number("[arousal]", LOW, HIGH),
        source=row.where,
        attributes={"keyword": keyword},
    )


_TOP = {"happiness": 638, "fear": 329, "neutral": 325, "sadness": 308, "disgust": 245, "surprise": 104, "anger": 31}

INFO = Info(
    name="emotion6",
    title="Emotion6",
    citation="K.-C. Peng, A. Sadovnik, A. Gallagher, T. Chen. A Mixed Bag of Emotions: Model, Predict, and Transfer "
    "Emotion Distributions. CVPR 2015.",
    terms="Academic research only; the pictures belong to their owners on Flickr.",
    obtain="get Emotion6 from its authors (Advanced Multimedia Processing Lab, Cornell) and unpack it: "
    "ground_truth.txt beside the folder images",
    layout="ground_truth.txt (tab-separated, with a header) and images/<keyword>/<n>.jpg",
    taxonomy=EMOTION6,
    task="evoked",
    counts=(
        Count(1980, source="readme.txt"),
        *(Count(330, "train", label, {"label": "keyword", "fold": 0}, "readme.txt") for label in EKMAN6.classes),
        *(
            Count(n, "train", label, {"label": "top", "fold": 0}, "counted in ground_truth.txt")
            for label, n in _TOP.items()
        ),
        *(Count(396, "test", when={"fold": fold}, source="the fixed lists") for fold in range(1, FOLDS + 1)),
    ),
    scales={"valence": (LOW, HIGH), "arousal": (LOW, HIGH)},
)
READERS = {
    "emotion6": DataReader(
        INFO,
        _walk,
        (
            Option("label", "keyword", "the search keyword, or the top of the distribution", ("keyword", "top")),
            Option("fold", 0, "which of the five fixed lists is the test part; 0 for none", tuple(range(FOLDS + 1))),
        ),
    )
}
