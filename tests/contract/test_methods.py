"""Laws that every method keeps, tried on its toy recipe; a new file in baselines/ is held to them at once."""

import copy
import dataclasses
import hashlib
import importlib
import io

import numpy as np
import pytest
import torch

from fer_bench import card, registry
from fer_bench.errors import FerBenchError
from fer_bench.method import Batch, Weights
from fer_bench.training import module, orders

NAMES = registry.names("methods")
METHODS = {name: registry.load("methods", name) for name in NAMES}
TRAINED = [name for name in NAMES if METHODS[name].build]
FITTED = [name for name in NAMES if METHODS[name].fit]
RELEASED = [name for name in NAMES if METHODS[name].from_official]
CLASSES = [7, 8]
LABELS = torch.arange(35) % 7
TOYS = [(name, recipe) for name in TRAINED for recipe in METHODS[name].recipes if recipe.startswith("toy")]


def build(name, n_classes=7, seed=0, recipe="toy"):
    torch.manual_seed(seed)
    options = METHODS[name].recipes[recipe].options
    return METHODS[name].build(options, n_classes=n_classes, weights=Weights("none"))


def settled(name, n_classes=7, recipe="toy"):
    """A model whose batch statistics have seen pictures: random weights alone may shrink all signals to nothing."""
    model = build(name, n_classes, recipe=recipe)
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    with torch.no_grad():
        model.train()(pictures(name, 8))
    return model.eval()


def pictures(name, n_samples):
    side = METHODS[name].recipes["toy"].training.image_size_px
    return torch.rand(n_samples, 3, side, side, generator=torch.Generator().manual_seed(1))


def batch(name, n_samples=16, epoch=0):
    return Batch(
        inputs=pictures(name, n_samples), from_features=False, labels=LABELS[:n_samples],
        sample_weights=torch.ones(n_samples), label_smoothing=0.0, rows=torch.arange(n_samples), epoch=epoch,
    )  # fmt: skip


def loss_of(name, recipe="toy"):
    """The method's loss as the harness builds it; without one of its own, cross-entropy."""
    method = METHODS[name]
    if method.build_loss is not None:
        return method.build_loss(method.recipes[recipe].options, labels=LABELS.numpy(), n_classes=7)
    return method.loss or (lambda model, batch: module.cross_entropy(model, batch)[0])


def digest(model):
    file = io.BytesIO()
    for key, value in sorted(model.state_dict().items()):
        file.write(key.encode() + value.numpy().tobytes())
    return hashlib.sha256(file.getvalue()).hexdigest()


def faces(n_classes, *, colour):
    rng = np.random.default_rng(0)
    labels = np.arange(5 * n_classes) % n_classes
    images = rng.integers(0, 256, (len(labels), 24, 24, 3) if colour else (len(labels), 24, 24), dtype=np.uint8)
    return images, labels


def fit(name, n_classes, *, colour=True, seed=0):
    images, labels = faces(n_classes, colour=colour)
    options = METHODS[name].recipes["toy"].options
    return METHODS[name].fit(options, images, labels, n_classes=n_classes, seed=seed), images


def test_there_is_a_method_of_either_kind():
    assert TRAINED
    assert FITTED


@pytest.mark.parametrize("name", NAMES)
def test_a_method_has_a_toy_recipe_without_weights_and_a_card(name):
    assert METHODS[name].recipes["toy"].weights == "none"
    assert card.read(name).title


@pytest.mark.parametrize("name", NAMES)
def test_the_docstring_names_the_paper_of_the_card(name):
    paper = card.read(name).paper
    doc = " ".join((importlib.import_module(f"baselines.{name}").__doc__ or "").split())
    assert (paper is None and "No paper" in doc) or (paper is not None and paper.title in doc)


@pytest.mark.parametrize("name", NAMES)
def test_the_options_of_every_recipe_are_frozen(name):
    for recipe in METHODS[name].recipes.values():
        field = dataclasses.fields(recipe.options)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(recipe.options, field, None)


@pytest.mark.parametrize(("name", "recipe"), [(name, recipe) for name in TRAINED for recipe in METHODS[name].recipes])
def test_every_recipe_takes_pictures_of_its_size_in_every_phase(name, recipe):
    """On a device without memory: shapes only."""
    found = METHODS[name].recipes[recipe]
    side = found.training.image_size_px
    with torch.device("meta"):
        model = METHODS[name].build(found.options, n_classes=8, weights=Weights("none")).eval()
        features = model.trunk(torch.zeros(2, 3, side, side))
        for phase in range(len(found.training.phases)):
            for part in model.modules():
                if hasattr(part, "enter_phase"):
                    part.enter_phase(phase)
            assert model.head(features).shape == (2, 8)


@pytest.mark.parametrize(("name", "recipe"), TOYS)
def test_a_training_step_reaches_every_weight_that_a_phase_trains(name, recipe):
    found = METHODS[name].recipes[recipe]
    for phase in range(len(found.training.phases)):
        model = build(name, recipe=recipe)
        for part in model.modules():
            if hasattr(part, "enter_phase"):
                part.enter_phase(phase)
        before = copy.deepcopy(model.state_dict())
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        loss_of(name, recipe)(model.train(), batch(name, epoch=found.training.phases[0].epochs)).backward()
        optimizer.step()
        trained = {name for name, value in model.named_parameters() if value.requires_grad}
        assert trained == {name for name, value in model.named_parameters() if not torch.equal(value, before[name])}


