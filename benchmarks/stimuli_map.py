"""The default stimuli map judged against the model's own answer, on pictures that the model never saw.

    python benchmarks/stimuli_map.py judge [--data DIR] [--pictures 300]      # deletion and insertion
    python benchmarks/stimuli_map.py sanity [--pictures 60]                    # randomised weights
    python benchmarks/stimuli_map.py speed [--pictures 60] [--cores 2]         # from file to map, batch 1
    python benchmarks/stimuli_map.py memory                                    # 12 megapixels

`judge`: as many pictures of each fold of Emotion6, each mapped by a model whose head was taught on the other folds; the
trunk never saw any. Pixels of the picture replace those of a blurred one in the order of the map (insertion, Petsiuk et
al. 2018, arXiv:1806.07421), or the other way round (deletion); after each step the KL divergence from the answer to the
full picture is taken. The score is the area under the curve of deletion less that of insertion: large where few pixels
of the map make and break the answer. Beside it stand a hill in the middle, smooth noise, and spectral residual (Hou,
Zhang 2007), a saliency map without a gradient; intervals are those of the paired bootstrap over pictures. What was
measured is kept in a file and not measured again.

`sanity` (Adebayo et al. 2018, arXiv:1810.03292): the correlation between the map and that of the same net with its
head, or all of its weights, drawn anew. Models are kept in the cache folder of emolens.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter

from peers import ROOT, bootstrap, machine, median_interval, use_cores, versions

if TYPE_CHECKING:
    from emolens.data.pictures import LabelledPictures
    from emolens.learn.join import TrunkFile
    from emolens.learn.nets.wheel import WheelHead
    from emolens.reading.pictures import PictureReader

SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
"""Of the pixels that are shown or hidden at each step."""
BLUR = 1 / 12
"""Standard deviation of the blur in sides of the picture."""
NOISE_SIDE = 8
TARGET_MS, TARGET_BYTES = 120, 2**30
BATCH = 8
PLAIN, FEW = 2, 8
"""Views of a picture at the answer; pictures that show that a file agrees with its net."""
Maps = dict[str, np.ndarray]

# ---- models of the folds


def fold_models(pictures: LabelledPictures, folds: np.ndarray) -> list[Path]:
    """For each fold a file whose head never saw it, made as `emolens study evoked_default` makes the shipped one."""
    from emolens.learn.studies.evoked_default import default_features, ensemble
    from emolens.learn.studies.members import Member

    paths = [cache() / f"fold-{fold + 1}.onnx" for fold in range(int(folds.max()) + 1)]
    for fold, path in enumerate(paths):
        if not path.is_file():
            say(f"a model that did not see fold {fold + 1}")
            seen, rows = default_features(pictures, say), np.flatnonzero(folds != fold)
            head = ensemble(Member(), seen.features, pictures, rows, 0)
            write_model(path, seen.trunk, head, seen.features[:PLAIN, :FEW], pictures)
    return paths


def write_model(path: Path, trunk: TrunkFile, head: WheelHead, told: np.ndarray, pictures: LabelledPictures) -> None:
    """The file that a user would have, but for its calibration. `told` (2, FEW, D) is of the first pictures."""
    from emolens.learn.export_evoked import write_joined
    from emolens.learn.studies.evoked_default import ORIGIN

    write_joined(trunk, head, told, pictures.keep(np.arange(FEW)), (1.0, 1.0), (), path, ORIGIN)


def cache() -> Path:
    """The folder for what belongs to the shipped model: another one has another."""
    from emolens.models.catalogue import ASSETS
    from emolens.places import home, sha256

    folder = home() / "benchmarks" / "stimuli" / sha256(ASSETS / "evoked_emotion6.onnx")[:12]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def emotion6(asked: argparse.Namespace) -> tuple[LabelledPictures, np.ndarray]:
    """All pictures at the size of the model, and the fold of each."""
    from emolens.data.given import prepared_folder
    from emolens.data.pictures import whole_set
    from emolens.learn.studies.evoked_default import SIZE
    from emolens.learn.studies.folds import fixed_folds

    pictures = whole_set(prepared_folder(data_folder(asked) / "Emotion6", "emotion6", lambda *_: None), SIZE)
    return pictures, fixed_folds(pictures)


def chosen(folds: np.ndarray, count: int, seed: int) -> list[int]:
    """So many pictures, as many of each fold, folds in turn; fewer are the first of more, so that a run can be cut."""
    of, rng = int(folds.max()) + 1, np.random.default_rng(seed)
    rows = [rng.permutation(np.flatnonzero(folds == fold))[: count // of] for fold in range(of)]
    return [int(row) for turn in zip(*rows, strict=True) for row in turn]


def reader_of(path: Path) -> PictureReader:
    from emolens.models.classifier import Classifier
    from emolens.reading.pictures import PictureReader

    return PictureReader(Classifier.load(path, threads=1), maps=True)


# ---- maps


def rivals(image: np.ndarray, rng: np.random.Generator) -> Maps:
    """Maps (S, S) that know nothing of the model."""
    from emolens.maps import centre_prior, resized

    side = image.shape[0]
    noise = resized(rng.random((NOISE_SIDE, NOISE_SIDE), np.float32), side, side, smooth=True)
    return {"centre": centre_prior(side, side), "random": noise, "spectral residual": spectral_residual(image)}


def spectral_residual(image: np.ndarray, side: int = 64) -> np.ndarray:
    """Saliency (S, S) of a picture (S, S, 3): where its spectrum departs from a smooth one (Hou, Zhang 2007)."""
    from emolens.maps import resized

    grey = Image.fromarray(image).convert("L")
    spectrum = np.fft.fft2(np.asarray(grey.resize((side, side), Image.Resampling.BILINEAR), np.float64))
    size = np.log(np.abs(spectrum) + 1e-9)
    around = sum(np.roll(size, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1)) / 9
    found = np.abs(np.fft.ifft2(np.exp(size - around + 1j * np.angle(spectrum)))) ** 2
    smooth = Image.fromarray((found / found.max()).astype(np.float32)).resize(
        (side // 4, side // 4), Image.Resampling.BOX
    )
    return resized(np.asarray(smooth), image.shape[1], image.shape[0], smooth=True)


# ---- deletion and insertion


def judged(reader: PictureReader, image: np.ndarray, maps: Maps) -> dict[str, dict[str, float]]:
    """The areas under deletion and insertion for each map, in nats, and `blurred`, the divergence at their end."""
    side = image.shape[0]
    blurred = np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(BLUR * side)))
    steps = [image, blurred]
    for weights in maps.values():
        ranks = np.empty(weights.size)
        ranks[np.argsort(-weights, axis=None, kind="stable")] = (np.arange(weights.size) + 0.5) / weights.size
        for share in SHARES[1:-1]:
            first = (ranks.reshape(weights.shape) < share)[..., None]
            steps += [np.where(first, blurred, image), np.where(first, image, blurred)]
    answers, _ = reader.model.predict(np.stack(steps), BATCH)
    away = divergences(answers[0], answers[1:])
    curves = away[1:].reshape(len(maps), len(SHARES) - 2, 2)
    told = {"blurred": {"kl": float(away[0])}}
    for name, (gone, shown) in zip(maps, curves.transpose(0, 2, 1), strict=True):
        told[name] = {
            "deletion": float(np.trapezoid([0, *gone, away[0]], SHARES)),
            "insertion": float(np.trapezoid([away[0], *shown, 0], SHARES)),
        }
    return told


def divergences(full: np.ndarray, others: np.ndarray) -> np.ndarray:
    """KL divergence in nats from the answer to the full picture (K,) to others (n, K)."""
    p, q = full.astype(np.float64), np.maximum(others.astype(np.float64), 1e-12)
    return np.asarray((p * (np.log(np.maximum(p, 1e-12)) - np.log(q))).sum(axis=1))


def judge(asked: argparse.Namespace) -> None:
    pictures, folds = emotion6(asked)
    readers = [reader_of(path) for path in fold_models(pictures, folds)]
    kept = asked.kept or cache() / "judged.jsonl"
    lines = kept.read_text(encoding="utf-8").splitlines() if kept.is_file() else []
    done = {one["id"]: one["figures"] for one in map(json.loads, lines)}
    wanted = chosen(folds, asked.pictures, asked.seed)
    for count, row in enumerate(wanted):
        name, image = str(pictures.ids[row]), pictures.images[row]
        if name in done:
            continue
        reader = readers[folds[row]]
        (_, found), *_ = reader.read_maps([image], [image.shape[1::-1]])
        rng = np.random.default_rng((asked.seed, row))
        done[name] = judged(reader, image, {"map": found.seen, **rivals(image, rng)})
        with kept.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"id": name, "figures": done[name]}) + "\n")
        if count % 20 == 19:
            say(f"{count + 1} of {len(wanted)}")
    print("\n".join(table([done[str(pictures.ids[row])] for row in wanted], asked)))
    print(machine(1, versions("emolens", "onnxruntime", "numpy", "torch")))


def table(found: list[dict[str, dict[str, float]]], asked: argparse.Namespace) -> list[str]:
    names = [name for name in found[0] if name != "blurred"]
    areas = {n: np.array([[one[n]["deletion"], one[n]["insertion"]] for one in found]) for n in names}
    scores = {name: each[:, 0] - each[:, 1] for name, each in areas.items()}
    blurred = np.mean([one["blurred"]["kl"] for one in found])
    lines = [
        f"{len(found)} pictures of Emotion6, each by the model that never saw it; KL of the blurred: {blurred:.3f}",
        "",
    ]
    lines += ["| map | deletion | insertion | deletion - insertion | the map's less this |", "|---|---|---|---|---|"]
    for name in names:
        beside = "" if name == "map" else interval(scores["map"] - scores[name], asked)
        deletion, insertion = areas[name].mean(axis=0)
        lines.append(f"| {name} | {deletion:.4f} | {insertion:.4f} | {interval(scores[name], asked)} | {beside} |")
    return [*lines, ""]


def interval(values: np.ndarray, asked: argparse.Namespace) -> str:
    low, high = bootstrap(lambda rows: values[rows].mean(), len(values), asked.draws, asked.seed)
    return f"{values.mean():+.4f} [{low:+.4f}, {high:+.4f}]"


# ---- randomised weights


def sanity(asked: argparse.Namespace) -> None:
    """How alike the map is to that of the same net with weights drawn anew."""
    pictures, folds = emotion6(asked)
    reader = reader_of(fold_models(pictures, folds)[0])
    rows = np.random.default_rng(asked.seed).choice(np.flatnonzero(folds == 0), asked.pictures, replace=False)
    own = seen_maps(reader, pictures, rows)
    print(f"{len(rows)} pictures of fold 1, correlation of the map with that of the same net\n")
    print("| drawn anew | mean correlation | evidence alone, without the picture's edges |\n|---|---|---|")
    for what in ("head", "all"):
        path = cache() / f"random-{what}.onnx"
        if not path.is_file():
            write_random(path, what, pictures)
        other = seen_maps(reader_of(path), pictures, rows)
        told = [interval(alike(a, b), asked) for a, b in zip(own, other, strict=True)]
        print(f"| {what} | {told[0]} | {told[1]} |")
    print("\n" + machine(1, versions("emolens", "onnxruntime", "numpy", "torch")))


def write_random(path: Path, what: str, pictures: LabelledPictures) -> None:
    """The default model with its head, or all of it, as torch draws it."""
    import torch

    from emolens.learn.join import TrunkFile
    from emolens.learn.nets.backbone import trunk_range
    from emolens.learn.nets.wheel import WheelHead
    from emolens.learn.studies.evoked_default import MIDDLE, default_features
    from emolens.learn.studies.frozen import Views, varied
    from emolens.learn.studies.trunk import default_trunk, looking, write_trunk

    torch.manual_seed(1)
    trunk = default_trunk("wheel" if what == "head" else "none")
    if what == "head":
        file = default_features(pictures, say).trunk
    else:
        file = TrunkFile(cache() / "random-trunk.onnx", *trunk_range(trunk), MIDDLE)
        write_trunk(trunk, pictures, file.path)
    few, look = pictures.images[:FEW], looking(file.path, trunk)
    second = np.stack([varied(image, 1, Views(MIDDLE), np.random.default_rng(0)) for image in few])
    told = np.stack([look(few), look(second)])
    head = WheelHead(told.shape[2], len(pictures.taxonomy), hidden=512).eval()
    write_model(path, file, head, told, pictures)


def seen_maps(reader: PictureReader, pictures: LabelledPictures, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The maps (n, S, S) of pictures, and the coarse evidence for their answers (n, h, w)."""
    from emolens.models.card import EVIDENCE
    from emolens.stimuli import evidence_maps

    images = pictures.images[rows]
    maps = [reader.read_maps([image], [image.shape[1::-1]])[0][1].seen for image in images]
    found = reader.model.answers(images, (EVIDENCE, "logits"), BATCH)
    answers, _ = reader.model.judged(found["logits"])
    return np.stack(maps), np.stack([evidence_maps(*one)[0] for one in zip(found[EVIDENCE], answers, strict=True)])


