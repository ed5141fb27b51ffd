"""Face detectors beside each other: the same pictures, the same run, image by image in random order.

    python benchmarks/detectors.py --facenet-python VENV/bin/python --mtcnn-python VENV/bin/python --yunet FILE.onnx

Each detector lives in a process of its own, peers with their own interpreter (recent torch and TensorFlow abort in one
process), and gets the same pixels through a pipe; the clock runs inside, around the detection alone. Peers are left at
their defaults: smallest face 20 px and the thresholds .6 .7 .7 (facenet-pytorch) and .6 .7 .8 (mtcnn).

Pictures: faces_in_groups (WIDER FACE val) at 640 px of width, INTER_AREA. A true face that is marked invalid or lower
than 20 px is ignored: missing it is no error and neither is finding it; an unmatched detection lower than 20 px is
ignored too. AP is the area under the interpolated precision-recall curve at IoU 0.5. Intervals are 95 %, by bootstrap
over pictures.
"""

from __future__ import annotations

import argparse
import json
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from peers import ROOT, Answers, Worker, bootstrap, interleaved, serve

LOWEST, IOU = 20, 0.5
Detect = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
RATIOS = [("facenet-pytorch", "emolens mtcnn"), ("mtcnn", "emolens mtcnn"), ("emolens yunet", "opencv yunet")]

# ---- in the worker: one detector; boxes (N, 4) x1 y1 x2 y2 and scores (N,)


