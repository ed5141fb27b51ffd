"""Columns laid out by hand are those that Arrow itself would make."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from emolens.columnar import column, lists

pa = pytest.importorskip("pyarrow", reason="needs the extra tables")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["a", None, "", "Füße 表情"], pa.string()),
        ([b"\x00\xff", None, b""], pa.binary()),
        ([1, None, -3], pa.int32()),
        ([0.5, None, float("nan")], pa.float32()),
        ([None, None], pa.string()),
        ([], pa.float64()),
        ([7] * 70, pa.int64()),
    ],
)
def test_a_column_is_what_arrow_makes_of_the_values(values: list[object], kind: pa.DataType) -> None:
    made, wanted = column(values, kind), pa.array(values, kind)
    made.validate(full=True)
    assert made.type == kind
    assert str(made) == str(wanted)


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.list_(pa.list_(pa.int32(), 2))])
def test_lists_are_what_arrow_makes_of_them(kind: pa.DataType) -> None:
    cells = [np.arange(6).reshape(3, 2), np.zeros((0, 2)), np.ones((1, 2))]
    cells = cells if pa.types.is_fixed_size_list(kind.value_type) else [cell.ravel() for cell in cells]
    made = lists(cells, kind)
    made.validate(full=True)
    assert made.equals(pa.array([cell.tolist() for cell in cells], kind))
    assert lists([], kind).equals(pa.array([], kind))


def test_they_are_made_without_pandas(tmp_path: Path) -> None:
    (tmp_path / "pandas.py").write_text("raise SystemExit('pandas was imported')")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import numpy, pyarrow\n"
        "from emolens.columnar import column, lists\n"
        "column(['a', None], pyarrow.string()); lists([numpy.ones(2)], pyarrow.list_(pyarrow.float32()))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
