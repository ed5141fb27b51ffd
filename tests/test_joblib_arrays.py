"""Arrays come out of joblib files as joblib reads them; whatever else a pickle may do is refused and not done."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import joblib
import lz4.frame
import numpy as np
import pytest

from emolens.errors import ChecksumError, ModelError
from emolens.faces.joblib_arrays import read_arrays
from emolens.faces.mtcnn_weights import SHA256, read_weights, weight_file


class Attack:
    """Unpickling it would leave a file behind."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.trace}",)


def dumped(value: Any, folder: Path, compress: Any = 0) -> bytes:
    joblib.dump(value, folder / "file", compress=compress)
    return (folder / "file").read_bytes()


ARRAYS = [
    np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    np.asfortranarray(np.arange(6, dtype=np.float64).reshape(2, 3)),
    np.array([], np.int64),
    np.array([7], np.int32),
    np.ones((300, 2), np.float16),
]


@pytest.mark.parametrize("compress", [0, ("lz4", 1)])
@pytest.mark.parametrize("kind", [list, tuple])
def test_lists_of_arrays_come_out_as_they_went_in(tmp_path: Path, compress: Any, kind: type):
    found = read_arrays(dumped(kind(ARRAYS), tmp_path, compress))
    assert len(found) == len(ARRAYS)
    for ours, theirs in zip(found, ARRAYS, strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype


@pytest.mark.parametrize("net", sorted(SHA256))
def test_the_weights_are_what_joblib_reads(net: str):
    for ours, theirs in zip(read_weights(net), joblib.load(weight_file(net)), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_that_runs_a_command_is_refused_and_not_run(tmp_path: Path, protocol: int):
    trace = tmp_path / "trace"
    for content in (Attack(trace), [ARRAYS[0], Attack(trace)], [Attack(trace), ARRAYS[0]]):
        file = tmp_path / "attack"
        joblib.dump(content, file, protocol=protocol)
        for stored in (file.read_bytes(), lz4.frame.compress(file.read_bytes())):
            with pytest.raises(ModelError, match="not a joblib file of a list of arrays"):
                read_arrays(stored, "attack")
    assert not trace.exists()
    joblib.load(file)  # the attack is a real one
    assert trace.exists()


def test_known_names_are_tokens_and_cannot_be_called(tmp_path: Path):
    for value in ([np.dtype("f4")], [np.ndarray], np.float32(3), [np.array(["a", None], object)]):
        with pytest.raises(ModelError):
            read_arrays(dumped(value, tmp_path))


@pytest.mark.parametrize("value", [3, "text", {"a": ARRAYS[0]}, [1, 2], [[ARRAYS[0]]], [ARRAYS[0], None], {1}, b"x"])
def test_what_is_no_list_of_arrays_is_refused(tmp_path: Path, value: Any):
    with pytest.raises(ModelError, match="not a joblib file of a list of arrays"):
        read_arrays(dumped(value, tmp_path), "weights")


def test_every_truncation_is_refused(tmp_path: Path):
    content = dumped([np.arange(5, dtype=np.float32)], tmp_path)
    for length in range(len(content)):
        with pytest.raises(ModelError):
            read_arrays(content[:length])


def test_noise_never_gets_through(tmp_path: Path):
    rng = np.random.default_rng(0)
    content = bytearray(dumped([np.arange(5, dtype=np.float32)], tmp_path))
    for _ in range(3000):
        changed = bytearray(content)
        changed[rng.integers(len(content))] = rng.integers(256)
        try:
            found = read_arrays(bytes(changed))
        except ModelError:
            continue
        assert all(isinstance(one, np.ndarray) for one in found)


def test_an_array_may_not_claim_more_bytes_than_there_are():
    content = pickle.dumps([np.zeros(3, np.float32)], protocol=4)
    with pytest.raises(ModelError):  # a plain pickle of an array calls numpy's own constructor, which joblib's does not
        read_arrays(content)
    with pytest.raises(ModelError):
        read_arrays(lz4.frame.compress(bytes(1 << 20)))


def test_other_bytes_than_the_pinned_ones_are_refused(tmp_path: Path):
    changed = bytearray(weight_file("pnet").read_bytes())
    changed[1000] ^= 1
    (tmp_path / "pnet.lz4").write_bytes(changed)
    with pytest.raises(ChecksumError, match="not the pinned"):
        read_weights("pnet", tmp_path / "pnet.lz4")
    with pytest.raises(ModelError, match="No such file"):
        read_weights("pnet", tmp_path / "absent.lz4")
