"""How the faces of FER2013 lie in their frame, as each detector sees them, and what cutting them out again costs.

FER2013 pictures are faces that fill 48 x 48 pixels; a detector needs a background around them. So they are pasted on
pictures without faces, found again, and the detector's box and landmarks are written down in fractions of the frame.
Training rows give the framing, PublicTest rows say how well each way of cutting recovers the frame. PrivateTest is not
touched.

    python benchmarks/framing.py --data ../shared/data --yunet ../shared/models/yunet_n_dynamic.onnx --out framing.json
    python benchmarks/framing.py ... --model MODEL.onnx      the accuracy on FER+ labels that each way leaves
    python benchmarks/framing.py ... --framing FILE.json     the framing as it goes into a model card
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from emolens.data.fer2013 import read_ferplus
from emolens.data.labelled import LabelledFaces
from emolens.faces.align import box_matrices, similarity, warp
from emolens.faces.detector import FaceDetector
from emolens.faces.yunet import YuNet
from emolens.files import replacing
from emolens.models.card import Framing
from emolens.models.classifier import Classifier
from emolens.records import Face

SIZES = (64, 80, 96, 112, 128, 160, 200)
CANVAS = 320
LANDMARKS = ("left eye", "right eye", "nose", "left mouth", "right mouth")
Matrices = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Paste:
    """A face on a background: RGB uint8 (CANVAS, CANVAS, 3), the row it came from, where its frame lies."""

    picture: np.ndarray
    row: int
    corner: np.ndarray
    side: int


@dataclass(frozen=True)
class Found:
    """Faces that were found again, in canvas pixels: `boxes` (n, 4), `points` (n, 5, 2), `pastes` n."""

    pastes: list[Paste]
    boxes: np.ndarray
    points: np.ndarray

    @property
    def sides(self) -> np.ndarray:
        return np.array([paste.side for paste in self.pastes], np.float64)

    @property
    def corners(self) -> np.ndarray:
        return np.array([paste.corner for paste in self.pastes], np.float64).reshape(-1, 2)


def backgrounds(folder: Path, detector: YuNet, count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Squares cut from pictures in which even a low threshold finds no face."""
    files = sorted(folder.rglob("*.jpg"))
    found: list[np.ndarray] = []
    for index in rng.permutation(len(files)):
        picture = np.asarray(Image.open(files[index]).convert("RGB"))
        if not detector.detect(picture):
            found.append(np.asarray(Image.fromarray(picture).resize((CANVAS, CANVAS), Image.Resampling.BICUBIC)))
        if len(found) == count:
            break
    return found


def pastes(images: np.ndarray, grounds: list[np.ndarray], rng: np.random.Generator) -> Iterator[Paste]:
    """Each picture once, on a random ground, at a random size, an eighth of its side or more from the edge."""
    for row, image in enumerate(images):
        side = int(rng.choice(SIZES))
        corner = rng.integers(side // 8, CANVAS - side - side // 8, 2)
        face = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))
        picture = grounds[rng.integers(len(grounds))].copy()
        picture[corner[1] : corner[1] + side, corner[0] : corner[0] + side] = face[:, :, None]
        yield Paste(picture, row, corner, side)


def find(
    detector: FaceDetector, images: np.ndarray, grounds: list[np.ndarray], seed: int
) -> tuple[Found, dict[int, float]]:
    """The faces that the detector finds again, and the share found at each size."""
    tried, hits = [], []
    batch: list[Paste] = []
    for paste in pastes(images, grounds, np.random.default_rng(seed)):
        batch.append(paste)
        if len(batch) == 16 or paste.row == len(images) - 1:
            faces = detector.detect_batch([each.picture for each in batch])
            tried += [each.side for each in batch]
            hits += [(each, face) for each, seen in zip(batch, faces, strict=True) if (face := _match(each, seen))]
            batch = []
    found_sides = [paste.side for paste, _ in hits]
    share = {side: found_sides.count(side) / max(1, tried.count(side)) for side in SIZES}
    boxes = np.array([face.box for _, face in hits], np.float64).reshape(-1, 4)
    points = np.array([face.landmarks for _, face in hits], np.float64).reshape(-1, 5, 2)
    return Found([paste for paste, _ in hits], boxes, points), share


