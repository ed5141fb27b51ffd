"""A net that says how a group looks, from several inputs by name, with its card."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from emolens.errors import CardError
from emolens.models.classifier import Classifier

FACES = 15
"""Faces that a net takes; of more the best are taken, of fewer the rest is masked."""
FRAME = (112, 96)
TYPES = {"mask": "tensor(bool)"}
"""Of inputs that are not float32."""


class GroupNet(Classifier):
    """A net whose inputs are those that its card names, see `models.card.GroupInput`; its output is `logits`.

    Raises `CardError` where the card names no inputs, or others than the file has.
    """

    def told(self, inputs: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """The distributions, float32 (N, K), and confidences, float32 (N,), of N groups, each input uint8 or bool.

        `image` is RGB (N, size, size, 3), `faces` (N, 15, 112, 96, 3), `mask` (N, 15).
        """
        groups = range(len(inputs[self._inputs[0]]))
        parts = ({name: rows[at : at + 1] for name, rows in inputs.items()} for at in groups)  # memory stays flat
        return self.judged(np.concatenate([self._run_groups(part) for part in parts]))

    @property
    def _inputs(self) -> tuple[str, ...]:
        return self.card.inputs

    def _run_groups(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        given = {name: inputs[name] if name == "mask" else _planes(inputs[name]) for name in self._inputs}
        logits: np.ndarray = self._session.run([self.ANSWER], given)[0]
        return logits

    def _checked(self, where: str) -> str:
        found = {each.name: each.type for each in self._session.get_inputs()}
        wanted = {name: TYPES.get(name, "tensor(float)") for name in self._inputs}
        if not wanted or found != wanted:
            came = ", ".join(f"{name} {kind}" for name, kind in found.items())
            named = ", ".join(f"{name} {kind}" for name, kind in wanted.items()) or "no inputs"
            raise CardError(f"{where}: takes {came}; its card states {named}; 'emolens export' writes both alike")
        return self._inputs[0]

    def _check_outputs(self, where: str) -> None:
        size = self.card.size
        blank = {
            "image": np.zeros((1, size, size, 3), np.uint8),
            "skeleton": np.zeros((1, size, size, 3), np.uint8),
            "faces": np.zeros((1, FACES, *FRAME, 3), np.uint8),
            "mask": np.arange(FACES)[None] < 1,
        }
        try:
            found = self._run_groups(blank)
        except Exception as error:  # ONNX Runtime raises a dozen classes of its own
            reason = " ".join(str(error).split())
            raise CardError(f"{where}: does not run on the inputs that its card states ({reason})") from None
        if found.shape != (1, len(self.card.labels)):
            raise CardError(
                f"{where}: 'logits' has shape {found.shape} for one group, its card names {len(self.card.labels)} "
                "labels; the card is of another model"
            )


def _planes(pixels: np.ndarray) -> np.ndarray:
    """uint8 (..., H, W, 3) as float32 (..., 3, H, W)."""
    return np.ascontiguousarray(np.moveaxis(pixels, -1, -3), np.float32)