@pytest.mark.parametrize(("name", "recipe"), TOYS)
def test_a_loss_is_one_finite_number_and_its_own_weights_are_trained_too(name, recipe):
    loss = loss_of(name, recipe)
    found = loss(build(name, recipe=recipe).train(), batch(name))
    assert found.shape == ()
    assert torch.isfinite(found)
    found.backward()
    if isinstance(loss, torch.nn.Module):
        assert all(parameter.grad is not None for parameter in loss.parameters())


@pytest.mark.parametrize("name", RELEASED)
@pytest.mark.parametrize("what", ["a module", "an optimiser", "another network", "weights that are no tensors"])
def test_what_is_not_a_released_checkpoint_is_refused_with_what_to_do(name, what):
    optimizer = torch.optim.Adam(torch.nn.Linear(2, 2).parameters())
    given = {
        "a module": torch.nn.Linear(2, 2),
        "an optimiser": optimizer.state_dict(),
        "another network": torch.nn.Linear(2, 2).state_dict(),
        "weights that are no tensors": {"fc.weight": [1.0, 2.0]},
    }[what]
    with pytest.raises(FerBenchError) as raised:
        METHODS[name].from_official(given)
    assert raised.value.fix


@pytest.mark.parametrize("n_classes", CLASSES)
@pytest.mark.parametrize("name", TRAINED)
def test_logits_are_finite_and_one_per_expression(name, n_classes):
    with torch.no_grad():
        logits = settled(name, n_classes)(pictures(name, 3))
    assert logits.shape == (3, n_classes)
    assert logits.dtype == torch.float32
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("name", TRAINED)
def test_calling_the_model_is_calling_trunk_and_head(name):
    model = settled(name)
    images = pictures(name, 3)
    with torch.no_grad():
        assert torch.equal(model(images), model.head(model.trunk(images)))


@pytest.mark.parametrize("name", TRAINED)
def test_the_same_seed_gives_the_same_weights_and_another_seed_others(name):
    assert digest(build(name)) == digest(build(name))
    assert digest(build(name)) != digest(build(name, seed=1))


@pytest.mark.parametrize("name", TRAINED)
def test_building_seeds_nothing_global(name):
    torch.manual_seed(3)
    options = METHODS[name].recipes["toy"].options
    METHODS[name].build(options, n_classes=7, weights=Weights("none"))
    first = torch.rand(1)
    torch.manual_seed(4)
    METHODS[name].build(options, n_classes=7, weights=Weights("none"))
    assert torch.rand(1) != first


@pytest.mark.parametrize(("name", "recipe"), TOYS)
def test_logits_depend_on_batch_mates_exactly_where_the_recipe_says_so(name, recipe):
    model, images = settled(name, recipe=recipe).double(), pictures(name, 6).double()
    with torch.no_grad():
        together = model(images)
        alone = torch.cat([model(images[i : i + 1]) for i in range(len(images))])
    coupled = METHODS[name].couples_batch(METHODS[name].recipes[recipe].options)
    assert ((together - alone).abs().max() > 1e-8 * together.abs().max()) == coupled


@pytest.mark.parametrize("name", TRAINED)
def test_the_batch_audit_is_red_exactly_where_the_toy_recipe_couples_its_batch(name):
    found = orders.untrained(name)
    assert found.status == ("red" if found.couples_batch else "green"), found.why
    assert not found.stops


@pytest.mark.parametrize("colour", [True, False])
@pytest.mark.parametrize("n_classes", CLASSES)
@pytest.mark.parametrize("name", FITTED)
def test_fitted_logits_are_finite_and_one_per_expression(name, n_classes, colour):
    predict, images = fit(name, n_classes, colour=colour)
    logits = predict(images[:3])
    assert logits.shape == (3, n_classes)
    assert np.isfinite(logits).all()


@pytest.mark.parametrize("name", FITTED)
def test_fitting_twice_gives_the_same_bytes(name):
    (first, images), (second, _) = fit(name, 7), fit(name, 7)
    assert first(images).tobytes() == second(images).tobytes()


@pytest.mark.parametrize("name", FITTED)
def test_fitted_logits_do_not_depend_on_the_other_pictures(name):
    predict, images = fit(name, 7)
    alone = np.concatenate([predict(images[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(predict(images[:5]), alone, atol=1e-9)


@pytest.mark.parametrize("name", TRAINED)
def test_what_a_methods_file_says_it_reads_is_what_the_harness_digests(name):
    own = getattr(importlib.import_module(f"baselines.{name}"), "files", METHODS[name].files)
    assert own is METHODS[name].files, "give Method(…) the function: files=files"
    for recipe in METHODS[name].recipes.values():
        assert METHODS[name].files(recipe.options, Weights("none")) == ()