def _match(paste: Paste, faces: list[Face]) -> Face | None:
    """The best face with landmarks whose box has an intersection over union of more than .4 with the frame."""
    frame = np.concatenate([paste.corner, paste.corner + paste.side])
    for face in faces:
        shared = np.clip(np.minimum(face.box[2:], frame[2:]) - np.maximum(face.box[:2], frame[:2]), 0, None).prod()
        union = paste.side**2 + (face.box[2:] - face.box[:2]).prod() - shared
        if shared / union > 0.4 and face.landmarks is not None:
            return face
    return None


def fit(found: Found) -> dict[str, Any]:
    """Median and spread (half of the middle 68 %) of box and landmarks, in fractions of the frame.

    Each face counts twice, once mirrored: what the medians then lack is only the chance tilt of the sample.
    """
    points = (found.points - found.corners[:, None]) / found.sides[:, None, None]
    low = (found.boxes[:, :2] - found.corners) / found.sides[:, None]
    boxes = np.concatenate([low, (found.boxes[:, 2:] - found.boxes[:, :2]) / found.sides[:, None]], axis=1)
    points = np.concatenate([points, (points * [-1, 1] + [1, 0])[:, [1, 0, 2, 4, 3]]])
    boxes = np.concatenate([boxes, boxes * [-1, 1, 1, 1] + boxes[:, 2:3] * [-1, 0, 0, 0] + [1, 0, 0, 0]])
    return {
        "n": len(found.pastes),
        "box": _rounded(np.median(boxes, axis=0)),
        "box_spread": _rounded(_spread(boxes)),
        "points": _rounded(np.median(points, axis=0)),
        "points_spread": _rounded(_spread(points)),
    }


def _spread(values: np.ndarray) -> np.ndarray:
    low, high = np.percentile(values, [16, 84], axis=0)
    return np.asarray(high - low) / 2


def _rounded(values: np.ndarray) -> list[float]:
    return np.round(values, 4).tolist()  # type: ignore[no-any-return]


