"""The two commands of the README take what people type."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("name", ["my photo.jpg", "it's.jpg", 'a "b".jpg', "`id`;.jpg"])
def test_make_demo_takes_a_photo_of_any_name(tmp_path: Path, name: str) -> None:
    """An environment that counts as installed, and in the place of the command one that says what it was given."""
    command = tmp_path / "env" / "bin" / "emolens"
    command.parent.mkdir(parents=True)
    command.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    command.chmod(0o755)
    (tmp_path / "env" / ".installed").touch()
    said = subprocess.run(
        ["make", "-s", "-C", ROOT, "demo", f"DEMO={tmp_path / 'env'}", f"PHOTO={name}", "OUT=the results"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    arguments = ["analyze", name, "--out", "the results", "The annotated picture is in the results/"]
    assert said.stdout.splitlines() == arguments
