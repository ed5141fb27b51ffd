"""From a run to a model file, through the doors that a user takes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from emolens.cli import app
from emolens.data.fer2013 import read_ferplus
from emolens.errors import ModelError
from emolens.learn.config import changed
from emolens.learn.export import export, parity
from emolens.learn.fit import fit
from emolens.learn.predict import load_runs, logits
from emolens.learn.recipes import recipe
from emolens.models.card import ModelCard
from emolens.models.classifier import Classifier, read_card, softmax
from emolens.taxonomy import RAFDB
from expression_sets import write_rafdb
from ferplus import write_ferplus

QUICK = ["net.widths=[8,8]", "optim.epochs=8", "optim.batch=16", "optim.ema=0.5", "optim.precision=float32"]


def emolens(*arguments: object) -> tuple[int, str]:
    answer = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return answer.exit_code, answer.output


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ferplus(tmp_path_factory.mktemp("ferplus"))


@pytest.fixture(scope="module")
def runs(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    settings = [part for setting in QUICK for part in ("--set", setting)]
    for seed in (0, 1):
        arguments = ("train", "expression_ferplus", "--data", archive, "--out", folder / str(seed))
        code, said = emolens(*arguments, *settings, "--set", f"seed={seed}", "--threads", 1)
        assert code == 0, said
    return [folder / "0", folder / "1"]


@pytest.mark.parametrize("int8", [False, True])
def test_the_file_answers_as_the_nets_it_came_from(int8: bool, runs: list[Path], archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "pair.onnx"
    code, said = emolens("export", *runs, "--data", archive, "--out", out, *(["--int8"] if int8 else []))
    assert code == 0, said
    test = read_ferplus(archive, "test")
    found = softmax(Classifier.load(out).logits(test.images))
    wanted = softmax(logits(load_runs(runs), test.images))
    np.testing.assert_allclose(found, wanted, atol=0.1 if int8 else 1e-4)
    assert (found.argmax(1) == wanted.argmax(1)).all()
    quantised = any(node.op_type == "QuantizeLinear" for node in onnx.load(str(out)).graph.node)
    assert quantised is int8


def test_eight_bits_stay_eight_bits_from_one_convolution_to_the_next(
    runs: list[Path], archive: Path, tmp_path: Path
) -> None:
    export(runs[:1], archive, tmp_path / "one.onnx", int8=True)
    graph = onnx.load(str(tmp_path / "one.onnx")).graph
    made_by = {name: node for node in graph.node for name in node.output}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 4  # those of the net: both views go through the same ones
    for node in convolutions[1:]:
        chain = [made_by[node.input[0]]]
        while chain[-1].op_type != "Conv":
            chain.append(made_by[chain[-1].input[0]])
        assert {each.op_type for each in chain[:-1]} <= {"QuantizeLinear", "DequantizeLinear", "MaxPool"} | (
            {"Relu"} if chain[-1] is convolutions[0] else set()
        )  # a rectifier is part of what its convolution rounds to, but for the one after the picture's


def test_the_card_beside_the_file_and_inside_it_say_the_same(runs: list[Path], archive: Path, tmp_path: Path) -> None:
    card = export(runs, archive, tmp_path / "pair.onnx")
    assert card.labels == read_ferplus(archive, "val").taxonomy.classes
    assert card.parity is not None
    assert card.parity.n == 16
    assert card.parity.max_difference < 1e-4
    assert card.parity.file_speed
    assert card.parity.net_speed
    assert re.findall(r"--set seed=(\d)", card.training) == ["1"]  # 0 is the recipe's own
    assert card.training.count("emolens train expression_ferplus --set 'net.widths=[8,8]' --set optim.epochs=8") == 2
    assert card.dataset == "ferplus"
    (tmp_path / "pair.json").unlink()
    assert read_card(tmp_path / "pair.onnx") == card.model_copy(update={"sha256": ""})


def test_a_run_that_learnt_from_val_takes_its_temperatures_from_one_that_did_not(
    runs: list[Path], archive: Path, tmp_path: Path
) -> None:
    joined = changed(recipe("expression_ferplus"), [*QUICK, "optim.epochs=1", "data.join_val=true"])
    fit(joined, archive, tmp_path / "joined", progress=False)
    with pytest.raises(ModelError, match="learnt from val, so no temperature can be fitted there; give --tempered-as"):
        export([tmp_path / "joined"], archive, tmp_path / "joined.onnx")
    assert not (tmp_path / "joined.onnx").exists()
    before = export(runs[:1], archive, tmp_path / "before.onnx")
    after = export([tmp_path / "joined"], archive, tmp_path / "j.onnx", tempered_as=tmp_path / "before.onnx")
    assert (after.temperature, after.confidence_temperature) == (before.temperature, before.confidence_temperature)
    assert after.training_data.startswith("FER2013 Training and PublicTest pictures")


def test_temperatures_are_fitted_on_pictures_that_the_run_did_not_learn_from(runs: list[Path], tmp_path: Path) -> None:
    leaked = write_ferplus(tmp_path)
    with np.load(leaked / "fer2013_ferplus.npz") as archive:
        content = dict(archive)
    content["images"][64:76] = content["images"][:12]  # twelve of the sixteen pictures of val
    np.savez(leaked / "fer2013_ferplus.npz", **content)
    card = export(runs[:1], leaked, tmp_path / "one.onnx")
    assert card.parity is not None
    assert card.parity.n == 4
    content["images"][76:80] = content["images"][:4]
    np.savez(leaked / "fer2013_ferplus.npz", **content)
    with pytest.raises(ModelError, match="every picture of its val is in its train too"):
        export(runs[:1], leaked, tmp_path / "none.onnx")
    assert not (tmp_path / "none.onnx").exists()


def test_an_exported_file_names_no_path_of_this_machine(runs: list[Path], archive: Path, tmp_path: Path) -> None:
    export(runs[:1], archive, tmp_path / "one.onnx")
    content = (tmp_path / "one.onnx").read_bytes()
    for trace in (
        str(Path.home()),
        str(Path(export.__code__.co_filename).parent),
        "site-packages",
        "Traceback",
        'File "',
    ):
        assert trace.encode() not in content


def test_a_file_that_does_not_agree_with_its_net_is_refused() -> None:
    wanted = np.eye(3)[[0, 1, 2, 0]]
    with pytest.raises(ModelError, match=r"0\.0001 is allowed"):
        parity(wanted * 0.99 + 0.01 / 3, wanted, "float32")
    with pytest.raises(ModelError, match=r"75\.00%.*without --int8"):
        parity(wanted[[1, 1, 2, 0]], wanted, "int8")
    assert parity(wanted, wanted, "int8").top1_agreement == 1


def test_evaluate_records_figures_with_their_rows(runs: list[Path], archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "pair.onnx"
    export(runs, archive, out)
    code, said = emolens("evaluate", out, "--data", archive, "--split", "test", "--record", "--no-report")
    assert code == 0, said
    metrics = ModelCard.read(out.with_suffix(".json")).metrics
    accuracy = next(m for m in metrics if m.name == "accuracy" and m.subset == "FER+ test, argmax")
    assert accuracy.n == 16
    assert accuracy.value > 0.9  # bright above, bright below: a net that has learnt anything knows
    assert any(m.subset == "FER+ test, majority, no pixel copies" for m in metrics)
    assert Classifier.load(out).card.metrics == metrics


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("train", "expression_ferpluss", "--data", "."), "Did you mean 'expression_ferplus'"),
        (("train", "expression_ferplus", "--data", "nowhere"), "no such file or folder; FER"),
        (("train", "expression_ferplus", "--data", ".", "--set", "optim.ep=1"), "Did you mean 'optim.epochs'|Known"),
        (("export", "nowhere", "--data", ".", "--out", "m.onnx"), "not a run folder"),
        (("export", "nowhere", "--data", ".", "--out", "m.bin"), "ends in .onnx"),
        (("evaluate", "nowhere.onnx", "--data", "."), "no such model file"),
    ],
)
def test_wrong_words_get_one_line_and_exit_code_2(arguments: tuple[str, ...], says: str, tmp_path: Path) -> None:

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        code, said = emolens(*arguments)
    assert code == 2
    assert re.search(says, said)
    assert len(said.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_the_shipped_model_is_what_its_card_says() -> None:
    from emolens.models.catalogue import ASSETS

    shipped = sorted(ASSETS.glob("*.onnx"))
    assert shipped, f"no model lies in {ASSETS}"
    for path in shipped:
        classifier = Classifier.load(path)  # checks the digest
        assert path.stat().st_size < 6e6
        if classifier.card.task == "expression":
            assert {m.n for m in classifier.card.metrics if m.name == "accuracy"} == {3546, 3153, 3233, 2869}
        if classifier.card.task == "evoked":
            assert {m.n for m in classifier.card.metrics} == {1980}
            assert not classifier.card.licences.commercial
        assert json.loads(path.with_suffix(".json").read_text())["sha256"] == classifier.sha256


def test_a_model_for_colours_is_exported_and_answers_as_its_net(tmp_path: Path) -> None:
    data = write_rafdb(tmp_path / "rafdb")
    small = changed(recipe("dan_rafdb"), ["net.widths=[4,8]", "net.blocks=1", "net.size=24", "net.resolution=24",
                                          "net.weights=none", "optim.epochs=2", "optim.batch=8"])  # fmt: skip
    fit(small, data, tmp_path / "run", progress=False)
    for int8 in (False, True):
        card = export([tmp_path / "run"], data, tmp_path / "dan.onnx", int8=int8)
        assert (card.colour, card.labels, card.framing) == ("rgb", RAFDB.classes, None)
        assert card.parity is not None
        assert card.parity.top1_agreement > 0.98
