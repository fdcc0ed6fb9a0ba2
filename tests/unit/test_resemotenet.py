"""ResEmoteNet: the function of the released code, and its mirroring at test."""

import dataclasses

import pytest
import reference
import torch

from baselines import resemotenet
from fer_bench.errors import FerBenchError
from fer_bench.method import Weights
from fer_bench.training.module import cross_entropy

FIGURES = reference.figures("resemotenet")
OURS = reference.ours("resemotenet")


@pytest.fixture(scope="module")
def state():
    return resemotenet.from_official(reference.weights(FIGURES))


@pytest.fixture
def network(state):
    model = resemotenet.build(resemotenet.Options(dropout=(0.0, 0.0)), n_classes=7, weights=Weights("none")).double()
    model.load_state_dict(state)
    model.trunk.normalise = torch.nn.Identity()
    return model.eval()


def batch():
    labels = torch.tensor([OURS[label] for label in FIGURES["train"]["labels"]])
    return dataclasses.replace(reference.batch(FIGURES), labels=labels)


@pytest.mark.slow  # 80 million weights, in float64
def test_logits_and_inner_grids_are_the_released_codes(network):
    seen = {}
    grids = ("conv1", "bn3", "se", "res_block1", "res_block2", "res_block3")
    for name in (*(f"trunk.{name}" for name in grids), "head.fc1", "head.fc3"):
        theirs = resemotenet.RELEASED.name_of(name)
        network.get_submodule(name).register_forward_hook(
            lambda _, __, found, theirs=theirs: seen.update({theirs: found})
        )
    for seed in (0, 1):
        expected = FIGURES["eval"][str(seed)]
        with torch.no_grad():
            logits = network(reference.inputs(FIGURES, seed))
        for name, digest in expected["intermediates"].items():
            reference.assert_digest(seen[name], digest)
        reference.assert_digest(logits[:, OURS], expected["outputs"]["logits"])


def test_the_network_has_the_released_codes_weights_and_no_other():
    with torch.device("meta"):
        model = resemotenet.build(resemotenet.Options(), n_classes=7, weights=Weights("none"))
    found = {resemotenet.RELEASED.name_of(name): list(value.shape) for name, value in model.state_dict().items()}
    assert found == {key: shape for key, shape, _, _ in FIGURES["state_dict"]}
    assert sum(p.numel() for p in model.parameters()) == FIGURES["counts"]["parameters_total"]
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == FIGURES["counts"]["parameters_trainable"]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["eval", "train"])
def test_loss_gradients_and_batch_statistics_are_the_released_codes(network, mode):
    loss, _ = cross_entropy(network.train(mode == "train"), batch())
    expected = FIGURES["train"]
    assert loss.item() == pytest.approx(expected[f"losses_{mode}_mode"]["total"], rel=1e-9)
    if mode == "train":
        loss.backward()
        reference.assert_gradients(network, resemotenet.RELEASED, expected["gradients_train_mode"])
        reference.assert_buffers(network, resemotenet.RELEASED, expected["buffers_after_this_training_pass"])


def toy(**options):
    torch.manual_seed(0)
    options = dataclasses.replace(resemotenet.RECIPES["toy"].options, **options)
    return resemotenet.build(options, n_classes=7, weights=Weights("none"))


def test_colour_has_no_say():
    images = torch.rand(2, 3, 48, 48)
    grey = (images * torch.tensor(resemotenet.LUMA).view(3, 1, 1)).sum(dim=1, keepdim=True).expand_as(images)
    network = toy().eval()
    assert torch.allclose(network(images), network(grey), atol=1e-6)


def test_about_half_of_the_pictures_are_mirrored_and_always_the_same():
    images = torch.rand(1000, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    changed = resemotenet.mirrored_by_chance(images)
    mirrored = (changed == images.flip(-1)).all(dim=(1, 2, 3))
    assert torch.equal(changed[~mirrored], images[~mirrored])
    assert 400 < int(mirrored.sum()) < 600
    assert torch.equal(resemotenet.mirrored_by_chance(images[:7]), changed[:7])


def test_pictures_are_mirrored_when_predicting_only_where_asked():
    images = torch.rand(20, 3, 48, 48)
    seen = resemotenet.mirrored_by_chance(images)
    plain, mirrors = toy().eval(), toy(mirrors_when_predicting=True).eval()
    assert torch.equal(mirrors(images), plain(seen))
    grids = [net.train().trunk.normalise(images) for net in (plain, mirrors)]
    assert torch.equal(*grids)


def test_weights_that_do_not_exist_are_refused():
    with pytest.raises(FerBenchError) as raised:
        resemotenet.build(resemotenet.Options(), n_classes=7, weights=Weights("timm"))
    assert "leave" in raised.value.fix


def test_the_recipes_have_the_codes_settings_and_the_papers_schedule():
    training = resemotenet.RECIPES["code"].training
    (phase,) = training.phases
    assert (training.optimizer, phase.lr, training.weight_decay, training.batch_size) == ("sgd", 1e-3, 1e-4, 16)
    assert (phase.epochs, phase.schedule, phase.early_stop.patience) == (80, "constant", 16)
    assert resemotenet.RECIPES["paper"].training.phases[0].schedule.factor == 0.1
    assert resemotenet.RECIPES["code_mirrored"].options.mirrors_when_predicting


def test_the_papers_recipe_says_what_its_plateau_watches_instead_of_the_loss():
    recipe = resemotenet.RECIPES["paper"]
    (phase,) = recipe.training.phases
    assert phase.watched == {"val_accuracy"}
    assert "the paper watches the loss" in recipe.departures[0]
