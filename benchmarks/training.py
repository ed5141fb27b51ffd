"""How fast DAN trains at 224 px, batch 32, and how fast its pictures come, beside the source's own step and loader.

    python benchmarks/training.py                      both, on drawn pictures of 100 px as RAF-DB has them
    python benchmarks/training.py --batches 3          a quick look
    python benchmarks/training.py --cuda               the steps on the GPU
    python benchmarks/training.py --small              steps of the small nets at 48 px alone, on one thread

The source (yaoing/DAN) reads a JPEG a picture, enlarges it to 224 px, mirrors, turns and shifts it, makes a tensor,
normalises and blanks a patch, all with torchvision in worker processes (it asks for 4); its step is cross-entropy,
affinity and partition loss, and SGD, on tensors as torchvision lays them out. It is stated again here from its
description. The net is ours in both: parameter for parameter it is the source's.

emolens decodes once into a mapped file of 100 px pictures, augments whole batches, and enlarges and normalises in the
net. "to the net's door" has the pictures as its loader gives them after augmentation; "to 224 px" adds what the
net does before its first convolution, which is the fair comparison. Targets: a step no slower than the source's, input
3 times as fast.

Rows take turns over several rounds; the median counts, the fastest and the slowest are shown. Threads are all cores.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from emolens.data.faces import read_faces
from emolens.learn.config import ExpressionRecipe, changed
from emolens.learn.loading import batches
from emolens.learn.nets import build
from emolens.learn.nets.dan import IMAGENET_MEAN, IMAGENET_STD
from emolens.learn.optimisers import optimiser
from emolens.learn.recipes import recipe
from emolens.learn.tasks.expression import ExpressionTask
from emolens.learn.transforms import augment
from emolens.taxonomy import FERPLUS, RAFDB
from peers import machine, versions

SIDE, STORED, BATCH, CLASSES = 224, 100, 32, len(RAFDB)
MEAN, STD = ([value / 255 for value in values] for values in (IMAGENET_MEAN, IMAGENET_STD))


# --- the pictures -------------------------------------------------------------------------------------------------


def draw(folder: Path, count: int) -> list[Path]:
    """JPEG files of 100 x 100 with smooth noise, about as large as those of RAF-DB, and a table that lists them."""
    chance = np.random.default_rng(0)
    paths = []
    for at in range(count):
        small = Image.fromarray(chance.integers(0, 256, (12, 12, 3), np.uint8))
        paths.append(folder / "pictures" / f"{at:05d}.jpg")
        paths[-1].parent.mkdir(exist_ok=True)
        small.resize((STORED, STORED), Image.Resampling.BICUBIC).save(paths[-1], quality=90)
    with (folder / "table.csv").open("w", newline="") as file:
        rows = [(f"pictures/{path.name}", RAFDB.classes[at % CLASSES], "train") for at, path in enumerate(paths)]
        csv.writer(file).writerows([("path", "label", "split"), *rows])
    return paths


# --- the source ---------------------------------------------------------------------------------------------------


class Files(Dataset[Any]):
    """One JPEG a picture, changed as the source changes it for RAF-DB."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths
        turned = [transforms.RandomRotation(20), transforms.RandomCrop(SIDE, padding=32)]
        self.change = transforms.Compose([
            transforms.Resize((SIDE, SIDE)),
            transforms.RandomHorizontalFlip(),
            transforms.RandomApply(turned, p=0.2),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
            transforms.RandomErasing(scale=(0.02, 0.25)),
        ])  # fmt: skip

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, at: int) -> tuple[Tensor, int]:
        with Image.open(self.paths[at]) as picture:
            return self.change(picture.convert("RGB")), at % CLASSES


def source_loader(paths: list[Path], workers: int) -> Generator[tuple[Tensor, Tensor], None, None]:
    while True:
        yield from DataLoader(Files(paths), BATCH, shuffle=True, num_workers=workers, drop_last=True)


def source_step(device: str) -> Callable[[Tensor, Tensor], None]:
    """Cross-entropy, affinity and partition as the source computes them, and plain SGD."""
    net = build(dan().net, CLASSES).to(device)
    net.resolution = None  # type: ignore[assignment]
    net.mean.zero_()  # type: ignore[operator]
    net.std.fill_(1)  # type: ignore[operator]
    centres = nn.Parameter(torch.randn(CLASSES, 512, device=device))
    moved = torch.optim.SGD([*net.parameters(), centres], lr=0.1, momentum=0.9, weight_decay=1e-4)

    def step(images: Tensor, labels: Tensor) -> None:
        images, labels = images.to(device), labels.to(device)
        moved.zero_grad()
        found = net(images)
        features = found["features"]
        squares = features.pow(2).sum(1, keepdim=True) + centres.pow(2).sum(1) - 2 * features @ centres.t()
        mask = labels[:, None].eq(torch.arange(CLASSES, device=device))
        near = (squares * mask / centres.var(dim=0).sum()).clamp(1e-12, 1e12).sum() / len(labels)
        apart = torch.log(1 + 4 / (found["heads"].var(dim=1).mean() + 1e-16))
        loss = functional.cross_entropy(found["logits"], labels) + near + apart
        loss.backward()
        moved.step()
        loss.item()

    return step


# --- emolens ------------------------------------------------------------------------------------------------------


def dan() -> ExpressionRecipe:
    found = recipe("dan_rafdb")
    assert isinstance(found, ExpressionRecipe)
    return changed(found, ["net.weights=none", f"optim.batch={BATCH}"])


