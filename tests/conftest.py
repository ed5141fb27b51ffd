"""What many tests start from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data: EMOLENS_DATA, else ../shared/data beside the project. Skips where there is none."""
    folder = Path(os.environ.get("EMOLENS_DATA") or Path(__file__).parents[1] / ".." / "shared" / "data").resolve()
    if not folder.is_dir():
        pytest.skip(f"real data is not here: set EMOLENS_DATA to its folder (looked for {folder.name} in ../shared)")
    return folder


@pytest.fixture(autouse=True, scope="session")
def _own_cache_of_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests prepare does not stay in the cache of whoever runs them; weights are still found there."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for module in ("given", "prepared"):
            patch.setattr(f"emolens.data.{module}.home", lambda: folder)
        yield
