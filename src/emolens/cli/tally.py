"""Counts over the results of a run."""

from __future__ import annotations

from collections import Counter

from emolens.records import READ, PhotoResult, Prediction


class Tally:
    """Counts over the results of a run, so that none of them is kept."""

    def __init__(self) -> None:
        self.pictures = self.faces = 0
        self.statuses: Counter[str] = Counter()
        self.labels: Counter[str] = Counter()
        self.groups: Counter[str] = Counter()
        self.evoked: Counter[str] = Counter()

    def add(self, result: PhotoResult) -> None:
        """Count one picture."""
        self.pictures += 1
        self.faces += len(result.faces)
        self.statuses[result.status] += 1
        self.labels.update(spoken_label(p) for p in result.expressions)
        if result.group:
            self.groups[spoken_label(result.group.prediction)] += 1
        if result.evoked:
            self.evoked[spoken_label(result.evoked)] += 1

    @property
    def looked(self) -> bool:
        """Whether anybody looked for faces."""
        return bool(self.faces or self.statuses["no_face"] or not self.evoked)

    @property
    def unread(self) -> dict[str, int]:
        """How many pictures could not be read, by status."""
        return {s: n for s, n in self.statuses.items() if s not in READ}


def spoken_label(prediction: Prediction) -> str:
    """The label, or that there is none."""
    return "unsure" if prediction.abstained else prediction.label
