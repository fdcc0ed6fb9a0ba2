"""Multiply-accumulates: those of the released networks, and of every card."""

from functools import partial

import pytest
import torch
from torch import nn

from fer_bench import card, registry
from fer_bench.method import Weights
from fer_bench.provenance import ROOT
from fer_bench.training import cost

BUILT = [name for name in registry.names("methods") if registry.load("methods", name).build is not None]

OFFICIAL = {
    "apvit": 12.65, "dan": 2.22, "ddamfn": 0.54, "dmue": 1.81, "eac": 3.86, "lnsu": 4.48, "poster": 7.86,
    "posterv2": 8.59, "resemotenet": 0.34, "scn": 1.81,
}  # fmt: skip
"""Giga per picture, of the released code's modules (DMUE: of its deployed branch)."""


def builder(name, recipe, n_classes=7):
    method = registry.load("methods", name)
    chosen = method.recipes[recipe]
    return partial(method.build, chosen.options, n_classes=n_classes, weights=Weights("none")), chosen.training


def test_a_convolution_and_a_linear_layer_are_counted_by_hand():
    net = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))
    net(torch.zeros(1, 3, 8, 8))
    assert cost.macs(lambda: net.to("meta"), 8) == 8 * 8 * 5 * 3 * 9 + 8 * 8 * 5 * 2


@pytest.mark.parametrize("name", OFFICIAL)
def test_the_released_networks_cost_what_their_own_modules_do(name):
    build, training = builder(name, "code")
    assert round(cost.macs(build, training.image_size_px) / 1e9, 2) == OFFICIAL[name]


def test_attention_is_counted_whatever_kernel_the_device_has():
    """Of CLIP's ViT-B/16 without its head: 12 blocks of 197 tokens, 768 wide."""
    tokens, width = 197, 768
    block = 12 * tokens * width**2 + 2 * tokens**2 * width
    build, training = builder("clef", "approximation")
    counted = cost.macs(build, training.image_size_px)
    assert 12 * block < counted < 1.01 * (12 * block + 196 * width**2)


@pytest.mark.parametrize("name", BUILT)
def test_a_card_says_what_its_network_costs(name):
    said = card.read(name).network
    build, training = builder(name, said.recipe, said.n_classes)
    with torch.device("meta"):
        parameters = sum(weight.numel() for weight in build().parameters())
    assert (said.parameters, said.macs) == (parameters, cost.macs(build, training.image_size_px))


def test_a_card_is_verified_where_figures_of_the_released_code_are_held():
    held = {path.stem for path in (ROOT / "tests" / "golden_methods").glob("*.json")} - {"sam", "dmue_deployed"}
    verified = {name: card.read(name).network.verified for name in BUILT}
    assert {name for name, said in verified.items() if said} == held
    assert all((ROOT / said.rpartition("; ")[2]).is_file() for said in verified.values() if said)


def test_counting_draws_nothing():
    build, training = builder("finetune", "toy")
    before = torch.get_rng_state()
    cost.macs(build, training.image_size_px)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_card_without_code_has_no_network():
    assert card.read("mgr3net").network is None
