"""The default aggregator on composites: groups of FER+ faces whose mean emotion is known, found by the detector.

    python benchmarks/group_default.py --split val --cache CACHE            choices: faces of PublicTest only
    python benchmarks/group_default.py --split test --cache CACHE           once: faces of PrivateTest only
    python benchmarks/group_default.py ... --detector YUNET.onnx            the same pictures, another detector
    python benchmarks/group_default.py --split val --model MODEL.onnx ...   a model that has not learnt from PublicTest

The shipped model has, so that choices on `val` need another; benchmarks/group_ladder.py says what is lost where.

3 to 12 faces a picture, classes balanced, the class that of the mean of positive minus negative votes beyond +-0.2.
Faces are rows of the FER+ subset `argmax` whose pixels are in no other part. Backgrounds are photos of Emotion6 in
which the detector finds nobody, drawn scenes where that is absent. Looking at a picture takes about 0.1 s of CPU, so
what was seen goes to a file in CACHE at once and a run that was stopped goes on; pictures are never written. The name
of the file holds a digest of the model and the code that finds faces: what others saw is not taken for theirs.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

import emolens.faces
from emolens import group
from emolens.analyzer import Analyzer
from emolens.data.composite_drawing import HEIGHT, WIDTH, drawn_backgrounds, photo_backgrounds, render
from emolens.data.composites import Composite, planned
from emolens.data.fer2013 import read_ferplus
from emolens.data.labelled import LabelledFaces
from emolens.evaluation.classes import confusion, confusion_draws, interval, macro_f1
from emolens.evaluation.compare import mcnemar
from emolens.evaluation.metrics import Estimate, mean_estimate
from emolens.faces import load_detector
from emolens.files import replacing
from emolens.records import Face, PhotoResult, Prediction
from emolens.taxonomy import GROUP3
from peers import machine, versions

SIZE = (WIDTH, HEIGHT)
SEEDS = {"val": 11, "test": 12}
GROUNDS = 60
NEAR = 0.05
SMALLEST = 40
"""Pasted faces have 96 pixels or more; looking for none below 40 halves the time and loses none of them."""
Seen = tuple[list[Prediction], list[Face]]


def faces_of(data: Path, split: str) -> LabelledFaces:
    """The faces of one usage whose exact pixels no other usage has."""
    parts = {name: read_ferplus(data, name) for name in ("train", "val", "test")}
    others = {image.tobytes() for name, part in parts.items() if name != split for image in part.images}
    mine = parts[split]
    return mine.keep(np.array([image.tobytes() not in others for image in mine.images], bool))


def grounds(data: Path, cache: Path) -> list[np.ndarray]:
    """The same backgrounds for every run: found once and kept in the cache, which is no part of the project."""
    path = cache / "grounds.npz"
    if not path.is_file():
        folder, detector = data / "Emotion6" / "images", load_detector("auto")
        found = (
            photo_backgrounds(folder, GROUNDS, lambda picture: bool(detector.detect(picture)))
            if folder.is_dir()
            else drawn_backgrounds(GROUNDS)
        )
        with replacing(path) as draft, draft.open("wb") as file:
            np.savez_compressed(file, scenes=np.stack(found))
    with np.load(path) as kept:
        return list(kept["scenes"])


def look(
    plan: Sequence[Composite], faces: LabelledFaces, scenes: Sequence[np.ndarray], analyzer: Analyzer, path: Path
) -> None:
    """Append what the analyzer sees in each picture of the plan that is not in the file yet."""
    done = _whole_lines(path)
    images = {name: faces.images[at] for at, name in enumerate(faces.ids.tolist())}
    pictures = (render(one, [images[name] for name in one.faces], scenes[one.background]) for one in plan[done:])
    with path.open("a", encoding="utf-8") as file:
        for number, result in enumerate(analyzer.analyze_many(pictures, "raise"), done + 1):
            file.write(json.dumps(_kept(plan[number - 1], result)) + "\n")
            file.flush()
            if number % 100 == 0:
                print(f"{number} of {len(plan)}", file=sys.stderr, flush=True)


def seen_file(cache: Path, split: str, detector: str, model_sha: str) -> Path:
    """Where what was seen is kept: one file for each split, detector, model and state of the code."""
    code = b"".join(path.read_bytes() for path in sorted(Path(emolens.faces.__file__).parent.glob("*.py")))
    digest = hashlib.sha256(code + model_sha.encode()).hexdigest()[:8]
    return cache / f"seen-{split}-{Path(detector).stem}-{digest}.jsonl"


def _whole_lines(path: Path) -> int:
    """How many there are, after the part of a line that a killed run left behind is cut off."""
    if not path.is_file():
        return 0
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    path.write_bytes(whole)
    return whole.count(b"\n")


def _kept(one: Composite, result: PhotoResult) -> dict[str, Any]:
    return {
        "truth": asdict(one),
        "boxes": [face.box.round(2).tolist() for face in result.faces],
        "scores": [round(float(face.score), 5) for face in result.faces],
        "shown": [said.distribution.astype(float).round(6).tolist() for said in result.expressions],
    }


def seen(path: Path, count: int, classes: Any) -> Iterator[tuple[dict[str, Any], Seen]]:
    """The truth and what was seen of the first `count` pictures."""
    with path.open(encoding="utf-8") as file:
        for line in itertools.islice(file, count):
            row = json.loads(line)
            faces = [
                Face(np.array(box, np.float32), score) for box, score in zip(row["boxes"], row["scores"], strict=True)
            ]
            shares = [np.array(one, np.float32) for one in row["shown"]]
            said = [
                Prediction("expression", classes, one / one.sum(), float(one.max()), "cached", face)
                for one, face in zip(shares, faces, strict=True)
            ]
            yield row["truth"], (said, faces)


def majority(said: Sequence[Prediction]) -> str:
    """The polarity that most faces show; the mean of equals decides."""
    if not said:
        return "neutral"
    polarity = said[0].taxonomy.polarity()
    matrix = np.array([[one == column for column in GROUP3.classes] for one in polarity], float)
    shares = np.stack([one.distribution for one in said]) @ matrix
    votes = np.bincount(shares.argmax(axis=1), minlength=3) + shares.mean(axis=0)
    return GROUP3.classes[int(votes.argmax())]


def aggregated(said: Sequence[Prediction], faces: Sequence[Face]) -> str:
    affect = group.group_affect(said, faces, SIZE)
    return affect.prediction.label if affect else "neutral"


def report(rows: Sequence[tuple[dict[str, Any], Seen]]) -> list[str]:
    truth = np.array([GROUP3.index(one["label"]) for one, _ in rows])
    near = np.array([one["margin"] < NEAR for one, _ in rows])
    ways = {
        "group_affect": np.array([GROUP3.index(aggregated(*what)) for _, what in rows]),
        "majority vote of the faces": np.array([GROUP3.index(majority(what[0])) for _, what in rows]),
    }
    lines = ["| | n | agreement | macro F1 | beyond .05 of a border | within .05 |", "|---|---|---|---|---|---|"]
    for name, guess in ways.items():
        right = (guess == truth).astype(float)
        apart = [mean_estimate(right[mask]) for mask in (~near, near)]
        cells = [str(len(rows)), shown(mean_estimate(right)), shown(f1_estimate(truth, guess))]
        cells += [f"{shown(one)}, n {one.n}, {round(one.n * (1 - one.value))} errors" for one in apart]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    first, second = (guess == truth for guess in ways.values())
    gained, lost = int((first & ~second).sum()), int((second & ~first).sum())
    lines += [
        "",
        f"Right in one way only: {gained} the aggregator, {lost} the vote; McNemar p = {mcnemar(gained, lost):.2g}.",
        f"Confusion of the aggregator (rows true negative, neutral, positive): "
        f"{confusion(truth, ways['group_affect'], 3).tolist()}",
        found_line(rows),
    ]
    return lines


def f1_estimate(truth: np.ndarray, guess: np.ndarray) -> Estimate:
    counts = confusion(truth, guess, 3)
    return interval(float(macro_f1(counts)), macro_f1(confusion_draws(counts)), len(truth))


def shown(one: Estimate) -> str:
    return f"{one.value:.4f} [{one.low:.4f}, {one.high:.4f}]"


def found_line(rows: Sequence[tuple[dict[str, Any], Seen]]) -> str:
    """How many pasted faces a detection has its centre in, and how many detections lie elsewhere."""
    counts: Counter[str] = Counter()
    for truth, (_, faces) in rows:
        boxes = np.array(truth["boxes"], float)
        middles = np.array([(face.box[:2] + face.box[2:]) / 2 for face in faces]).reshape(-1, 2)
        inside = ((middles[:, None] >= boxes[:, :2]) & (middles[:, None] <= boxes[:, :2] + boxes[:, 2:])).all(axis=2)
        counts += Counter(faces=len(boxes), found=int(inside.any(axis=0).sum()), other=int((~inside.any(axis=1)).sum()))
    share = counts["found"] / counts["faces"]
    return (
        f"Detector: {counts['found']:,} of {counts['faces']:,} faces found ({share:.1%}), {counts['other']} elsewhere."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    folder = Path(os.environ.get("EMOLENS_DATA") or "../shared/data")
    parser.add_argument("--data", type=Path, default=folder, help="folder with fer2013/ and Emotion6/")
    parser.add_argument("--split", choices=["val", "test"], default="val", help="faces of PublicTest or PrivateTest")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--detector", default="mtcnn", help="mtcnn, or a YuNet file")
    parser.add_argument("--cache", type=Path, required=True, help="folder for what was seen, outside the project")
    parser.add_argument("--look-only", action="store_true", help="fill the cache and judge nothing")
    parser.add_argument("--model", type=Path, help="of expressions; by default the shipped one")
    asked = parser.parse_args()
    asked.cache.mkdir(parents=True, exist_ok=True)
    analyzer = Analyzer("expression", asked.detector, asked.model or (), min_face=SMALLEST)
    model = analyzer.model
    path = seen_file(asked.cache, asked.split, asked.detector, model.sha256)
    if _whole_lines(path) < asked.count:
        faces, scenes = faces_of(asked.data / "fer2013", asked.split), grounds(asked.data, asked.cache)
        plan = list(planned(faces, asked.count, asked.split, SEEDS[asked.split], backgrounds=len(scenes)))
        look(plan, faces, scenes, analyzer, path)
    if asked.look_only:
        return
    rows = list(seen(path, asked.count, model.classes))
    print(f"{asked.split}, model {model.name}, detector {Path(asked.detector).stem}\n")
    print("\n".join([*report(rows), "", machine(1, versions("emolens", "onnxruntime", "numpy"))]))


if __name__ == "__main__":
    main()