def alike(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The correlation of each pair of maps, (n,)."""
    from emolens.evaluation.maps import correlation

    return np.array([correlation(a.astype(np.float64), b.astype(np.float64)) for a, b in zip(one, other, strict=True)])


# ---- speed and memory


def speed(asked: argparse.Namespace) -> None:
    """From a path to the map at the picture's own size, in this process, warm."""
    from emolens.analyzer import Analyzer

    cores = use_cores(asked.cores)
    analyzer = Analyzer("stimuli")
    every = sorted((data_folder(asked) / "Emotion6" / "images").glob("*/*.jpg"))
    pictures = every[:: max(1, len(every) // asked.pictures)][: asked.pictures]
    wall, cpu = np.empty((asked.rounds + 1, len(pictures))), np.empty((asked.rounds + 1, len(pictures)))
    for turn in range(asked.rounds + 1):
        for n, path in enumerate(pictures):
            began, spent = time.perf_counter(), time.process_time()
            found = analyzer.analyze(path).stimuli
            assert found is not None
            assert found.weights.shape == found.size[::-1]
            wall[turn, n], cpu[turn, n] = time.perf_counter() - began, time.process_time() - spent
    ms, cpu_ms = (1e3 * np.median(each[1:], axis=0) for each in (wall, cpu))
    print(f"{len(pictures)} pictures, median of {asked.rounds} rounds, batch 1; target {TARGET_MS} ms")
    print(f"ms: median {median_interval(ms, asked.draws, asked.seed)}, 90th percentile {np.percentile(ms, 90):.1f}; "
          f"CPU ms: median {np.median(cpu_ms):.1f}\n")  # fmt: skip
    print(machine(cores, versions("emolens", "onnxruntime", "numpy", "pillow")))


def memory(asked: argparse.Namespace) -> None:
    """The most memory that a process of its own holds, with the map of a picture of 12 megapixels and its map file."""
    code = [sys.executable, __file__, "twelve"]
    for what in ("nothing", "map", "map by emotion"):
        peak = int(subprocess.run([*code, what], capture_output=True, text=True, check=True).stdout.split()[-1])
        print(f"{what}: {peak / 2**20:.0f} MiB of at most {TARGET_BYTES / 2**20:.0f}")


def twelve(asked: argparse.Namespace) -> None:
    """In the process of its own: a JPEG of 4000 x 3000 pixels, from bytes to map and PNG."""
    import io
    import tempfile

    from emolens.analyzer import Analyzer
    from emolens.maps import write_map

    if asked.what != "nothing":
        ramp = np.add.outer(np.arange(3000) // 12, np.arange(4000) // 16).astype(np.uint8)
        encoded = io.BytesIO()
        Image.fromarray(ramp).convert("RGB").save(encoded, "JPEG")
        found = Analyzer("stimuli", by_emotion=asked.what != "map").analyze(encoded.getvalue()).stimuli
        assert found is not None
        with tempfile.TemporaryDirectory() as folder:
            write_map(found.weights, Path(folder) / "map.png", 16)
            if found.emotions is not None:
                write_map(found.of("fear"), Path(folder) / "fear.npy")
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


# ---- the command


def data_folder(asked: argparse.Namespace) -> Path:
    return asked.data or Path(os.environ.get("EMOLENS_DATA") or ROOT.parent / "shared" / "data")


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


COMMANDS = {"judge": (judge, 300), "sanity": (sanity, 60), "speed": (speed, 60), "memory": (memory, 0)}
"""What may be asked for, and on how many pictures by default."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("command", choices=[*COMMANDS, "twelve"])
    parser.add_argument("what", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help="folder of real data (EMOLENS_DATA, else ../shared/data)")
    parser.add_argument("--pictures", type=int)
    parser.add_argument("--kept", type=Path, help="file of what was judged; by default in the cache folder")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    if asked.command == "twelve":
        return twelve(asked)
    run, usual = COMMANDS[asked.command]
    asked.pictures = asked.pictures or usual
    return run(asked)


if __name__ == "__main__":
    main()
