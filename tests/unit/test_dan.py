"""DAN: the function of the released code, its three losses, and the centre of no class."""

import numpy as np
import pytest
import reference
import torch
from reference import OURS

from baselines import dan
from fer_bench.method import Weights

FIGURES = reference.figures("dan")
UNITS = FIGURES["units"]


def loss_of(**options):
    return dan.build_loss(dan.Options(**options), labels=np.zeros(3), n_classes=7)


def centres():
    """The figures' centres, in our order of classes; the eighth is of none."""
    theirs = reference.filled("centers", [8, 512], "matrix")
    return theirs[[*np.argsort(OURS), 7]]


@pytest.fixture(scope="module")
def network():
    return reference.network(dan.method, FIGURES)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_heads_and_logits_are_the_released_codes(network, seed):
    expected = FIGURES["eval"][str(seed)]
    with torch.no_grad():
        grid = network.trunk(reference.inputs(FIGURES, seed))
        attended = network.head.attended(grid)
        logits = network.head(grid)
        first = network.head.heads[0].sa(grid)
    reference.assert_digest(grid, expected["outputs"]["features"])
    reference.assert_digest(first, expected["intermediates"]["cat_head0.sa"])
    reference.assert_digest(attended, expected["outputs"]["heads"])
    reference.assert_digest(logits[:, OURS], expected["outputs"]["logits"])


def test_the_network_has_the_released_codes_weights_and_no_other(network):
    counts = FIGURES["counts"]
    assert sum(p.numel() for p in network.parameters()) == counts["parameters_total"]
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == counts["parameters_trainable"]
    assert len(network.state_dict()) == counts["state_dict_entries"]
    assert list(loss_of().centers.shape) == FIGURES["facts"]["loss_state_dict"]["AffinityLoss"][0][1]


@pytest.mark.parametrize("mode", ["train", pytest.param("eval", marks=pytest.mark.slow)])
def test_losses_gradients_and_batch_statistics_are_the_released_codes(mode):
    network = reference.network(dan.method, FIGURES).train(mode == "train")
    loss_module = loss_of().double()
    loss_module.centers.data = centres()
    loss = loss_module(network, reference.batch(FIGURES))
    expected = FIGURES["train"]
    assert loss.item() == pytest.approx(expected[f"losses_{mode}_mode"]["total"], rel=1e-9)
    if mode == "train":
        loss.backward()
        reference.assert_gradients(network, dan.RELEASED, expected["gradients_train_mode"])
        reference.assert_buffers(network, dan.RELEASED, expected["buffers_after_this_training_pass"])
        assert float(loss_module.centers.grad.norm()) == pytest.approx(expected["affinity_centers_grad_l2"], rel=1e-8)


def test_affinity_and_partition_are_the_released_codes():
    features = reference.normal(105, (4, 512, 7, 7)).mean(dim=(2, 3))
    labels = torch.tensor([OURS[label] for label in UNITS["affinity"]["labels"]])
    assert dan.affinity(features, labels, centres()).item() == pytest.approx(UNITS["affinity"]["value"], rel=1e-9)
    heads = reference.normal(106, (4, 4, 512))
    assert dan.partition(heads).item() == pytest.approx(UNITS["partition"]["value"], rel=1e-9)


def test_a_centre_of_no_class_is_pulled_by_the_variance_alone():
    """As in the released code for RAF-DB; recipe code_centres has none."""
    loss = loss_of()
    features, labels = torch.rand(14, 512), torch.arange(14) % 7
    dan.affinity(features, labels, loss.centers).backward()
    assert loss.centers.grad[7].abs().max() > 0
    assert len(loss_of(centres=0).centers) == 7


def test_the_centres_are_kept_with_the_weights():
    assert set(loss_of().state_dict()) == {"centers"}


def test_the_recipe_of_the_code_has_its_settings():
    training = dan.RECIPES["code"].training
    (phase,) = training.phases
    assert (training.optimizer, phase.lr, training.weight_decay, training.batch_size) == ("sgd", 0.1, 1e-4, 256)
    assert (phase.epochs, phase.schedule.epochs, phase.schedule.factor) == (40, 10, 0.1)
    assert dan.RECIPES["code"].options.centres == 8


def test_the_heads_start_with_the_released_codes_weights():
    """He's normal ones by the number of outputs, √(2 / (512 · 3 · 3)), and N(0, 0.001); the classifier with torch's."""
    torch.manual_seed(0)
    head = dan.build(dan.RECIPES["code"].options, n_classes=7, weights=Weights("none")).head
    conv, linear = head.heads[0].sa.conv_3x3[0], head.heads[0].ca.attention[0]
    assert conv.weight.std().item() == pytest.approx((2 / (512 * 9)) ** 0.5, rel=0.01)
    assert linear.weight.std().item() == pytest.approx(0.001, rel=0.05)
    assert not conv.bias.any()
    assert not linear.bias.any()
    assert head.fc.weight.std().item() == pytest.approx((1 / (3 * 512)) ** 0.5, rel=0.05)
    assert head.fc.bias.any()


def test_heads_of_the_recipes_at_another_scale_start_as_their_departure_says():
    for name in ("toy", "cpu"):
        recipe = dan.RECIPES[name]
        head = dan.build(recipe.options, n_classes=7, weights=Weights("none")).head
        assert head.heads[0].ca.attention[0].bias.any()
        assert "the attention heads start with torch's default weights" in recipe.departures
