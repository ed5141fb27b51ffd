import numpy as np
import pytest

from emolens.errors import LabelError, UnknownName
from emolens.taxonomy import (
    AFFECTNET7,
    AFFECTNET8,
    ALIASES,
    CANONICAL,
    EMOTION6,
    FER2013,
    FERPLUS,
    GROUP3,
    POLARITY,
    RAFDB,
    TAXONOMIES,
    Taxonomy,
    canonical,
    convert,
    taxonomy,
)

# The numbering as each set was published, in its own words and from its own first number.
PUBLISHED = {
    "fer2013": (0, "Angry Disgust Fear Happy Sad Surprise Neutral"),  # the Kaggle challenge page, 2013
    "ferplus": (0, "neutral happiness surprise sadness anger disgust fear contempt"),  # header of fer2013new.csv
    "rafdb": (1, "Surprise Fear Disgust Happiness Sadness Anger Neutral"),  # RAF-DB's ReadMe
    "affectnet8": (0, "Neutral Happy Sad Surprise Fear Disgust Anger Contempt"),  # Mollahosseini et al. 2017
    "affectnet7": (0, "Neutral Happy Sad Surprise Fear Disgust Anger"),
    "emotion6": (0, "anger disgust fear joy sadness surprise neutral"),  # columns of ground_truth.txt
    "ekman6": (0, "anger disgust fear joy sadness surprise"),
    "mikels8": (0, "amusement awe contentment excitement anger disgust fear sadness"),  # the folders of FI
    "group3": (0, "negative neutral positive"),  # GAF 2.0
}


@pytest.mark.parametrize("name", sorted(TAXONOMIES))
def test_the_order_is_the_published_one(name):
    first, words = PUBLISHED[name]
    for number, word in enumerate(words.split(), start=first):
        assert taxonomy(name).index(word) + first == number
    assert len(taxonomy(name)) == len(words.split())


def test_the_orders_differ_and_may_not_be_mixed():
    # Happiness is column 3 in both, but RAF-DB writes it 4 and FER2013 writes it 3: indices stay home.
    assert RAFDB.index("happy") == FER2013.index("happy") == 3
    faces = [FER2013, FERPLUS, RAFDB, AFFECTNET8]
    assert len({t.classes for t in faces}) == len(faces)
    assert {t.index("anger") for t in faces} == {0, 4, 5, 6}


def test_aliases_lead_to_canonical_names():
    assert {canonical(word) for word in ("Happy", "joy", " HAPPINESS ")} == {"happiness"}
    assert set(ALIASES.values()) <= set(CANONICAL)
    assert not set(ALIASES) & set(CANONICAL)


def test_every_class_of_a_face_set_has_a_polarity():
    for each in TAXONOMIES.values():
        assert set(each.polarity()) <= set(GROUP3.classes)
    assert set(CANONICAL) <= set(POLARITY)
    assert FERPLUS.polarity().count("negative") == 5
    assert GROUP3.polarity() == GROUP3.classes


def test_an_unknown_class_names_the_near_miss():
    with pytest.raises(UnknownName, match=r"Did you mean 'sadness'\?"):
        FERPLUS.index("sadnes")
    with pytest.raises(UnknownName, match=r"Did you mean 'ferplus'\?"):
        taxonomy("fer_plus")
    with pytest.raises(UnknownName, match="contempt"):
        RAFDB.index("contempt")


def test_a_taxonomy_holds_each_canonical_name_once():
    with pytest.raises(LabelError, match="happiness"):
        Taxonomy("mine", ("happy", "sadness"))
    for classes in ((), ("anger", "anger")):
        with pytest.raises(LabelError, match="distinct"):
            Taxonomy("mine", classes)
    assert taxonomy("mine", ["Happy", "sad"]).classes == ("happiness", "sadness")
    with pytest.raises(LabelError):
        taxonomy("mine", ["joy", "happy"])


def test_conversion_by_hand():
    #           neutral happy surprise  sad  anger disgust fear contempt
    ferplus = np.array([0.1, 0.2, 0.1, 0.05, 0.15, 0.1, 0.1, 0.2], np.float32)
    converted, dropped = convert(ferplus, FERPLUS, RAFDB)
    # surprise fear disgust happiness sadness anger neutral, over the .8 that remain without contempt
    np.testing.assert_allclose(converted, np.array([0.1, 0.1, 0.1, 0.2, 0.05, 0.15, 0.1]) / 0.8, atol=1e-6)
    assert dropped == pytest.approx(0.2, abs=1e-6)


def test_conversion_to_more_classes_leaves_the_new_ones_empty_and_the_way_back_is_exact():
    rows = np.random.default_rng(0).dirichlet(np.ones(7), size=(3, 2)).astype(np.float32)
    wider, dropped = convert(rows, FER2013, AFFECTNET8)
    assert wider.shape == (3, 2, 8)
    assert wider[..., AFFECTNET8.index("contempt")].max() == 0
    np.testing.assert_allclose(dropped, 0, atol=1e-6)
    np.testing.assert_allclose(convert(wider, AFFECTNET8, FER2013)[0], rows, atol=1e-6)


def test_the_same_classes_in_another_order_lose_nothing():
    one_hot = np.eye(7, dtype=np.float32)
    for source in (RAFDB, AFFECTNET7, EMOTION6):
        converted, dropped = convert(one_hot, source, FER2013)
        assert [FER2013.classes[k] for k in converted.argmax(axis=1)] == list(source.classes)
        assert dropped.max() == 0


def test_nothing_left_is_an_error():
    contempt = np.eye(8, dtype=np.float32)[FERPLUS.index("contempt")]
    with pytest.raises(LabelError, match="no probability"):
        convert(contempt, FERPLUS, RAFDB)
