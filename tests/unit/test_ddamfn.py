"""DDAMFN: the function of the released code, and what it registers and never uses."""

import dataclasses

import numpy as np
import pytest
import reference
import torch

from baselines import ddamfn
from fer_bench.errors import FerBenchError
from fer_bench.method import Weights

FIGURES = reference.figures("ddamfn")
OURS = reference.ours("ddamfn")
LOSS = ddamfn.build_loss(ddamfn.Options(), labels=np.zeros(3), n_classes=7)


@pytest.fixture
def network():
    return reference.network(ddamfn.method, FIGURES)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_grids_maps_and_logits_are_the_released_codes(network, seed):
    expected = FIGURES["eval"][str(seed)]
    seen = {}
    for place, layer in enumerate(network.trunk.features):
        layer.register_forward_hook(lambda _, __, grid, place=place: seen.update({f"features.{place}": grid}))
    with torch.no_grad():
        grid = network.trunk(reference.inputs(FIGURES, seed))
        maps = network.head.maps(grid)
        logits = network.head.classify(grid, maps)
    for name, digest in expected["intermediates"].items():
        if name in seen:
            reference.assert_digest(seen[name], digest)
    reference.assert_digest(grid, expected["outputs"]["features"])
    for head in (0, 1):
        reference.assert_digest(maps[head], expected["outputs"][f"head_maps.{head}"])
    reference.assert_digest(logits[:, OURS], expected["outputs"]["logits"])


def test_the_network_has_the_released_codes_weights_but_those_that_it_never_uses(network):
    counts, unused = FIGURES["counts"], FIGURES["facts"]["parameters_without_influence_on_eval_outputs"]
    n_ours = sum(p.numel() for p in network.parameters())
    assert n_ours + unused["elements"] == counts["parameters_total"] == 4_187_421
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == n_ours
    rows = {key: tuple(shape) for key, shape, _, _ in FIGURES["state_dict"]}
    named = {ddamfn.RELEASED.name_of(name): tuple(value.shape) for name, value in network.state_dict().items()}
    assert named | ddamfn.RELEASED.unused == rows
    registered = {key for key, _, role, _ in FIGURES["state_dict"] if role == "param"}
    assert ddamfn.RELEASED.unused.keys() & registered == set(unused["keys"])


@pytest.mark.parametrize("mode", [pytest.param("eval", marks=pytest.mark.slow), "train"])
def test_losses_gradients_and_batch_statistics_are_the_released_codes(network, mode):
    labels = torch.tensor([OURS[label] for label in FIGURES["train"]["labels"]])
    batch = dataclasses.replace(reference.batch(FIGURES), labels=labels)
    loss = LOSS(network.train(mode == "train"), batch)
    expected = FIGURES["train"]
    assert loss.item() == pytest.approx(expected[f"losses_{mode}_mode"]["total"], rel=1e-9)
    if mode == "train":
        loss.backward()
        reference.assert_gradients(network, ddamfn.RELEASED, expected["gradients_train_mode"])
        reference.assert_buffers(network, ddamfn.RELEASED, expected["buffers_after_this_training_pass"])


def test_the_agreement_of_maps_is_the_released_codes():
    maps = torch.stack([reference.normal(seed, (4, 512, 7, 7)) for seed in (107, 108)])
    assert ddamfn.agreement(maps).item() == pytest.approx(FIGURES["units"]["attention"]["value"], rel=1e-9)


def test_the_agreement_of_three_heads_is_one_over_the_mean_of_three_differences():
    # constant maps 0, 1, 3: squared differences 1, 9, 4
    maps = torch.tensor([0.0, 1.0, 3.0]).view(3, 1, 1, 1, 1).expand(3, 2, 4, 5, 5)
    assert ddamfn.agreement(maps).item() == pytest.approx(3 / 14)


def test_one_head_has_cross_entropy_alone():
    options = dataclasses.replace(ddamfn.RECIPES["toy"].options, heads=1)
    torch.manual_seed(0)
    model = ddamfn.build(options, n_classes=7, weights=Weights("none")).eval()
    batch = dataclasses.replace(reference.batch(FIGURES), inputs=torch.rand(3, 3, 48, 48), sample_weights=torch.ones(3))
    expected = torch.nn.functional.cross_entropy(model(batch.inputs), batch.labels)
    assert ddamfn.build_loss(options, labels=np.zeros(3), n_classes=7)(model, batch) == expected


def test_a_trunk_starts_from_a_file_of_its_weights(tmp_path):
    options = ddamfn.RECIPES["toy"].options
    donor = ddamfn.build(options, n_classes=7, weights=Weights("none"))
    theirs = {}
    for name, value in donor.trunk.features.state_dict().items():
        theirs[ddamfn.RELEASED.name_of(f"trunk.features.{name}").removeprefix("features.")] = value
    unused = {name: torch.zeros(2) for name in ("2.conv_dw.bn.weight", "3.model.0.conv_dw.prelu.weight")}
    path = tmp_path / "MFN_msceleb.pth"
    torch.save(theirs | unused, path)
    model = ddamfn.build(options, n_classes=7, weights=Weights("file", path))
    assert all(
        torch.equal(value, donor.state_dict()[name]) for name, value in model.trunk.state_dict(prefix="trunk.").items()
    )
    torch.save({"fc.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(FerBenchError, match="not the weights of DDAMFN's trunk: it lacks"):
        ddamfn.build(options, n_classes=7, weights=Weights("file", path))


def test_timms_weights_are_refused():
    with pytest.raises(FerBenchError, match="timm has no weights"):
        ddamfn.build(ddamfn.Options(), n_classes=7, weights=Weights("timm"))


def test_the_recipe_of_the_code_has_its_settings():
    training = ddamfn.RECIPES["code"].training
    (phase,) = training.phases
    assert (training.optimizer, phase.lr, training.weight_decay, training.batch_size) == ("sgd", 0.01, 1e-4, 256)
    assert (phase.epochs, phase.schedule.epochs, phase.schedule.factor) == (40, 10, 0.1)
    plus = ddamfn.RECIPES["code_plus"].training
    assert (plus.sam_rho, plus.phases[0].lr, plus.phases[0].schedule.factor, plus.batch_size) == (0.05, 5e-4, 0.9, 128)
    assert (plus.augment[1].p, training.augment[1].p) == (0.5, 0.2)
    assert not ddamfn.RECIPES["code_plus"].departures


def test_ferplus_has_a_recipe_of_its_own():
    """ferPlus_train.py: 80 epochs, 10°, 16 px of 112."""
    training = ddamfn.RECIPES["code_ferplus"].training
    rotate, crop = training.augment[1].changes
    assert (training.phases[0].epochs, rotate.degrees, crop.padding * 112) == (80, 10, 16)
    rotate, crop = ddamfn.RECIPES["code"].training.augment[1].changes
    assert (rotate.degrees, crop.padding * 112) == (5, 8)
