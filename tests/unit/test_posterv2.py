"""POSTER++: the function of the released code, its one window per grid, and its file that holds no network."""

import pytest
import reference
import torch
from reference import OURS

from baselines import posterv2
from fer_bench.errors import FerBenchError
from fer_bench.method import Weights
from fer_bench.training.module import cross_entropy

FIGURES = reference.figures("posterv2")
INNER = {
    "last_face_conv": "last_face_conv", "levels.1.conv": "conv2", "levels.0.attn": "attn1", "levels.1.attn": "attn2",
    "levels.2.attn": "attn3", "embed_q": "embed_q", "blocks.1": "VIT.blocks.1",
}  # fmt: skip


@pytest.fixture(scope="module")
def network():
    return reference.network(posterv2.method, FIGURES)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_grids_attention_and_logits_are_the_released_codes(network, seed):
    expected = FIGURES["eval"][str(seed)]
    trunk, seen = network.trunk, {}
    hooks = [
        trunk.get_submodule(name).register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: out}))
        for name in INNER
    ]
    with torch.no_grad():
        features = trunk(reference.inputs(FIGURES, seed))
        gated, logits = network.head.se_block(features), network.head(features)
    for hook in hooks:
        hook.remove()
    for ours, theirs in INNER.items():
        reference.assert_digest(seen[ours], expected["intermediates"][theirs])
    reference.assert_digest(gated, expected["intermediates"]["VIT.se_block"])
    reference.assert_digest(logits[:, OURS], expected["outputs"]["logits"])


def test_the_network_has_the_released_codes_weights_but_those_that_it_never_uses(network):
    counts, unused = FIGURES["counts"], FIGURES["facts"]["parameters_without_influence_on_eval_outputs"]
    rows = {key: (tuple(shape), role) for key, shape, role, _ in FIGURES["state_dict"]}
    unused_trained = sum(torch.Size(rows[key][0]).numel() for key in unused["keys"] if rows[key][1] == "param")
    assert sum(p.numel() for p in network.parameters()) + unused["elements"] == counts["parameters_total"]
    trained = sum(p.numel() for p in network.parameters() if p.requires_grad)
    assert trained + unused_trained == counts["parameters_trainable"]
    named = {posterv2.RELEASED.name_of(name) for name in network.state_dict()}
    assert named | posterv2.RELEASED.unused.keys() == rows.keys()
    assert all(rows[key][0] == shape for key, shape in posterv2.RELEASED.unused.items())


@pytest.mark.parametrize("mode", ["eval", pytest.param("train", marks=pytest.mark.slow)])
def test_losses_gradients_and_batch_statistics_are_the_released_codes(network, mode):
    if mode == "train":
        network = reference.network(posterv2.method, FIGURES).train()
    for part in network.modules():
        if type(part).__name__ == "DropPath":
            part.drop_prob = 0.0
    loss = cross_entropy(network, reference.batch(FIGURES))[0]
    expected = FIGURES["train"]
    assert loss.item() == pytest.approx(expected[f"losses_{mode}_mode"]["total"], rel=1e-9)
    if mode == "train":
        loss.backward()
        for parameter in network.parameters():
            if not parameter.requires_grad:
                parameter.grad = torch.zeros_like(parameter)
        reference.assert_gradients(network, posterv2.RELEASED, expected["gradients_train_mode"])
        reference.assert_buffers(network, posterv2.RELEASED, expected["buffers_after_this_training_pass"])


def test_each_grid_is_one_window(network):
    sides = [level.attn.relative_position_index.shape[0] for level in network.trunk.levels]
    assert sides == [28 * 28, 14 * 14, 7 * 7]
    assert network.trunk.levels[0].attn.relative_position_index[0, :3].tolist() == [1512, 1511, 1510]


def test_branches_start_at_the_released_codes_scale():
    torch.manual_seed(0)
    net = posterv2.build(posterv2.Options(), n_classes=7, weights=Weights("none"))
    scales = torch.cat([level.gamma1.detach() for level in net.trunk.levels])
    assert scales.tolist() == pytest.approx([1e-5] * (64 + 128 + 256), rel=1e-6)


def test_the_transformer_and_the_head_start_with_the_released_codes_weights():
    """Linear layers with N(0, 0.01) and biases of zero; attention over grids with torch's."""
    torch.manual_seed(0)
    net = posterv2.build(posterv2.Options(), n_classes=7, weights=Weights("none"))
    linear = [part for part in net.trunk.blocks.modules() if isinstance(part, torch.nn.Linear)]
    linear += [net.head.se_block.linear1, net.head.se_block.linear2, net.head.linear]
    assert len(linear) == 2 * 4 + 3
    for layer in linear:
        assert layer.weight.std().item() == pytest.approx(0.01, rel=0.05)
        assert not layer.bias.any()
    proj = net.trunk.levels[2].attn.proj
    assert proj.weight.std().item() == pytest.approx((1 / (3 * 256)) ** 0.5, rel=0.05)


def test_the_file_of_the_best_epoch_is_an_optimisers_state_and_said_to_be():
    optimizer = torch.optim.Adam(torch.nn.Linear(2, 2).parameters())
    with pytest.raises(FerBenchError, match=r"state of an optimiser .* POSTER\+\+"):
        posterv2.from_official({"state_dict": optimizer.state_dict()})


def test_the_recipe_of_the_code_has_its_settings():
    training = posterv2.RECIPES["code"].training
    (phase,) = training.phases
    assert (training.optimizer, phase.lr, training.weight_decay, training.sam_rho) == ("adam", 3.5e-5, 0.0, 0.05)
    assert (phase.epochs, training.batch_size, phase.schedule.factor) == (200, 144, 0.98)
    erased = training.augment[1]
    assert (erased.p, erased.changes[0].area) == (0.5, (0.02, 0.1))
    assert not posterv2.RECIPES["code"].departures  # torchvision's default of 0.5, on record
