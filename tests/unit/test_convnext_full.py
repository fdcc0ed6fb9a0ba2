"""ConvNeXt-Base, whole: counts, normalisation, and the end of the network."""

import torch

from baselines import convnext_full
from fer_bench.method import Weights


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_backbone_and_model_have_the_parameters_of_the_facts():
    with torch.device("meta"):
        model = convnext_full.build(convnext_full.Options(), n_classes=7, weights=Weights("none"))
    assert count(model.trunk) == 87_566_464
    assert count(model) == 87_573_639  # timm with 7 classes: 87.574 M


def test_the_trunk_gives_one_vector_per_picture():
    with torch.device("meta"):
        model = convnext_full.build(convnext_full.Options(), n_classes=8, weights=Weights("none")).eval()
        assert model.trunk(torch.zeros(2, 3, 224, 224)).shape == (2, 1024)
        assert model(torch.zeros(2, 3, 224, 224)).shape == (2, 8)


def test_pictures_are_normalised_by_imagenets_mean_and_deviation():
    options = convnext_full.RECIPES["toy"].options
    model = convnext_full.build(options, n_classes=7, weights=Weights("none")).eval()
    images = torch.rand(2, 3, 48, 48)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        expected = model.trunk.net((images - mean.view(3, 1, 1)) / std.view(3, 1, 1))
        torch.testing.assert_close(model.trunk(images), expected)


def test_the_papers_recipe_freezes_what_the_fine_tuning_trains():
    assert convnext_full.RECIPES["paper"].training.frozen_trunk
    assert not convnext_full.RECIPES["finetune"].training.frozen_trunk
