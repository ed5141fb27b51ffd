"""Pictures in memory, or mapped from disk, with the distribution of their labels: what is learnt from and judged on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from emolens.errors import DataError, LabelError
from emolens.taxonomy import Taxonomy, convert


@dataclass(frozen=True, slots=True, eq=False)
class LabelledFaces:
    """Pictures of faces with the distribution of their labels.

    `ids` (N,) str, unique; `images` uint8 (N, H, W) grey or (N, H, W, 3) RGB; `targets` float32 (N, K), each row sums
    to 1; `split` names the part. `origin` (N,) str names the data set that each row is from, where they are of several.
    """

    ids: np.ndarray
    images: np.ndarray
    targets: np.ndarray
    taxonomy: Taxonomy
    split: str
    origin: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def keep(self, mask: np.ndarray) -> LabelledFaces:
        """The rows where `mask` (N,) is true, or those at the places that it names, in their order."""
        origin = None if self.origin is None else self.origin[mask]
        return replace(self, ids=self.ids[mask], images=self.images[mask], targets=self.targets[mask], origin=origin)

    def expressed_in(self, taxonomy: Taxonomy) -> LabelledFaces:
        """The rows whose top class is in `taxonomy`, their targets in its classes and summing to 1 again.

        Raises `LabelError` where a class of `taxonomy` is not in the data: no row could teach it.
        """
        missing = [name for name in taxonomy.classes if name not in self.taxonomy.classes]
        if missing:
            raise LabelError(
                f"{self.taxonomy.name} has no {', '.join(missing)}; choose classes out of "
                f"{', '.join(self.taxonomy.classes)}"
            )
        tops = np.array([self.taxonomy.classes[at] in taxonomy.classes for at in self.targets.argmax(axis=1)], bool)
        kept = self.keep(tops)
        targets, _ = convert(kept.targets, self.taxonomy, taxonomy)
        return replace(kept, targets=targets, taxonomy=taxonomy)


def digests(images: np.ndarray) -> list[bytes]:
    """16 bytes for each picture (N, H, W, ...), alike where all pixels are."""
    return [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images]


def stacked(parts: Sequence[LabelledFaces], split: str) -> LabelledFaces:
    """Rows of parts with the same classes and size of pictures, one part after the other, as one split."""
    origins = [part.origin for part in parts if part.origin is not None]
    return replace(
        parts[0],
        ids=np.concatenate([part.ids for part in parts]),
        images=np.concatenate([part.images for part in parts]),
        targets=np.concatenate([part.targets for part in parts]),
        origin=np.concatenate(origins) if len(origins) == len(parts) else None,
        split=split,
    )


def joined(parts: dict[str, LabelledFaces]) -> LabelledFaces:
    """Rows of several data sets as one; ids are `<set>/<id>`. Raises `DataError` where pictures or classes differ."""
    first = next(iter(parts.values()))
    for name, part in parts.items():
        if part.taxonomy.classes != first.taxonomy.classes or part.images.shape[1:] != first.images.shape[1:]:
            raise DataError(
                f"{name}: {part.taxonomy.name} at {part.images.shape[1:]}, the first set has "
                f"{first.taxonomy.name} at {first.images.shape[1:]}; express them in the same classes and size"
            )
    named = [
        replace(part, ids=np.array([f"{name}/{one}" for one in part.ids]), origin=np.full(len(part), name))
        for name, part in parts.items()
    ]
    return stacked(named, first.split)
