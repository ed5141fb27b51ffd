"""The hybrid of faces and scene, the forerunner's attention over faces, and a CrossViT on bare pixels."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from emolens.learn.config.group import CrossVit, GradientOf, Padding
from emolens.learn.nets.crossvit import CrossViT
from emolens.learn.nets.face_set import each, padded
from emolens.learn.nets.scene import Pooled
from emolens.learn.nets.sphereface import SphereFace20

NARROW = 64
"""Width in which attention B compares a face with the scene, and of the hidden layer of attention C."""


class Hybrid(nn.Module):
    """Faces fused with the scene, beside the scene itself (Gong et al. 2025; before it Gupta et al. 2018, 1807.03380).

    Takes `image` (N, 3, H, W), `faces` (N, F, 3, h, w), both RGB 0 to 255, and `mask` bool (N, F). Gives `logits`
    (N, K), `features` (N, 2 D) and, where faces are weighted, `attention` (N, F). Without a SphereFace `trunk` the
    faces are windows of the picture, seen by the backbone of the scene. `outside` keeps the fusion out of the
    parameters, so that it is neither trained nor stored: what the hybrid's source did to its CrossViT.
    """

    def __init__(
        self,
        scene: Pooled,
        trunk: SphereFace20 | None,
        fusion: nn.Module,
        classes: int,
        width: int = 256,
        dropout: float = 0.5,
        padding: Padding = "masked",
        gradient: GradientOf = "trained",
        outside: bool = False,
    ) -> None:
        super().__init__()
        self.scene = scene
        self.faces = trunk
        self.narrow_scene = _narrow(scene.width, width)
        self.narrow_faces = _narrow(scene.width if trunk is None else trunk.width, width)
        self.dropout = nn.Dropout(dropout)
        self.norms = nn.ModuleList(nn.BatchNorm1d(width, affine=False) for _ in range(2))
        self.head = nn.Linear(2 * width, classes)
        self.padding, self.gradient = padding, gradient
        if outside:
            self._outside = (fusion,)  # a tuple hides it from parameters() and state_dict()
        else:
            self.fused = fusion
        if gradient != "trained":
            scene.requires_grad_(False)

    @property
    def fusion(self) -> nn.Module:
        """What fuses, wherever it is kept."""
        return self._outside[0] if hasattr(self, "_outside") else self.fused

    def forward(self, image: Tensor, faces: Tensor, mask: Tensor) -> dict[str, Tensor]:
        faces, mask = padded(faces, mask, self.padding)
        scene = self.dropout(self.narrow_scene(self.scene(image)))  # (N, D)
        look = self.scene if self.faces is None else self.faces
        tokens = self.dropout(self.narrow_faces(each(look, faces, mask)))  # (N, F, D)
        found = self.fusion.to(scene.device)(tokens, scene, mask)
        fused, attention = found if isinstance(found, tuple) else (found, None)
        features = torch.cat([self.norms[0](fused), self.norms[1](scene)], dim=1)
        answer = {"logits": self.head(features), "features": features}
        return answer if attention is None else {**answer, "attention": attention}

    def train(self, mode: bool = True) -> Hybrid:
        super().train(mode)
        self.fusion.train(mode)
        if self.gradient == "frozen":  # `detached` lets its running statistics drift, as the source did
            self.scene.eval()
        return self


def _narrow(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.kaiming_normal_(layer.weight)
    nn.init.constant_(layer.bias, 0.01)
    return layer


class FaceAttention(nn.Module):
    """The sum of faces (N, F, D), weighted by a softmax over those that are there: (N, D) and the weights (N, F).

    `dot` is the forerunner's attention A, the scalar product of a face with the scene; `narrow` is B, the same between
    both brought to 64 wide; `score` is C, what a small net says of the face alone. Nobody gives
    zeros. `mixed` repeats a reshape of A and B that mixed faces up with channels; with `detached` nothing learns
    through the weights, as in their source.
    """

    def __init__(
        self, kind: Literal["dot", "narrow", "score"], width: int, mixed: bool = False, detached: bool = False
    ) -> None:
        super().__init__()
        self.kind, self.mixed, self.detached = kind, mixed, detached
        # The source's biases where they raise all scores alike are left out: a softmax takes them out again.
        if kind == "narrow":
            self.narrow = nn.ModuleList([nn.Linear(width, NARROW, bias=False), nn.Linear(width, NARROW)])
        if kind == "score":
            self.score = nn.Sequential(nn.Linear(width, NARROW), nn.Tanh(), nn.Linear(NARROW, 1, bias=False))

    def forward(self, faces: Tensor, scene: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        scores = self._scores(faces, scene)
        scores = scores.detach() if self.detached else scores
        weights = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(dim=1) * mask
        return (weights[..., None] * faces).sum(dim=1), weights

    def _scores(self, faces: Tensor, scene: Tensor) -> Tensor:
        if self.kind == "score":
            return torch.as_tensor(self.score(faces)).squeeze(-1)
        if self.kind == "narrow":
            faces, scene = self.narrow[0](faces), self.narrow[1](scene)
        by_channel = faces.reshape(len(faces), faces.shape[2], -1) if self.mixed else faces.transpose(1, 2)
        return torch.einsum("nd,ndf->nf", scene, by_channel)


class PixelCrossVit(nn.Module):
    """A CrossViT whose tokens are the faces and the picture themselves, each through one linear layer.

    The hybrid's source trained its CrossViT so, before it was given the tokens of other nets. Inputs and answers are as
    of `Hybrid`, `features` (N, D).
    """

    def __init__(
        self, classes: int, size: int, face: tuple[int, int], places: int, width: int, shape: CrossVit, padding: Padding
    ) -> None:
        super().__init__()
        self.face, self.padding = face, padding
        self.embed_faces = nn.Linear(3 * face[0] * face[1], width)
        self.embed_scene = nn.Linear(3 * size * size, width)
        self.fused = CrossViT(width, places, shape)
        self.head = nn.Linear(width, classes)

    def forward(self, image: Tensor, faces: Tensor, mask: Tensor) -> dict[str, Tensor]:
        faces, mask = padded(faces, mask, self.padding)
        if tuple(faces.shape[-2:]) != self.face:
            flat = functional.interpolate(faces.flatten(0, 1), self.face, mode="bilinear", align_corners=False)
            faces = flat.reshape(mask.shape[0], mask.shape[1], 3, *self.face)
        tokens = self.embed_faces(faces.flatten(2) / 255)
        features = self.fused(tokens, self.embed_scene(image.flatten(1) / 255), mask)
        return {"logits": self.head(features), "features": features}
