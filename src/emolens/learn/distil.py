"""Learning from a model beside the votes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from emolens.data.labelled import LabelledFaces
from emolens.errors import ModelError
from emolens.learn.config import Distil
from emolens.models.classifier import Classifier


class Teacher:
    """Models whose averaged answers stand beside the votes.

    Ten votes are a noisy sample of what people see; a teacher that saw all pictures smooths them (Hinton, Vinyals, Dean
    2015; Furlanello et al. 2018 for a teacher of the student's own kind). Raises `ModelError` for a teacher with other
    labels, or of other pictures, than `faces` have.
    """

    def __init__(self, settings: Distil, faces: LabelledFaces) -> None:
        for name in settings.teachers:
            if not Path(name).is_file():
                came = "a folder" if Path(name).is_dir() else "no such file"
                raise ModelError(f"distil.teacher={name}: {came}, needs an ONNX model, as 'emolens export' makes")
        self.models = [Classifier.load(Path(name), torch.get_num_threads()) for name in settings.teachers]
        self.weight = settings.weight
        size, colour = faces.images.shape[1], "grey" if faces.images.ndim == 3 else "rgb"
        for name, model in zip(settings.teachers, self.models, strict=True):
            if model.classes.classes != faces.taxonomy.classes:
                raise ModelError(
                    f"distil.teacher={name}: teaches {', '.join(model.classes.classes)}; "
                    f"the data has {faces.taxonomy.name}"
                )
            if (model.card.size, model.card.colour) != (size, colour):
                raise ModelError(
                    f"distil.teacher={name}: sees {model.card.colour} faces of {model.card.size} px, the student "
                    f"{colour} ones of {size} px; both must see the same"
                )

    def __deepcopy__(self, memo: dict[int, object]) -> Teacher:
        """Itself: the running average of weights copies the task, and a teacher never changes."""
        return self

    def about(self, images: Tensor, targets: Tensor) -> Tensor:
        """Targets (N, K) that are part votes, part what is said of these very views (N, C, H, W), from 0 to 255.

        A student that is taught about the view it sees learns the teacher's function, not its answers by heart (Beyer
        et al. 2022, arXiv 2106.05237).
        """
        frames = images.detach().clamp(0, 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        said = self._say(frames[..., 0] if frames.shape[3] == 1 else frames)
        return torch.lerp(targets, torch.from_numpy(said).to(targets), self.weight)

    def of(self, faces: LabelledFaces) -> LabelledFaces:
        """`faces` with targets that are part votes, part the answers to a picture and to its mirror image."""
        views = (faces.images, np.ascontiguousarray(faces.images[:, :, ::-1]))
        said = np.mean([self._say(view) for view in views], axis=0)
        mixed = (1 - self.weight) * faces.targets + self.weight * said
        return replace(faces, targets=mixed.astype(np.float32))

    def _say(self, frames: np.ndarray) -> np.ndarray:
        """The mean of the models' distributions, (N, K), about frames as `Classifier.predict` takes them."""
        return np.asarray(np.mean([model.predict(frames)[0] for model in self.models], axis=0))
