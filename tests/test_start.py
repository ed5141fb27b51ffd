"""Starting costs little because heavy libraries are loaded when they are first needed; this says which stay out."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    *("torch", "torchvision", "matplotlib", "cv2", "sklearn", "scipy", "pyarrow", "onnx", "skimage"),
    *("fastapi", "uvicorn", "av"),
)


def loaded_after(code: str) -> set[str]:
    """The heavy top-level modules that a fresh interpreter holds after running `code`."""
    report = f"import sys\nprint('LOADED', *[m for m in {HEAVY!r} if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True)
    return set(said.stdout.rpartition("LOADED")[2].split())


@pytest.mark.parametrize(
    "code",
    [
        "import emolens",
        "import emolens; emolens.open_image",
        "import emolens.cli",
        "import emolens.cli as c, sys\nsys.argv = ['emolens', '--help']\ntry: c.main()\nexcept SystemExit: pass",
    ],
    ids=["import", "open_image", "cli", "help"],
)
def test_starting_loads_nothing_heavy(code):
    assert loaded_after(code) == set()
