"""Arithmetic on boxes: float32 (N, 4), x1, y1, x2, y2."""

from __future__ import annotations

import numpy as np


def squared(boxes: np.ndarray) -> np.ndarray:
    """The squares around the same centres whose sides are the longer sides."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    halves = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0, keepdims=True) / 2
    return np.concatenate([centres - halves, centres + halves], axis=1)


def containment(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The intersection of each pair over the area of the smaller, (N, M)."""
    corner = np.maximum(boxes[:, None, :2], others[None, :, :2])
    sides = np.clip(np.minimum(boxes[:, None, 2:], others[None, :, 2:]) - corner, 0, None)
    areas, theirs = ((some[:, 2:] - some[:, :2]).prod(axis=1) for some in (boxes, others))
    shares: np.ndarray = sides.prod(axis=2) / np.maximum(np.minimum(areas[:, None], theirs[None]), 1e-9)
    return shares


def without_contained(boxes: np.ndarray, scores: np.ndarray, most: float) -> list[int]:
    """Rows by falling score, without those of which a better one that stays holds more than `most` (`containment`).

    For the few boxes of a last stage, since every pair is looked at; ties keep their order.
    """
    shares, kept = containment(boxes, boxes), list[int]()
    for i in np.argsort(-scores, kind="stable"):
        if not (shares[i, kept] > most).any():
            kept.append(int(i))
    return kept


def without_overlaps(boxes: np.ndarray, scores: np.ndarray, most: float) -> list[int]:
    """Rows by falling score, without those whose intersection over union with a better one that stays is above `most`.

    For the many boxes of one net, in memory for one row of pairs; ties keep their order.
    """
    order = np.argsort(-scores, kind="stable")
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    kept: list[int] = []
    while order.size:
        best, order = order[0], order[1:]
        kept.append(int(best))
        low, high = np.maximum(boxes[best, :2], boxes[order, :2]), np.minimum(boxes[best, 2:], boxes[order, 2:])
        shared = np.clip(high - low, 0, None).prod(axis=1)
        order = order[shared <= most * (areas[best] + areas[order] - shared)]
    return kept
