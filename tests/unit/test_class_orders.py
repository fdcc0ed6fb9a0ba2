"""Classes of released checkpoints come out under their names, held to the authors' files and to nothing of ours."""

import importlib
import math

import orders
import pytest
import reference
import torch

from fer_bench import registry
from fer_bench.expressions import expressions

WORDED = {"ceprompt"}
"""Methods whose classes are sentences, not rows of weights."""
CHECKPOINTS = {name: [name] for name in orders.ORDERS} | {"dmue": ["dmue", "dmue_deployed"]}
"""Figures whose list of weights is that of a released checkpoint."""


def test_every_method_with_released_checkpoints_has_its_order_on_record():
    loaded = {name: registry.load("methods", name) for name in registry.names("methods")}
    assert {name for name, method in loaded.items() if method.from_official} == orders.ORDERS.keys()
    assert orders.STANDS_IN.keys() == orders.ORDERS.keys()


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("method", sorted(orders.ORDERS.keys() - WORDED))
def test_a_class_of_a_released_checkpoint_comes_out_under_its_name(method, wrapped):
    module = importlib.import_module(f"baselines.{method}")
    for figures in CHECKPOINTS[method]:
        released = module.DEPLOYED if figures.endswith("_deployed") else module.RELEASED
        theirs = {released.name_of(name): name for name in released.of_classes}
        state = {}
        for key, shape, _, _ in reference.figures(figures)["state_dict"]:
            numbered = torch.arange(math.prod(shape[:1])).float().reshape(-1, *(1 for _ in shape[1:]))
            state[key] = numbered.expand(shape) if key in theirs else torch.zeros(()).expand(shape)
        assert theirs.keys() <= state.keys()
        parallel = {"epoch": 3, "net": {f"module.{key}": value for key, value in state.items()}}
        read = module.from_official(parallel if wrapped else state)
        for name in released.of_classes:
            numbers = read[name].flatten(1)[:, 0] if read[name].dim() > 1 else read[name]
            found = dict(zip(expressions(7), numbers.int().tolist(), strict=True))
            assert found == {expression: number for number, expression in enumerate(orders.ORDERS[method])}, name
