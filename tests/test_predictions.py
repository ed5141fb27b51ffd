from dataclasses import replace

import numpy as np
import pytest

from emolens.errors import DataError, LabelError, UnknownName
from emolens.evaluation.predictions import aligned, joined
from emolens.taxonomy import GROUP3, Taxonomy
from fakes_predictions import table


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"probabilities": np.full((60, 4), 0.25)}, r"probabilities of model0 have shape \(60, 4\), need \(60, 3\)"),
        ({"probabilities": np.full((60, 3), 0.5)}, "row row-0000 is .* sum to 1"),
        ({"targets": np.full((60, 3), np.nan)}, "targets of model0: row row-0000"),
        ({"confidence": np.full(60, 1.5)}, "confidence of model0 is not from 0 to 1"),
        ({"features": np.zeros((3, 2))}, "features of model0 have 3 rows, need 60"),
        ({"attributes": {"age": np.array(["old"])}}, "age of model0 have 1 rows, need 60"),
        ({"prior": (0.5, 0.5)}, "prior of model0 has 2 shares, needs 3"),
        ({"task": "stimuli"}, "task of model0 is 'stimuli', needs expression, group or evoked"),
    ],
)
def test_what_is_no_table_is_refused_at_birth(changes: dict[str, object], says: str) -> None:
    with pytest.raises(LabelError, match=says):
        table(**changes)


def test_an_id_may_come_once_in_a_split() -> None:
    ids = np.array([f"row-{at % 30}" for at in range(60)])  # each once in val and once in test
    assert len(table(ids=ids)) == 60
    ids[1] = ids[0]
    with pytest.raises(DataError, match="id 'row-0' comes more than once in split 'val'"):
        table(ids=ids)


def test_a_split_keeps_its_rows_together() -> None:
    whole = table(attributes={"n": np.arange(60).astype(str)}, features=np.arange(120.0).reshape(60, 2))
    part = whole.split("test")
    assert len(part) == 30
    assert part.attributes["n"].tolist() == [str(at) for at in range(30, 60)]
    assert part.features is not None
    assert part.features[0].tolist() == [60.0, 61.0]
    with pytest.raises(UnknownName, match="Known: test, val"):
        whole.split("tset")


def test_votes_below_the_top_label_are_compared_too() -> None:
    labels = np.arange(60) % 3
    votes = 0.6 * np.eye(3)[labels] + 0.3 * np.eye(3)[(labels + 1) % 3] + 0.1 * np.eye(3)[(labels + 2) % 3]
    first, other = table(targets=votes.astype(np.float32)), table(seed=1, targets=votes.astype(np.float32))
    aligned([first, other])
    aligned([first, replace(other, targets=other.targets * np.float32(1 + 1e-6))])  # as arithmetic in another order
    moved = votes.copy()
    for at in (7, 9):
        moved[at, (labels[at] + np.arange(3)) % 3] = 0.5, 0.25, 0.25  # the third class has .15 more, the others less
    other = replace(other, targets=moved.astype(np.float32))
    assert (other.truth == first.truth).all()
    with pytest.raises(
        DataError, match=r"row 7 \(row-0007\) has a share of 0.25 for negative there and 0.1 here, 2 of 60"
    ):
        aligned([first, other])
    aligned([first, replace(other, targets=np.eye(3, dtype=np.float32)[labels])])  # labels alone, no votes


def test_splits_join_to_the_table_they_came_from() -> None:
    whole = table()
    again = joined([whole.split("val"), replace(whole.split("test"), logits=None)])
    np.testing.assert_array_equal(again.probabilities, whole.probabilities)
    assert again.ids.tolist() == whole.ids.tolist()
    assert again.logits is None  # one of the two had none
    assert (again.subset, again.split("val").subset) == ("all + all", "all")


def test_misfits_are_named_by_their_first_row() -> None:
    first, other = table(seed=0), table(seed=1)
    aligned([first, other])
    swapped = np.arange(60)
    swapped[[3, 4]] = [4, 3]
    with pytest.raises(DataError, match=r"model1 does not align with model0: row 3 \(row-0003\) has id row-0004 there"):
        aligned([first, other.keep(swapped)])
    moved = replace(other, targets=np.roll(other.targets, 1, axis=1))
    with pytest.raises(DataError, match=r"row 0 \(row-0000\) has label \w+ there and \w+ here, 60 of 60 rows differ"):
        aligned([first, moved])
    with pytest.raises(DataError, match="model1 has 30 rows, model0 has 60"):
        aligned([first, other.split("val")])
    turned = replace(other, taxonomy=Taxonomy("turned", GROUP3.classes[::-1]))
    with pytest.raises(LabelError, match="must have the same in one order"):
        aligned([first, turned])
