"""Groups of weights, and sharpness-aware minimisation."""

import json

import pytest
import reference
import torch
from mmengine.optim import OptimWrapper
from torch import nn
from torch.nn import functional

from fer_bench.method import Method, Phase, Recipe, Stages, Training
from fer_bench.training import module, steps

SAM = json.loads((reference.FOLDER / "sam.json").read_text())["sam"]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))

    def forward(self, images):
        return self.head(self.trunk(images))


def training(*, phase=None, **changes):
    phases = (phase or Phase(epochs=1, lr=0.1),)
    return Training(phases=phases, batch_size=4, image_size_px=8, optimizer="sgd", weight_decay=0.05, **changes)


def groups(settings):
    cfg = {"type": OptimWrapper, "optimizer": {"type": torch.optim.SGD, "lr": 0.1, "weight_decay": 0.05}}
    model = module.RunnerModel(Net(), settings, weights=[torch.ones(3)], loss=None, couples_batch=False)
    wrapper = steps.Groups(cfg, {"training": settings, "phase": settings.phases[0]})(model)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return [
        ({names[id(each)] for each in group["params"]}, group["lr"], group["weight_decay"])
        for group in wrapper.optimizer.param_groups
    ]


def test_without_anything_set_apart_there_is_one_group():
    ((names, lr, decay),) = groups(training())
    assert len(names) == 6
    assert (lr, decay) == (0.1, 0.05)


def test_the_trunk_has_its_own_rate_and_the_first_group_the_recipes():
    head, trunk = groups(training(phase=Phase(epochs=1, lr=0.1, trunk_lr_factor=0.1)))
    assert head[0] == {"model.head.2.weight", "model.head.2.bias"}
    assert head[1] == 0.1
    assert trunk[1] == pytest.approx(0.01)


def test_vectors_and_named_weights_are_spared_from_decay():
    decayed, spared, *rest = groups(training(undecayed=("vectors", "head.2")))
    found = {frozenset(names): decay for names, _, decay in (decayed, spared, *rest)}
    assert found[frozenset({"model.trunk.0.weight"})] == 0.05
    assert sum(len(names) for names, decay in found.items() if decay == 0) == 5


def test_two_updates_of_sharpness_aware_minimisation_are_those_of_the_released_code():
    linear = nn.Linear(5, 3).double()
    linear.load_state_dict({
        "weight": reference.filled("weight", [3, 5], "matrix"), "bias": reference.filled("bias", [3], "vector"),
    })  # fmt: skip
    optimizer = torch.optim.Adam(linear.parameters(), lr=0.01)
    x, labels = reference.normal(110, (4, 5)), torch.tensor(SAM["labels"])
    for expected in SAM["steps"]:
        optimizer.zero_grad()
        loss = functional.cross_entropy(linear(x), labels)
        loss.backward()
        moved = steps.climb(optimizer, 0.05)
        assert loss.item() == pytest.approx(expected["loss_first"], rel=1e-9)
        reference.assert_digest(linear.weight, expected["perturbed_weight"])
        reference.assert_digest(linear.bias, expected["perturbed_bias"])
        optimizer.zero_grad()
        second = functional.cross_entropy(linear(x), labels)
        second.backward()
        assert second.item() == pytest.approx(expected["loss_second"], rel=1e-9)
        steps.go_back(moved)
        optimizer.step()
        reference.assert_digest(linear.weight, expected["weight_after"])
        reference.assert_digest(linear.bias, expected["bias_after"])


def test_a_step_of_the_harness_takes_the_gradient_uphill():
    """With plain gradient descent: w ← w − lr ∇L(w + ρ g / ‖g‖)."""
    settings = training(sam_rho=0.5)
    torch.manual_seed(0)
    net = Net().eval()
    model = module.RunnerModel(net, settings, weights=[torch.ones(3)], loss=None, couples_batch=False).eval()
    data = {
        "inputs": torch.randint(0, 256, (4, 8, 8, 3), dtype=torch.uint8), "labels": torch.tensor([0, 1, 2, 0]),
        "rows": torch.arange(4), "draws": torch.ones(4, 5),
    }  # fmt: skip
    parameters = list(model.parameters())
    before = [parameter.detach().clone() for parameter in parameters]
    gradients = torch.autograd.grad(model(**data, mode="loss")["loss"], parameters)
    norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.add_(0.5 * gradient / norm)
    uphill = torch.autograd.grad(model(**data, mode="loss")["loss"], parameters)
    with torch.no_grad():
        for parameter, value in zip(parameters, before, strict=True):
            parameter.copy_(value)
    model.train_step(data, OptimWrapper(torch.optim.SGD(parameters, lr=0.1)))
    for parameter, value, gradient in zip(parameters, before, uphill, strict=True):
        assert torch.allclose(parameter, value - 0.1 * gradient, atol=1e-6)


def depth_of(name):
    return 0 if name.startswith("trunk.0") else 1 if name.startswith("trunk") else 2


def test_rates_fall_with_depth_and_the_first_group_has_the_recipes():
    settings = training(layer_lr_decay=0.5, undecayed=("vectors",), phase=Phase(epochs=1, lr=0.1, trunk_lr_factor=0.1))
    cfg = {"type": OptimWrapper, "optimizer": {"type": torch.optim.SGD, "lr": 0.1, "weight_decay": 0.05}}
    loss = nn.PReLU()
    model = module.RunnerModel(
        Net(), settings, weights=[torch.ones(3)], loss=loss, couples_batch=False, depth=depth_of,
    )  # fmt: skip
    wrapper = steps.Groups(cfg, {"training": settings, "phase": settings.phases[0]})(model)
    of = {id(parameter): name for name, parameter in model.named_parameters()}
    found = {of[id(each)]: group for group in wrapper.optimizer.param_groups for each in group["params"]}
    assert len(found) == 7
    assert wrapper.optimizer.param_groups[0]["lr"] == 0.1
    for name, factor in {"loss.weight": 1, "model.head.2.weight": 1, "model.trunk.1.weight": 0.05}.items():
        assert found[name]["lr_factor"] == pytest.approx(factor)
    assert found["model.trunk.0.weight"]["lr"] == pytest.approx(0.1 * 0.1 * 0.25)
    assert found["model.trunk.0.bias"]["weight_decay"] == 0


def test_rates_that_fall_with_depth_need_a_method_that_counts_it():
    recipe = Recipe(about="a test's", options=None, training=training(layer_lr_decay=0.5))
    with pytest.raises(TypeError, match="layer_lr_decay needs the method's depth"):
        Method(title="Test", recipes={"toy": recipe}, build=Net)
    assert Method(title="Test", recipes={"toy": recipe}, build=Net, depth=depth_of)


def test_stages_set_the_trunk_apart_even_where_both_start_alike():
    stages = Stages(table=((1, 0.1, 0.1),))
    rest, trunk = groups(training(phase=Phase(epochs=1, lr=0.1, schedule=stages)))
    assert rest[0] == {"model.head.2.weight", "model.head.2.bias"}
    assert len(trunk[0]) == 4
