"""What a leaked validation split is worth: the same net on the old split design and on the corrected one.

The lists of hyunyongPark/Emotion-Recognition have 28,601 training and 15,206 validation rows; 11,631 of the latter,
76.5 %, are training rows too. Its 93.7 % on validation decided when to stop and which epoch to keep. Its pictures
cannot be had here, so rows of FER2013 are arranged in the same proportions.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from emolens.data.faces import read_faces
from emolens.data.labelled import LabelledFaces
from emolens.data.prepare import prepare
from emolens.errors import DataError, OptionError
from emolens.evaluation.metrics import Estimate, mean_estimate
from emolens.files import replacing
from emolens.learn.config import Augment, ExpressionData, ExpressionRecipe, Loss, Optim, VggNet
from emolens.learn.fit import fit
from emolens.learn.folds import row_figures
from emolens.learn.loading import rows_of
from emolens.learn.studies import Effort, Say

PUBLISHED_TRAIN, PUBLISHED_VAL, PUBLISHED_SHARED = 28_601, 15_206, 11_631
SOURCE = "the lists of hyunyongPark/Emotion-Recognition"
REPORT = "split_leak"
DATA = "fer2013"
ROWS = 2000
COLUMNS = (
    "design",
    "seed",
    "val rows",
    "also in train",
    "val accuracy",
    "on shared rows",
    "on fresh rows",
    "unseen pictures",
)


@dataclass(frozen=True, slots=True)
class Design:
    """One split design: how many rows, what its `val` reports, and how the checkpoint it chose does on unseen pictures.

    `shared` and `fresh` are the accuracy on rows of `val` that are in `train` too, and on those that are not.
    """

    name: str
    seed: int
    train_rows: int
    val_rows: int
    shared_rows: int
    val: Estimate
    shared: Estimate | None
    fresh: Estimate
    unseen: Estimate


def run(data: Path, out: Path, effort: Effort, say: Say) -> Path:
    """Compare both designs with each seed; write `split_leak.json` and the table `split_leak.md` into `out`.

    `data` is FER2013. Raises what `compare` raises.
    """
    found: list[Design] = []
    say("accuracy in %, in brackets 95 % bootstrap intervals over the pictures")
    for seed in range(effort.seeds):
        pair = compare(data, out, ROWS, effort.epochs, seed)
        for one in pair:
            say(f"seed {seed}, {one.name}: val says {_percent(one.val)}; unseen pictures {_percent(one.unseen)}")
        found += pair
    for line in means(found):
        say(line)
    return write_report(found, out)


def compare(data: Path, out: Path, rows: int, epochs: int, seed: int = 0) -> tuple[Design, Design]:
    """Train the same small net with the leaked and with the corrected `val`, and judge both on pictures not seen.

    `rows` of FER2013's Training part train, drawn by `seed` from those without a pixel copy; PublicTest is the unseen
    part, PrivateTest is not touched. Each net is its `best` checkpoint, the epoch that its own `val` chose. The run
    folders are `out/leaked-SEED` and `out/corrected-SEED`. Raises `OptionError` for sizes that cannot be, `DataError`
    where FER2013 has too few pictures, and what `fit` raises.
    """
    if rows < 1 or epochs < 1:
        raise OptionError(f"rows={rows}, epochs={epochs}; needs 1 or more of each")
    pool, unseen = _unique(read_faces(data, "train", DATA)), read_faces(data, "val", DATA)
    seen = {image.tobytes() for image in pool.images}
    unseen = unseen.keep(np.array([image.tobytes() not in seen for image in unseen.images], bool))
    leaked, corrected = (
        _judged(name, places, pool, unseen, out, _recipe(epochs, seed))
        for name, places in arranged(len(pool), rows, seed).items()
    )
    return leaked, corrected


def arranged(available: int, rows: int, seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The rows of `train` and of `val` in each design, out of `available` ones, in the published proportions.

    Both designs train on the same rows and have as many in `val`. Raises `DataError` where there are too few.
    """
    size = round(rows * PUBLISHED_VAL / PUBLISHED_TRAIN)
    shared = round(size * PUBLISHED_SHARED / PUBLISHED_VAL)
    if rows + size > available:
        raise DataError(f"{rows} rows to train on and {size} to validate on; FER2013 gives {available} different ones")
    order = np.random.default_rng(seed).permutation(available)
    train, fresh = order[:rows], order[rows : rows + size]
    return {"leaked": (train, np.concatenate([train[:shared], fresh[shared:]])), "corrected": (train, fresh)}


def means(designs: Sequence[Design]) -> list[str]:
    """A line for each design: the mean over its seeds, with the standard deviation (n - 1) where there are several."""
    lines = []
    for name in dict.fromkeys(one.name for one in designs):
        own = [one for one in designs if one.name == name]
        val, unseen = (_over_seeds(figures) for figures in ([d.val for d in own], [d.unseen for d in own]))
        over = "one seed" if len(own) == 1 else f"mean (standard deviation) over {len(own)} seeds"
        lines.append(f"{name}, {over}: val says {val}; unseen pictures {unseen}")
    return lines


