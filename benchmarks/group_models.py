"""The group models, narrow and small, from scratch, on composites whose class is known: more than the majority class?

    python benchmarks/group_models.py --work DIR [--recipes group_scene,group_hybrid] [--train 480] [--data DIR]
    python benchmarks/group_models.py --work DIR --every          each recipe one epoch, from data to predictions
    python benchmarks/group_models.py --work DIR --faults         what each fault of the hybrid's source costs here

Composites are groups of 3 to 12 FER+ faces (of Training for train, PublicTest for val, PrivateTest for test) on drawn
scenes; drawn faces where FER+ is absent. The class is that of the mean of positive minus negative votes beyond +-0.2,
and classes are balanced, so the majority class is right in a third. The colour of the scene and the poses of the bodies
hint at the class in 60 % of pictures and are drawn at random in the others: what scenes and skeletons can tell here is
made, what faces tell is what people voted. Faces are cut where they were pasted, in SphereFace's framing, so that no
detector's time or miss is in the figures. Runs that are there already are not trained again.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from emolens.data.composite_drawing import drawn_backgrounds, drawn_faces
from emolens.data.composites import Composite, Cues, read_composites, write_composites
from emolens.data.face_columns import ALIGNED, CANVAS, PictureFaces
from emolens.data.face_parts import MANIFEST, FacesWriter
from emolens.data.fer2013 import read_ferplus
from emolens.data.labelled import LabelledFaces
from emolens.data.prepare import prepare
from emolens.evaluation.classes import confusion, confusion_draws, interval, macro_f1
from emolens.evaluation.metrics import Estimate, mean_estimate
from emolens.evaluation.predictions import Predictions
from emolens.evaluation.rows import open_rows
from emolens.learn.config import GroupRecipe, changed
from emolens.learn.fit import fit
from emolens.learn.predict_group import predict_group
from emolens.learn.recipes import RECIPES, recipe
from emolens.learn.runs import last_checkpoint
from peers import ROOT, machine, versions

GROUNDS = 30
HINT = 0.6
ABOVE, BELOW = 0.155, 0.012
"""Of a face's side: how far SphereFace's frame reaches beyond the picture of FER2013, whose eyes lie higher."""
TRUNK = ("net.scene.backbone=densenet161", 'net.scene.options=["growth_rate=8","block_config=[2,2,2,2]"]',
         "net.scene.weights=none", "net.size=64")  # fmt: skip
FACES = ("net.faces.widths=[12,24,48,64]", "net.faces.embed=64", "net.faces.height=49")
CROSS = ("net.width=64", "net.crossvit.depth=1", "net.crossvit.heads=4", "net.crossvit.head_width=16",
         "net.crossvit.hidden=128")  # fmt: skip
NARROW = {
    "scene": TRUNK,
    "face_set": (*FACES, "net.size=64"),
    "hybrid": (*TRUNK, *FACES, *CROSS),
    "pixel_crossvit": (*FACES, *CROSS, "net.size=64"),
}
TAUGHT = ("optim.name=adamw", "optim.weight_decay=0.01", "optim.schedule=cosine", "optim.batch=16",
          "optim.precision=float32")  # fmt: skip
SHOWN = {
    "group_aligned": ("optim.lr=0.002", "optim.epochs=8"),
    "group_scene": ("optim.lr=0.004", "optim.epochs=6"),
    "group_skeleton": ("optim.lr=0.004", "optim.epochs=8"),
    "group_faces": ("optim.lr=0.0005", "optim.epochs=2", "begin.faces=group_aligned"),
    "group_hybrid": ("optim.lr=0.001", "optim.epochs=4", "begin.faces=group_aligned", "begin.scene=group_scene"),
}
"""What is trained by default, stages first, and how at this size."""
FAULTS = {
    "padding counts": ("net.faces.padding=as_faces",),
    "scene detached": ("net.scene_gradient=detached",),
    "CrossViT outside": ("net.registered=false",),
}


def faces_of(data: Path, split: str, count: int) -> LabelledFaces:
    """FER+ faces of a split whose pixels no other split has; drawn ones where FER+ is absent."""
    if not (data / "fer2013").is_dir():
        return drawn_faces(count, split)
    parts = {name: read_ferplus(data / "fer2013", name) for name in ("train", "val", "test")}
    others = {image.tobytes() for name, part in parts.items() if name != split for image in part.images}
    return parts[split].keep(np.array([image.tobytes() not in others for image in parts[split].images], bool))


def write_set(work: Path, data: Path, counts: dict[str, int], seed: int) -> Path:
    """The composites as a GAF folder with their skeletons, their faces as `emolens faces` keeps them, and the prepared
    set, whose folder is the answer."""
    folder, faces_folder = work / "composites", work / "faces"
    if not (faces_folder / MANIFEST).is_file():
        _write_pictures(folder, faces_folder, data, counts, seed)
    prepare("gaf", folder, work / "prepared", protocol="lists")
    return work / "prepared"


def _write_pictures(folder: Path, faces_folder: Path, data: Path, counts: dict[str, int], seed: int) -> None:
    faces = {split: faces_of(data, split, 600) for split in counts}
    cues = Cues(scene=HINT, skeleton=HINT)
    written = write_composites(folder, faces, counts, drawn_backgrounds(GROUNDS, seed), seed=seed, cues=cues)
    with FacesWriter(faces_folder, {"detector": "where they were pasted"}) as writer:
        for one in written:
            writer.add(cut(one, np.asarray(Image.open(folder / "emotiw" / one.id))))


def cut(one: Composite, picture: np.ndarray) -> PictureFaces:
    """The faces of a composite in both framings, from where they lie."""
    boxes = np.array(one.boxes, np.float32)
    ends = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    high = np.stack([_framed(picture, box, ALIGNED, ABOVE, BELOW) for box in boxes])
    wide = np.stack([_framed(picture, box, CANVAS, 0, 0) for box in boxes])
    n = len(boxes)
    return PictureFaces(
        id=one.id, split=one.split, label=one.label, status="ok", size=(picture.shape[1], picture.shape[0]), boxes=ends,
        scores=np.ones(n, np.float32), landmarks=np.zeros((n, 5, 2), np.float32),
        features=np.zeros((n, 256), np.float32), crops=(np.zeros((1, 1, 3), np.uint8),) * n, aligned=high, canvas=wide,
    )  # fmt: skip


def _framed(picture: np.ndarray, box: np.ndarray, shape: tuple[int, int], above: float, below: float) -> np.ndarray:
    x, y, side, _ = box.tolist()
    region = (x, y - above * side, x + side, y + (1 + below) * side)
    cropped = Image.fromarray(picture).resize(
        (shape[1], shape[0]), Image.Resampling.BILINEAR, box=(max(0, region[0]), max(0, region[1]), *region[2:])
    )
    return np.asarray(cropped)


def narrow(name: str, work: Path, settings: Sequence[str]) -> GroupRecipe:
    """A recipe of GAF at reduced width and input; runs that it begins with are given by name."""
    found = recipe(name)
    assert isinstance(found, GroupRecipe)
    told = [f"{key}={work / 'runs' / value}" if key.startswith("begin.") else f"{key}={value}" for key, _, value in
            (one.partition("=") for one in settings)]  # fmt: skip
    sources = [f"data.faces={work / 'faces'}", f"data.skeletons={work / 'composites' / 'emotiw_skeletons'}"]
    return changed(found, ['data.options=["protocol=lists"]', *NARROW[found.net.name], *TAUGHT, *sources, *told])


def run_of(row: str, work: Path) -> Path:
    return work / "runs" / row.replace(" ", "-").replace(",", "")


def check_stages(rows: Sequence[tuple[str, str, tuple[str, ...]]], work: Path) -> None:
    """Ends the run where a row begins with one that is neither there nor trained before it."""
    there = set[str]()
    for row, _, settings in rows:
        stages = [value for key, _, value in (one.partition("=") for one in settings) if key.startswith("begin.")]
        absent = [name for name in stages if name not in there and not last_checkpoint(run_of(name, work)).is_file()]
        if absent:
            sys.exit(f"{row} begins with {' and '.join(absent)}, not trained in {work / 'runs'}; train them first with "
                     f"--recipes {','.join(absent)}")  # fmt: skip
        there.add(row)


def trained(row: str, name: str, work: Path, settings: Sequence[str]) -> tuple[Path, float]:
    """The run of a recipe and the CPU seconds of training it now, 0 where it was there."""
    place, begun = run_of(row, work), time.process_time()
    if not last_checkpoint(place).is_file():
        fit(narrow(name, work, settings), work / "prepared", place, progress=False)
    return place, time.process_time() - begun


def line(name: str, said: Predictions, seconds: float) -> str:
    right = mean_estimate((said.guess == said.truth).astype(float))
    counts = confusion(said.truth, said.guess, len(said.taxonomy))
    f1 = interval(float(macro_f1(counts)), macro_f1(confusion_draws(counts)), len(said))
    most = float(np.bincount(said.truth).max() / len(said))
    return f"| {name} | {len(said)} | {shown(right)} | {shown(f1)} | {most:.4f} | {seconds:.0f} |"


def shown(one: Estimate) -> str:
    return f"{one.value:.4f} [{one.low:.4f}, {one.high:.4f}]"


def plan(wanted: argparse.Namespace) -> list[tuple[str, str, tuple[str, ...]]]:
    """What is trained: the name of a row, the recipe, its settings."""
    if wanted.every:
        names = [name for name in RECIPES if name.startswith("group_") and name != "group_emotic"]
        return [(f"{name}, one epoch", name, ("optim.epochs=1",)) for name in names]
    hybrid = ("group_hybrid", "group_hybrid", SHOWN["group_hybrid"])
    if wanted.faults:
        faults = [(f"group_hybrid, {fault}", (*hybrid[2], *settings)) for fault, settings in FAULTS.items()]
        return [hybrid, *((row, "group_hybrid", settings) for row, settings in faults)]
    names = wanted.recipes.split(",") if wanted.recipes else list(SHOWN)
    if unknown := [name for name in names if name not in SHOWN]:
        sys.exit(f"--recipes {','.join(unknown)}: not known; choose out of {', '.join(SHOWN)}")
    return [(name, name, SHOWN[name]) for name in names]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    folder = Path(os.environ.get("EMOLENS_DATA") or ROOT.parent / "shared" / "data")
    parser.add_argument("--data", type=Path, default=folder, help="folder with fer2013/")
    parser.add_argument("--work", type=Path, required=True, help="folder for composites and runs, outside the project")
    parser.add_argument("--recipes", help=f"out of {', '.join(SHOWN)}; stages before them first")
    parser.add_argument("--every", action="store_true", help="each recipe of GAF, one epoch")
    parser.add_argument("--faults", action="store_true", help="the hybrid with each fault of its source")
    parser.add_argument("--train", type=int, default=480)
    parser.add_argument("--test", type=int, default=240)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    wanted = options()
    rows = plan(wanted)
    check_stages(rows, wanted.work)
    counts = {"train": wanted.train, "val": wanted.train // 4, "test": wanted.test}
    prepared = write_set(wanted.work, wanted.data, counts, wanted.seed)
    kind = "FER+" if (wanted.data / "fer2013").is_dir() else "drawn"
    sizes = Counter(one.split for one in read_composites(wanted.work / "composites"))
    print(f"composites of {kind} faces: {dict(sizes)}\n", file=sys.stderr)
    print("| | n | accuracy on test | macro F1 | majority class | CPU s |\n|---|---|---|---|---|---|", flush=True)
    for row, name, settings in rows:
        run, seconds = trained(row, name, wanted.work, settings)
        print(line(row, predict_group(run, open_rows(prepared, "test")), seconds), flush=True)
    print(f"\n{machine(1, versions('emolens', 'torch', 'timm', 'lightning'))}")


if __name__ == "__main__":
    main()
