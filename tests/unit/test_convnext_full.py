"""ConvNeXt-Base, whole: counts, normalisation, and the end of the network."""

import pytest
import torch

from baselines import convnext_full
from fer_bench.method import Weights


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.fixture(scope="module")
def base():
    """The whole model without memory: its shapes and counts cost little."""
    with torch.device("meta"):
        return convnext_full.build(convnext_full.Options(), n_classes=7, weights=Weights("none")).eval()


def test_backbone_and_model_have_the_parameters_of_the_facts(base):
    assert count(base.trunk) == 87_566_464
    assert count(base) == 87_573_639  # timm with 7 classes: 87.574 M


def test_the_trunk_gives_one_vector_per_picture(base):
    with torch.device("meta"):
        vectors = base.trunk(torch.zeros(2, 3, 64, 64))
    assert vectors.shape == (2, 1024)
    assert base.head(vectors).shape == (2, 7)


def test_pictures_are_normalised_by_imagenets_mean_and_deviation():
    options = convnext_full.RECIPES["toy"].options
    model = convnext_full.build(options, n_classes=7, weights=Weights("none")).eval()
    images = torch.rand(2, 3, 48, 48)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        expected = model.trunk.net((images - mean.view(3, 1, 1)) / std.view(3, 1, 1))
        torch.testing.assert_close(model.trunk(images), expected)


def test_the_papers_recipe_freezes_what_the_fine_tuning_trains():
    trunks = {name: [phase.trunk for phase in r.training.phases] for name, r in convnext_full.RECIPES.items()}
    assert (trunks["paper"], trunks["finetune"]) == (["frozen"], ["trained"])
