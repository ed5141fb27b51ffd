from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from emolens.cli.cams import check_net, wanted_of
from emolens.errors import DataError, ModelError, OptionError
from emolens.evaluation.walls import named_cams, overlaid
from emolens.learn.cam import grad_cam
from emolens.learn.recipes import recipe
from fakes_predictions import table


class Pooled(nn.Module):
    """A convolution, the global mean, a linear layer: here Grad-CAM is CAM (Selvaraju et al. 2017, section 3.1)."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 4, 3, padding=1)
        self.active = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Linear(4, 3)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        features = self.active(self.convolution(images))
        return {"logits": self.head(features.mean(dim=(2, 3)))}


def test_it_is_class_activation_mapping_where_that_is_defined() -> None:
    torch.manual_seed(0)
    net, images = Pooled().eval(), torch.rand(5, 1, 8, 8)
    classes = torch.tensor([0, 1, 2, 0, 1])
    features = net.active(net.convolution(images)).detach()
    wanted = torch.einsum("nc,nchw->nhw", net.head.weight[classes], features).detach().clamp_min(0)
    wanted = wanted / wanted.amax(dim=(1, 2), keepdim=True).clamp_min(1e-12)
    np.testing.assert_allclose(grad_cam(net, images, classes), wanted.numpy(), atol=1e-5)


def test_a_net_that_sees_one_corner_is_seen_to_look_there() -> None:
    net = Pooled().eval()
    with torch.no_grad():
        for weights in (net.convolution.weight, net.convolution.bias, net.head.weight, net.head.bias):
            weights.zero_()
        net.convolution.weight[0, 0, 1, 1] = 1  # the first channel is the picture itself
        net.head.weight[2, 0] = 1
    images = torch.zeros(1, 1, 8, 8)
    images[0, 0, :2, :2] = 1
    heat = grad_cam(net, images, torch.tensor([2]))[0]
    assert heat[:2, :2].min() == 1
    assert heat[2:, 2:].max() == 0
    assert not any(module._forward_hooks for module in net.modules())


def test_a_net_without_places_has_no_map() -> None:
    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(16, 2)

        def forward(self, images: Tensor) -> dict[str, Tensor]:
            return {"logits": self.head(images.flatten(1))}

    with pytest.raises(ModelError, match="no feature map"):
        grad_cam(Flat(), torch.rand(1, 1, 4, 4), torch.tensor([0]))


def test_heat_lights_a_picture_where_it_is_high() -> None:
    picture = np.full((20, 30, 3), 100, np.uint8)
    heat = np.zeros((2, 3), np.float32)
    heat[0, 0] = 1
    lit = overlaid(picture, heat).astype(int)
    assert lit.shape == picture.shape
    assert lit[0, 0].sum() > lit[19, 29].sum()


def test_pictures_are_wanted_by_number_or_by_id() -> None:
    assert (wanted_of(None), wanted_of("0"), wanted_of("12")) == (0, 0, 12)
    assert wanted_of("fear/2, joy/1,fear/2") == ("fear/2", "joy/1")
    assert wanted_of("12,") == ("12",)  # an id that is a number


def test_a_run_of_groups_is_not_asked_where_it_looked(tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text(recipe("group_aligned").model_dump_json(), encoding="utf-8")
    check_net(str(tmp_path), 0)
    with pytest.raises(OptionError, match="--cam is for runs of task expression or evoked"):
        check_net(str(tmp_path), 3)


def test_a_row_that_was_not_asked_about_is_named() -> None:
    rows: Any = None  # not looked at
    with pytest.raises(DataError, match="model0 was not asked about row-0061"):
        named_cams(table(), rows, lambda at, names: np.zeros((0, 8, 8), np.float32), ["row-0001", "row-0061"])
