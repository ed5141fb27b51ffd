"""A net with its card: opened, checked against it, and asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import onnxruntime as ort

from emolens.errors import CardError, ChecksumError, LabelError, ModelError
from emolens.models.card import EVIDENCE, METADATA_KEY, ModelCard
from emolens.models.prior import shifted, trained_prior
from emolens.models.session import Net, open_session
from emolens.places import sha256
from emolens.taxonomy import Taxonomy

if TYPE_CHECKING:
    from typing_extensions import Self  # in the standard library from Python 3.11 on

ROWS_ON_ONE_CORE = 8
"""Frames that one core takes in one run: what they need fits in its cache. 32 faces of 48 px take a twentieth more
processor time in one run than in four, and four times the memory, which two threads may need at once."""


class Classifier:
    """A net that gives logits over the labels of its card, for frames of the size and colour of its card.

    Holds ONNX Runtime sessions, which many threads may use at once. `classes` is the taxonomy of its logits, `name`
    what results call it, `outputs` names all that the file gives, `sha256` is the hex digest of the file and `sha` its
    first twelve digits; `provider` is ONNX Runtime's name for the device that it runs on, such as CPUExecutionProvider.
    """

    ANSWER: ClassVar = "logits"
    """The output without which a file is refused."""

    def __init__(self, card: ModelCard, net: Net, digest: str, where: str) -> None:
        self.card = card
        self.name = card.name
        self._population: np.ndarray | None = None
        self.classes = _checked_classes(card, where)
        self.sha256 = digest
        session = net.all_cores
        self.provider: str = session.get_providers()[0]
        self.outputs = tuple(str(output.name) for output in session.get_outputs())
        self._net, self._session = net, session
        self._input = self._checked(where)
        self._one_by_one = session.get_inputs()[0].shape[0] == 1
        channels = len(card.mean)
        self._mean = np.array(card.mean, np.float32).reshape(1, channels, 1, 1)
        self._scale = 1 / np.array(card.std, np.float32).reshape(1, len(card.std), 1, 1)
        self._check_outputs(where)

    @classmethod
    def load(cls, path: Path | str, threads: int | None = None) -> Self:
        """Open an ONNX file with its card: `model.json` beside `model.onnx`, or in the metadata of the file.

        Raises `ModelError` where the file is missing or no model, `CardError` where it has no card or another one than
        it needs, `ChecksumError` where its bytes are not those that the card states.
        """
        path = Path(path)
        if not path.is_file():
            raise ModelError(f"{path}: no such model file; 'emolens models list' shows what is here")
        digest = sha256(path)
        net = Net(path, threads)
        card = read_card(path, net.all_cores)
        _check_same(card, net.all_cores, str(path))
        if card.sha256 and card.sha256 != digest:
            raise ChecksumError(
                f"{path}: sha256 is {digest[:12]}..., its card states {card.sha256[:12]}...; the file and the card "
                "are not from one export: take both from the same place again"
            )
        return cls(card, net, digest, str(path))

    @property
    def sha(self) -> str:
        """The first twelve hex digits of `sha256`."""
        return self.sha256[:12]

    def predict(self, frames: np.ndarray, batch_size: int = 32) -> tuple[np.ndarray, np.ndarray]:
        """Classify frames, uint8 (F, h, w) for a grey net or RGB (F, h, w, 3), in runs of `batch_size`.

        Returns the distributions, float32 (F, K), and the confidences in the top labels, float32 (F,).
        """
        return self.judged(self.logits(frames, batch_size))

    def judged(self, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The calibrated distributions, float32 (F, K), and confidences, float32 (F,), of logits (F, K)."""
        confidence = softmax(logits / self.card.confidence_temperature).max(axis=1, initial=0)
        distributions = softmax(logits / self.card.temperature)
        if self._population is None:
            return distributions, confidence
        return shifted(distributions, confidence, trained_prior(self.card.prior, self.card.name), self._population)

    def for_population(self, shares: np.ndarray, name: str) -> Classifier:
        """The same net for people among whom the classes have these shares (K,); see `emolens.models.prior`.

        `name` is added to the model's. Raises `OptionError` where the card does not say what shares it learnt from.
        """
        trained_prior(self.card.prior, self.card.name)
        other = copy(self)
        other._population, other.name = shares, f"{self.card.name}, prior {name}"
        return other

    def on_one_core(self) -> Self:
        """The same net, run by the thread that calls it alone; see `Net`."""
        other = copy(self)
        other._session = self._net.one_core
        return other

    def logits(self, frames: np.ndarray, batch_size: int = 32) -> np.ndarray:
        """The raw outputs, float32 (F, K), for frames as in `predict`."""
        empty = np.empty((0, len(self.card.labels)), np.float32)
        return np.concatenate([empty, *(part["logits"] for part in self._runs(frames, ("logits",), batch_size))])

    def answers(self, frames: np.ndarray, names: Sequence[str], batch_size: int = 32) -> dict[str, np.ndarray]:
        """Several of `outputs` from one run, each float32 (F, ...), for one frame or more as in `predict`."""
        parts = list(self._runs(frames, names, batch_size))
        return {name: np.concatenate([part[name] for part in parts]) for name in names}

    def _runs(self, frames: np.ndarray, names: Sequence[str], batch_size: int) -> Iterator[dict[str, np.ndarray]]:
        most = batch_size if self._session is self._net.all_cores else min(batch_size, ROWS_ON_ONE_CORE)
        step = 1 if self._one_by_one else max(1, most)
        for start in range(0, len(frames), step):
            yield dict(zip(names, self._run(frames[start : start + step], names), strict=True))

    def _run(self, frames: np.ndarray, names: Sequence[str]) -> list[np.ndarray]:
        planes = frames[:, None] if self.card.colour == "grey" else frames.transpose(0, 3, 1, 2)
        values = (planes.astype(np.float32) - self._mean) * self._scale
        run = self._net.run if self._session is self._net.all_cores else self._session.run
        found: list[np.ndarray] = run(list(names), {self._input: np.ascontiguousarray(values)})
        return found

    def _checked(self, where: str) -> str:
        """The name of the input, once those of the file fit the card."""
        return _checked_input(self._session, self.card, where, self.ANSWER)

    def _check_outputs(self, where: str) -> None:
        """Run one blank frame: what a net gives is surer than what its file declares."""
        size, colours = self.card.size, () if self.card.colour == "grey" else (3,)
        names = [name for name in self._shapes() if name in self.outputs]
        try:
            found = self._run(np.zeros((1, size, size, *colours), np.uint8), names)
        except Exception as error:  # ONNX Runtime raises a dozen classes of its own
            reason = " ".join(str(error).split())
            raise CardError(f"{where}: does not run on the input that its card states ({reason})") from None
        for name, output in zip(names, found, strict=True):
            wanted, means = self._shapes()[name]
            if not _fits(list(output.shape), wanted):
                raise CardError(
                    f"{where}: {name!r} has shape {output.shape} for one frame, needs {wanted} ({means}); the "
                    "card is of another model"
                )

    def _shapes(self) -> dict[str, tuple[tuple[int | None, ...], str]]:
        """The shape of each output that is used, for one frame, None where any size will do; and what it means."""
        classes = len(self.card.labels)
        means = f"the card names {classes} labels"
        return {
            "logits": ((1, classes), means),
            "values": ((1, 2), "valence and arousal"),
            EVIDENCE: ((1, classes, None, None), means),
        }


