"""Small sets of groups in the layouts of the real ones: the brighter the picture and its faces, the better the mood."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from emolens.data.face_columns import ALIGNED, CANVAS, PictureFaces
from emolens.data.face_parts import FacesWriter

CLASSES = {"Negative": ("neg", 40), "Neutral": ("neu", 125), "Positive": ("pos", 210)}
SIDE = 40


def write_gaf(root: Path, train: int = 24, val: int = 9, test: int = 6) -> Path:
    """Pictures and the lists of names that cut `val` in `root / "set"`; beside it `skeletons` and `faces`."""
    chance = np.random.default_rng(0)
    home = root / "set"
    with FacesWriter(root / "faces", {"detector": "drawn"}) as writer:
        for split, count in (("train", train), ("val", val), ("test", test)):
            names = []
            for at in range(count):
                folder, (prefix, level) = list(CLASSES.items())[at % 3]
                name = f"{prefix}_{split}{at}.jpg"
                place = f"{'train' if split == 'train' else 'val'}/{folder}/{name}"
                _picture(home / "emotiw" / place, level, chance)
                drawn = f"{Path(name).stem}{'' if split == 'train' else '_rendered'}.png"
                _picture((root / "skeletons" / place).with_name(drawn), level, chance)
                # every fifth picture has no face
                writer.add(faces_of(place, split, level, 0 if at % 5 == 4 else 1 + at % 4, chance))
                names.append(name)
            if split != "train":
                (home / f"{split}_list.txt").write_text("".join(f"{name}\n" for name in names))
    return root


def write_groupscene(root: Path, videos: int = 20, frames: int = 2) -> Path:
    """Frames of videos in `root / "set"`, faces and skeletons beside it; in every second pair of videos nobody is seen,
    and there are windows of the pictures instead."""
    chance = np.random.default_rng(1)
    with FacesWriter(root / "faces", {"detector": "drawn"}) as writer:
        for video in range(videos):
            folder, (prefix, level) = (("Negative", CLASSES["Negative"]), ("Positive", CLASSES["Positive"]))[video % 2]
            for frame in range(frames):
                place = f"{('train', 'val')[frame % 2]}/{folder}/{prefix}_v{video}_{frame}.jpg"
                _picture(root / "set" / place, level, chance)
                _picture((root / "skeletons" / place).with_suffix(".png"), level, chance)
                writer.add(faces_of(place, "", level, video // 2 % 2 * 2, chance, grid=True))
                if video // 2 % 2:
                    crops = (root / "set" / "CroppedFaces2" / place).with_suffix(".npz")
                    crops.parent.mkdir(parents=True, exist_ok=True)
                    np.savez(crops, a=np.zeros(1))
    return root


def faces_of(
    name: str, split: str, level: int, count: int, chance: np.random.Generator, grid: bool = False
) -> PictureFaces:
    """Faces of one brightness, which is that of the class."""

    def drawn(n: int, *shape: int) -> np.ndarray:
        return np.clip(level + chance.normal(0, 15, (n, *shape, 3)), 0, 255).astype(np.uint8)

    return PictureFaces(
        id=name,
        split=split,
        status="ok" if count else "no_face",
        size=(SIDE, SIDE),
        boxes=np.tile(np.float32([0, 0, 10, 10]), (count, 1)),
        scores=np.ones(count, np.float32),
        landmarks=np.zeros((count, 5, 2), np.float32),
        features=np.zeros((count, 256), np.float32),
        crops=tuple(drawn(count, 8, 8)),
        aligned=drawn(count, *ALIGNED),
        canvas=drawn(count, *CANVAS),
        grid=drawn(4, *CANVAS) if grid and not count else np.zeros((0, *CANVAS, 3), np.uint8),
    )


def _picture(path: Path, level: int, chance: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.clip(level + chance.normal(0, 20, (SIDE, SIDE + 8, 3)), 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path)
