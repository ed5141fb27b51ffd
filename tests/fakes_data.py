"""Tiny archives laid out exactly as the real data sets, oddities included: drawn pictures, made-up labels."""

from __future__ import annotations

import csv
import pickle
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from emolens.taxonomy import FERPLUS

VOTES = (
    # the ten columns of FER+, and the subsets a row belongs to
    (4, 0, 0, 1, 3, 2, 0, 0, 0, 0),  # all but majority: 4 of the 9 votes that are not single
    (0, 10, 0, 0, 0, 0, 0, 0, 0, 0),  # all
    (0, 0, 0, 0, 0, 0, 0, 0, 0, 10),  # none: not a face; FER+ has no name for it
    (2, 1, 1, 1, 1, 1, 1, 1, 1, 0),  # all: the two votes that are not single agree
    (0, 6, 3, 0, 0, 0, 0, 0, 0, 0),  # all; nine votes, as one row of the real file has
    (3, 0, 0, 0, 0, 0, 0, 0, 7, 0),  # none: unknown wins
    (0, 0, 6, 0, 0, 0, 4, 0, 0, 0),  # all
    (2, 2, 2, 2, 2, 0, 0, 0, 0, 0),  # argmax alone: five equals
)
EMOTIONS = (0, 3, 6, 4, 5, 1, 5, 2)
USAGES = ("Training",) * 4 + ("PublicTest",) * 2 + ("PrivateTest",) * 2


@dataclass(frozen=True)
class Fake:
    """How to write an archive, the options to read it with, and how many records it then holds by split."""

    write: Callable[[Path], object]
    splits: dict[str, int]
    options: dict[str, str | int | bool] = field(default_factory=dict)


def draw(path: Path, seed: int = 0, size: tuple[int, int] = (40, 32), mode: str = "RGB") -> Path:
    """A drawn picture: a face-like ellipse on a gradient, different for each seed."""
    rng = np.random.default_rng(seed)
    width, height = size
    ramp = np.linspace(0, 120, width)[None, :, None] + rng.integers(0, 100, 3)
    picture = Image.fromarray(np.broadcast_to(ramp, (height, width, 3)).astype(np.uint8))
    x, y = rng.uniform(0.1, 0.3, 2)
    ImageDraw.Draw(picture).ellipse((x * width, y * height, 0.8 * width, 0.9 * height), fill=(220, 180, 40))
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.convert(mode).save(path)
    return path


def draw_all(root: Path, names: Iterable[str], size: tuple[int, int] = (40, 32), mode: str = "RGB") -> None:
    for seed, name in enumerate(names):
        draw(root / name, seed, size, mode)


def write_rows(path: Path, rows: Iterable[Iterable[object]], delimiter: str = ",") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    return path


def write_text(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def fer_images() -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (len(VOTES), 48, 48), dtype=np.uint8)


def fer2013(root: Path, name: str = "fer2013.csv") -> None:
    """The file of the challenge; `icml_face_data.csv` has another order and blanks in its column names."""
    pixels = [" ".join(map(str, image.ravel())) for image in fer_images()]
    if name == "icml_face_data.csv":
        rows = [("emotion", " Usage", " pixels"), *zip(EMOTIONS, USAGES, pixels, strict=True)]
    else:
        rows = [("emotion", "pixels", "Usage"), *zip(EMOTIONS, pixels, USAGES, strict=True)]
    write_rows(root / name, rows)


def fer_names() -> list[str]:
    """FER+ names do not count its rows, and a picture that is no face has none."""
    return ["" if votes[9] == 10 else f"fer{7 * at:07d}.png" for at, votes in enumerate(VOTES)]


def ferplus(root: Path) -> None:
    fer2013(root)
    columns = (*FERPLUS.classes, "unknown", "NF")
    rows = [(usage, name, *votes) for usage, name, votes in zip(USAGES, fer_names(), VOTES, strict=True)]
    write_rows(root / "fer2013new.csv", [("Usage", "Image name", *columns), *rows])


