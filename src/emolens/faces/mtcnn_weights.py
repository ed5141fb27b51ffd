"""The weights of MTCNN: where the wheel of `mtcnn` keeps them, and the graphs made of them, kept in the cache."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
from pathlib import Path

import numpy as np

from emolens.errors import ChecksumError, ModelError, OutputError
from emolens.faces.joblib_arrays import read_arrays
from emolens.files import replacing
from emolens.models.catalogue import MTCNN as PINNED
from emolens.places import home

SHA256 = {file.name.removesuffix(".lz4"): file.sha256 for file in PINNED.files}
GRAPHS = ("planes", "halve", "pnet", "crop24", "rnet", "crop48", "onet", "nms")
SUM = "graphs.sha256"  # a graph with a flipped bit still runs, and answers something else


def weight_file(net: str) -> Path:
    """Where the wheel of `mtcnn` keeps `pnet`, `rnet` or `onet`. The package is looked up, never imported."""
    try:
        wheel = importlib.metadata.distribution("mtcnn")
    except importlib.metadata.PackageNotFoundError:
        raise ModelError("MTCNN's weights come with the package mtcnn, which is not here: pip install mtcnn") from None
    return Path(str(wheel.locate_file(f"mtcnn/assets/weights/{net}.lz4")))


def read_weights(net: str, path: Path | None = None) -> list[np.ndarray]:
    """The arrays of `pnet`, `rnet` or `onet` in the order of the layers, from the wheel or from `path`.

    Raises `ChecksumError` where the bytes are not the pinned ones, `ModelError` where there are none.
    """
    path = path or weight_file(net)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}; MTCNN needs it: pip install --force-reinstall mtcnn") from None
    if (digest := hashlib.sha256(content).hexdigest()) != SHA256[net]:
        raise ChecksumError(
            f"{path}: sha256 {digest[:12]} is not the pinned {SHA256[net][:12]}; "
            "pip install --force-reinstall mtcnn==1.0.0"
        )
    return read_arrays(content, str(path))


def load_graphs() -> dict[str, bytes]:
    """The graphs of the cascade by name, from the cache or, where it lacks or has damaged one, built and put there.

    A cache that cannot be written costs the time of building (0.1 s) and nothing else.
    """
    folder = cache_folder()
    with contextlib.suppress(OSError):
        kept = {name: (folder / f"{name}.onnx").read_bytes() for name in GRAPHS}
        if (folder / SUM).read_bytes() == _digest(kept):
            return kept
    from emolens.faces.mtcnn_graphs import build_graphs  # loads onnx, which a filled cache makes needless

    graphs = build_graphs(read_weights)
    with contextlib.suppress(OutputError):
        for name, content in graphs.items():
            with replacing(folder / f"{name}.onnx") as draft:
                draft.write_bytes(content)
        with replacing(folder / SUM) as draft:
            draft.write_bytes(_digest(graphs))
    return graphs


def _digest(graphs: dict[str, bytes]) -> bytes:
    return hashlib.sha256(b"".join(graphs[name] for name in GRAPHS)).hexdigest().encode()


def cache_folder() -> Path:
    """Named by what the graphs are made of: the weights, and the file that builds them."""
    builder = Path(__file__).with_name("mtcnn_graphs.py")
    made_of = "".join(SHA256.values()).encode() + (builder.read_bytes() if builder.is_file() else b"")
    return home() / f"mtcnn-{hashlib.sha256(made_of).hexdigest()[:12]}"
