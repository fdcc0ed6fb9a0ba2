"""EAC: the function of the released code, in both views."""

import dataclasses

import numpy as np
import pytest
import reference
import torch
from reference import OURS

from baselines import eac
from baselines._blocks.class_maps import disagreement
from fer_bench.method import Mirror, Weights
from fer_bench.training import pictures

FIGURES = reference.figures("eac")
LOSS = eac.build_loss(eac.Options(), labels=np.zeros(3), n_classes=7)


@pytest.fixture(scope="module")
def network():
    return reference.network(eac.method, FIGURES)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_logits_and_class_maps_are_the_released_codes(network, seed):
    expected = FIGURES["eval"][str(seed)]
    with torch.no_grad():
        grid = network.trunk(reference.inputs(FIGURES, seed))
        logits, maps = network.head(grid), network.head.maps(grid)
    reference.assert_digest(grid, expected["intermediates"]["features.7"])
    reference.assert_digest(logits[:, OURS], expected["outputs"]["logits"])
    reference.assert_digest(maps[:, OURS], expected["outputs"]["class_maps"])
    assert torch.allclose(maps.mean(dim=(2, 3)) + network.head.fc.bias, logits)


def test_the_network_has_the_released_codes_weights_and_no_other(network):
    counts = FIGURES["counts"]
    assert sum(p.numel() for p in network.parameters()) == counts["parameters_total"]
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == counts["parameters_trainable"]
    assert len(network.state_dict()) == counts["state_dict_entries"]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["eval", "train"])
def test_losses_gradients_and_batch_statistics_are_the_released_codes(mode):
    network = reference.network(eac.method, FIGURES).train(mode == "train")
    loss = LOSS(network, reference.batch(FIGURES))
    expected = FIGURES["train"]
    assert loss.item() == pytest.approx(expected[f"losses_{mode}_mode"]["total"], rel=1e-9)
    if mode == "train":
        loss.backward()
        reference.assert_gradients(network, eac.RELEASED, expected["gradients_train_mode"])
        reference.assert_buffers(network, eac.RELEASED, expected["buffers_after_this_training_pass"])


def test_the_disagreement_of_maps_is_the_released_codes():
    maps = [reference.normal(seed, (4, 7, 7, 7)) for seed in (101, 102)]
    assert disagreement(*maps).mean().item() == pytest.approx(FIGURES["units"]["flip_consistency"]["value"], rel=1e-9)


def test_no_gradient_of_the_disagreement_reaches_the_classifier():
    head = eac.Head(5, 7)
    grid = torch.rand(2, 5, 3, 3, requires_grad=True)
    disagreement(head.maps(grid), head.maps(grid.flip(-1) * 2)).mean().backward()
    assert head.fc.weight.grad is None
    assert grid.grad is not None


def test_a_picture_that_is_its_own_mirror_image_disagrees_with_nothing():
    torch.manual_seed(0)
    network = eac.build(eac.RECIPES["toy"].options, n_classes=7, weights=Weights("none")).eval()
    images = torch.rand(2, 3, 64, 64)
    grid = network.trunk(images)
    assert disagreement(network.head.maps(grid), network.head.maps(grid).flip(-1)).max() == 0


def test_the_recipe_of_the_code_has_its_settings():
    training = eac.RECIPES["code"].training
    (phase,) = training.phases
    assert (training.optimizer, phase.lr, training.weight_decay, training.batch_size) == ("adam", 1e-4, 1e-4, 32)
    assert (phase.epochs, phase.schedule.factor) == (60, 0.9)
    assert "flip" not in training.augment
    assert eac.RECIPES["code_resnet18"].training.phases[0].lr == 2e-4


def test_the_two_settings_differ_in_the_second_view_alone():
    clean, noisy = (eac.RECIPES[name].training for name in ("code", "code_noisy"))
    assert clean.second_view is None
    assert noisy.second_view == (Mirror(), *clean.augment)
    assert dataclasses.replace(noisy, second_view=None) == clean
    assert pictures.n_draws(noisy) == pictures.n_draws(clean)


def test_the_second_view_is_the_first_ones_mirror_image_unless_the_recipe_makes_one():
    torch.manual_seed(0)
    network = eac.build(eac.RECIPES["toy"].options, n_classes=7, weights=Weights("none")).eval()
    first, second = torch.rand(2, 4, 3, 64, 64).unbind()
    batch = dataclasses.replace(reference.batch(FIGURES), inputs=first, labels=torch.tensor([0, 1, 2, 3]))
    batch = dataclasses.replace(batch, sample_weights=torch.ones(4))
    plain = LOSS(network, batch)
    assert torch.equal(LOSS(network, dataclasses.replace(batch, second=first.flip(-1))), plain)
    found = LOSS(network, dataclasses.replace(batch, second=second))
    maps = [network.head.maps(network.trunk(view)) for view in (first, second)]
    difference = disagreement(*maps) - disagreement(maps[0], network.head.maps(network.trunk(first.flip(-1))))
    assert (found - plain).item() == pytest.approx(5.0 * difference.mean().item(), rel=1e-4)
