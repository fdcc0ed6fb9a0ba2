"""LNSU-Net: the function of the released code on Swin-T, and its re-balanced losses."""

import numpy as np
import orders
import pytest
import reference
import torch
from reference import OURS

from baselines import lnsu
from baselines._blocks.class_maps import disagreement
from fer_bench.errors import FerBenchError
from fer_bench.expressions import EXPRESSIONS
from fer_bench.method import Weights

FIGURES = reference.figures("lnsu")
CONSTANTS = torch.tensor(FIGURES["facts"]["balance_weights"], dtype=torch.float64)
"""The released code's weights per class, in its order."""
TRAIN_COUNTS = {
    "surprise": 1290, "fear": 281, "disgust": 717, "happiness": 4772, "sadness": 1982, "anger": 705, "neutral": 2524,
}  # fmt: skip


@pytest.fixture(scope="module")
def network():
    return reference.network(lnsu.method, FIGURES)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_logits_and_class_maps_are_the_released_codes(network, seed):
    expected = FIGURES["eval"][str(seed)]
    with torch.no_grad():
        grid = network.trunk(reference.inputs(FIGURES, seed))
        logits, maps = network.head(grid), network.head.maps(grid)
    reference.assert_digest(grid.flatten(2).transpose(1, 2), expected["intermediates"]["norm"])
    reference.assert_digest(logits[:, OURS], expected["outputs"]["logits"])
    reference.assert_digest(maps[:, OURS], expected["outputs"]["class_maps"])


def test_the_network_has_the_released_codes_weights_but_those_that_it_never_uses(network):
    counts, unused = FIGURES["counts"], FIGURES["facts"]["parameters_without_influence_on_eval_outputs"]
    n_ours = sum(p.numel() for p in network.parameters())
    assert n_ours + unused["elements"] == counts["parameters_total"]
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == n_ours
    assert set(unused["keys"]) <= lnsu.RELEASED.unused.keys()
    named = {lnsu.RELEASED.name_of(name) for name in network.state_dict()}
    rows = {key: tuple(shape) for key, shape, _, _ in FIGURES["state_dict"]}
    assert named | lnsu.RELEASED.unused.keys() == rows.keys()
    assert all(rows[key] == shape for key, shape in lnsu.RELEASED.unused.items())


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_losses_and_gradients_are_the_released_codes(mode):
    network = reference.network(lnsu.method, FIGURES).train(mode == "train")
    for part in network.modules():
        if type(part).__name__ == "DropPath":
            part.drop_prob = 0.0
    loss = lnsu.Loss(lnsu.Options(), CONSTANTS[np.argsort(OURS)])(network, reference.batch(FIGURES))
    expected = FIGURES["train"]
    assert loss.item() == pytest.approx(expected[f"losses_{mode}_mode"]["total"], rel=1e-9)
    if mode == "train":
        loss.backward()
        reference.assert_gradients(network, lnsu.RELEASED, expected["gradients_train_mode"])


def test_re_balanced_smoothing_and_the_weighted_disagreement_are_the_released_codes():
    units = FIGURES["units"]
    labels = torch.tensor(units["rebalanced_smooth_cross_entropy"]["labels"])
    losses = lnsu.smoothed(reference.normal(109, (5, 7)), labels, CONSTANTS, 0.3)
    assert losses.mean().item() == pytest.approx(units["rebalanced_smooth_cross_entropy"]["value"], rel=1e-9)
    maps = [reference.normal(seed, (4, 7, 7, 7)) for seed in (101, 102)]
    each = disagreement(*maps) @ CONSTANTS
    reference.assert_digest(each, units["flip_consistency_weighted"]["per_image"])


def test_the_weights_computed_from_raf_dbs_training_part_are_the_released_codes_constants():
    counts = [TRAIN_COUNTS[name] for name in EXPRESSIONS[:7]]
    loss = lnsu.build_loss(lnsu.Options(), labels=np.repeat(np.arange(7), counts), n_classes=7)
    assert loss.weights[OURS].tolist() == pytest.approx(CONSTANTS.tolist(), abs=1e-6)
    assert tuple(EXPRESSIONS[index] for index in OURS) == orders.ORDERS["lnsu"]


def test_the_encoders_own_normalisation_is_not_what_a_run_starts_from(tmp_path):
    """In the released code's SwinTransFER.forward another one follows, which no file has."""
    options = lnsu.Options(swin=lnsu.Swin(image_size_px=28, dim=8, depths=(1, 1), heads=(1, 2)))
    donor = lnsu.build(options, n_classes=7, weights=Weights("none")).trunk.net
    state = {name: torch.randn_like(value) for name, value in donor.state_dict().items()}
    path = tmp_path / "start_0.pth"
    torch.save(state, path)
    net = lnsu.build(options, n_classes=7, weights=Weights("file", path)).trunk.net
    assert torch.equal(net.layers[1].blocks[0].norm1.weight, state["layers.1.blocks.0.norm1.weight"])
    assert (net.norm.weight == 1).all()
    assert not net.norm.bias.any()


def test_an_expression_without_training_sample_is_named():
    with pytest.raises(FerBenchError, match="no training sample of fear"):
        lnsu.build_loss(lnsu.Options(), labels=np.arange(6), n_classes=7)


def test_the_recipe_of_the_code_has_its_settings():
    training = lnsu.RECIPES["code"].training
    (phase,) = training.phases
    assert (training.optimizer, phase.lr, training.weight_decay) == ("adamw", 3.125e-5, 0.05)
    assert (phase.epochs, training.batch_size, training.clip_norm, training.image_size_px) == (156, 32, 5.0, 112)
    assert (phase.schedule.start_lr, phase.schedule.end_lr) == (3.125e-8, 3.125e-7)
    assert phase.schedule.counts_warmup
    assert training.interpolation == "bicubic"


def test_the_toy_resizes_bilinearly_and_changes_nothing():
    training = lnsu.RECIPES["toy"].training
    assert (training.interpolation, training.augment) == ("bilinear", ())
