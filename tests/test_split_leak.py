"""The leaked split design beside the corrected one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from emolens.errors import DataError, OptionError
from emolens.evaluation.metrics import Estimate
from emolens.learn.studies import Effort, split_leak, study
from emolens.learn.studies.split_leak import Design, arranged, compare, markdown, means, write_report
from expression_sets import write_fer2013


def test_the_designs_have_the_published_proportions() -> None:
    designs = arranged(30_000, 10_000, seed=3)
    train, val = designs["leaked"]
    assert len(val) / len(train) == pytest.approx(15_206 / 28_601, abs=1e-4)
    assert np.isin(val, train).mean() == pytest.approx(0.765, abs=1e-3)
    honest_train, honest_val = designs["corrected"]
    assert not np.isin(honest_val, honest_train).any()
    assert (honest_train == train).all()
    assert len(honest_val) == len(val) == len(set(val.tolist()))
    assert np.isin(val, np.concatenate([train, honest_val])).all()


def test_sizes_that_cannot_be_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="100 rows to train on and 53 to validate on; FER2013 gives 120 different"):
        arranged(120, 100, 0)
    with pytest.raises(OptionError, match="rows=0"):
        compare(tmp_path, tmp_path / "out", 0, 1)


def test_a_net_that_learns_by_heart_looks_better_where_val_leaks(tmp_path: Path) -> None:
    archive = write_fer2013(tmp_path / "data", (420, 60, 7))
    with np.load(archive / "fer2013_ferplus.npz") as content:
        arrays = dict(content)
    chance = np.random.default_rng(0)
    arrays["fer_label"] = chance.integers(0, 7, 487).astype(np.uint8)  # nothing to learn: only memory helps
    arrays["images"] = chance.integers(0, 256, arrays["images"].shape).astype(np.uint8)
    np.savez(archive / "fer2013_ferplus.npz", **arrays)
    leaked, corrected = compare(archive, tmp_path / "out", rows=256, epochs=14)
    page = write_report([leaked, corrected], tmp_path / "out")
    assert (leaked.train_rows, leaked.val_rows, leaked.shared_rows) == (256, 136, 104)
    assert (corrected.shared_rows, corrected.shared) == (0, None)
    assert leaked.val.value > corrected.val.value + 0.2
    assert leaked.shared is not None
    assert leaked.shared.value > leaked.fresh.value + 0.2
    assert leaked.unseen.n == 60
    assert abs(leaked.unseen.value - 1 / 7) < 0.2
    report = json.loads((tmp_path / "out" / "split_leak.json").read_text())
    assert [one["name"] for one in report] == ["leaked", "corrected"]
    assert report[0]["val"]["low"] <= leaked.val.value <= report[0]["val"]["high"]
    text = page.read_text()
    assert text == markdown([leaked, corrected])
    assert "| leaked | 0 | 136 | 76.5% |" in text
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == [
        "corrected-0", "leaked-0", "split_leak.json", "split_leak.md",
    ]  # fmt: skip


def design(name: str, seed: int, val: float, unseen: float) -> Design:
    figures = (Estimate(value, value - 0.02, value + 0.03, 400) for value in (val, val, unseen))
    whole, fresh, other = figures
    return Design(name, seed, 800, 400, 306 if name == "leaked" else 0, whole, None, fresh, other)


def test_the_mean_over_seeds_has_the_deviation_of_a_sample() -> None:
    designs = [design("leaked", 0, 0.80, 0.40), design("corrected", 0, 0.5, 0.4),
               design("leaked", 1, 0.86, 0.44), design("corrected", 1, 0.5, 0.4)]  # fmt: skip
    leaked, corrected = means(designs)
    # 80 and 86 are 3 from their mean: sqrt((9 + 9) / 1) = 4.24; 40 and 44: sqrt(8) = 2.83
    assert leaked == "leaked, mean (standard deviation) over 2 seeds: val says 83.0 (4.2); unseen pictures 42.0 (2.8)"
    assert corrected.endswith("val says 50.0 (0.0); unseen pictures 40.0 (0.0)")
    assert means(designs[:2])[0] == "leaked, one seed: val says 80.0; unseen pictures 40.0"
    assert all(f"\n- {line}\n" in markdown(designs) for line in (leaked, corrected))


def test_each_seed_is_told_with_its_intervals_and_the_means_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compared(data: Path, out: Path, rows: int, epochs: int, seed: int) -> tuple[Design, Design]:
        return design("leaked", seed, 0.8 + seed / 100, 0.4), design("corrected", seed, 0.5, 0.4)

    monkeypatch.setattr(split_leak, "compare", compared)
    said: list[str] = []
    page = split_leak.run(tmp_path, tmp_path / "out", Effort(seeds=2, epochs=1), said.append)
    assert "seed 1, leaked: val says 81.0 (79.0 to 84.0), n 400; unseen pictures 40.0 (38.0 to 43.0), n 400" in said
    assert len(said) == 1 + 2 * 2 + 2
    assert "accuracy in %" in said[0]
    assert said[-2:] == [line[2:] for line in page.read_text().splitlines() if line.startswith("- ")]


def test_it_is_a_study_by_its_name() -> None:
    assert study("split_leak").run is split_leak.run
