"""CrossViT: two branches of tokens that look at each other through their class tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from emolens.learn.config.group import CrossVit

POSITIONS = 17
"""Of faces, at the least: 16 and the class token, as in the source, so that its two stages fit each other."""


class CrossViT(nn.Module):
    """Fuse faces (N, F, D) and a scene (N, D) to (N, D); `mask` bool (N, F) is true where a face is.

    After Chen, Fan, Panda 2021 (arXiv 2103.14899), in the form of the hybrid group system (Gong et al. 2025): tokens
    come from outside, both branches are D wide, each block has an encoder a branch, then rounds in which the class
    token of one asks itself and the tokens of the other. The heads of both are summed. Places without a face are seen
    by nobody; a picture without one is told by its scene and the class token of the faces.
    """

    def __init__(self, width: int, places: int, shape: CrossVit) -> None:
        super().__init__()
        self.faces = Branch(width, max(POSITIONS, places + 1))
        self.scene = Branch(width, 2)
        self.blocks = nn.ModuleList(Block(width, shape) for _ in range(shape.depth))
        self.dropout = nn.Dropout(shape.dropout)
        self.heads = nn.ModuleList(nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width)) for _ in range(2))

    def forward(self, faces: Tensor, scene: Tensor, mask: Tensor) -> Tensor:
        there = functional.pad(mask, (1, 0), value=True)  # the class token is always there
        one, other = self.dropout(self.faces(faces)), self.dropout(self.scene(scene[:, None]))
        for block in self.blocks:
            one, other = block(one, other, there)
        fused: Tensor = self.heads[0](one[:, 0]) + self.heads[1](other[:, 0])
        return fused


class Branch(nn.Module):
    """Tokens (N, T, D) behind a class token, each with the embedding of its position: (N, 1 + T, D)."""

    def __init__(self, width: int, positions: int) -> None:
        super().__init__()
        self.cls = nn.Parameter(torch.randn(1, 1, width))
        self.positions = nn.Parameter(torch.randn(1, positions, width))

    def forward(self, tokens: Tensor) -> Tensor:
        whole = torch.cat([self.cls.expand(tokens.shape[0], -1, -1), tokens], dim=1)
        return whole + self.positions[:, : whole.shape[1]]


class Block(nn.Module):
    """One encoder for each branch, then rounds of cross attention between their class tokens and patches."""

    def __init__(self, width: int, shape: CrossVit) -> None:
        super().__init__()
        self.faces = Encoder(width, shape.faces, shape)
        self.scene = Encoder(width, shape.scene, shape)
        self.ask_scene = nn.ModuleList(Attention(width, shape) for _ in range(shape.cross))
        self.ask_faces = nn.ModuleList(Attention(width, shape) for _ in range(shape.cross))

    def forward(self, one: Tensor, other: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        one, other = self.faces(one, there), self.scene(other, None)
        (first, faces), (second, scene) = ((side[:, :1], side[:, 1:]) for side in (one, other))
        for ask_scene, ask_faces in zip(self.ask_scene, self.ask_faces, strict=True):
            first, second = (
                first + ask_scene(first, torch.cat([first, scene], dim=1), None),
                second + ask_faces(second, torch.cat([second, faces], dim=1), there),
            )
        return torch.cat([first, faces], dim=1), torch.cat([second, scene], dim=1)


class Encoder(nn.Module):
    """Layers of self-attention and feed-forward, each normalised before and added to what it saw."""

    def __init__(self, width: int, depth: int, shape: CrossVit) -> None:
        super().__init__()
        self.attend = nn.ModuleList(Attention(width, shape) for _ in range(depth))
        self.forwards = nn.ModuleList(_feed_forward(width, shape) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, there: Tensor | None) -> Tensor:
        for attend, forwards in zip(self.attend, self.forwards, strict=True):
            tokens = tokens + attend(tokens, tokens, there)
            tokens = tokens + forwards(tokens)
        normed: Tensor = self.norm(tokens)
        return normed


class Attention(nn.Module):
    """Tokens (N, Q, D) ask tokens (N, T, D), of which only those `there` (N, T) are heard; both are normalised."""

    def __init__(self, width: int, shape: CrossVit) -> None:
        super().__init__()
        inner = shape.heads * shape.head_width
        self.heads, self.rate = shape.heads, shape.dropout
        self.norm = nn.LayerNorm(width)
        self.ask = nn.Linear(width, inner, bias=False)
        self.tell = nn.Linear(width, 2 * inner, bias=False)
        self.out = nn.Sequential(nn.Linear(inner, width), nn.Dropout(shape.dropout))

    def forward(self, asking: Tensor, asked: Tensor, there: Tensor | None) -> Tensor:
        keys, values = self.tell(self.norm(asked)).chunk(2, dim=-1)
        query, keys, values = (self._by_head(each) for each in (self.ask(self.norm(asking)), keys, values))
        found = functional.scaled_dot_product_attention(
            query, keys, values,
            attn_mask=None if there is None else there[:, None, None],
            dropout_p=self.rate if self.training else 0.0,
        )  # fmt: skip
        answer: Tensor = self.out(found.transpose(1, 2).flatten(2))
        return answer

    def _by_head(self, tokens: Tensor) -> Tensor:
        n, count, inner = tokens.shape
        return tokens.reshape(n, count, self.heads, inner // self.heads).transpose(1, 2)  # (N, heads, T, head_width)


def _feed_forward(width: int, shape: CrossVit) -> nn.Module:
    return nn.Sequential(
        nn.LayerNorm(width), nn.Linear(width, shape.hidden), nn.GELU(), nn.Dropout(shape.dropout),
        nn.Linear(shape.hidden, width), nn.Dropout(shape.dropout),
    )  # fmt: skip
