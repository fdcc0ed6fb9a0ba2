"""Weights, inputs and digests by the rule that the figures of the released networks were made with."""

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import orders
import torch  # noqa: TID253 - tests of networks

from fer_bench.expressions import EXPRESSIONS

FOLDER = Path(__file__).parent
TOLERANCE = 1e-9


def ours(method):
    """Return our index of each class of a method's released code, in its order."""
    return [EXPRESSIONS.index(name) for name in orders.ORDERS[method]]


OURS = ours("scn")
"""Likewise, of the codes that count as RAF-DB's list does."""


def figures(name):
    return json.loads((FOLDER / f"{name}.json").read_text())


def filled(key, shape, kind):
    """One entry of a state dict; what a module builds for itself is left as zeros."""
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big"))
    if kind in {"zero", "as_built"}:
        return torch.zeros(shape, dtype=torch.int64 if kind == "zero" else torch.float64)
    values = {
        "running_var": lambda: rng.uniform(0.5, 1.5, size=shape),
        "running_mean": lambda: 0.1 * rng.standard_normal(shape),
        "matrix": lambda: rng.standard_normal(shape) * math.sqrt(1 / math.prod(shape[1:])),
        "vector_weight": lambda: 1 + 0.1 * rng.standard_normal(shape),
        "vector": lambda: 0.1 * rng.standard_normal(shape),
        "scalar": lambda: 0.1 * rng.standard_normal(()),
    }[kind]()
    return torch.from_numpy(np.asarray(values))


def weights(found):
    """The state dict of a method's figures, under the authors' names, held to the figures' own check."""
    state = {key: filled(key, shape, kind) for key, shape, _, kind in found["state_dict"]}
    random = [key for key, _, _, kind in found["state_dict"] if kind not in {"zero", "as_built"}]
    check = found["weights_check"]
    total = sum(float(state[key].sum()) for key in random)
    np.testing.assert_allclose(total, check["sum_of_filled_values"], rtol=1e-11)
    for key, values in check["first3_of"].items():
        np.testing.assert_allclose(state[key].flatten()[:3].numpy(), values, rtol=1e-10)
    return state


def inputs(found, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).uniform(-1, 1, size=found["input"]["shape"]))


def normal(seed, shape):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def assert_digest(tensor, digest, tolerance=TOLERANCE):
    """A tensor, in the authors' layout and order of classes, has a digest."""
    values = tensor.detach().numpy()
    if "shape" in digest:
        assert list(values.shape) == digest["shape"]
    flat = values.ravel()
    scale = max(np.abs(flat).max(), 1e-300)
    first = digest.get("values", digest.get("first16", []))
    np.testing.assert_allclose(flat[: len(first)], np.ravel(first), rtol=0, atol=tolerance * scale)
    np.testing.assert_allclose(np.linalg.norm(flat), digest["l2"], rtol=tolerance)
    projected = float(flat @ np.cos(np.arange(len(flat))))
    np.testing.assert_allclose(projected, digest["cosproj"], rtol=0, atol=tolerance * np.linalg.norm(flat))
    np.testing.assert_allclose(flat.mean(), digest["mean"], rtol=0, atol=tolerance * scale)


def assert_gradients(model, released, gradients, tolerance=1e-8):
    """Norms of gradients are the figures': of named weights, and of all."""
    named = {released.name_of(name): parameter for name, parameter in model.named_parameters()}
    for key, norm in gradients["l2"].items():
        np.testing.assert_allclose(float(named[key].grad.norm()), norm, rtol=tolerance)
    total = math.sqrt(sum(float((parameter.grad**2).sum()) for parameter in named.values()))
    np.testing.assert_allclose(total, gradients["total_l2"], rtol=tolerance)


def assert_buffers(model, released, expected, tolerance=TOLERANCE):
    """Batch statistics after one training pass are the figures'."""
    named = {
        released.name_of(name): value[OURS] if name in released.of_classes else value
        for name, value in model.state_dict().items()
    }
    for key, digest in expected.items():
        if key == "num_batches_tracked":
            assert {name: int(named[name]) for name in digest} == digest
        else:
            assert_digest(named[key], digest, tolerance)


def network(method, found, recipe="code"):
    """Our network with the weights of a method's figures, float64, evaluation mode, without normalising colours."""
    from fer_bench.method import Weights

    model = method.build(method.recipes[recipe].options, n_classes=7, weights=Weights("none")).double()
    model.load_state_dict(method.from_official(weights(found)))
    model.trunk.normalise = torch.nn.Identity()
    return model.eval()


def batch(found, seed=0, epoch=0):
    """The training batch of the figures, labels in our order."""
    from fer_bench.method import Batch

    labels = torch.tensor([OURS[label] for label in found["train"]["labels"]])
    return Batch(
        inputs=inputs(found, seed), from_features=False, labels=labels, sample_weights=torch.ones(len(labels)).double(),
        label_smoothing=0.0, rows=torch.arange(len(labels)), epoch=epoch,
    )  # fmt: skip
