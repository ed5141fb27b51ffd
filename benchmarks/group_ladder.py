"""Where the default aggregator loses composites: votes, model, crops, detector, one after the other.

    python benchmarks/group_ladder.py --cache CACHE --model MODEL.onnx [--detector mtcnn YUNET.onnx] [--count 800]

The composites are those of `group_default.py --split val` (faces of PublicTest): choices are made on them, so the model
should not have learnt from PublicTest, as the shipped one has. Each row says in how many pictures the class agrees with
the votes of all faces, when these are replaced by what one more part of the way sees:

    votes of the faces found      what the detector's misses cost on their own
    model, original pictures      what the expression model costs: all faces, 48 x 48 as in FER2013
    model, true boxes             and cutting the pasted faces out again, exactly where they lie
    model, faces found            and the detector: its framing and its misses, without what it takes for faces
    as analyzed                   and false faces and the weights of `group_affect`

"""

from __future__ import annotations

import argparse
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from emolens import group
from emolens.analyzer import Analyzer
from emolens.data.composite_drawing import render
from emolens.data.composites import BORDER, Composite, balances, planned
from emolens.data.labelled import LabelledFaces
from emolens.evaluation.metrics import mean_estimate
from emolens.faces.align import box_matrices, warp
from emolens.models.classifier import Classifier
from emolens.records import PhotoResult
from group_default import SEEDS, SMALLEST, aggregated, faces_of, found_line, grounds, shown
from peers import ROOT, machine, versions

BATCH = 16


def label(values: Sequence[float] | np.ndarray, border: float) -> str:
    mean = float(np.mean(values)) if len(values) else 0.0
    return "positive" if mean > border else "negative" if mean < -border else "neutral"


def matched(one: Composite, seen: PhotoResult) -> np.ndarray:
    """For each pasted face the place of the first detection whose centre lies in it, or -1."""
    boxes = np.array(one.boxes, float)
    middles = np.array([(face.box[:2] + face.box[2:]) / 2 for face in seen.faces]).reshape(-1, 2)
    inside = ((middles[:, None] >= boxes[:, :2]) & (middles[:, None] <= boxes[:, :2] + boxes[:, 2:])).all(axis=2)
    return np.array([column.argmax() if column.any() else -1 for column in inside.T])


def at_true_boxes(model: Classifier, plan: Sequence[Composite], pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
    """What the model says of the pasted faces of each picture, cut out where they lie: (F, K) each."""
    size, grey = model.card.size, model.card.colour == "grey"
    place, found = np.array([0, 0, size, size], float), []
    for one, picture in zip(plan, pictures, strict=True):
        boxes = np.array(one.boxes, float)
        boxes[:, 2:] += boxes[:, :2]
        frames = [warp(picture, matrix, (size, size), grey) for matrix in box_matrices(boxes, place)]
        found.append(model.predict(np.stack(frames))[0])
    return found


def look(
    plan: Sequence[Composite], pictures: Iterator[np.ndarray], analyzers: dict[str, Analyzer]
) -> tuple[list[np.ndarray], dict[str, list[PhotoResult]]]:
    """What the model says at the true boxes, and what each analyzer sees: one a picture, which is drawn only once."""
    model, true = next(iter(analyzers.values())).model, list[np.ndarray]()
    seen = {name: list[PhotoResult]() for name in analyzers}
    for start in range(0, len(plan), BATCH):
        some = list(itertools.islice(pictures, BATCH))
        true += at_true_boxes(model, plan[start : start + BATCH], some)
        for name, analyzer in analyzers.items():
            seen[name] += analyzer.analyze_many(some, "raise")
    return true, seen


def rungs(
    results: Sequence[PhotoResult], plan: Sequence[Composite], votes: Sequence[np.ndarray],
    originals: Sequence[np.ndarray], true: Sequence[np.ndarray], signs: np.ndarray,
) -> dict[str, list[str]]:  # fmt: skip
    """What is seen -> the class of each picture that it gives. `votes` and the next two have the balances of faces."""
    matches = [matched(one, result) for one, result in zip(plan, results, strict=True)]
    told = [np.array([said.distribution @ signs for said in result.expressions]) for result in results]
    kept = [values[match >= 0] for values, match in zip(votes, matches, strict=True)]
    hits = [values[match[match >= 0]] if len(values) else values for values, match in zip(told, matches, strict=True)]
    return {
        "votes of the faces found": [label(values, BORDER) for values in kept],
        "model, original pictures": [label(values, group.BORDER) for values in originals],
        "model, true boxes": [label(values, group.BORDER) for values in true],
        "model, faces found": [label(values, group.BORDER) for values in hits],
        "as analyzed": [aggregated(result.expressions, result.faces) for result in results],
    }


def climb(
    plan: Sequence[Composite], faces: LabelledFaces, scenes: Sequence[np.ndarray], analyzers: dict[str, Analyzer]
) -> Iterator[str]:
    """The lines of a table, and under it what each detector found."""
    at = {name: row for row, name in enumerate(faces.ids.tolist())}
    rows = [np.array([at[name] for name in one.faces]) for one in plan]
    pairs = zip(plan, rows, strict=True)
    true, seen = look(plan, (render(one, faces.images[some], scenes[one.background]) for one, some in pairs), analyzers)
    model = next(iter(analyzers.values())).model
    signs = balances(np.eye(len(model.classes), dtype=np.float32), model.classes)
    of_faces = balances(faces.targets, faces.taxonomy), in_parts(model, faces.images) @ signs
    votes, originals = ([values[some] for some in rows] for values in of_faces)
    truth, lines = np.array([one.label for one in plan]), [""]
    for name, results in seen.items():
        for what, said in rungs(results, plan, votes, originals, [one @ signs for one in true], signs).items():
            yield f"| {name} | {what} | {shown(mean_estimate((np.array(said) == truth).astype(float)))} |"
        found = [({"boxes": one.boxes}, ([], list(result.faces))) for one, result in zip(plan, results, strict=True)]
        lines.append(f"{name}. {found_line(found)}")
    yield from lines


def in_parts(model: Classifier, images: np.ndarray) -> np.ndarray:
    return np.concatenate([model.predict(images[at : at + 64])[0] for at in range(0, len(images), 64)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    folder = Path(os.environ.get("EMOLENS_DATA") or ROOT.parent / "shared" / "data")
    parser.add_argument("--data", type=Path, default=folder, help="folder with fer2013/ and Emotion6/")
    parser.add_argument("--detector", nargs="+", default=["mtcnn"], help="mtcnn, or YuNet files")
    parser.add_argument("--model", type=Path, required=True, help="of expressions, not taught with PublicTest")
    parser.add_argument("--count", type=int, default=800)
    parser.add_argument("--cache", type=Path, required=True, help="folder for the backgrounds, outside the project")
    asked = parser.parse_args()
    asked.cache.mkdir(parents=True, exist_ok=True)
    faces, scenes = faces_of(asked.data / "fer2013", "val"), grounds(asked.data, asked.cache)
    plan = list(planned(faces, asked.count, "val", SEEDS["val"], backgrounds=len(scenes)))
    detectors = {Path(name).stem: name for name in asked.detector}
    analyzers = {name: Analyzer("expression", each, asked.model, min_face=SMALLEST) for name, each in detectors.items()}
    print(f"val, n = {len(plan)}\n\n| detector | what is seen | agreement |\n|---|---|---|")
    print(
        "\n".join([*climb(plan, faces, scenes, analyzers), "", machine(1, versions("emolens", "onnxruntime", "numpy"))])
    )


if __name__ == "__main__":
    main()
