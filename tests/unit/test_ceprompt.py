"""CEPrompt's first stage: the function of the released code, its text, its teacher, and what is frozen."""

import dataclasses
import sys
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from baselines import ceprompt
from baselines._blocks import clip
from fer_bench.errors import FerBenchError
from fer_bench.expressions import EXPRESSIONS
from fer_bench.method import Weights
from fer_bench.training.official import RAFDB

sys.path.insert(0, str(Path(__file__).parents[1] / "golden_methods"))
import reference
from reference import OURS

FIGURES = reference.figures("ceprompt")
FACTS = FIGURES["facts"]


@pytest.fixture(scope="module")
def clip_state():
    return {key: reference.filled(key, shape, kind) for key, shape, _, kind in FACTS["clip_state_dict"]}


@pytest.fixture(scope="module")
def text(clip_state):
    """Embeddings of the released code's sentences, in its order."""
    tower = clip.TextTower().double().eval()
    tower.load_state_dict({name: clip_state[name] for name in tower.state_dict()})
    with torch.no_grad():
        return tower(clip.padded(FACTS["token_ids"]))


@pytest.fixture(scope="module")
def wordless():
    return reference.network(ceprompt.method, FIGURES)


@pytest.fixture(scope="module")
def network(wordless, text):
    wordless.head.text = torch.empty_like(text).index_copy_(0, torch.tensor(OURS), text)
    return wordless


def test_sentences_have_the_released_codes_tokens():
    ours = dict(zip(EXPRESSIONS, ceprompt.sentences(7), strict=False))
    assert [ours[name] for name in RAFDB] == FACTS["token_ids"]


@pytest.mark.slow
def test_sentences_have_the_released_codes_embeddings(text):
    reference.assert_digest(text, FACTS["text_embeddings_unnormalised"])


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_features_and_scores_are_the_released_codes(network, seed):
    expected, head = FIGURES["eval"][str(seed)], network.head
    with torch.no_grad():
        tokens = network.trunk(reference.inputs(FIGURES, seed))
        of_class, of_patches = head.project(tokens)
        in_training = head.score(of_class, of_patches, functional.normalize(head.text, dim=-1))
        in_test = head(tokens)
    reference.assert_digest(tokens, expected["intermediates"]["ln_post"])
    reference.assert_digest(functional.normalize(of_class, dim=-1), expected["outputs"]["class_features"])
    reference.assert_digest(functional.normalize(of_patches, dim=-1), expected["outputs"]["patch_features"])
    reference.assert_digest(in_training[:, OURS], expected["outputs"]["scores_training_forward"])
    reference.assert_digest(in_test[:, OURS], expected["outputs"]["scores_of_test_function"])


def test_the_network_has_the_released_codes_weights_and_freezes_the_same(wordless):
    network, counts = wordless, FIGURES["counts"]
    assert sum(p.numel() for p in network.parameters()) == counts["parameters_total"]
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == counts["parameters_trainable"]
    roles = {key: role for key, _, role, _ in FIGURES["state_dict"]}
    for name, parameter in network.named_parameters():
        assert parameter.requires_grad == (roles[ceprompt.RELEASED.name_of(name)] == "param"), name


def loss_with_teacher(clip_state):
    loss = ceprompt.Loss(ceprompt.Options()).double()
    loss.fill({name: clip_state[f"visual.{name}"] for name in loss.names.values()}, clip_state["visual.proj"])
    return loss


@pytest.mark.slow
def test_losses_and_gradients_are_the_released_codes(network, clip_state):
    expected = FIGURES["train"]
    loss = loss_with_teacher(clip_state)(network, reference.batch(FIGURES))
    assert loss.item() == pytest.approx(expected["losses_train_mode"]["total"], rel=1e-9)
    loss.backward()
    for parameter in network.parameters():
        if not parameter.requires_grad:
            parameter.grad = torch.zeros_like(parameter)
    reference.assert_gradients(network, ceprompt.RELEASED, expected["gradients_train_mode"])


def toy(n_classes=7, weights=None, **changes):
    torch.manual_seed(0)
    options = dataclasses.replace(ceprompt.RECIPES["toy"].options, **changes)
    return options, ceprompt.build(options, n_classes=n_classes, weights=weights or Weights("none"))


