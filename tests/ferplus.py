"""A FER+ archive of drawn faces, for tests that train."""

from __future__ import annotations

from pathlib import Path

import numpy as np

SPLIT_SIZES = (64, 16, 16)


def write_ferplus(folder: Path) -> Path:
    """Two kinds of drawn faces that anything can tell apart: bright above shows happiness, bright below nothing."""
    n = sum(SPLIT_SIZES)
    chance = np.random.default_rng(0)
    happy = chance.random(n) < 0.5
    images = chance.integers(0, 80, (n, 48, 48))
    images[happy, :24] += 120
    images[~happy, 24:] += 120
    votes = np.where(happy[:, None], [1, 9, 0, 0, 0, 0, 0, 0, 0, 0], [8, 1, 0, 1, 0, 0, 0, 0, 0, 0])
    np.savez(
        folder / "fer2013_ferplus.npz",
        images=images.astype(np.uint8),
        usage=np.repeat(np.array([0, 1, 2], np.uint8), SPLIT_SIZES),
        ferplus_votes=votes.astype(np.uint8),
        ferplus_name=np.array([f"fer{i:07d}.png" for i in range(n)]),
    )
    return folder
