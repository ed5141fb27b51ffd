"""A set of faces: each is looked at by itself, those that are there are averaged."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from emolens.learn.config.group import Padding
from emolens.learn.nets.sphereface import SphereFace20


class FaceSet(nn.Module):
    """SphereFace-20 on each face, a linear layer, and the mean over the faces that are there.

    Takes `faces` (N, F, 3, h, w), RGB 0 to 255, and `mask` bool (N, F). Gives `logits` (N, K), `heads` (N, F, K), what
    each face says, and `features` (N, D), the mean embedding. A picture without a face gets the bias of the last layer:
    what groups are like before one is seen.
    """

    def __init__(self, trunk: SphereFace20, classes: int, padding: Padding = "masked", dropout: float = 0.0) -> None:
        super().__init__()
        self.faces = trunk
        self.padding = padding
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(trunk.width, classes)

    def forward(self, faces: Tensor, mask: Tensor) -> dict[str, Tensor]:
        faces, mask = padded(faces, mask, self.padding)
        embeddings = each(self.faces, faces, mask)  # (N, F, D)
        features = masked_mean(embeddings, mask)
        return {
            "logits": self.head(self.dropout(features)),  # linear: the mean of what the faces say
            "heads": self.head(self.dropout(embeddings)),
            "features": features,
        }


def padded(faces: Tensor, mask: Tensor, padding: Padding) -> tuple[Tensor, Tensor]:
    """The faces and the mask as they shall count.

    `masked` leaves both. The sources did not mask: `as_faces` counts empty places as faces, all black, and `repeated`
    fills them with the faces over again, the black one where there is none.
    """
    if padding == "masked":
        return faces, mask
    if padding == "repeated":
        count = mask.sum(dim=1, keepdim=True).clamp_min(1)  # faces come first
        order = torch.arange(mask.shape[1], device=mask.device) % count  # (N, F)
        faces = faces[torch.arange(len(faces), device=mask.device)[:, None], order]
    return faces, torch.ones_like(mask)


def each(look: Callable[[Tensor], Tensor], faces: Tensor, mask: Tensor) -> Tensor:
    """What `look` (M, 3, h, w) -> (M, D) gives for each face: (N, F, D), zeros where no face is.

    Only faces that are there are looked at, but for an exporter, which wants fixed shapes.
    """
    places = mask.flatten()
    flat = faces.flatten(0, 1)
    if torch.compiler.is_compiling():
        whole = look(flat) * places[:, None]
    elif not bool(places.any()):
        whole = (look(flat[:1]) * 0).expand(len(flat), -1)
    else:
        seen = look(flat[places])
        whole = seen.new_zeros(len(flat), seen.shape[1])
        whole[places] = seen
    return whole.reshape(mask.shape[0], mask.shape[1], -1)


def masked_mean(tokens: Tensor, mask: Tensor) -> Tensor:
    """The mean over the tokens (N, F, D) that are there: (N, D), zeros where none is."""
    share = mask.to(tokens)
    return (tokens * share[..., None]).sum(dim=1) / share.sum(dim=1, keepdim=True).clamp_min(1)