def ferplus_npz(root: Path) -> None:
    usage = [("Training", "PublicTest", "PrivateTest").index(name) for name in USAGES]
    np.savez(
        root / "fer2013_ferplus.npz",
        images=fer_images(),
        fer_label=np.array(EMOTIONS, np.uint8),
        usage=np.array(usage, np.uint8),
        ferplus_votes=np.array(VOTES, np.uint8),
        ferplus_name=np.array(fer_names()),
    )


def ckplus(root: Path) -> None:
    """Two labelled sequences of two subjects, one without a label, one whose emotion folder is absent."""
    for sequence, frames in (("S005/001", 5), ("S010/002", 4), ("S010/003", 4), ("S011/001", 2)):
        stem = sequence.replace("/", "_")
        names = [f"cohn-kanade-images/{sequence}/{stem}_{at + 1:08d}.png" for at in range(frames)]
        draw_all(root, names, mode="L")
    write_text(root / "cohn-kanade-images/S005/001/.DS_Store", "")
    write_text(root / "Emotion/S005/001/S005_001_00000005_emotion.txt", "   3.0000000e+00\n")
    write_text(root / "Emotion/S010/002/S010_002_00000004_emotion.txt", "   7.0000000e+00\n")
    (root / "Emotion/S010/003").mkdir(parents=True)


def ckplus48(root: Path) -> None:
    names = [f"happy/S005_001_{at:08d}.png" for at in (10, 11, 12)] + ["contempt/S138_008_00000007.png"]
    draw_all(root / "CK+48", names, size=(48, 48), mode="L")


def rafdb(root: Path) -> None:
    """Train names have five digits, test names four."""
    write_text(root / "EmoLabel/list_patition_label.txt", "train_00001.jpg 5\ntrain_00002.jpg 7\ntest_0001.jpg 1\n")
    names = ("train_00001", "train_00002", "test_0001")
    draw_all(root / "Image/aligned", [f"{name}_aligned.jpg" for name in names], size=(100, 100))


def affectnet(root: Path) -> None:
    """Annotations are strings in one release and numbers in another; 9 is "uncertain", with -2 for its valence."""
    rows = (
        ("train_set", 3, "1", "0.5"),
        ("train_set", 4, "7", "-0.25"),
        ("train_set", 5, "9", "-2"),
        ("val_set", 0, 6, -0.5),
    )
    for seed, (part, number, expression, valence) in enumerate(rows):
        draw(root / part / "images" / f"{number}.jpg", seed)
        folder = root / part / "annotations"
        folder.mkdir(exist_ok=True)
        for kind, value in (("exp", expression), ("val", valence), ("aro", valence)):
            np.save(folder / f"{number}_{kind}.npy", np.array(value))


def affectnet_csv(root: Path) -> None:
    write_rows(root / "affectnet.csv", [("phase", "img_path", "label"), ("train", "3.jpg", 1), ("val", "0.jpg", 7)])
    draw_all(root, ("train_set/images/3.jpg", "val_set/images/0.jpg"))


def affectnet_folders(root: Path) -> None:
    draw_all(root, ("train/0/image0000001.jpg", "train/7/image0000002.jpg", "val/3/image0000003.jpg"))


CLASSES6 = ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")
HEADER6 = ("[image_filename]", "[valence]", "[arousal]", *(f"[prob. {name}]" for name in CLASSES6))


def emotion6(root: Path) -> None:
    """The first two rows are real numbers of the published file; the second has a tie at the top."""
    rows = (
        ("disgust/1.jpg", 2.5, 3.8, 0.133333, 0.7, 0, 0.0666667, 0.1, 0, 0),
        ("surprise/1.jpg", 6.3, 5.7, 0, 0.0666667, 0.166667, 0.233333, 0.133333, 0.233333, 0.166667),
        ("joy/7.jpg", 8, 4, 0, 0, 0, 0.5, 0, 0, 0.5),
    )
    write_rows(root / "ground_truth.txt", (HEADER6, *rows), delimiter="\t")
    draw_all(root / "images", [row[0] for row in rows])


