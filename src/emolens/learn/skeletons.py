"""Where people's joints are, by torchvision's Keypoint R-CNN.

He et al. 2017, "Mask R-CNN", section 5: boxes of people and 17 keypoints each, trained on COCO. The old group systems
had OpenPose draw their skeletons, whose licence is for research alone; this net finds many people too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from emolens.drawing.skeleton import with_necks
from emolens.errors import ModelError

PERSON = 0.7
"""Least score of a person."""
POINTS = 17
VISIBLE = 2.0
"""The logit of a keypoint's heat map at which its score is one half: below, COCO's net mostly guesses hidden points."""


class SkeletonFinder:
    """Finds people and their joints.

    `weights` is a file of torchvision's weights for `keypointrcnn_resnet50_fpn`; without one torchvision fetches its
    own (COCO, 226 MB). `min_score` is the least score of a person. Raises `ModelError` where the weights are missing,
    are others, or cannot be fetched.
    """

    name = "keypointrcnn_resnet50_fpn"

    def __init__(self, weights: Path | None = None, min_score: float = PERSON, **options: Any) -> None:
        from torchvision.models.detection import keypointrcnn_resnet50_fpn

        self.min_score = min_score
        if weights is None:
            self._net = _fetched(keypointrcnn_resnet50_fpn, options)
        else:
            self._net = keypointrcnn_resnet50_fpn(weights=None, weights_backbone=None, **options)
            _load(self._net, weights)
        self._net.eval()

    def find(self, picture: np.ndarray) -> np.ndarray:
        """The people in a picture, RGB uint8 (H, W, 3), surest first: float32 (P, 18, 3) as OpenPose has them.

        x and y are pixels, the score of a point is 0 to 1. P may be 0.
        """
        with torch.inference_mode():
            (found,) = self._net([torch.from_numpy(picture.transpose(2, 0, 1) / np.float32(255))])
        rows = (found["scores"] >= self.min_score).numpy()
        points = found["keypoints"].numpy()[rows].reshape(-1, POINTS, 3)
        scores = 1 / (1 + np.exp(VISIBLE - found["keypoints_scores"].numpy()[rows].reshape(-1, POINTS)))
        return with_necks(np.concatenate([points[..., :2], scores[..., None]], axis=2).astype(np.float32))

    def find_all(self, pictures: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """`find` of each picture; one at a time, since the net's memory grows with the people in a batch."""
        return map(self.find, pictures)


def _fetched(build: Any, options: dict[str, Any]) -> Any:
    try:
        return build(weights="DEFAULT", weights_backbone=None, **options)
    except (OSError, RuntimeError) as error:  # no network, a hash that differs
        raise ModelError(
            f"the weights of {SkeletonFinder.name} cannot be fetched ({error}); give a file with --weights FILE"
        ) from None


def _load(net: Any, path: Path) -> None:
    try:
        net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file; give torchvision's weights of {SkeletonFinder.name}") from None
    except Exception as error:  # torch raises a dozen kinds for a file that is none of its own
        reason = " ".join(str(error).split())[:160]
        raise ModelError(f"{path}: no weights of {SkeletonFinder.name} ({reason})") from None
