"""DMUE: the function of the released code, training graph and deployed branch, and what its optimiser never sees."""

import dataclasses

import numpy as np
import pytest
import reference
import torch
from reference import OURS

from baselines import dmue
from baselines._blocks import resnet
from fer_bench.method import Balanced, Crop, Weights
from fer_bench.training import rules

GRAPH, DEPLOYED = reference.figures("dmue"), reference.figures("dmue_deployed")
LABELS = torch.tensor([OURS[label] for label in GRAPH["train"]["labels"]])


def loaded(figures, **options):
    model = dmue.build(dmue.Options(dropout=0.0, **options), n_classes=7, weights=Weights("none")).double()
    model.load_state_dict(dmue.from_official(reference.weights(figures)))
    model.trunk.normalise = torch.nn.Identity()
    return model.eval()


def pictures(seed):
    return torch.from_numpy(np.random.default_rng(seed).uniform(-1, 1, size=(16, 3, 224, 224)))


@pytest.fixture(scope="module")
def graph():
    return loaded(GRAPH, untrained=())


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_the_deployed_branch_is_the_released_codes(seed):
    model, expected = loaded(DEPLOYED, target_only=True), DEPLOYED["eval"][str(seed)]
    images = reference.inputs(DEPLOYED, seed)
    with torch.no_grad():
        reference.assert_digest(model.trunk.shared(images), expected["intermediates"]["base.layer3"])
        reference.assert_digest(model.trunk(images), expected["intermediates"]["base.layer4"])
        reference.assert_digest(model(images)[:, OURS], expected["outputs"]["logits"])


@pytest.mark.slow
def test_the_deployed_branchs_gradients_and_batch_statistics_are_the_released_codes():
    model, expected = loaded(DEPLOYED, target_only=True).train(), DEPLOYED["train"]
    loss = dmue.build_loss(dmue.Options(target_only=True), labels=np.zeros(3), n_classes=7)
    found = loss(model, reference.batch(DEPLOYED))
    assert found.item() == pytest.approx(expected["losses_train_mode"]["total"], rel=1e-9)
    found.backward()
    reference.assert_gradients(model, dmue.DEPLOYED, expected["gradients_train_mode"])
    reference.assert_buffers(model, dmue.DEPLOYED, expected["buffers_after_this_training_pass"])


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_the_training_graph_is_the_released_codes(graph, seed):
    expected = GRAPH["eval"][str(seed)]
    with torch.no_grad():
        reference.assert_digest(graph(reference.inputs(GRAPH, seed))[:, OURS], expected["outputs"]["logits"])
        found = dmue.passed(graph, pictures(seed), LABELS)
    outputs = expected["training_graph_eval_mode"]["outputs"]
    reference.assert_digest(found.logits[:, OURS], outputs["target_logits"])
    reference.assert_digest(found.weighted[:, OURS], outputs["weighted_target_logits"])
    reference.assert_digest(found.confidence, outputs["confidence_score"])
    for theirs, ours in enumerate(OURS):
        columns = [c - (c > ours) for c in OURS if c != ours]
        reference.assert_digest(found.branches[ours][:, columns], outputs[f"aux_logits.{theirs}"])
        reference.assert_digest(found.softening[ours][:, columns], outputs[f"softlabel_logits.{theirs}"])
        reference.assert_digest(found.similar[ours], outputs[f"gram_aux_normalised.{theirs}"])
        reference.assert_digest(found.similar_target[ours], outputs[f"gram_target_normalised.{theirs}"])
        seen = [columns.index(int(label)) for label in found.others[ours]]
        assert seen == outputs[f"aux_labels.{theirs}"]["values"]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["eval", "train"])
def test_losses_gradients_and_batch_statistics_are_the_released_codes(mode):
    model, expected = loaded(GRAPH, untrained=()).train(mode == "train"), GRAPH["train"]
    batch = dataclasses.replace(
        reference.batch(GRAPH, epoch=5), inputs=pictures(0), labels=LABELS, sample_weights=torch.ones(16).double()
    )
    found = dmue.build_loss(dmue.Options(), labels=np.zeros(3), n_classes=7)(model, batch)
    assert found.item() == pytest.approx(expected[f"losses_{mode}_mode"]["total"], rel=1e-9)
    if mode == "train":
        found.backward()
        model.head.bottleneck.bias.grad = torch.zeros(512).double()  # frozen
        reference.assert_gradients(model, dmue.RELEASED, expected["gradients_train_mode"])
        reference.assert_buffers(model, dmue.RELEASED, expected["buffers_after_this_training_pass"])


def test_the_networks_have_the_released_codes_weights_and_no_other():
    for figures, released, options in (
        (GRAPH, dmue.RELEASED, dmue.Options(untrained=())),
        (DEPLOYED, dmue.DEPLOYED, dmue.Options(target_only=True)),
    ):
        with torch.device("meta"):
            model = dmue.build(options, n_classes=7, weights=Weights("none"))
        found = {released.name_of(name): list(value.shape) for name, value in model.state_dict().items()}
        assert found == {key: shape for key, shape, _, _ in figures["state_dict"]}
        counts = figures["counts"]
        assert sum(p.numel() for p in model.parameters()) == counts["parameters_total"]
        assert sum(p.numel() for p in model.parameters() if p.requires_grad) == counts["parameters_trainable"]