def emotionroi(root: Path) -> None:
    names = ("anger/1.jpg", "joy/2.jpg", "fear/3.jpg")
    draw_all(root / "images", names)
    draw_all(root / "ground_truth", names, mode="L")
    write_text(root / "training_testing_split/training.txt", "anger/1.jpg\njoy/2.jpg\n")
    write_text(root / "training_testing_split/testing.txt", "fear/3.jpg\n")


def artphoto(root: Path) -> None:
    draw_all(root / "testImages_artphoto", ("amusement_0003.jpg", "content_0001.jpg", "sad_0150.jpg"))


def fi(root: Path) -> None:
    draw_all(root, ("awe/11581.jpg", "sadness/1.jpg", "contentment/x.jpg"))


def gaf(root: Path) -> None:
    """Class folders, unlabelled test pictures, and the pickled lists that cut the validation part."""
    draw_all(root / "emotiw/train", ("Negative/neg_1.jpg", "Neutral/neu_1.jpg", "Positive/pos_1.jpg"))
    draw_all(root / "emotiw/val", ("Negative/neg_2.jpg", "Neutral/neu_2.jpg", "Positive/pos_2.jpg"))
    draw_all(root / "emotiw/test_shared/test", ("test_1.jpg", "test_2.jpg"))
    for protocol, (name, listed) in enumerate((("val_list", ["neg_2.jpg"]), ("test_list", ["pos_2.jpg"]))):
        (root / name).write_bytes(pickle.dumps(listed, protocol=3 * protocol))


def groupscene(root: Path) -> None:
    """Names with a video and a frame, a renumbered name, a plot; crops of faces for one picture."""
    draw_all(root, ("train/Negative/neg_a_12.jpg", "train/Positive/pos_b_7.jpg", "train/Positive/pos_b_plot.png"))
    draw_all(root, ("val/Negative/Vneg_17.jpg", "test/Positive/Tpos_c_3.jpg"))
    (root / "CroppedFaces2/train/Negative").mkdir(parents=True)
    np.savez(root / "CroppedFaces2/train/Negative/neg_a_12.npz", a=np.zeros(1))


def structs(*rows: dict[str, object]) -> np.ndarray:
    """A 1 x N struct array, as MATLAB knows it."""
    array = np.empty((1, len(rows)), dtype=[(key, object) for key in rows[0]])
    for at, row in enumerate(rows):
        array[0, at] = tuple(row.values())
    return array


def cells(*names: str) -> np.ndarray:
    """A 1 x N cell array of texts."""
    return np.array([names], dtype=object)


def emotic_person(categories: tuple[str, ...], affect: float, combined: bool) -> dict[str, object]:
    """A person as `train` has one (judged by one), or, `combined`, as `val` and `test` have (judged by several)."""
    one = structs({"categories": cells(*categories)})
    values = structs({"valence": affect, "arousal": 5.0, "dominance": 6.0})
    person = {"body_bbox": np.array([[2, 3, 20, 30]], np.uint16), "annotations_categories": one}
    if combined:
        person["combined_categories"] = cells(*categories)
    person["annotations_continuous"] = values
    if combined:
        person["combined_continuous"] = values
    return {**person, "gender": "Male", "age": "Adult"}