def our_loader(archive: Path, augmented: bool = True, enlarged: bool = True) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches as training has them, up to where the net's first convolution begins."""
    faces = read_faces(archive, "train", "table", grey=False, size=STORED)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    loader = batches(faces, BATCH, shuffle=True)
    while True:
        for images, targets in loader:
            if augmented:
                images = augment(images, dan().augment)
            if enlarged:
                images = images.contiguous(memory_format=torch.channels_last)
                images = functional.interpolate((images - mean) / std, (SIDE, SIDE), mode="bilinear")
            yield images, targets


def our_step(device: str) -> Callable[[Tensor, Tensor], None]:
    """What Lightning does with a batch, augmentation included: the task's loss, backward, and the optimiser."""
    settings = dan()
    task = ExpressionTask(settings, build(settings.net, CLASSES), RAFDB, torch.full((CLASSES,), 1 / CLASSES)).to(device)
    moved = optimiser(task, settings.optim)

    def step(images: Tensor, targets: Tensor) -> None:
        moved.zero_grad()
        loss = task.loss((images.to(device), targets.to(device)))
        loss.backward()
        moved.step()
        loss.item()

    return step


# --- small nets ---------------------------------------------------------------------------------------------------

SMALL = {
    "expression_ferplus": (),
    "expression_ferplus, blocks of 1, 2, 3, 3": ("net.depths=[1,2,3,3]",),
    "resnet_ferplus": ("optim.precision=bfloat16",),
    "dan_ferplus": ("optim.precision=bfloat16",),
}
"""Recipes for two CPU cores, and what is changed in them."""


def small_step(name: str, settings: tuple[str, ...]) -> Callable[[], None]:
    """A step of 128 pictures of 48 px in bfloat16, augmentation included."""
    found = recipe(name.partition(",")[0])
    assert isinstance(found, ExpressionRecipe)
    found = changed(found, settings)
    task = ExpressionTask(found, build(found.net, len(FERPLUS)), FERPLUS, torch.full((len(FERPLUS),), 1 / len(FERPLUS)))
    moved = optimiser(task, found.optim)
    images, targets = torch.rand(found.optim.batch, 1, 48, 48) * 255, torch.rand(found.optim.batch, len(FERPLUS))

    def step() -> None:
        moved.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = task.loss((images, targets / targets.sum(dim=1, keepdim=True)))
        loss.backward()
        moved.step()

    return step


def small(count: int, times: int) -> None:
    torch.set_num_threads(1)
    rows = {name: small_step(name, settings) for name, settings in SMALL.items()}
    table("48 px, a step of 128, one thread", rounds(rows, count, times, 128))
    print(f"\n{machine(1, versions('torch'))}")


# --- the clock ----------------------------------------------------------------------------------------------------


def timed(act: Callable[[], object], count: int, batch: int) -> float:
    """Pictures a second over `count` batches."""
    start = time.perf_counter()
    for _ in range(count):
        act()
    return count * batch / (time.perf_counter() - start)


def rounds(
    rows: Mapping[str, Callable[[], object]], count: int, times: int, batch: int = BATCH
) -> dict[str, list[float]]:
    """Each row in turn, `times` times, after one batch that does not count."""
    for act in rows.values():
        act()
    found: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(times):
        for name, act in rows.items():
            found[name].append(timed(act, count, batch))
    return found


def table(title: str, found: dict[str, list[float]]) -> None:
    base = statistics.median(next(iter(found.values())))
    print(f"\n| {title} | pictures/s | fastest, slowest | beside the first |\n|---|---|---|---|")
    for name, values in found.items():
        middle = statistics.median(values)
        print(f"| {name} | {middle:,.1f} | {max(values):,.1f}, {min(values):,.1f} | {middle / base:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--batches", type=int, default=10, help="a round, of each row")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pictures", type=int, default=3200)
    parser.add_argument("--workers", type=int, default=2, help="of the source's loader; it asks for 4")
    parser.add_argument("--cuda", action="store_true", help="take the steps on the GPU")
    parser.add_argument("--small", action="store_true", help="only steps of the small nets at 48 px")
    options = parser.parse_args()
    if options.small:
        small(options.batches, options.rounds)
        return
    device = "cuda" if options.cuda else "cpu"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = draw(folder, options.pictures)
        source = source_loader(paths, options.workers)
        whole, door = our_loader(folder), our_loader(folder, enlarged=False)
        inputs: dict[str, Callable[[], object]] = {
            f"source, {options.workers} workers": lambda: next(source),
            "emolens, to 224 px": lambda: next(whole),
            "emolens, to the net's door": lambda: next(door),
        }
        table(f"input, batches of {BATCH}", rounds(inputs, 10 * options.batches, options.rounds))
        theirs, ours = source_step(device), our_step(device)
        one, other = next(source), next(our_loader(folder, augmented=False, enlarged=False))
        source.close()  # its workers end: they must not read ahead while steps are timed
        steps: dict[str, Callable[[], object]] = {
            "source": lambda: theirs(*one),
            "emolens": lambda: ours(*other),
        }
        table(f"DAN at {SIDE} px, a step of {BATCH}", rounds(steps, options.batches, options.rounds))
    print(f"\n{machine(torch.get_num_threads(), versions('torch', 'torchvision', 'timm'))}")


if __name__ == "__main__":
    main()