def toy_batch():
    figures = {"input": {"shape": [3, 3, 48, 48]}, "train": {"labels": [0, 1, 2]}}
    given = reference.batch(figures)
    return dataclasses.replace(given, inputs=given.inputs.float(), sample_weights=given.sample_weights.float())


def test_the_teacher_is_what_the_trunk_started_from_and_is_kept_with_the_loss():
    options, net = toy(distillation=1.0)
    loss = ceprompt.Loss(options)
    loss(net, toy_batch())
    started = {name: value.clone() for name, value in net.trunk.state_dict().items()}
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(1.0)
    loss(net, toy_batch())
    assert all(torch.equal(loss.get_buffer(ours), started[name]) for ours, name in loss.names.items())
    resumed = ceprompt.Loss(options)
    resumed.load_state_dict(loss.state_dict())
    assert resumed(net, toy_batch()) == loss(net, toy_batch())
    assert not list(loss.parameters())


def test_scores_without_temperature_keep_cross_entropy_above_what_seven_classes_allow():
    best = torch.tensor([[1.0, *[0.0] * 6]]) - 1 / 7
    best = functional.normalize(best, dim=-1)
    assert functional.cross_entropy(best, torch.tensor([0])).item() == pytest.approx(1.111, abs=1e-3)


def test_an_expression_is_scored_by_the_patches_that_fit_it_best():
    _, net = toy(top=2, patch_share=1.0)
    text, patches = torch.eye(7, 64), torch.zeros(1, 5, 64)
    patches[0, 0, 0] = patches[0, 1, 0] = patches[0, 2, 1] = 1.0
    patches[0, 3:, 9] = 1.0
    scores = net.head.score(torch.ones(1, 64), patches, text)
    torch.testing.assert_close(scores[0, :2] / scores[0, 0], torch.tensor([1.0, 0.5]))


def test_text_of_any_length_counts_in_the_test_of_the_released_code_alone():
    for asked, changes in (("raw", True), ("unit", False)):
        _, net = toy(text_in_test=asked)
        tokens = torch.randn(2, 37, 64)
        with torch.no_grad():
            before = {mode: net.train(mode).head(tokens) for mode in (True, False)}
            net.head.text[0] *= 5
            assert torch.allclose(net.train().head(tokens), before[True], atol=1e-6)
            assert torch.allclose(net.eval().head(tokens), before[False], atol=1e-6) is not changes


def test_eight_expressions_and_timms_weights_are_refused_with_what_to_do(tmp_path):
    with pytest.raises(FerBenchError, match="contempt"):
        ceprompt.sentences(8)
    with pytest.raises(FerBenchError, match="no text tower"):
        toy(weights=Weights("timm"))
    path = tmp_path / "clip.pth"
    torch.save(torch.nn.Linear(2, 2).state_dict(), path)
    with pytest.raises(FerBenchError, match="not the weights of CLIP"):
        toy(weights=Weights("file", path))


@pytest.mark.slow
def test_both_towers_are_read_from_one_file(tmp_path, clip_state, text):
    path = tmp_path / "clip.pth"
    torch.save({name: value.float() for name, value in clip_state.items()}, path)
    net = ceprompt.build(ceprompt.Options(), n_classes=7, weights=Weights("file", path))
    torch.testing.assert_close(net.head.text[OURS], text.float(), atol=1e-4, rtol=1e-4)
    assert torch.equal(net.head.projection_dist, clip_state["visual.proj"].float())
    assert torch.equal(net.trunk.ln_post.bias, clip_state["visual.ln_post.bias"].float())


def test_the_recipe_of_the_code_has_its_settings():
    training = ceprompt.RECIPES["code"].training
    (phase,) = training.phases
    assert (training.optimizer, phase.lr, training.weight_decay, training.undecayed) == (
        "adamw", 1e-4, 5e-4, ("vectors",),
    )  # fmt: skip
    assert (phase.epochs, training.batch_size, phase.schedule.warmup_epochs) == (50, 128, 5)
    of_blocks = FACTS["lr_scales"][:-1]  # the last is the projection's
    assert min(of_blocks) < phase.trunk_lr_factor < max(of_blocks)
