"""Group recipes train on sets laid out as the real ones, their runs are asked, written in the old form and exported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from emolens.data.given import prepared_folder
from emolens.data.registry import reader
from emolens.errors import DataError, ModelError, OptionError
from emolens.evaluation.old_outputs import write_old
from emolens.evaluation.predictions import joined
from emolens.evaluation.rows import open_rows
from emolens.evaluation.storing import read_predictions
from emolens.learn.begin import begin_with
from emolens.learn.config import GroupRecipe, changed, parse_recipe
from emolens.learn.config.group import Begin, Crops
from emolens.learn.crops import cropped
from emolens.learn.devices import Place
from emolens.learn.export_group import export_group, file_logits
from emolens.learn.fit import fit
from emolens.learn.loading_group import group_rows
from emolens.learn.nets.group import group_net
from emolens.learn.predict import predict_run
from emolens.learn.predict_group import group_logits, load_group
from emolens.learn.recipes import RECIPES, legacies, recipe
from emolens.learn.runs import read_checkpoint
from emolens.learn.tasks import start
from emolens.models.session import open_session
from fakes_data import emotic
from group_sets import write_gaf, write_groupscene

RUN = ["optim.epochs=1", "optim.batch=4", "optim.precision=float32", "net.size=32"]
DENSE = ["net.scene.weights=none", "net.scene.backbone=densenet161",
         'net.scene.options=["growth_rate=8","block_config=[1,1,1,1]"]']  # fmt: skip
FACES = ["net.faces.widths=[4,8,8,16]", "net.faces.embed=16", "net.faces.height=28"]
CROSS = ["net.width=16", "net.crossvit.depth=1", "net.crossvit.heads=2", "net.crossvit.head_width=8",
         "net.crossvit.hidden=32"]  # fmt: skip
SMALL = {"scene": DENSE, "face_set": FACES, "hybrid": [*DENSE, *FACES, *CROSS], "pixel_crossvit": [*FACES, *CROSS]}
NAMES = [name for name in RECIPES if name.startswith("group")]
CASES = [(name, False) for name in NAMES] + [(name, True) for name in legacies() if name.startswith("group")]


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    found = {name: tmp_path_factory.mktemp(name) for name in ("gaf", "groupscene", "emotic", "home")}
    write_gaf(found["gaf"])
    write_groupscene(found["groupscene"])
    emotic(found["emotic"] / "set")
    return found


@pytest.fixture(scope="module")
def given(roots: dict[str, Path]) -> Callable[[GroupRecipe], Path]:
    def prepared(chosen: GroupRecipe) -> Path:
        return prepared_folder(roots[chosen.data.name] / "set", chosen.data.name, **chosen.data.chosen)

    return prepared


def small(name: str, roots: dict[str, Path], *settings: str, legacy: bool = False) -> GroupRecipe:
    found = recipe(name, legacy)
    assert isinstance(found, GroupRecipe)
    root = roots[found.data.name]
    more = [f"data.faces={root / 'faces'}"] if "faces" in found.net.asked else []
    if "skeleton" in found.net.asked:
        more.append(f"data.skeletons={root / 'skeletons'}")
    if found.data.name == "gaf":
        more.append('data.options=["protocol=lists"]')
    if found.data.name == "emotic":
        more.append("optim.batch=2")
    return changed(found, [*RUN, *SMALL[found.net.name], *more, *settings])


@pytest.mark.parametrize(("name", "legacy"), CASES)
def test_every_recipe_takes_a_step_on_its_own_layout(
    name: str, legacy: bool, roots: dict[str, Path], given: Callable[[GroupRecipe], Path]
) -> None:
    chosen = small(name, roots, legacy=legacy)
    begun = start(chosen, given(chosen), Place())
    loss = begun.task.loss(next(iter(begun.train)))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(begun.task.eval().figures(next(iter(begun.val)))["val_kl"])
    assert parse_recipe(chosen.model_dump_json()) == chosen


@pytest.fixture(scope="module")
def runs(roots: dict[str, Path], given: Callable[[GroupRecipe], Path]) -> dict[str, Path]:
    """Runs of one epoch of a face set, a scene and a hybrid that begins with both."""
    found = {"home": roots["home"]}
    for name in ("group_aligned", "group_scene_imagenet", "group_hybrid"):
        begin = [f"begin.{part}={found[run]}" for part, run in
                 (("faces", "group_aligned"), ("scene", "group_scene_imagenet")) if run in found]  # fmt: skip
        chosen = small(name, roots, *(begin if name == "group_hybrid" else ()))
        found[name] = roots["home"] / name
        fit(chosen, given(chosen), found[name], progress=False)
    return found


def test_a_run_is_asked_by_ids_and_written_in_the_old_form(
    roots: dict[str, Path], runs: dict[str, Path], tmp_path: Path
) -> None:
    tables = []
    for split, n in (("train", 24), ("val", 9), ("test", 6)):
        rows = open_rows(roots["gaf"] / "set", split, "gaf", {"protocol": "lists"})
        tables.append(predict_run(runs["group_hybrid"], rows))
        assert len(tables[-1]) == n
    whole = joined(tables)
    assert whole.ids[0].startswith("train/Negative/neg_train")
    assert [str(name).split("/")[1].lower() for name in whole.ids] == [whole.taxonomy.classes[at] for at in whole.truth]
    write_old(whole, tmp_path / "model5_output_data.npz")
    with np.load(tmp_path / "model5_output_data.npz", allow_pickle=False) as file:
        names = {f"{what}_{split}" for what in ("label", "id") for split in ("train", "valid", "test")}
        assert set(file.files) == names | {f"output_{split}_model5" for split in ("train", "valid", "test")}
        assert file["output_valid_model5"].shape == (9, 3)
    back = read_predictions(tmp_path / "model5_output_data.npz")
    assert back.ids.tolist() == whole.ids.tolist()
    np.testing.assert_allclose(back.probabilities, whole.probabilities, atol=1e-6)
    with pytest.raises(OptionError, match=r"named after its model's number, as model5_output_data\.npz"):
        write_old(whole, tmp_path / "hybrid.npz")


def test_a_net_begins_with_what_runs_before_it_learnt(roots: dict[str, Path], runs: dict[str, Path]) -> None:
    chosen = small("group_hybrid", roots)
    net = group_net(chosen.net, 3)
    begin_with(net, Begin(faces=str(runs["group_aligned"]), scene=str(runs["group_scene_imagenet"])))
    faces, scene = (read_checkpoint(runs[name], "best").weights for name in ("group_aligned", "group_scene_imagenet"))
    torch.testing.assert_close(net.faces.fc5.weight, faces["faces.fc5.weight"])
    first = "scene.trunk.features.conv0.weight"
    torch.testing.assert_close(net.state_dict()[first], scene[first])
    with pytest.raises(ModelError, match=r"begin\.crossvit=.*has no crossvit; give a run"):
        begin_with(net, Begin(crossvit=str(runs["group_aligned"])))
    with pytest.raises(ModelError, match=r"this net has no faces"):
        begin_with(group_net(small("group_scene", roots).net, 3), Begin(faces=str(runs["group_aligned"])))
    narrow = small("group_hybrid", roots, "net.faces.embed=8")
    with pytest.raises(ModelError, match="its faces is of another shape"):
        begin_with(group_net(narrow.net, 3), Begin(faces=str(runs["group_aligned"])))


def test_an_exported_run_names_its_inputs_and_agrees(
    roots: dict[str, Path], runs: dict[str, Path], given: Callable[[GroupRecipe], Path], tmp_path: Path
) -> None:
    chosen = small("group_hybrid", roots)
    card = export_group(runs["group_hybrid"], given(chosen), tmp_path / "group.onnx")
    assert (card.task, card.inputs, card.picture) == ("group", ("image", "faces", "mask"), "stretched")
    assert card.labels == ("negative", "neutral", "positive")
    assert card.parity is not None
    assert card.parity.max_difference < 1e-4
    val = group_rows(chosen, given(chosen), "val")
    found = file_logits(open_session(tmp_path / "group.onnx"), val)
    np.testing.assert_allclose(found, group_logits(load_group(runs["group_hybrid"]), val), atol=1e-3)


def test_what_a_file_cannot_take_is_not_exported(
    roots: dict[str, Path], given: Callable[[GroupRecipe], Path], tmp_path: Path
) -> None:
    for name, says in (("group_crossvit", "looks at 16 faces"), ("groupscene_nofaces", "looks at windows")):
        chosen = small(name, roots)
        fit(chosen, given(chosen), tmp_path / name, progress=False)
        with pytest.raises(OptionError, match=says):
            export_group(tmp_path / name, given(chosen), tmp_path / "group.onnx")


def test_what_is_missing_says_how_to_get_it(roots: dict[str, Path], given: Callable[[GroupRecipe], Path]) -> None:
    for name, says in (("group_faces", "emolens faces DIR"), ("group_skeleton", "emolens skeletons DIR")):
        chosen = small(name, roots)
        bare = chosen.model_copy(update={"data": chosen.data.model_copy(update={"faces": None, "skeletons": None})})
        with pytest.raises(OptionError, match=says):
            start(bare, given(chosen), Place())
    wrong = small("group_skeleton", roots, f"data.skeletons={roots['home']}")
    with pytest.raises(DataError, match=r"neither neg_val0_rendered\.png nor neg_val0\.png is there"):
        start(wrong, given(wrong), Place())
    nobody = small("groupscene_hybrid", roots, 'data.options=["part=nofaces","splits=video"]')
    with pytest.raises(DataError, match=r"no face in any of the \d+ pictures of train, so nothing can be learnt"):
        group_rows(nobody, given(nobody), "train")
    large = small("group_scene", roots, "optim.batch=64")
    with pytest.raises(OptionError, match=r"optim\.batch=64 is more than the 24 training rows"):
        start(large, given(large), Place())


def test_the_challenge_has_no_labels_for_its_test(roots: dict[str, Path]) -> None:
    (roots["gaf"] / "set/emotiw/test_shared/test").mkdir(parents=True, exist_ok=True)
    picture = next((roots["gaf"] / "set/emotiw/train/Negative").glob("*.jpg"))
    (roots["gaf"] / "set/emotiw/test_shared/test/test_1.jpg").write_bytes(picture.read_bytes())
    chosen = small("group_scene", roots, "data.options=[]")
    with pytest.raises(DataError, match="holds no labelled picture"):
        group_rows(chosen, prepared_folder(roots["gaf"] / "set", "gaf"), "test")


def test_frames_of_one_video_are_in_one_part(roots: dict[str, Path]) -> None:
    def parts(**options: str) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for record in reader("groupscene").read(roots["groupscene"] / "set", **options):
            found.setdefault(str(record.sequence), set()).add(record.split)
        return found

    assert all(len(splits) == 2 for splits in parts().values())  # as published, a video is in train and in val
    dealt = parts(splits="video")
    assert all(len(splits) == 1 for splits in dealt.values())
    assert set().union(*dealt.values()) >= {"train", "val"}


def test_faces_of_a_batch_are_those_of_its_pictures(
    roots: dict[str, Path], given: Callable[[GroupRecipe], Path]
) -> None:
    chosen = small("group_hybrid", roots)
    rows = group_rows(chosen, given(chosen), "val")
    batch = rows.batch(np.array([0, 4]))
    assert batch.image is not None
    assert batch.faces is not None
    assert batch.mask is not None
    assert batch.image.shape == (2, 3, 32, 32)
    assert batch.faces.shape == (2, 15, 3, 112, 96)
    assert batch.mask.sum(dim=1).tolist() == [1, 0]  # the fifth picture has nobody
    level = batch.faces[0, 0].mean()
    assert abs(float(level) - float(batch.image[0].mean())) < 10  # dark faces in a dark picture


def test_a_crop_of_the_whole_is_the_picture_and_a_small_one_is_inside() -> None:
    ramp = torch.arange(32.0).expand(4, 3, 32, 32)
    whole = cropped(ramp, 32, Crops(area=1, ratio=1, flip=0))
    torch.testing.assert_close(whole, ramp, atol=1e-3, rtol=1e-4)
    torch.manual_seed(0)
    small_ones = cropped(ramp, 16, Crops(area=0.08, flip=0))
    steps = small_ones.diff(dim=-1)[:, 0, 0]
    assert small_ones.shape == (4, 3, 16, 16)
    assert ((steps > 0) & (steps <= 2.01)).all()  # a part of the ramp, never mirrored, never shrunk beyond the whole
    mirrored = cropped(ramp, 32, Crops(area=1, ratio=1, flip=1))
    torch.testing.assert_close(mirrored, ramp.flip(-1), atol=1e-3, rtol=1e-4)
