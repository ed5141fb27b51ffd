"""What a run over folders leaves out, so that it is not left out in silence."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence


def videos_below(sources: Sequence[str]) -> list[str]:
    """The videos in folders among `sources`, which are asked for pictures; hidden files and folders are left out."""
    from emolens.video import is_video

    folders = [source for source in sources if os.path.isdir(source)]  # noqa: PTH112  a name may be no text
    return [path for folder in folders for path in _files(folder) if is_video(path)]


def _files(folder: str) -> Iterator[str]:
    for place, below, names in os.walk(folder):
        below[:] = sorted(name for name in below if not name.startswith("."))
        yield from (os.path.join(place, name) for name in sorted(names) if not name.startswith("."))  # noqa: PTH118
