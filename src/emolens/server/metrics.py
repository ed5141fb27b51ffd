"""What Prometheus reads: numbers about requests and pictures, and nothing about what was in them."""

from __future__ import annotations

from contextlib import AbstractContextManager

from prometheus_client import CONTENT_TYPE_LATEST as CONTENT_TYPE
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["CONTENT_TYPE", "Metrics"]

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The counters of one service, in a registry of its own: two services in a process do not add up."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("emolens_requests", "Requests answered.", ["path", "status"], registry=self.registry)
        self.seconds = Histogram(
            "emolens_request_seconds", "From the first byte to the answer.", ["path"], buckets=SECONDS,
            registry=self.registry,
        )  # fmt: skip
        self.pictures = Counter(
            "emolens_pictures", "Pictures by what became of them.", ["status"], registry=self.registry
        )
        self.faces = Counter("emolens_faces", "Faces answered.", registry=self.registry)
        self.inside = Gauge("emolens_requests_inside", "Requests waiting or being answered.", registry=self.registry)
        self.batches = Histogram(
            "emolens_batch_pictures", "Pictures that went through the models together.",
            buckets=(1, 2, 4, 8, 16, 32), registry=self.registry,
        )  # fmt: skip
        self._stages = Histogram(
            "emolens_stage_seconds", "Decoding, looking for faces, judging them.", ["stage"], buckets=SECONDS,
            registry=self.registry,
        )  # fmt: skip

    def stage(self, name: str) -> AbstractContextManager[object]:
        """Times a stage of the worker."""
        return self._stages.labels(name).time()

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)
