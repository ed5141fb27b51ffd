import numpy as np
import pytest

from emolens.errors import OptionError, UnknownName
from emolens.evaluation.groups import by_attribute, by_source
from emolens.evaluation.metrics import hits
from fakes_predictions import table


def test_groups_have_their_own_n_and_figures() -> None:
    gender = np.array(["f"] * 35 + ["m"] * 20 + [""] * 5)
    rows = table(attributes={"gender": gender})
    found = by_attribute(rows, "gender")
    assert [(one.value, one.n) for one in found] == [("f", 35), ("m", 20), ("(not known)", 5)]
    right = hits(rows.probabilities, rows.targets)
    assert found[1].figures["accuracy"].value == pytest.approx(right[gender == "m"].mean())
    assert found[1].figures["accuracy"].low < found[1].figures["accuracy"].value < found[1].figures["accuracy"].high


def test_many_numbers_become_quarters() -> None:
    found = by_attribute(table(attributes={"age": np.arange(60).astype(str)}), "age")
    assert sorted(one.n for one in found) == [15, 15, 15, 15]
    assert {one.value for one in found} == {"0 to 14.75", "14.75 to 29.5", "29.5 to 44.25", "44.25 to 59"}


def test_a_number_that_is_none_is_not_known() -> None:
    ages = np.arange(60).astype(str)
    ages[:4] = "nan"
    found = by_attribute(table(attributes={"age": ages}), "age")
    assert sorted(one.n for one in found) == [4, 14, 14, 14, 14]
    assert "(not known)" in {one.value for one in found}


def test_what_makes_no_groups_is_refused() -> None:
    rows = table(attributes={"name": np.array([f"n{at}" for at in range(60)])})
    with pytest.raises(OptionError, match="60 different values, at most 24"):
        by_attribute(rows, "name")
    with pytest.raises(UnknownName, match=r"unknown attribute of drawn rows 'nmae'\. Did you mean 'name'"):
        by_attribute(rows, "nmae")


def test_sources_count_alike_in_their_mean() -> None:
    sets = np.array(["CK+48"] * 60 + ["RAF"] * 240 + ["aff"] * 300)
    *parts, mean = by_source(table(n=600, attributes={"collection": sets}))
    assert [(one.value, one.n) for one in parts] == [("CK+", 60), ("RAF-DB", 240), ("AffectNet (repack)", 300)]
    values = [one.figures["accuracy"].value for one in parts]
    assert mean.figures["accuracy"].value == pytest.approx(sum(values) / 3)
    assert set(mean.figures) == set(parts[0].figures) == {"accuracy", "balanced_accuracy", "macro_f1", "kl"}
    # Means of independent sets: variances add up to a ninth of their sum.
    widths = np.array([one.figures["accuracy"].high - one.figures["accuracy"].low for one in parts])
    wide = mean.figures["accuracy"].high - mean.figures["accuracy"].low
    assert wide == pytest.approx(np.sqrt((widths**2).sum()) / 3, rel=0.2)


def test_one_set_is_not_a_combined_one() -> None:
    assert by_source(table()) == ()
    assert by_source(table(attributes={"collection": np.array(["RAF"] * 60)})) == ()
