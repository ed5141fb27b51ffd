"""Runs that are killed, go on, go wrong, and run on several processes; checkpoints that take their place whole."""

from __future__ import annotations

import csv
import errno
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lightning
import numpy as np
import pytest
import torch
from lightning.fabric.utilities.rank_zero import rank_zero_only
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from typer.testing import CliRunner

from emolens.cli import app
from emolens.errors import CardError, ModelError, OptionError, OutputError, Stopped, TrainingError
from emolens.learn.config import ExpressionRecipe, changed
from emolens.learn.devices import Devices, Place, check_share
from emolens.learn.fit import _quiet_writers, fit
from emolens.learn.folds import fit_folds
from emolens.learn.predict import load_member
from emolens.learn.recipes import recipe
from emolens.learn.runs import (
    WholeCheckpoints,
    check_resumed,
    last_checkpoint,
    load_weights,
    read_checkpoint,
    write_record,
)
from emolens.learn.tasks.expression import ExpressionTask
from emolens.taxonomy import FER2013, RAFDB
from expression_sets import write_fer2013

SMALL = ("net.widths=[4,8]", "optim.epochs=2", "optim.batch=14", "optim.warmup_epochs=0.5", "optim.ema=0.5",
         "optim.precision=float32")  # fmt: skip
LAYER_NORMED = (  # a net without batch statistics: its gradient is the mean over the pictures however they are dealt
    "net.backbone=test_convnext", "net.weights=none", "net.resolution=32", "net.dropout=0", "net.drop_path=0",
    "data.limit=28", "optim.name=sgd", "optim.batch=14", "optim.precision=float32", "optim.epochs=3", "optim.lr=0.05",
    "optim.ema=0", "optim.warmup_epochs=0", "optim.clip=1",
)  # fmt: skip
STILL = ("augment.rotate=0", "augment.scale=0", "augment.shift=0", "augment.flip=0", "augment.erase=0")


def small(*settings: str) -> ExpressionRecipe:
    found = recipe("expression_fer2013")
    assert isinstance(found, ExpressionRecipe)
    return changed(found, [*SMALL, *settings])


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fer2013(tmp_path_factory.mktemp("fer2013"))


@pytest.fixture(scope="module")
def small_run(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "whole"
    fit(small(), archive, run, progress=False)
    return run


def figures(run: Path, name: str) -> list[float]:
    """One figure of each epoch, from the CSV log."""
    (log,) = run.glob("metrics/version_*/metrics.csv")
    with log.open() as file:
        return [float(row[name]) for row in csv.DictReader(file) if row.get(name)]


def same_weights(one: Path, other: Path) -> None:
    first, second = (load_member(run).state_dict() for run in (one, other))
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, atol=0, rtol=0, msg=name)


# --- killed and resumed -------------------------------------------------------------------------------------------


class KilledError(Exception):
    pass


@contextmanager
def killed_in_epoch(epoch: int) -> Iterator[None]:
    def die(self: object, trainer: lightning.Trainer, *_: object) -> None:
        if trainer.current_epoch == epoch:
            raise KilledError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lightning.pytorch.callbacks.ModelCheckpoint, "on_train_batch_start", die)
        with pytest.raises(KilledError):
            yield


HARD = {
    "adamw, sharpness-aware": ("optim.name=adamw", "optim.sam=0.05", "optim.lr=0.01"),
    "balanced, mixup, step": ("loss.balance=sampling", "loss.mixup=0.4", "optim.schedule=step", "optim.step_epochs=1"),
    "adam, plateau, clipped": ("optim.name=adam", "optim.lr=0.01", "optim.schedule=plateau", "optim.clip=0.1"),
    "balanced, sharpness-aware sgd without average": ("loss.balance=sampling", "optim.sam=0.05", "optim.ema=0"),
}