def emotic(root: Path) -> None:
    """The MATLAB file; NaN where nobody judged."""
    from scipy.io import savemat

    def picture(folder: str, name: str, *people: dict[str, object]) -> dict[str, object]:
        size = structs({"n_col": 40, "n_row": 32})
        base = structs({"name": "mscoco", "info": "none"})
        row = {"filename": name, "folder": folder, "image_size": size, "original_database": base}
        return {**row, "person": structs(*people)}

    first = emotic_person(("Peace", "Doubt/Confusion"), 4.0, False)
    nobody = emotic_person(("Fear",), float("nan"), False)
    several = emotic_person(("Happiness", "Pleasure"), 8.0, True)
    draw_all(root / "emotic", ("mscoco/images/a.jpg", "mscoco/images/c.jpg", "ade20k/images/b.jpg"))
    (root / "Annotations").mkdir(parents=True)
    content = {
        "train": structs(picture("mscoco/images", "a.jpg", first, nobody), picture("mscoco/images", "c.jpg", first)),
        "val": structs(picture("ade20k/images", "b.jpg", several)),
    }
    savemat(root / "Annotations/Annotations.mat", content)


def emotic_csv(root: Path) -> None:
    columns = ["Index", "Folder", "Filename", "Image Size", "BBox", "Categorical_Labels", "Continuous_Labels"]
    row = (0, "mscoco/images", "a.jpg", [40, 32], [2, 3, 20, 30], ["Peace"], [7.0, 5.0, 6.0], "Male", "Adult")
    write_rows(root / "train.csv", [(*columns, "Gender", "Age"), row])
    draw_all(root / "emotic", ("mscoco/images/a.jpg",))


def lists(root: Path) -> None:
    """A CK+ subject and an AffectNet picture of `train` again in `valid`, as in the published lists."""
    rows = {
        "train": (("Data/CK+48/happy/S125_005_00000012.png", 3), ("Data/aff/anger/image0027218.jpg", 0)),
        "valid": (("Data/CK+48/happy/S125_005_00000013.png", 3), ("Data/aff/anger/image0027218.jpg", 0)),
        "test": (("Data/RAF/img/happy/train_02273_aligned.jpg", 3), ("Data/RAF/img/surprise/test_1604_aligned.jpg", 5)),
    }
    for name, listed in rows.items():
        numbered = [(at, *row) for at, row in enumerate(listed)]
        write_rows(root / f"{name}.csv", [("", "image_path", "label"), *numbered])
        draw_all(root, [path for path, _ in listed])


def table(root: Path) -> None:
    columns = ("path", "p_joy", "p_neutral", "valence", "map", "subject", "split", "camera")
    rows = (("pictures/a.png", 0.25, 0.75, 3.5, "maps/a.png", "anna", "train", "left"),)
    rows += (("pictures/b.png", 1, 0, "", "", "", "validation", ""),)
    write_rows(root / "table.csv", (columns, *rows))
    draw_all(root, ("pictures/a.png", "pictures/b.png"))
    draw_all(root, ("maps/a.png",), mode="L")


def folder(root: Path) -> None:
    draw_all(root, ("train/Happy/1.png", "train/sad/2.png", "valid/happy/3.png"))


FAKES = {
    "fer2013": Fake(fer2013, {"train": 4, "val": 2, "test": 2}),
    "ferplus": Fake(ferplus, {"train": 3, "val": 1, "test": 2}),
    "ckplus": Fake(ckplus, {"train": 6}),
    "ckplus48": Fake(ckplus48, {"train": 4}),
    "rafdb": Fake(rafdb, {"train": 2, "test": 1}),
    "affectnet": Fake(affectnet, {"train": 2, "val": 1}),
    "emotion6": Fake(emotion6, {"train": 3}),
    "emotionroi": Fake(emotionroi, {"train": 2, "test": 1}),
    "artphoto": Fake(artphoto, {"train": 3}),
    "fi": Fake(fi, {"train": 3}),
    "gaf": Fake(gaf, {"train": 3, "val": 3, "test": 2}),
    "groupscene": Fake(groupscene, {"train": 2, "val": 1, "test": 1}),
    "emotic": Fake(emotic, {"train": 3, "val": 1}),
    "lists": Fake(lists, {"train": 2, "val": 2, "test": 2}),
    "table": Fake(table, {"train": 1, "val": 1}),
    "folder": Fake(folder, {"train": 2, "val": 1}),
}
"""A tiny archive for every reader in the registry, by its name."""
