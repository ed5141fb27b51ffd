import json

import pytest
from pydantic import ValidationError

from emolens.errors import CardError, LabelError
from emolens.models.card import Framing, ModelCard
from emolens.taxonomy import FERPLUS
from fakes import POINTS, linear_card


def test_a_card_comes_back_as_it_was_written(tmp_path):
    path = tmp_path / "m.json"
    metric = {"name": "accuracy", "value": 0.85, "n": 3546, "subset": "argmax"}
    card = linear_card(summary="Größe ≠ size", metrics=(metric,), picture="stretched")
    card.write(path)
    assert ModelCard.read(path) == card
    assert json.loads(path.read_text(encoding="utf-8"))["labels"][1] == "happiness"


def test_labels_keep_their_order_and_lose_their_aliases():
    card = linear_card(labels=("sad", "Happy", "angry"), taxonomy="mine")
    assert card.classes.classes == ("sadness", "happiness", "anger")
    with pytest.raises(LabelError):
        _ = linear_card(labels=("joy", "happy"), taxonomy="mine").classes


def test_a_known_taxonomy_has_its_own_classes_in_its_own_order():
    for labels in (tuple("abcdefgh"), FERPLUS.classes[::-1], FERPLUS.classes[:7]):
        with pytest.raises(LabelError, match="'ferplus': neutral, happiness"):
            _ = linear_card(labels=labels).classes
    assert linear_card(labels=[name.upper() for name in FERPLUS.classes]).classes == FERPLUS


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"temperature": 0}, "temperature"),
        ({"confidence_temperature": -1}, "confidence_temperature"),
        ({"size": 0}, "size"),
        ({"std": [0.0]}, "std"),
        ({"mean": [float("nan")]}, "mean"),
        ({"colour": "bgr"}, "colour"),
        ({"task": "expresion"}, "task"),
        ({"picture": "cropped"}, "picture"),
        ({"lables": ["anger"]}, "lables"),
        ({"licences": {"code": "MIT"}}, "licences"),
    ],
)
def test_a_wrong_field_is_named_in_one_line(tmp_path, changes, field):
    path = tmp_path / "m.json"
    path.write_text(json.dumps({**linear_card().model_dump(mode="json"), **changes}), encoding="utf-8")
    with pytest.raises(CardError, match=field) as caught:
        ModelCard.read(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_or_broken_card_is_an_error_of_the_tree(tmp_path):
    with pytest.raises(CardError, match="no readable model card"):
        ModelCard.read(tmp_path / "absent.json")
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    with pytest.raises(CardError, match="not a model card"):
        ModelCard.read(tmp_path / "broken.json")


def test_a_framing_needs_a_default_and_five_points():
    box = (0.1, 0.0, 0.8, 1.0)
    for points, boxes in (
        ({"mtcnn": POINTS}, {"default": box}),
        ({"default": POINTS}, {"mtcnn": box}),
        ({"default": POINTS[:4]}, {"default": box}),
    ):
        with pytest.raises(ValidationError, match="framing needs"):
            Framing(source="test", points=points, box=boxes, n=1)


def test_a_framing_needs_boxes_with_an_area():
    with pytest.raises(ValidationError, match="above 0"):
        Framing(source="test", points={"default": POINTS}, box={"default": (0.1, 0.0, 0.0, 1.0)}, n=1)
