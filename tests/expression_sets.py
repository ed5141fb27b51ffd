"""Small archives of drawn faces in the layouts of the real sets, with rows enough to train on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from emolens.taxonomy import AFFECTNET8, EKMAN6, FER2013, RAFDB
from fakes_data import draw, write_rows, write_text

CK48_FOLDERS = ("anger", "disgust", "fear", "happy", "sadness", "surprise", "contempt")
CK_SUBJECTS = 12
RAF_TRAIN, RAF_TEST = 6, 2
AFF_TRAIN, AFF_VAL = 5, 2


def write_fer2013(root: Path, sizes: tuple[int, int, int] = (42, 14, 14), seed: int = 0) -> Path:
    """The npz of FER2013 and FER+; a class shows as stripes of its own direction and width."""
    root.mkdir(parents=True, exist_ok=True)
    n = sum(sizes)
    chance = np.random.default_rng(seed)
    labels = np.arange(n) % len(FER2013)
    images = chance.integers(0, 120, (n, 48, 48))
    rows, columns = np.mgrid[:48, :48]
    for at, label in enumerate(labels):
        across = (rows, columns, rows + columns)[label % 3]
        images[at] += 120 * (across // (2, 6, 24)[label // 3] % 2)
    votes = np.zeros((n, 10), np.uint8)
    votes[np.arange(n), labels] = 10
    np.savez(
        root / "fer2013_ferplus.npz",
        images=images.astype(np.uint8),
        fer_label=labels.astype(np.uint8),
        usage=np.repeat(np.arange(3, dtype=np.uint8), sizes),
        ferplus_votes=votes,
        ferplus_name=np.array([f"fer{at:07d}.png" for at in range(n)]),
    )
    return root


def write_rafdb(root: Path) -> Path:
    """The list with labels 1 to 7, and aligned faces."""
    rows = []
    for part, digits, each in (("train", 5, RAF_TRAIN), ("test", 4, RAF_TEST)):
        for at in range(each * len(RAFDB)):
            name = f"{part}_{at + 1:0{digits}d}"
            rows.append(f"{name}.jpg {at % len(RAFDB) + 1}")
            draw(root / "Image/aligned" / f"{name}_aligned.jpg", len(rows), (100, 100))
    write_text(root / "EmoLabel/list_patition_label.txt", "\n".join(rows) + "\n")
    return root


def write_affectnet(root: Path) -> Path:
    """Folders by number in the official two parts."""
    seed = 1000
    for part, each in (("train", AFF_TRAIN), ("val", AFF_VAL)):
        for label in range(len(AFFECTNET8)):
            for _ in range(each):
                draw(root / part / str(label) / f"image{seed:07d}.jpg", seed, (24, 24))
                seed += 1
    return root


def write_ckplus48(root: Path) -> Path:
    """Three frames of a sequence for each class of each subject; neighbours differ by their last frame's number."""
    for subject in range(CK_SUBJECTS):
        for at, folder in enumerate(CK48_FOLDERS):
            for frame in (10, 11, 12):
                name = f"S{subject:03d}_{at:03d}_{frame:08d}.png"
                draw(root / "CK+48" / folder / name, 5000 + 100 * subject + 10 * at + frame - 10, (48, 48), "L")
    return root


def write_ck_raf_aff(root: Path) -> Path:
    """The three archives side by side."""
    write_ckplus48(root / "ckplus")
    write_rafdb(root / "rafdb")
    write_affectnet(root / "affectnet")
    return root


def write_lists(root: Path, train: int = 24, val: int = 12) -> Path:
    """The published lists: most of `valid` is in `train`, and nothing of `test` is in either."""
    paths = [f"Data/aff/{name}/image{at:07d}.jpg" for at in range(50) for name in EKMAN6.classes]
    parts = {"train": paths[:train], "valid": paths[6 : 6 + val], "test": paths[-12:]}
    for name, listed in parts.items():
        rows = [(at, path, EKMAN6.classes.index(path.split("/")[2])) for at, path in enumerate(listed)]
        write_rows(root / f"{name}.csv", [("", "image_path", "label"), *rows])
        for at, path in enumerate(listed):
            if not (root / path).is_file():
                draw(root / path, at + len(listed), (24, 24))
    return root