@pytest.mark.parametrize("what", sorted(HARD))
def test_a_killed_run_goes_on_to_the_same_weights(what: str, archive: Path, tmp_path: Path) -> None:
    one = small(*HARD[what])
    fit(one, archive, tmp_path / "whole", progress=False)
    with killed_in_epoch(1):
        fit(one, archive, tmp_path / "killed", progress=False)
    fit(one, archive, tmp_path / "killed", resume=True, progress=False)
    same_weights(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.parametrize("epoch", [2, 5])
def test_a_run_whose_rate_falls_when_it_is_stuck_remembers_every_epoch(
    epoch: int, archive: Path, tmp_path: Path
) -> None:
    one = small("optim.schedule=plateau", "optim.step_epochs=1", "optim.gamma=0.5", "optim.lr=0.5", "optim.epochs=8",
                "optim.ema=0")  # fmt: skip
    fit(one, archive, tmp_path / "whole", progress=False)
    with killed_in_epoch(epoch):
        fit(one, archive, tmp_path / "killed", progress=False)
    fit(one, archive, tmp_path / "killed", resume=True, progress=False)
    same_weights(tmp_path / "whole", tmp_path / "killed")
    (stuck,) = torch.load(last_checkpoint(tmp_path / "whole"), weights_only=True)["lr_schedulers"]
    assert stuck["last_epoch"] == 8  # each figure once
    assert stuck["_last_lr"][0] < 0.5  # else nothing is shown


def test_a_process_that_is_really_killed_leaves_a_run_that_goes_on(archive: Path, tmp_path: Path) -> None:
    run, command = tmp_path / "run", train_command(archive, tmp_path / "run", "optim.epochs=500")
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            if last_checkpoint(run).is_file():
                break
            time.sleep(0.2)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    content = torch.load(last_checkpoint(run), weights_only=True)
    assert content["epoch"] < 499
    onward = changed(small("optim.epochs=500"), [f"optim.epochs={content['epoch'] + 2}"])
    fit(onward, archive, run, resume=True, progress=False)
    assert torch.load(last_checkpoint(run), weights_only=True)["epoch"] == content["epoch"] + 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals to another process are POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_told_to_stop_says_how_to_go_on_and_ends_with_the_signals_code(
    number: signal.Signals, archive: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    heeding = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # a test run may ignore it
    command = train_command(archive, run, "optim.epochs=500")
    command[2] = f"{heeding}; {command[2]}"
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    for _ in range(600):
        if last_checkpoint(run).is_file():
            break
        time.sleep(0.2)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    line = (
        rf"emolens: {run}: stopped by {number.name} in epoch \d+; the epochs before it are saved, go on with --resume"
    )
    assert re.fullmatch(rf"{line}\n", said)


def test_who_calls_fit_and_presses_ctrl_c_gets_an_error_and_keeps_ctrl_c(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def press(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(lightning.pytorch.callbacks.ModelCheckpoint, "on_train_batch_start", press)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run may ignore it
    try:
        with pytest.raises(Stopped, match="stopped by SIGINT in epoch 0; nothing of it was saved yet"):
            fit(small(), archive, tmp_path / "run", progress=False)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_weights_that_are_no_numbers_are_refused_and_the_best_epoch_pointed_to(small_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(small_run, tmp_path / "run"))
    content = torch.load(last_checkpoint(run), weights_only=True)
    name = next(name for name in content["state_dict"] if name.startswith("net."))
    content["state_dict"][name].fill_(float("nan"))
    torch.save(content, last_checkpoint(run))
    with pytest.raises(
        ModelError,
        match=r"last\.ckpt: holds weights that are no numbers; train .* again, or take its best\.ckpt: .* --best",
    ):
        load_member(run)
    load_member(run, "best")
    (run / "checkpoints" / "best.ckpt").unlink()
    with pytest.raises(ModelError, match="no numbers; train the run again"):
        load_member(run)


def test_a_run_that_is_resumed_on_a_full_disk_keeps_its_recipe(small_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(small_run, tmp_path / "run"))
    record = (run / "recipe.json").read_text()

    def full(self: Path, *_: object, **__: object) -> int:
        self.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(OutputError, match="No space left"):
            write_record(small("optim.epochs=3"), run)
    assert (run / "recipe.json").read_text() == record


def test_a_thread_that_cannot_write_its_log_prints_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda about: told.append(about.exc_value))

    def write(error: Exception) -> None:
        raise error

    full, ours = OSError(errno.ENOSPC, "full"), ValueError("a fault of ours")
    with _quiet_writers():
        for error in (full, ours):
            thread = threading.Thread(target=write, args=(error,))
            thread.start()
            thread.join()
    assert told == [ours]


def test_a_run_is_resumed_as_it_was_begun_or_not_at_all(archive: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    fit(small("optim.epochs=1"), archive, run, progress=False)
    record = (run / "recipe.json").read_text()
    check_resumed(small("optim.epochs=2", "source=the same paper in other words"), run)
    with pytest.raises(OptionError, match=r"was begun with optim\.lr=0\.1, now it is 0\.05; resume with"):
        fit(small("optim.epochs=2", "optim.lr=0.05"), archive, run, resume=True, progress=False)
    last_checkpoint(run).write_bytes(last_checkpoint(run).read_bytes()[:2000])
    with pytest.raises(ModelError, match="not a readable checkpoint"):
        fit(small("optim.epochs=2"), archive, run, resume=True, progress=False)
    assert (run / "recipe.json").read_text() == record


def test_a_run_that_was_moved_keeps_its_best_epoch(archive: Path, tmp_path: Path) -> None:
    wild = small("optim.lr=0.5", "optim.schedule=step", "optim.epochs=6")
    fit(wild, archive, tmp_path / "begun", progress=False)
    best = read_epoch(tmp_path / "begun", "best")
    run = Path(shutil.move(tmp_path / "begun", tmp_path / "moved"))
    fit(changed(wild, ["optim.epochs=7"]), archive, run, resume=True, progress=False)
    assert best < 5  # else nothing is shown
    assert read_epoch(run, "last") == 6
    assert read_epoch(run, "best") == best
    assert not (tmp_path / "begun").exists()
    states = torch.load(last_checkpoint(run), weights_only=True)["callbacks"]
    assert all(name.startswith("ModelCheckpoint") for name, state in states.items() if "dirpath" in state)


def train_command(archive: Path, run: Path, *settings: str, name: str = "expression_fer2013") -> list[str]:
    said = [part for setting in (*SMALL, *settings) for part in ("--set", setting)]
    start = "from emolens.cli import main; main()"
    return [sys.executable, "-c", start, "train", name, "--data", str(archive), "--out", str(run), *said]


# --- several processes --------------------------------------------------------------------------------------------


def test_two_processes_give_the_loss_curve_of_one_with_the_same_total_batch(archive: Path, tmp_path: Path) -> None:
    # Lightning starts the second process with the words of the first, which must therefore be a file.
    script = tmp_path / "begin.py"
    script.write_text("from emolens.cli import main\nmain()\n")
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    for n in ("1", "2"):
        said = [part for setting in (*STILL, *LAYER_NORMED) for part in ("--set", setting)]
        words = ["train", "expression_ferplus_lite0", "--data", str(archive), "--out", str(tmp_path / n), *said]
        command = [sys.executable, str(script), *words, "--devices", n]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr[-2000:]
        assert done.stdout.count("trained:") == 1
    for name in ("train_loss", "val_kl"):
        alone, together = (figures(tmp_path / n, name) for n in ("1", "2"))
        assert len(alone) == 3
        assert alone[0] != pytest.approx(alone[-1], rel=1e-3)  # it learns
        np.testing.assert_allclose(together, alone, rtol=1e-4)


def test_devices_know_their_place() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCAL_RANK", "1")
        patch.setenv("NODE_RANK", "2")
        if not torch.cuda.is_available():
            assert Devices(2, 3).place == Place(5, 6)
        with pytest.raises(OptionError, match="this is process 3, counted from 0, and --devices 1 --nodes 3 are 3"):
            _ = Devices(1, 3).place
    with pytest.raises(OptionError, match="0 devices on 1 nodes"):
        Devices(0)


TORCHRUN = {"TORCHELASTIC_RUN_ID": "one", "LOCAL_RANK": "0", "GROUP_RANK": "1", "RANK": "2", "WORLD_SIZE": "4"}
SRUN = {"SLURM_JOB_NAME": "one", "SLURM_NTASKS": "4", "SLURM_NTASKS_PER_NODE": "1", "SLURM_NNODES": "4",
        "SLURM_LOCALID": "0", "SLURM_NODEID": "3", "SLURM_PROCID": "3"}  # fmt: skip


@pytest.mark.parametrize(
    ("told", "nodes", "rank"),
    [
        (TORCHRUN, 4, 2),
        (SRUN, 4, 3),
        (SRUN | TORCHRUN, 4, 2),
        (SRUN, 1, 0),
        (SRUN | {"SLURM_JOB_NAME": "bash", "NODE_RANK": "1"}, 4, 1),
        ({"GROUP_RANK": "2"}, 4, 2),
    ],
    ids=["torchrun", "srun", "torchrun in srun", "one process", "a shell of slurm", "by hand"],
)
def test_rows_go_to_the_process_that_lightning_takes_this_for(
    told: dict[str, str], nodes: int, rank: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rank_zero_only, "rank", 0)  # Lightning sets it for all that comes after
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    devices = Devices(1, nodes)
    assert devices.place == Place(rank, nodes)
    assert lightning.Trainer(**devices.options(), plugins=devices.plugins, logger=False).global_rank == rank


@pytest.mark.parametrize(
    "told",
    [
        {"SLURM_JOB_NAME": "mine", "SLURM_NTASKS": "2"},
        {"TORCHELASTIC_RUN_ID": "one", "GROUP_RANK": "0"},
        {"NODE_RANK": "a"},
    ],
)
def test_what_a_launcher_left_half_said_is_named(told: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert Devices(1).place == Place()
    with pytest.raises(OptionError, match="a launcher's variable is missing or no number"):
        _ = Devices(1, 2).place


def test_a_process_that_lightning_takes_for_another_is_told_before_it_learns(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Devices, "place", property(lambda self: Place(1, 2)))
    with pytest.raises(OptionError, match="rows of number 1 of 2, Lightning takes it for number 0 of 1"):
        fit(small(), archive, tmp_path / "run", progress=False)
    assert not last_checkpoint(tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("settings", "world", "says"),
    [
        (("optim.batch=128",), 3, r"optim\.batch=128 cannot be dealt evenly to 3 devices; make it 126 or 129"),
        (("optim.batch=2",), 3, r"optim\.batch=2 cannot be dealt evenly to 3 devices; make it 3"),
        (("net.name=dan", "optim.batch=2"), 2, r"optim\.batch=2 leaves one picture to each of 2 devices, .*; needs 4"),
    ],
)
def test_a_batch_that_cannot_be_dealt_is_refused_before_the_run_begins(
    settings: tuple[str, ...], world: int, says: str, archive: Path, tmp_path: Path
) -> None:
    wrong = changed(recipe("expression_fer2013"), settings)
    with pytest.raises(OptionError, match=says):
        fit(wrong, archive, tmp_path / "run", progress=False, devices=Devices(1, world))
    assert not (tmp_path / "run").exists()
    check_share(changed(wrong, [f"optim.batch={2 * world}"]), world)
    check_share(changed(recipe("expression_fer2013"), ["optim.batch=2"]), 2)  # a net that learns from one


# --- what goes wrong ----------------------------------------------------------------------------------------------


def test_a_loss_that_is_no_number_is_named_and_what_was_saved_stays(archive: Path, tmp_path: Path) -> None:
    wild = small("optim.lr=1e30", "optim.ema=0", "optim.epochs=3", "optim.warmup_epochs=0", "optim.momentum=0")
    with pytest.raises(TrainingError, match=r"the loss became (nan|inf) in epoch \d, step \d+; what was saved before"):
        fit(wild, archive, tmp_path / "run", progress=False)
    assert (tmp_path / "run" / "recipe.json").is_file()


@pytest.mark.parametrize("best", ["kl", "accuracy"])
def test_weights_that_are_no_numbers_are_told_before_they_are_saved(best: str, archive: Path, tmp_path: Path) -> None:
    # The loss of a step is computed before it moves the weights, so that of an epoch's last step never shows.
    wild = small(
        "optim.lr=1e38", "optim.ema=0", "optim.epochs=1", "optim.warmup_epochs=0", "optim.batch=28", "optim.clip=0",
        f"best={best}",
    )  # fmt: skip
    with pytest.raises(TrainingError, match=r"val_kl became (nan|inf) in epoch 0; what was saved before stays"):
        fit(wild, archive, tmp_path / "run", progress=False)
    assert not last_checkpoint(tmp_path / "run").exists()


def test_a_seed_that_no_generator_takes_is_refused() -> None:
    with pytest.raises(OptionError, match="setting seed=-1"):
        small("seed=-1")


@contextmanager
def at_most(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes: as a full disk, on any file system."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_checkpoint_before_and_nothing_half_written(tmp_path: Path) -> None:
    path, writer = tmp_path / "last.ckpt", WholeCheckpoints()
    writer.save_checkpoint({"epoch": 1}, path)
    with at_most(100_000), pytest.raises(OutputError, match=r"cannot write .*last\.ckpt"):
        writer.save_checkpoint({"epoch": 2, "weights": torch.zeros(500_000)}, path)
    assert torch.load(path, weights_only=True) == {"epoch": 1}
    assert [one.name for one in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_run_on_a_full_disk_ends_with_one_line_and_keeps_its_last_epoch(archive: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    fit(small(), archive, run, progress=False)
    before = last_checkpoint(run).read_bytes()
    with at_most(last_checkpoint(run).stat().st_size // 2), pytest.raises(OutputError, match=r"cannot write"):
        fit(small("optim.epochs=3"), archive, run, resume=True, progress=False)
    assert last_checkpoint(run).read_bytes() == before


def test_a_checkpoint_names_its_classes_and_is_refused_for_others(small_run: Path, tmp_path: Path) -> None:
    learnt = read_checkpoint(small_run)
    assert learnt.taxonomy == FER2013
    with pytest.raises(ModelError, match=r"knows anger, disgust, .*; rafdb is needed: surprise"):
        load_weights(load_member(small_run), learnt, RAFDB)
    content = torch.load(last_checkpoint(small_run), weights_only=True)
    del content["labels"]
    (tmp_path / "checkpoints").mkdir()
    torch.save(content, last_checkpoint(tmp_path))
    with pytest.raises(CardError, match="does not name its classes"):
        read_checkpoint(tmp_path)
    last_checkpoint(tmp_path).write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(ModelError, match="not a readable checkpoint"):
        read_checkpoint(tmp_path)


# --- what a run leaves --------------------------------------------------------------------------------------------


def test_figures_are_logged_as_csv_and_for_tensorboard(small_run: Path) -> None:
    assert len(figures(small_run, "val_kl")) == 2
    log = EventAccumulator(str(small_run / "tensorboard"))
    log.Reload()
    assert {"train_loss", "val_kl", "val_accuracy"} <= set(log.Tags()["scalars"])
    seen = [event.value for event in log.Scalars("val_kl")]
    np.testing.assert_allclose(seen, figures(small_run, "val_kl"), rtol=1e-5)


def test_a_run_stops_when_val_gains_nothing(archive: Path, tmp_path: Path) -> None:
    stuck = small("optim.lr=1e-12", "optim.ema=0", "optim.epochs=9", "optim.stop_after=2", "optim.weight_decay=0",
                  "net.dropout=0")  # fmt: skip
    fit(stuck, archive, tmp_path / "run", progress=False)
    assert 3 <= len(figures(tmp_path / "run", "val_kl")) < 9
    ended = read_epoch(tmp_path / "run", "last")
    fit(stuck, archive, tmp_path / "run", resume=True, progress=False)
    assert read_epoch(tmp_path / "run", "last") == ended
    with pytest.raises(OptionError, match=r"run: optim\.stop_after ended it, and would again; to learn longer begin"):
        fit(changed(stuck, ["optim.epochs=20"]), archive, tmp_path / "run", resume=True, progress=False)


def test_the_best_epoch_is_that_of_the_figure_asked_for(archive: Path, tmp_path: Path) -> None:
    told = {"val_kl": [0.9, 0.5, 0.7, 0.8], "val_accuracy": [0.2, 0.3, 0.6, 0.4]}

    def figures_of(task: ExpressionTask, batch: object) -> dict[str, torch.Tensor]:
        return {name: torch.tensor(values[task.current_epoch]) for name, values in told.items()}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ExpressionTask, "figures", figures_of)
        for best in ("kl", "accuracy"):
            asked = small("optim.epochs=4", f"best={best}")
            fit(asked, archive, tmp_path / best, progress=False)
            waits = small("optim.epochs=4", f"best={best}", "optim.stop_after=1")
            fit(waits, archive, tmp_path / f"waits-{best}", progress=False)
    assert [read_epoch(tmp_path / best, "best") for best in ("kl", "accuracy")] == [1, 2]
    assert [read_epoch(tmp_path / f"waits-{best}", "last") for best in ("kl", "accuracy")] == [2, 3]
    with pytest.raises(OptionError, match="best='loss'"):
        small("best=loss")


def test_on_a_plateau_of_the_divergence_the_rate_falls_whatever_the_best_epoch_is_kept_by(
    archive: Path, tmp_path: Path
) -> None:
    told = {"val_kl": [0.9, 0.5, 0.6, 0.7, 0.8], "val_accuracy": [0.2, 0.3, 0.4, 0.5, 0.6]}

    def figures_of(task: ExpressionTask, batch: object) -> dict[str, torch.Tensor]:
        return {name: torch.tensor(values[task.current_epoch]) for name, values in told.items()}

    rates: list[float] = []
    kept = ExpressionTask.on_train_epoch_end

    def ended(task: ExpressionTask) -> None:
        kept(task)
        rates.append(task.optimizers().param_groups[0]["lr"])  # type: ignore[union-attr]

    asked = small("optim.epochs=5", "best=accuracy", "optim.schedule=plateau", "optim.gamma=0.5", "optim.step_epochs=1",
                  "optim.lr=0.01")  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ExpressionTask, "figures", figures_of)
        patch.setattr(ExpressionTask, "on_train_epoch_end", ended)
        fit(asked, archive, tmp_path / "run", progress=False)
    assert rates == pytest.approx([0.01, 0.01, 0.01, 0.005, 0.005])


def test_a_run_that_did_not_stop_early_goes_on_to_more_epochs(archive: Path, tmp_path: Path) -> None:
    learning = small("optim.stop_after=5")
    fit(learning, archive, tmp_path / "run", progress=False)
    fit(changed(learning, ["optim.epochs=3"]), archive, tmp_path / "run", resume=True, progress=False)
    assert read_epoch(tmp_path / "run", "last") == 2


def test_of_a_step_that_looks_twice_the_first_look_is_told(archive: Path, tmp_path: Path) -> None:
    looks: list[float] = []
    kept = ExpressionTask.loss

    def loss(self: ExpressionTask, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        found = kept(self, batch)
        looks.append(found.item())
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ExpressionTask, "loss", loss)
        fit(small("optim.epochs=1", "optim.sam=1", "optim.lr=1e-9"), archive, tmp_path / "run", progress=False)
    first, second = looks[::2], looks[1::2]
    assert np.mean(second) > np.mean(first) + 0.1  # else nothing is shown
    assert figures(tmp_path / "run", "train_loss") == [pytest.approx(np.mean(first), rel=1e-5)]


def test_the_last_checkpoint_is_of_the_last_epoch_and_the_best_of_the_best(archive: Path, tmp_path: Path) -> None:
    fit(small("optim.lr=0.5", "optim.schedule=step", "optim.epochs=6"), archive, tmp_path / "run", progress=False)
    found = figures(tmp_path / "run", "val_kl")
    assert found[-1] > min(found)  # else nothing is shown
    epochs = {name: read_epoch(tmp_path / "run", name) for name in ("last", "best")}
    assert epochs == {"last": 5, "best": found.index(min(found))}


def read_epoch(run: Path, which: str) -> int:
    content = torch.load(run / "checkpoints" / f"{which}.ckpt", weights_only=True)
    return int(content["epoch"])


# --- folds --------------------------------------------------------------------------------------------------------


def test_folds_are_runs_of_their_own_and_are_judged_out_of_fold(archive: Path, tmp_path: Path) -> None:
    found = fit_folds(small(*STILL, "optim.epochs=30", "optim.lr=0.05"), archive, tmp_path / "run", 3, progress=False)
    assert sorted(one.name for one in (tmp_path / "run").iterdir()) == ["fold-0", "fold-1", "fold-2"]
    accuracy = found[0]
    assert (accuracy.name, len(accuracy.folds), accuracy.pooled.n) == ("accuracy", 3, 56)
    assert accuracy.mean == pytest.approx(np.mean(accuracy.folds))
    assert accuracy.spread == pytest.approx(np.std(accuracy.folds, ddof=1))
    assert accuracy.pooled.value > 0.5  # stripes of seven kinds: a net that has learnt anything knows them
    with pytest.raises(OutputError, match="fold-0: holds a run already"):
        fit_folds(small(), archive, tmp_path / "run", 3, progress=False)


def test_folds_are_not_learnt_from_by_the_way(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"data\.join_val learns from val, which is the fold"):
        fit_folds(small("data.join_val=true"), archive, tmp_path / "run", 2, progress=False)
    assert not (tmp_path / "run").exists()


def test_figures_say_what_acted_on_their_fold(archive: Path, tmp_path: Path) -> None:
    steered = small("optim.stop_after=1", "optim.schedule=plateau", "optim.epochs=1")
    found = fit_folds(steered, archive, tmp_path / "run", 2, progress=False)
    said = "; it flatters, optim.stop_after and optim.schedule=plateau acted on these rows"
    assert [str(one).endswith(said) for one in found] == [True, True]
    assert str(found[0]).count("flatters") == 1


def test_folds_by_the_command_line_print_their_mean_and_spread_and_resume(archive: Path, tmp_path: Path) -> None:
    arguments = [*train_command(archive, tmp_path / "run")[3:], "--folds", "2"]
    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code == 0, answer.output
    said = re.findall(
        r"out of fold, (\w+): [\d.]+ ± [\d.]+ over 2 folds; all 56 rows [\d.]+ \([\d.]+ to", answer.output
    )
    assert said == ["accuracy", "kl"]
    last_checkpoint(tmp_path / "run" / "fold-1").unlink()
    again = CliRunner().invoke(app, [*arguments, "--resume"])
    assert again.exit_code == 0, again.output
    assert again.output.splitlines()[-2:] == answer.output.splitlines()[-2:]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--folds", "1"), "--folds is 1, needs 2 or more"),
        (("--legacy",), "has no legacy variant"),
        (("--folds", "40"), "40 folds need 40"),
    ],
)
def test_wrong_words_of_train_get_one_line(
    arguments: tuple[str, ...], says: str, archive: Path, tmp_path: Path
) -> None:
    answer = CliRunner().invoke(app, [*train_command(archive, tmp_path / "run")[3:], *arguments])
    assert answer.exit_code == 2
    assert says in answer.output
    assert len(answer.output.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()