def markdown(designs: Sequence[Design]) -> str:
    """Designs as a table in Markdown, with their means over the seeds and what it means."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    for one in designs:
        shares = (f"{one.val_rows:,}", f"{one.shared_rows / one.val_rows:.1%}")
        figures = (_percent(figure) for figure in (one.val, one.shared, one.fresh, one.unseen))
        lines.append("| " + " | ".join((one.name, str(one.seed), *shares, *figures)) + " |")
    listed = "".join(f"- {line}\n" for line in means(designs))
    return "\n".join(lines) + (
        f"\n\n{listed}\nAccuracy in %, with 95 % bootstrap intervals over the pictures. Of one seed both nets "
        f"trained on the same {designs[0].train_rows:,} rows; each is the epoch that its own val chose. The "
        f"leaked design has the proportions of {SOURCE}, whose val reported 93.7 %.\n"
    )


def write_report(designs: Sequence[Design], out: Path) -> Path:
    """Write the figures as JSON and as a table in Markdown; the path of the latter."""
    content = json.dumps([asdict(one) for one in designs], indent=2) + "\n"
    for name, text in ((f"{REPORT}.json", content), (f"{REPORT}.md", markdown(designs))):
        with replacing(out / name) as draft:
            draft.write_text(text, encoding="utf-8")
    return out / f"{REPORT}.md"


def _recipe(epochs: int, seed: int) -> ExpressionRecipe:
    """A net that learns its training rows by heart, as the source's did (99.5 %): hardly any augmentation."""
    return ExpressionRecipe(
        name="split_leak",
        source="the split design of hyunyongPark/Emotion-Recognition, 2023",
        data=ExpressionData(name="fer2013"),
        net=VggNet(widths=(16, 32, 64, 128), dropout=0),
        augment=Augment(rotate=0, scale=0, shift=0, erase=0),
        loss=Loss(targets="label"),
        optim=Optim(epochs=epochs, warmup_epochs=min(1, epochs / 2), batch=64, lr=0.05, ema=0),
        seed=seed,
    )


def _judged(
    name: str, places: tuple[np.ndarray, np.ndarray], pool: LabelledFaces, unseen: LabelledFaces, out: Path,
    recipe: ExpressionRecipe,
) -> Design:  # fmt: skip
    (train, val), run_folder = places, out / f"{name}-{recipe.seed}"
    with tempfile.TemporaryDirectory() as folder:
        prepared = _as_fer2013(Path(folder), (pool.keep(train), pool.keep(val), unseen))
        fit(recipe, prepared, run_folder, progress=False)
        right = row_figures(run_folder, rows_of(recipe, prepared, "val"), "best")["accuracy"]
        rest = row_figures(run_folder, rows_of(recipe, prepared, "test"), "best")["accuracy"]
    known = np.isin(val, train)
    return Design(
        name,
        recipe.seed,
        train_rows=len(train),
        val_rows=len(val),
        shared_rows=int(known.sum()),
        val=mean_estimate(right),
        shared=mean_estimate(right[known]) if known.any() else None,
        fresh=mean_estimate(right[~known]),
        unseen=mean_estimate(rest),
    )


def _as_fer2013(folder: Path, parts: tuple[LabelledFaces, ...]) -> Path:
    """Train, val and test as an archive of FER2013, prepared, in `folder`: no picture is left in the cache."""
    n = sum(map(len, parts))
    (folder / "archive").mkdir()
    np.savez(
        folder / "archive" / "fer2013_ferplus.npz",
        images=np.concatenate([part.images for part in parts]),
        fer_label=np.concatenate([part.targets.argmax(axis=1) for part in parts]).astype(np.uint8),
        usage=np.repeat(np.arange(3, dtype=np.uint8), [len(part) for part in parts]),
        ferplus_votes=np.zeros((n, 10), np.uint8),
        ferplus_name=np.full(n, "none"),
    )
    prepare("fer2013", folder / "archive", folder / "prepared")
    return folder / "prepared"


def _unique(faces: LabelledFaces) -> LabelledFaces:
    """The first of each picture: copies within Training would leak in the corrected design too."""
    first: dict[bytes, int] = {}
    for at, image in enumerate(faces.images):
        first.setdefault(image.tobytes(), at)
    return faces.keep(np.isin(np.arange(len(faces)), list(first.values())))


def _over_seeds(figures: Sequence[Estimate]) -> str:
    values = 100 * np.array([figure.value for figure in figures])
    return f"{values.mean():.1f}" + (f" ({values.std(ddof=1):.1f})" if len(values) > 1 else "")


def _percent(figure: Estimate | None) -> str:
    if figure is None:
        return "none"
    return f"{figure.value:.1%} ({figure.low:.1%} to {figure.high:.1%}), n {figure.n:,}".replace("%", "")
