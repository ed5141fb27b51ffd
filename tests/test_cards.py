"""What the card of a trained model says: the command that repeats it, its data set, the shares it takes for granted."""

from __future__ import annotations

import shlex

import numpy as np
import pytest
import torch

from emolens.data.labelled import LabelledFaces
from emolens.learn.cards import believed_shares, draft_card
from emolens.learn.commands import command_of
from emolens.learn.config import changed
from emolens.learn.devices import Place
from emolens.learn.loading import BalancedSampler
from emolens.learn.losses import adjusted, class_weights, prepared_targets, soft_cross_entropy
from emolens.learn.recipes import recipe
from emolens.taxonomy import FERPLUS

VOTES = np.array(
    [[6, 2, 1, 1, 0, 0, 0, 0], [0, 8, 1, 0, 0, 0, 0, 1], [3, 0, 0, 5, 1, 1, 0, 0], [8, 0, 0, 1, 1, 0, 0, 0]]
)
WAYS = {
    "votes": (),
    "labels": ("loss.targets=label",),
    "smoothed": ("loss.smoothing=0.1",),
    "weighted": ("loss.balance=weights",),
    "drawn evenly": ("loss.balance=sampling",),
    "adjusted halfway": ("loss.adjust=0.5",),
    "adjusted labels": ("loss.targets=label", "loss.adjust=1"),
}


def faces() -> LabelledFaces:
    return LabelledFaces(
        ids=np.array([f"face-{n}" for n in range(len(VOTES))]),
        images=np.zeros((len(VOTES), 48, 48), np.uint8),
        targets=(VOTES / VOTES.sum(axis=1, keepdims=True)).astype(np.float32),
        taxonomy=FERPLUS,
        split="train",
    )


@pytest.mark.parametrize("way", sorted(WAYS))
def test_a_net_that_sees_nothing_answers_with_the_shares_that_its_card_states(way: str) -> None:
    # Without a picture to go by, what minimises the loss is the very prior that a re-weighting must divide by.
    wanted, rows = changed(recipe("expression_ferplus"), WAYS[way]), faces()
    settings = wanted.loss
    given = torch.from_numpy(rows.targets)
    shares = prepared_targets(given, settings).mean(dim=0)
    even = BalancedSampler(given.argmax(dim=1), 0, Place()).chances
    drawn = even / even.sum() if settings.balance == "sampling" else torch.full((len(rows),), 1 / len(rows))
    weights = class_weights(shares) if settings.balance == "weights" else torch.ones(8)
    logits = torch.zeros(8, requires_grad=True, dtype=torch.float64)
    moved = torch.optim.LBFGS([logits], max_iter=500, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        moved.zero_grad()
        targets = (drawn[:, None] * prepared_targets(given, settings)).sum(dim=0, keepdim=True).double()
        found = soft_cross_entropy(adjusted(logits[None], shares.double(), settings.adjust), targets, weights.double())
        found.backward()
        return found

    moved.step(loss)
    np.testing.assert_allclose(logits.softmax(dim=0).detach(), believed_shares(wanted, rows), atol=2e-4)


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("expression_ferplus", (), "emolens train expression_ferplus, 36 epochs"),
        (
            "expression_ferplus",
            ("seed=1", "net.depths=[1,2,3,3]", "optim.epochs=3"),
            "emolens train expression_ferplus --set 'net.depths=[1,2,3,3]' --set optim.epochs=3 --set seed=1, 3 epochs",
        ),
        (
            "expression_ferplus_distilled",
            ("distil.teacher=/home/somebody/pair.onnx,/tmp/first.onnx", "distil.start=/home/somebody/runs/ferplus-1"),
            "emolens train expression_ferplus_distilled --set distil.teacher=pair.onnx,first.onnx "
            "--set distil.start=ferplus-1, 14 epochs",
        ),
    ],
)
def test_the_command_that_repeats_a_run_names_every_setting_and_no_folder(
    name: str, settings: tuple[str, ...], words: str
) -> None:
    assert command_of(changed(recipe(name), settings)) == words


@pytest.mark.parametrize(
    "settings",
    [
        ("net.name=resnet", "net.widths=[8,16]"),
        ("net.name=dan", "net.size=48", "net.dropout=0.3", "loss.affinity=1"),  # as the old net has, not as DAN has
        ("net.name=backbone", "net.dropout=0.3", "net.size=64", 'data.options=["subset=majority"]'),
        ("name=mine", "optim.lr=0.02", "net.depths=[1,1,2,2]"),
        ('name="2026"', 'data.taxonomy="1e3"'),
    ],
)
def test_the_command_repeats_the_recipe(settings: tuple[str, ...]) -> None:
    wanted = changed(recipe("expression_ferplus"), settings)
    emolens, train, name, *parts = shlex.split(command_of(wanted).removesuffix(", 36 epochs"))
    assert (emolens, train, set(parts[::2])) == ("emolens", "train", {"--set"})
    assert changed(recipe(name), [*parts[1::2], f"source={wanted.source}"]) == wanted


def test_a_variant_with_the_faults_of_its_source_is_told_by_its_option() -> None:
    legacy = changed(recipe("dan_ck_raf_aff", legacy=True), ["seed=3"])
    assert command_of(legacy) == f"emolens train dan_ck_raf_aff --legacy --set seed=3, {legacy.optim.epochs} epochs"
    assert command_of(recipe("group_faces", legacy=True)).startswith("emolens train group_faces --legacy, ")


def test_a_card_names_its_data_set_as_a_command_takes_it() -> None:
    card = draft_card([changed(recipe("dan_rafdb"), ['data.options=["faces=aligned"]'])], "dan", faces())
    assert (card.dataset, card.dataset_options) == ("rafdb", {"faces": "aligned"})