def emolens_detector(name: str, options: dict[str, Any]) -> Detect:
    from emolens.faces import load_detector

    detector = load_detector(name, **options)

    def detect(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        faces = detector.detect(image)
        return np.array([face.box for face in faces]).reshape(-1, 4), np.array([face.score for face in faces])

    return detect


def facenet(threads: int) -> Detect:
    import torch
    from facenet_pytorch import MTCNN

    torch.set_num_threads(threads)
    detector = MTCNN(keep_all=True, device="cpu")

    def detect(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        boxes, scores = detector.detect(image)
        return (np.zeros((0, 4)), np.zeros(0)) if boxes is None else (boxes, scores)

    return detect


def mtcnn(threads: int) -> Detect:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf
    from mtcnn import MTCNN

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    detector = MTCNN()

    def detect(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        faces = detector.detect_faces(image)
        boxes = np.array([face["box"] for face in faces], float).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        return boxes, np.array([face["confidence"] for face in faces], float)

    return detect


def opencv_yunet(threads: int, file: str) -> Detect:
    import cv2

    cv2.setNumThreads(threads)
    detector = cv2.FaceDetectorYN.create(file, "", (320, 320), 0.6, 0.3, 5000)

    def detect(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        detector.setInputSize((image.shape[1], image.shape[0]))
        faces = detector.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1]
        faces = np.zeros((0, 15)) if faces is None else faces
        return np.concatenate([faces[:, :2], faces[:, :2] + faces[:, 2:4]], axis=1), faces[:, 14]

    return detect


def make(name: str, threads: int, yunet: str) -> Detect:
    return {
        "emolens mtcnn": lambda: emolens_detector("mtcnn", {"threads": threads}),
        "emolens yunet": lambda: emolens_detector("yunet", {"path": yunet}),
        "facenet-pytorch": lambda: facenet(threads),
        "mtcnn": lambda: mtcnn(threads),
        "opencv yunet": lambda: opencv_yunet(threads, yunet),
    }[name]()


def work(name: str, threads: int, yunet: str) -> None:
    detect = make(name, threads, yunet)

    def answer(question: bytes) -> dict[str, Any]:
        boxes, scores = detect(unpacked(question))
        return {"boxes": boxes.tolist(), "scores": scores.tolist()}

    serve(answer, {})


def packed(image: np.ndarray) -> bytes:
    return struct.pack("<II", *image.shape[:2]) + image.tobytes()


def unpacked(question: bytes) -> np.ndarray:
    return np.frombuffer(question, np.uint8, offset=8).reshape(*struct.unpack_from("<II", question), 3).copy()


# ---- in the parent: pictures, workers, figures


def read_pictures(folder: Path, width: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Pictures at `width`, true boxes (N, 4), and which of them are ignored."""
    import cv2

    pictures = []
    for name, entry in json.loads((folder / "boxes.json").read_text()).items():
        image = cv2.imread(str(folder / "images" / name))[..., ::-1]
        scale = width / image.shape[1]
        image = cv2.resize(image, (width, round(image.shape[0] * scale)), interpolation=cv2.INTER_AREA)
        boxes = np.array(entry["boxes_xywh"], float) * scale
        ignored = np.array(entry["invalid"], bool) | (boxes[:, 3] < LOWEST)
        boxes[:, 2:] += boxes[:, :2]
        pictures.append((np.ascontiguousarray(image), boxes, ignored))
    return pictures


def overlaps(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Intersection over union, (N, M)."""
    corner = np.maximum(ours[:, None, :2], theirs[None, :, :2])
    both = np.clip(np.minimum(ours[:, None, 2:], theirs[None, :, 2:]) - corner, 0, None).prod(axis=2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (ours, theirs)]
    return np.asarray(both / (areas[0][:, None] + areas[1][None] - both))


def judged(answer: dict[str, Any], truth: np.ndarray, ignored: np.ndarray) -> tuple[np.ndarray, int]:
    """Rows (score, 1 for a hit or 0) of one picture, and how many true faces there are to find."""
    boxes, scores = np.array(answer["boxes"]).reshape(-1, 4), np.array(answer["scores"])
    shared, taken, rows = overlaps(boxes, truth), np.zeros(len(truth), bool), []
    for i in np.argsort(-scores, kind="stable"):
        free = np.where(taken | ignored, 0, shared[i])
        if len(free) and free.max() >= IOU:
            taken[free.argmax()] = True
            rows.append((scores[i], 1.0))
        elif not (shared[i][ignored] >= IOU).any() and boxes[i, 3] - boxes[i, 1] >= LOWEST:
            rows.append((scores[i], 0.0))
    return np.array(rows).reshape(-1, 2), int((~ignored).sum())


def quality(pictures: list[tuple[np.ndarray, int]]) -> np.ndarray:
    """AP, recall, precision over pictures."""
    rows = np.concatenate([rows for rows, _ in pictures])
    hits = rows[np.argsort(-rows[:, 0], kind="stable"), 1]
    wanted, found = sum(n for _, n in pictures), np.cumsum(hits)
    precision = np.maximum.accumulate((found / np.arange(1, len(hits) + 1))[::-1])[::-1]
    return np.array([(precision * hits).sum() / wanted, hits.sum() / wanted, hits.mean()])


def spread(value: float, interval: np.ndarray, form: str) -> str:
    return f"{value:{form}} [{interval[0]:{form}}, {interval[1]:{form}}]"


def report(answers: Answers, pictures: list[Any], draws: int, seed: int) -> list[str]:
    """The lines of a markdown table, and of a list of ratios under it."""
    n = len(pictures)
    times = {name: np.array([np.median([a["ms"] for a in per]) for per in rows]) for name, rows in answers.items()}
    lines = ["| detector | ms | CPU ms | AP | recall | precision |", "|---|---|---|---|---|---|"]
    for name, rows in answers.items():
        results = [judged(per[0], *picture[1:]) for per, picture in zip(rows, pictures, strict=True)]
        ms, found = times[name], quality(results)
        interval = bootstrap(lambda at, ms=ms: np.median(ms[at]), n, draws, seed)
        limits = bootstrap(lambda at, results=results: quality([results[i] for i in at]), n, draws, seed)
        cpu = np.median([np.median([a["cpu_ms"] for a in per]) for per in rows])
        scores = " | ".join(spread(found[k], limits[:, k], ".3f") for k in range(3))
        lines.append(f"| {name} | {spread(float(np.median(ms)), interval, '.1f')} | {cpu:.1f} | {scores} |")
    lines.append("")
    for slow, fast in RATIOS:
        if slow in times and fast in times:
            ratio = times[slow] / times[fast]
            interval = bootstrap(lambda at, ratio=ratio: np.median(ratio[at]), n, draws, seed)
            lines.append(f"- {slow} takes {spread(float(np.median(ratio)), interval, '.2f')} times as long as {fast}")
    return lines


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--facenet-python", help="interpreter that has facenet-pytorch")
    parser.add_argument("--mtcnn-python", help="interpreter that has mtcnn and TensorFlow")
    parser.add_argument("--yunet", default="", help="a YuNet .onnx file")
    parser.add_argument("--data", type=Path, help="folder of real data (EMOLENS_DATA, else ../shared/data)")
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--pictures", type=int, help="the first so many only")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    asked = options()
    if asked.worker:
        return work(asked.worker, asked.threads, asked.yunet)
    data = asked.data or Path(os.environ.get("EMOLENS_DATA") or ROOT.parent / "shared" / "data")
    if not (data / "faces_in_groups" / "boxes.json").is_file():
        sys.exit("faces_in_groups is not here; name the folder of real data by --data or EMOLENS_DATA")
    pictures = read_pictures(data / "faces_in_groups", asked.width)[: asked.pictures]
    wanted = {"emolens mtcnn": sys.executable, "facenet-pytorch": asked.facenet_python, "mtcnn": asked.mtcnn_python}
    if asked.yunet:
        wanted |= {"emolens yunet": sys.executable, "opencv yunet": sys.executable}
    shared = ["--threads", str(asked.threads), "--yunet", asked.yunet]
    workers = [
        Worker(name, python, [__file__, "--worker", name, *shared], asked.threads)
        for name, python in wanted.items()
        if python
    ]
    answers = interleaved(workers, [packed(image) for image, _, _ in pictures], asked.repeats, asked.seed)
    for worker in workers:
        worker.close()
    faces = sum(int((~ignored).sum()) for _, _, ignored in pictures)
    print(
        f"{len(pictures)} pictures of {asked.width} px, {faces} faces; {asked.threads} threads, {asked.repeats} repeats"
    )
    print()
    print("\n".join(report(answers, pictures, asked.draws, asked.seed)))


if __name__ == "__main__":
    main()
