"""ResEmoteNet: the function of the released code."""

import sys
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from baselines import resemotenet
from fer_bench.errors import FerBenchError
from fer_bench.expressions import EXPRESSIONS
from fer_bench.method import Weights

sys.path.insert(0, str(Path(__file__).parents[1] / "golden_methods"))
import reference

FIGURES = reference.figures("resemotenet")
OURS = [EXPRESSIONS.index(name) for name in resemotenet.ORDER]


@pytest.fixture(scope="module")
def network():
    model = resemotenet.build(resemotenet.Options(dropout=(0.0, 0.0)), n_classes=7, weights=Weights("none")).double()
    model.load_state_dict(resemotenet.from_official(reference.weights(FIGURES)))
    return model.eval()


@pytest.mark.slow  # 80 million weights, in float64
def test_outputs_loss_gradients_and_batch_statistics_are_the_released_codes(network):
    for seed in (0, 1):
        with torch.no_grad():
            logits = network.head(network.trunk.of_normalised(reference.inputs(FIGURES, seed)))
        reference.assert_digest(logits[:, OURS], FIGURES["eval"][str(seed)]["outputs"]["logits"])
    expected = FIGURES["train"]
    labels = torch.tensor([OURS[label] for label in expected["labels"]])
    for mode in ("eval", "train"):
        network.train(mode == "train")
        logits = network.head(network.trunk.of_normalised(reference.inputs(FIGURES)))
        loss = functional.cross_entropy(logits, labels)
        assert loss.item() == pytest.approx(expected[f"losses_{mode}_mode"]["total"], rel=1e-9)
    loss.backward()
    reference.assert_gradients(network, resemotenet.RELEASED, expected["gradients_train_mode"])
    reference.assert_buffers(network, resemotenet.RELEASED, expected["buffers_after_this_training_pass"])


def test_the_network_has_the_released_codes_weights_and_no_other():
    with torch.device("meta"):
        model = resemotenet.build(resemotenet.Options(), n_classes=7, weights=Weights("none"))
    found = {resemotenet.RELEASED.name_of(name): list(value.shape) for name, value in model.state_dict().items()}
    assert found == {key: shape for key, shape, _, _ in FIGURES["state_dict"]}
    assert sum(p.numel() for p in model.parameters()) == FIGURES["counts"]["parameters_total"]


def test_colours_are_seen_as_grey():
    trunk = resemotenet.Trunk(1 / 8).eval()
    colour = torch.rand(1, 3, 48, 48)
    grey = (
        (colour * torch.tensor(resemotenet.LUMINANCE).view(1, 3, 1, 1)).sum(dim=1, keepdim=True).expand(-1, 3, -1, -1)
    )
    assert torch.allclose(trunk(colour), trunk(grey), atol=1e-5)


def test_weights_that_cannot_be_used_are_refused():
    with pytest.raises(FerBenchError, match="from scratch") as raised:
        resemotenet.build(resemotenet.Options(), n_classes=7, weights=Weights("timm"))
    assert "remove" in raised.value.fix
