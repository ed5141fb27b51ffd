"""Arithmetic on boxes: float32 (N, 4), x1, y1, x2, y2."""

from __future__ import annotations

import numpy as np


def squared(boxes: np.ndarray) -> np.ndarray:
    """The squares around the same centres whose sides are the longer sides."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    halves = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0, keepdims=True) / 2
    return np.concatenate([centres - halves, centres + halves], axis=1)


def containment(boxes: np.ndarray) -> np.ndarray:
    """The intersection of each pair over the area of the smaller, (N, N)."""
    corner = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    sides = np.clip(np.minimum(boxes[:, None, 2:], boxes[None, :, 2:]) - corner, 0, None)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    shares: np.ndarray = sides.prod(axis=2) / np.maximum(np.minimum(areas[:, None], areas[None]), 1e-9)
    return shares


def suppress(shares: np.ndarray, scores: np.ndarray, most: float) -> np.ndarray:
    """Indices by falling score, without those that share more than `most` with a better one that stays.

    `shares` is (N, N). For the few boxes of a last stage; ties keep their order.
    """
    kept: list[int] = []
    for i in np.argsort(-scores, kind="stable"):
        if not (shares[i, kept] > most).any():
            kept.append(int(i))
    return np.array(kept, dtype=np.int64)