def by_points(boxes: np.ndarray, points: np.ndarray, place: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Five points: turn, scale and shift."""
    return similarity(points, target)


def by_box(boxes: np.ndarray, points: np.ndarray, place: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The box alone: scale and shift."""
    return box_matrices(boxes, place)


def by_upright_points(boxes: np.ndarray, points: np.ndarray, place: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Scale and shift of the five points, no turn."""
    return _about(points.mean(axis=1), target.mean(axis=0), _scales(similarity(points, target)), 0)


def by_points_and_box(boxes: np.ndarray, points: np.ndarray, place: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Turn of the points; scale and centre half from the points, half from the box."""
    first, second = similarity(points, target), box_matrices(boxes, place)
    angles = np.arctan2(first[:, 1, 0], first[:, 0, 0])
    return _halfway(first, second, angles, target)


def by_upright_points_and_box(
    boxes: np.ndarray, points: np.ndarray, place: np.ndarray, target: np.ndarray
) -> np.ndarray:
    """Scale and centre half from the points, half from the box; no turn."""
    return _halfway(by_upright_points(boxes, points, place, target), box_matrices(boxes, place), 0, target)


WAYS: dict[str, Matrices] = {
    "five points": by_points,
    "box": by_box,
    "points, upright": by_upright_points,
    "points and box": by_points_and_box,
    "points and box, upright": by_upright_points_and_box,
}


def _scales(matrices: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(np.linalg.det(matrices[:, :, :2])))


def _about(centres: np.ndarray, target: np.ndarray, scales: np.ndarray, angles: np.ndarray | float) -> np.ndarray:
    """Matrices of a given scale and angle that take `centres` (n, 2) to `target` (2,) or (n, 2)."""
    cos, sin = scales * np.cos(angles), scales * np.sin(angles)
    linear = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)
    return np.concatenate([linear, (target - np.einsum("nij,nj->ni", linear, centres))[:, :, None]], axis=2)


def _halfway(first: np.ndarray, second: np.ndarray, angles: np.ndarray | float, target: np.ndarray) -> np.ndarray:
    """The point of the picture that lands in the middle of the landmarks, and the scale, halfway between the two."""
    middle = target.mean(axis=0)
    centres = [np.linalg.solve(m[:, :, :2], (middle - m[:, :, 2])[:, :, None])[:, :, 0] for m in (first, second)]
    return _about((centres[0] + centres[1]) / 2, middle, np.sqrt(_scales(first) * _scales(second)), angles)


def recovered(found: Found, framing: dict[str, Any], way: Matrices, size: int) -> np.ndarray:
    """The matrices (n, 2, 3) by which a way cuts out each face."""
    place, target = np.array(framing["box"]) * size, np.array(framing["points"]) * size
    return way(found.boxes, found.points, place, target)


def compare(found: Found, framing: dict[str, Any], images: np.ndarray) -> dict[str, dict[str, float]]:
    """How far each way lands from the frame: corners in fractions of the frame, and grey levels at 48 px."""
    unit = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    corners = found.corners[:, None] + unit * found.sides[:, None, None]
    result = {}
    for name, way in WAYS.items():
        matrices = recovered(found, framing, way, 48)
        landed = np.einsum("nij,nkj->nki", matrices[:, :, :2], corners) + matrices[:, None, :, 2]
        off = np.sqrt((((landed / 48) - unit) ** 2).sum(axis=2).mean(axis=1))
        views = [warp(p.picture, m, (48, 48), grey=True) for p, m in zip(found.pastes, matrices, strict=True)]
        originals = np.stack([images[paste.row] for paste in found.pastes])
        levels = np.abs(np.stack(views).astype(float) - originals).mean()
        scale = np.log(_scales(matrices) * found.sides / 48)
        result[name] = {
            "corner_median": float(np.median(off)),
            "corner_p90": float(np.percentile(off, 90)),
            "scale_spread": float(_spread(scale)),
            "grey_levels": float(levels),
        }
    return result


def accuracies(
    found: Found, framing: dict[str, Any], faces: LabelledFaces, model: Classifier
) -> dict[str, dict[str, float]]:
    """Accuracy and KL on the rows found again: the frame as it is, pasted and cut out exactly, and each way."""
    rows = np.array([paste.row for paste in found.pastes])
    targets = faces.targets[rows][:, [faces.taxonomy.index(name) for name in model.classes.classes]]
    size = model.card.size
    exact = _about(found.corners + found.sides[:, None] / 2, np.full(2, size / 2), size / found.sides, 0)
    cuts = {"exact": exact} | {name: recovered(found, framing, way, size) for name, way in WAYS.items()}
    grey = model.card.colour == "grey"
    frames = {"as it is": np.stack([_resized(faces.images[row], size, grey) for row in rows])}
    for name, matrices in cuts.items():
        views = [warp(p.picture, m, (size, size), grey) for p, m in zip(found.pastes, matrices, strict=True)]
        frames[name] = np.stack(views)
    predicted = {name: model.predict(views)[0] for name, views in frames.items()}
    reference = predicted["as it is"].argmax(axis=1) == targets.argmax(axis=1)
    return {name: _score(each, targets, reference) for name, each in predicted.items()}


def _resized(image: np.ndarray, size: int, grey: bool) -> np.ndarray:
    resized = np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC))
    return resized if grey else np.repeat(resized[:, :, None], 3, axis=2)


