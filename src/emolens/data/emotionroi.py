"""EmotionROI (Peng et al. 2016): the pictures of Emotion6 with a map of what in them evokes the emotion.

A map is the mean of rectangles that people drew, 8 bits, as large as its picture. Official lists for train and test.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from emolens.data.archive import Archive
from emolens.data.base import Count, DataReader, Info, Record, Split, absent
from emolens.data.problems import Problems
from emolens.data.rows import lines
from emolens.taxonomy import EKMAN6, canonical

LISTS: dict[str, Split] = {
    "training_testing_split/training.txt": "train",
    "training_testing_split/testing.txt": "test",
}


def _walk(root: Path, problems: Problems) -> Iterator[Record]:
    first = next(iter(LISTS))
    home = next((folder for folder in (root, root / "EmotionROI") if (folder / first).is_file()), None)
    if home is None:
        raise absent(INFO, root, first)
    for name, split in LISTS.items():
        yield from problems.each(lines(home / name), partial(_record, Archive(home), split))


def _record(archive: Archive, split: Split, line: tuple[str, str]) -> Record:
    where, name = line
    return Record(
        id=str(Path(name).with_suffix("")),
        split=split,
        picture=archive.file(f"images/{name}", where),
        taxonomy=EKMAN6,
        label=canonical(name.split("/")[0]),
        map=archive.file(f"ground_truth/{name}", where),
        source=where,
    )


INFO = Info(
    name="emotionroi",
    title="EmotionROI",
    citation="K.-C. Peng, A. Sadovnik, A. Gallagher, T. Chen. Where do emotions come from? Predicting the Emotion "
    "Stimuli Map. ICIP 2016, doi 10.1109/ICIP.2016.7532430.",
    terms="Academic research only; the pictures belong to their owners on Flickr.",
    obtain="get EmotionROI from its authors (Advanced Multimedia Processing Lab, Cornell) and unpack it: images, "
    "ground_truth and training_testing_split in one folder",
    layout="images/<emotion>/<n>.jpg, ground_truth/<emotion>/<n>.jpg, training_testing_split/{training,testing}.txt",
    taxonomy=EKMAN6,
    task="stimuli",
    counts=(Count(1386, "train", source="the authors' lists"), Count(594, "test", source="the authors' lists")),
)
READERS = {"emotionroi": DataReader(INFO, _walk)}
