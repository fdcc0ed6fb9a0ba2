"""The approximation of VTFF: its patterns, the size of its fusion, and that it is called what it is."""

import pytest
import torch

from baselines import vtff
from baselines._blocks import resnet
from fer_bench.method import Weights


def test_it_is_called_an_approximation_wherever_it_appears():
    assert "approximation" in vtff.method.title
    for recipe in vtff.RECIPES.values():
        assert "approximation" in recipe.about
        assert "not public" in recipe.departures[0]


def test_a_bit_of_a_pattern_is_a_neighbour_that_is_not_darker():
    grey = torch.zeros(1, 3, 3, 3)
    grey[:, :, 1, 1], grey[:, :, 0, 0], grey[:, :, 1, 2] = 0.5, 0.9, 0.5
    assert vtff.patterns(grey)[0, :, 1, 1].tolist() == pytest.approx([(1 + 8) / 255] * 3)


def test_patterns_do_not_see_brightness():
    images = torch.rand(2, 3, 8, 8)
    assert torch.equal(vtff.patterns(images), vtff.patterns(0.25 * images))


def test_the_fusion_has_as_many_weights_as_the_one_that_was_described():
    n_weights = sum(parameter.numel() for parameter in vtff.Fusion(512).parameters())
    assert n_weights == 625_603


def test_a_fusion_chooses_between_its_grids():
    torch.manual_seed(0)
    first, second = torch.zeros(2, 16, 3, 3), torch.ones(2, 16, 3, 3)
    chosen = vtff.Fusion(16).eval()(first, second)
    assert ((chosen > 0) & (chosen < 1)).all()


def test_both_branches_can_see_the_same_picture():
    torch.manual_seed(0)
    small = resnet.Small(layers=(1, 1, 1, 1), channels=(8, 8, 8, 8))
    options = vtff.Options(second="picture", small=small, width=16, depth=1, heads=2)
    assert vtff.build(options, n_classes=7, weights=Weights("none")).eval()(torch.rand(2, 3, 64, 64)).shape == (2, 7)