def _score(predicted: np.ndarray, targets: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """Accuracy, what it loses on `reference` (n,) with a paired bootstrap interval, and KL."""
    predicted = np.clip(predicted, 1e-7, 1)
    kl = np.where(targets > 0, targets * np.log(np.maximum(targets, 1e-12) / predicted), 0).sum(axis=1)
    right = predicted.argmax(axis=1) == targets.argmax(axis=1)
    loss = reference.astype(float) - right
    draws = np.random.default_rng(0).integers(0, len(loss), (1000, len(loss)))
    low, high = np.percentile(loss[draws].mean(axis=1), [2.5, 97.5])
    return {
        "accuracy": float(right.mean()),
        "loss": float(loss.mean()),
        "loss_low": float(low),
        "loss_high": float(high),
        "kl": float(kl.mean()),
        "n": len(targets),
    }


def open_detectors(names: list[str], yunet: Path) -> dict[str, FaceDetector]:
    from emolens.faces.mtcnn import MTCNN

    known: dict[str, Callable[[], FaceDetector]] = {"yunet": lambda: YuNet(yunet), "mtcnn": MTCNN}
    return {name: known[name]() for name in names}


def table(report: dict[str, dict[str, Any]], key: str) -> Iterator[str]:
    """Markdown lines of one table: a row per detector and way."""
    rows = [(d, way, values) for d, part in report.items() for way, values in part.get(key, {}).items()]
    if rows:
        columns = list(rows[0][2])
        yield f"| detector | way | {' | '.join(columns)} |"
        yield "|---" * (len(columns) + 2) + "|"
    for detector, way, values in rows:
        cells = [f"{value:.4f}" if isinstance(value, float) else str(value) for value in values.values()]
        yield f"| {detector} | {way} | {' | '.join(cells)} |"


def framing_table(report: dict[str, dict[str, Any]]) -> Iterator[str]:
    yield f"| detector | n | found | box x y w h | {' | '.join(LANDMARKS)} |"
    yield "|---" * (4 + len(LANDMARKS)) + "|"
    for name, part in report.items():
        box, spread, points = (np.array(part[key]) for key in ("box", "box_spread", "points"))
        cells = [" ".join(f"{b:.3f}±{s:.3f}" for b, s in zip(box, spread, strict=True))]
        cells += [
            f"{x:.3f} {y:.3f} ±{s[0]:.3f} {s[1]:.3f}" for (x, y), s in zip(points, part["points_spread"], strict=True)
        ]
        yield f"| {name} | {part['n']} | {part['found']:.3f} | {' | '.join(cells)} |"


def as_framing(report: dict[str, Any]) -> Framing:
    """The part of a model card; a detector that was not measured gets the mean of those that were."""
    points: dict[str, Any] = {name: part["points"] for name, part in report.items()}
    boxes: dict[str, Any] = {name: part["box"] for name, part in report.items()}
    n = min(part["n"] for part in report.values())
    return Framing(
        source=f"benchmarks/framing.py: FER2013 Training pictures pasted on backgrounds and found again, {n} and more",
        points=points | {"default": _rounded(np.mean(list(points.values()), axis=0))},
        box=boxes | {"default": _rounded(np.mean(list(boxes.values()), axis=0))},
        n=n,
    )


def measure(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    train = read_ferplus(options.data, "train").images
    rng = np.random.default_rng(options.seed)
    train = train[rng.permutation(len(train))[: options.n]]
    val = read_ferplus(options.data, "val")
    val = val.keep(np.isin(np.arange(len(val)), rng.permutation(len(val))[: options.n_compare]))
    grounds = backgrounds(options.data / "Emotion6", YuNet(options.yunet, 0.3), options.grounds, rng)
    report: dict[str, dict[str, Any]] = {}
    for name, detector in open_detectors(options.detector, options.yunet).items():
        found, share = find(detector, train, grounds, options.seed)
        framing = fit(found) | {"found": len(found.pastes) / len(train), "found_by_size": share}
        again, _ = find(detector, val.images, grounds, options.seed + 1)
        framing["compare"] = compare(again, framing, val.images)
        if options.model:
            framing["accuracy"] = accuracies(again, framing, val, Classifier.load(options.model))
        report[name] = framing
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with fer2013/ and Emotion6/")
    parser.add_argument("--yunet", type=Path, default=Path("../shared/models/yunet_n_dynamic.onnx"))
    parser.add_argument("--detector", nargs="+", choices=["yunet", "mtcnn"], default=["yunet", "mtcnn"])
    parser.add_argument("--n", type=int, default=1500, help="Training rows that give the framing")
    parser.add_argument("--n-compare", type=int, default=1000, help="PublicTest rows on which the ways are compared")
    parser.add_argument("--grounds", type=int, default=80, help="backgrounds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=Path, help="an ONNX file with its card")
    parser.add_argument("--out", type=Path, help="JSON file for the numbers")
    parser.add_argument("--framing", type=Path, help="JSON file for the framing of a model card")
    options = parser.parse_args()
    report = measure(options)
    for lines in (framing_table(report), table(report, "compare"), table(report, "accuracy")):
        sys.stdout.write("\n".join(lines) + "\n\n")
    if options.out:
        with replacing(options.out) as draft:
            draft.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if options.framing:
        with replacing(options.framing) as draft:
            draft.write_text(as_framing(report).model_dump_json(indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
