"""Services that tests start: with a net that is made on the spot, in the process or behind a real socket."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
from fastapi import FastAPI
from PIL import Image
from starlette.testclient import TestClient

from emolens.analyzer import Analyzer
from emolens.records import Face
from emolens.server.app import create_app
from emolens.server.running import open_socket, server_of
from emolens.server.service import Service
from fakes import linear_model

HOME = "http://localhost"


class TwoFaces:
    """A detector that finds two faces in every picture of 60 px or more, and none in smaller ones."""

    name = "two"

    def __init__(self) -> None:
        self.batches: list[int] = []

    def detect(self, image: np.ndarray) -> list[Face]:
        return self.detect_batch([image])[0]

    def detect_batch(self, images: Sequence[np.ndarray]) -> list[list[Face]]:
        self.batches.append(len(images))
        boxes = [np.array([x, 10, x + 20, 34], np.float32) for x in (5, 32)]
        faces = [Face(box, 0.9 - n / 10) for n, box in enumerate(boxes)]
        return [list(faces) if min(image.shape[:2]) >= 60 else [] for image in images]


def linear_analyzer(folder: Path, detector: Any = None) -> Analyzer:
    """An analyzer with a net of random weights."""
    return Analyzer(detector=detector or TwoFaces(), models=[linear_model(folder / "linear.onnx")])


def picture(width: int = 64, height: int = 64, seed: int = 0) -> np.ndarray:
    """Noise, RGB uint8 (H, W, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def encoded(pixels: np.ndarray, form: str = "PNG") -> bytes:
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, form)
    return written.getvalue()


PNG = encoded(picture())


@contextmanager
def client_of(analyzer: Analyzer, **bounds: Any) -> Iterator[TestClient]:
    """A client of a service in this process."""
    with TestClient(create_app(analyzer, Service(**bounds)), base_url=HOME) as client:
        yield client


@contextmanager
def served(app: FastAPI) -> Iterator[int]:
    """The port of a service behind a real socket of this machine."""
    sock = open_socket("127.0.0.1", 0)
    server = server_of(app)
    thread = Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    try:
        yield sock.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        sock.close()