def softmax(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis, float32 (..., K)."""
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True, initial=-np.inf))
    shares: np.ndarray = powers / powers.sum(axis=-1, keepdims=True)
    return shares.astype(np.float32)


def read_card(path: Path, session: ort.InferenceSession | None = None) -> ModelCard:
    """The card of an ONNX file: the JSON beside it, else the one in its metadata. Raises `CardError` without either."""
    beside = path.with_suffix(".json")
    if beside.is_file():
        return ModelCard.read(beside)
    session = session or open_session(path)
    inside = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if inside is None:
        raise CardError(
            f"{path}: has no model card, neither {beside.name} beside it nor '{METADATA_KEY}' in its metadata, and its "
            "labels cannot be guessed; 'emolens export' writes a model with its card"
        )
    return ModelCard.parse(inside, str(path))


def _check_same(card: ModelCard, session: ort.InferenceSession, where: str) -> None:
    """Raises `CardError` where the card beside a file names other labels or another input than the one inside it."""
    inside = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if inside is None:
        return
    first = ModelCard.parse(inside, where)
    for name in ("task", "labels", "size", "colour", "picture", "inputs", "mean", "std"):
        if getattr(card, name) != getattr(first, name):
            raise CardError(
                f"{where}: the card beside it and the card inside it differ in {name}; take both files from the same "
                "place again, or remove the card beside it"
            )


def _checked_classes(card: ModelCard, where: str) -> Taxonomy:
    try:
        return card.classes
    except LabelError as error:
        raise CardError(f"{where}: labels of its card: {error}") from None


def _checked_input(session: ort.InferenceSession, card: ModelCard, where: str, answer: str) -> str:
    """The name of the one input, once its declared type and shape fit the card and `answer` is among the outputs."""
    inputs, outputs = session.get_inputs(), [output.name for output in session.get_outputs()]
    channels = 1 if card.colour == "grey" else 3
    wanted = (None, channels, card.size, card.size)
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or not _fits(inputs[0].shape, wanted):
        came = ", ".join(f"{each.name} {each.type} {each.shape}" for each in inputs)
        raise CardError(f"{where}: takes {came}; its card states float32 (N, {channels}, {card.size}, {card.size})")
    if answer not in outputs:
        raise CardError(f"{where}: gives {', '.join(outputs)}; an output {answer!r} is needed")
    if {len(card.mean), len(card.std)} - {1, channels}:
        raise CardError(f"{where}: mean and std of the card need 1 or {channels} values for {card.colour} frames")
    return str(inputs[0].name)


def _fits(shape: list[int | str | None], wanted: tuple[int | None, ...]) -> bool:
    """Whether a declared shape, whose free axes are names or None, admits the wanted one; N is free or 1."""
    if len(shape) != len(wanted) or (isinstance(shape[0], int) and shape[0] != 1):
        return False
    return all(not isinstance(a, int) or b is None or a == b for a, b in zip(shape, wanted, strict=True))