def test_the_optimiser_never_sees_what_the_released_codes_does_not():
    with torch.device("meta"):
        model = dmue.build(dmue.Options(), n_classes=7, weights=Weights("none"))
    still = {dmue.RELEASED.name_of(name) for name, p in model.named_parameters() if not p.requires_grad}
    assert still == {*GRAPH["facts"]["parameters_never_optimised_officially"], "bottleneck.bias"}


def test_the_ramps_are_the_released_codes():
    for epoch, expected in GRAPH["facts"]["ramp_a_9"].items():
        assert dmue.ramps(int(epoch), 9) == pytest.approx(expected, rel=1e-10)


def test_the_units_of_the_loss_are_the_released_codes():
    unit = GRAPH["units"]["soft_label"]
    found = dmue.soft_loss(reference.normal(112, (4, 7)), torch.tensor(unit["labels"]), reference.normal(113, (4, 7)))
    assert found.item() == pytest.approx(unit["value"], rel=1e-9)
    pairs = [
        [reference.normal(seed, (n, n)) for seed, n in pair] for pair in (((114, 5), (115, 3)), ((116, 5), (117, 3)))
    ]
    assert dmue.similarity_loss(*pairs).item() == pytest.approx(
        GRAPH["units"]["similarity_preserving"]["value"], rel=1e-9
    )


def toy(**options):
    torch.manual_seed(0)
    options = dataclasses.replace(dmue.RECIPES["toy"].options, small=resnet.SMALL, **options)
    return dmue.build(options, n_classes=7, weights=Weights("none")), options


def seen(labels):
    return dataclasses.replace(
        reference.batch(GRAPH), inputs=torch.rand(len(labels), 3, 48, 48), labels=torch.tensor(labels),
        sample_weights=torch.ones(len(labels)),
    )  # fmt: skip


@pytest.mark.parametrize("labels", [[0, 0, 1, 1, 2, 2, 3], [0, 0, 0, 0, 0, 0, 1]])
def test_a_batch_with_a_class_of_fewer_than_two_pictures_is_skipped(labels):
    model, options = toy(small_classes="skip")
    before = model.trunk.bn1.running_mean.clone()
    loss = dmue.build_loss(options, labels=np.zeros(7), n_classes=7)(model.train(), seen(labels))
    loss.backward()
    assert loss == 0
    assert all(not p.grad.any() for p in model.parameters() if p.requires_grad)
    assert torch.equal(model.trunk.bn1.running_mean, before)


@pytest.mark.parametrize("labels", [[0, 0, 1, 1, 2, 2, 3], [0, 1, 2, 3], [0, 0, 1, 1]])
def test_a_batch_can_be_used_as_far_as_it_goes(labels):
    model, options = toy(small_classes="use")
    loss = dmue.build_loss(options, labels=np.zeros(7), n_classes=7)(model.train(), seen(labels))
    loss.backward()
    assert torch.isfinite(loss)
    assert loss > 0


def test_the_rates_are_the_released_codes():
    training = dmue.RECIPES["code"].training
    (phase,) = training.phases  # one Adam
    assert phase.epochs == 36
    # both tables of its config.py: up to which epoch, rate
    trunk = [(6, 1e-4), (12, 5e-5), (20, 1e-5), (22, 1e-5), (25, 5e-5), (60, 1e-5)]
    rest = [(4, 1e-3), (8, 5e-4), (14, 1e-4), (22, 1e-5), (25, 5e-5), (60, 1e-5)]
    for epoch in range(36):
        before = [{}] * epoch
        assert rules.learning_rate_of_trunk(phase, before, 0) == next(rate for end, rate in trunk if epoch < end)
        assert rules.learning_rate(phase, before, 0) == next(rate for end, rate in rest if epoch < end)
    assert (training.optimizer, training.weight_decay, training.batch_size) == ("adam", 1e-4, 72)
    assert (training.sampling, training.resize_px) == (Balanced(), 256)


def test_noise_comes_first_at_the_size_of_the_file():
    """bases.py adds it, in a quarter of the pictures, with variance 30; make_dataloader.py crops, flips and erases."""
    noise, *others = dmue.RECIPES["code"].training.augment
    assert (noise.p, noise.changes[0].std * 255) == (0.25, pytest.approx(30**0.5))
    assert others[0] == Crop(side_px=224)


def test_the_ramps_of_the_recipes_are_those_of_the_released_codes_comment():
    assert dmue.RECIPES["code"].options.ramp in {9, 10}
    assert dmue.RECIPES["code_ferplus"].options.ramp in {10, 12, 14}


def test_the_toy_has_each_picture_once_and_whole():
    training = dmue.RECIPES["toy"].training
    assert (training.sampling, training.resize_px, training.augment) == ("once", None, ("flip",))
