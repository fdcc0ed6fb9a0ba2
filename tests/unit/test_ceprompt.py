"""CEPrompt: the first stage's function, text, teacher and frozen blocks; the second's prompts and where it starts."""

import dataclasses
import math
from pathlib import Path

import orders
import pytest
import reference
import torch
from reference import OURS
from torch.nn import functional

from baselines import ceprompt
from baselines._blocks import clip
from fer_bench.errors import FerBenchError
from fer_bench.expressions import EXPRESSIONS
from fer_bench.method import WarmupCosine, Weights
from fer_bench.training.module import RunnerModel
from fer_bench.training.steps import layers_below

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
    assert [ours[name] for name in orders.ORDERS["ceprompt"]] == FACTS["token_ids"]


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
    assert phase.trunk_lr_factor == 1


def test_rates_fall_with_depth_as_the_released_codes(wordless):
    training = ceprompt.RECIPES["code"].training
    model = RunnerModel(
        wordless, training, weights=[torch.ones(7)], loss=None, couples_batch=False,
        depth=lambda name: ceprompt.depth(ceprompt.Options(), name),
    )  # fmt: skip
    below = layers_below(model)
    scales = {training.layer_lr_decay ** below[name] for name, p in model.named_parameters() if p.requires_grad}
    assert sorted(scales) == pytest.approx(FACTS["lr_scales"])
    assert below["model.head.projection_dist"] == 0
    assert below["model.trunk.transformer.resblocks.11.ln_1.weight"] == 1


def stage2(phase=1, path=None, **changes):
    torch.manual_seed(0)
    options = dataclasses.replace(ceprompt.RECIPES["toy_stage2"].options, **changes)
    weights = Weights("none") if path is None else Weights("file", path)
    net = ceprompt.build(options, n_classes=7, weights=weights).eval()
    for part in net.modules():
        if hasattr(part, "enter_phase"):
            part.enter_phase(phase)
    return net


def test_the_second_stage_trains_what_the_released_code_trains_and_nothing_of_the_towers():
    recipe = ceprompt.RECIPES["code_stage2"]
    with torch.device("meta"):
        net = ceprompt.build(recipe.options, n_classes=7, weights=Weights("none"))
    trained = {name: p.numel() for name, p in net.named_parameters() if p.requires_grad}
    # 27 tensors of 3,555,072 numbers, without the map that gets no gradient
    assert len(trained) == 27 - 2
    assert sum(trained.values()) == 3_555_072 - 512 * 768 - 768
    assert all(name.startswith(ceprompt.LEARNER) for name in trained)
    sizes = [tuple(p.shape) for name, p in net.named_parameters() if p.requires_grad]
    assert (sizes.count((2, 512)), sizes.count((768, 512)), sizes.count((768,))) == (9, 8, 8)
    (phase,) = recipe.training.phases
    assert (recipe.training.optimizer, phase.lr, recipe.training.weight_decay) == ("sgd", 2e-3, 5e-4)
    assert (phase.epochs, recipe.training.batch_size, recipe.training.augment) == (10, 128, ("flip",))
    assert phase.schedule == WarmupCosine(warmup_epochs=2, start_lr=0.0, end_lr=1e-8)
    assert recipe.training.interpolation == "bicubic"


def test_a_step_of_the_second_stage_moves_every_prompt_and_leaves_both_towers():
    net = stage2()
    tower = {name: value.clone() for name, value in net.head.tower.named_buffers()}
    before = {name: value.clone() for name, value in net.state_dict().items()}
    ceprompt.Loss(ceprompt.RECIPES["toy_stage2"].options)(net.train(), toy_batch()).backward()
    torch.optim.SGD(net.parameters(), lr=1.0).step()
    moved = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {name for name in before if name.startswith(ceprompt.LEARNER)}
    assert all(torch.equal(value, tower[name]) for name, value in net.head.tower.named_buffers())
    assert not list(net.head.tower.parameters())


def test_the_second_stages_text_is_a_photo_of_the_name_with_a_full_stop():
    first = dict(zip(EXPRESSIONS, ceprompt.sentences(7), strict=False))
    for name, tokens in zip(EXPRESSIONS, ceprompt.sentences_of_stage2(7), strict=False):
        start, a, photo, of, _, word, *_, stop, end = first[name]
        assert tokens == [start, a, photo, of, word, stop, end]


def test_maps_to_the_visual_tower_start_as_copies_of_one():
    learner = ceprompt.PromptLearner(ceprompt.Prompts(), 768)
    first, *others = learner.compound_prompt_projections
    assert len(others) == 7
    assert all(torch.equal(first.weight, other.weight) for other in others)
    assert len({id(to_vision.weight) for to_vision in learner.compound_prompt_projections}) == 8


def test_before_its_prompts_come_in_the_second_stage_scores_as_the_first():
    second = stage2(phase=0)
    first = ceprompt.build(
        dataclasses.replace(second.head.options, prompts=None), n_classes=7, weights=Weights("none")
    ).eval()
    own = first.state_dict()
    first.load_state_dict({name: value for name, value in second.state_dict().items() if name in own})
    first.head.text = second.head.embeddings()
    images = toy_batch().inputs
    with torch.no_grad():
        assert torch.equal(second(images), first(images))
        assert not torch.equal(stage2(phase=1)(images), first(images))


def test_text_prompts_that_are_the_words_they_stand_for_change_no_embedding():
    net = stage2(prompts=dataclasses.replace(ceprompt.RECIPES["toy_stage2"].options.prompts, depth=1))
    with torch.no_grad():
        net.head.words[:] = net.head.words[:1].clone()
        net.head.words[:, 5] = torch.randn(7, 64)
        net.trunk.prompt_learner.ctx.copy_(net.head.words[0, 1:3])
        prompted = net.head.embeddings()
        net.trunk.enter_phase(0)
        torch.testing.assert_close(prompted, net.head.embeddings())


def test_texts_are_those_of_the_definition_word_by_word():
    """The last token's state from one head's sums over the tokens before it, in plain loops over blocks."""
    net = stage2().double()
    learner, tower = net.trunk.prompt_learner, net.head.tower
    prompts = [learner.ctx, *learner.compound_prompts_text]
    found = []
    with torch.no_grad():
        for words in net.head.words:
            states = torch.stack([words[0], *prompts[0], *words[3:]]) + tower.positional_embedding[: len(words)]
            for index, block in enumerate(tower.transformer.resblocks):
                if index == 1:
                    states = torch.stack([states[0], *prompts[1], *states[3:]])
                states = by_hand(block, states, causal=True)
            found.append(tower.ln_final(states[-1]) @ tower.text_projection)
        torch.testing.assert_close(net.head.embeddings(), torch.stack(found))


def test_pictures_are_those_of_the_definition_token_by_token():
    net = stage2().double()
    learner, trunk = net.trunk.prompt_learner, net.trunk
    images = toy_batch().inputs.double()
    with torch.no_grad():
        (to_vision,) = learner.compound_prompt_projections
        second = learner.compound_prompts_text[0] @ to_vision.weight.T + to_vision.bias
        found = []
        for image in trunk.normalise(images):
            patches = image.unfold(1, 8, 8).unfold(2, 8, 8).permute(1, 2, 0, 3, 4).reshape(36, -1)
            own = torch.cat([trunk.class_embedding[None], patches @ trunk.conv1.weight.flatten(1).T])
            states = trunk.ln_pre(own + trunk.positional_embedding)
            states = by_hand(trunk.transformer.resblocks[0], states, causal=False)
            states = torch.cat([states[:1], second, states[3:]])
            states = by_hand(trunk.transformer.resblocks[1], states, causal=False)
            assert len(states) == 37
            found.append(trunk.ln_post(states))
        torch.testing.assert_close(trunk(images), torch.stack(found))


def by_hand(block, states, *, causal):
    """A block on the tokens (t, width) of one picture or text."""
    attn, width = block.attn, states.shape[1]
    queries, keys, values = (block.ln_1(states) @ attn.in_proj_weight.T + attn.in_proj_bias).split(width, dim=1)
    each = width // attn.num_heads
    mixed = torch.zeros_like(states)
    for part in (slice(start, start + each) for start in range(0, width, each)):
        for token in range(len(states)):
            seen = slice(token + 1) if causal else slice(None)
            shares = (keys[seen, part] @ queries[token, part] / each**0.5).softmax(dim=0)
            mixed[token, part] = shares @ values[seen, part]
    states = states + attn.out_proj(mixed)
    inner = block.mlp.c_fc(block.ln_2(states))
    return states + block.mlp.c_proj(inner * torch.sigmoid(1.702 * inner))


@pytest.mark.parametrize("whose", ["a run's", "the released code's"])
def test_the_second_stage_starts_from_weights_of_the_first(tmp_path, whose):
    first = ceprompt.build(
        dataclasses.replace(ceprompt.RECIPES["toy_stage2"].options, prompts=None), n_classes=7, weights=Weights("none")
    )
    state, path = first.state_dict(), tmp_path / "stage1.pth"
    if whose == "a run's":
        kept = {**{f"model.{name}": value for name, value in state.items()}, "loss.filled": torch.tensor(data=True)}
        torch.save({"phase": 0, "state_dict": kept}, path)
    else:
        torch.save({ceprompt.RELEASED.name_of(name): value for name, value in state.items()}, path)
    net = stage2()
    learner = {name: value.clone() for name, value in net.trunk.prompt_learner.state_dict().items()}
    ceprompt.start(net, path)
    found = net.state_dict()
    assert all(torch.equal(found[name], value) for name, value in state.items())
    assert all(torch.equal(found[ceprompt.LEARNER + name], value) for name, value in learner.items())
    torch.save(torch.nn.Linear(2, 2).state_dict(), path)
    with pytest.raises(FerBenchError, match="not the weights of CEPrompt's first stage"):
        ceprompt.start(net, path)


def test_a_second_stage_without_a_first_is_refused_with_what_to_do(tmp_path):
    options, weights = ceprompt.RECIPES["code_stage2"].options, Weights("file", tmp_path / "clip.pth")
    with pytest.raises(FerBenchError, match="starts from weights of its first") as raised:
        ceprompt.files(options, weights)
    assert "stage1: PATH" in raised.value.fix
    named = dataclasses.replace(options, stage1="weights/first.pth")
    assert ceprompt.files(named, weights) == (Path("weights/first.pth"),)
    assert ceprompt.files(ceprompt.RECIPES["code"].options, weights) == ()


def test_a_checkpoint_of_the_second_stage_is_read_by_maples_names():
    with torch.device("meta"):
        net = ceprompt.build(ceprompt.RECIPES["code_stage2"].options, n_classes=7, weights=Weights("none"))
    own = {name: torch.zeros((), dtype=value.dtype).expand(value.shape) for name, value in net.state_dict().items()}
    given = {ceprompt.RELEASED.name_of(name): value for name, value in own.items()}
    assert {"prompt_learner.ctx", "prompt_learner.compound_prompts_text.7"} <= set(given)
    assert "prompt_learner.compound_prompt_projections.7.bias" in given
    unused = {"prompt_learner.token_prefix": torch.zeros(7, 1, 512), "prompt_learner.proj.bias": torch.zeros(768)}
    found = ceprompt.from_official(given | unused)
    assert found.keys() == own.keys()
    del given["prompt_learner.ctx"]
    with pytest.raises(FerBenchError, match=r"second stage: it lacks prompt_learner\.ctx"):
        ceprompt.from_official(given)


@pytest.mark.slow
def test_the_second_stages_first_prompts_are_the_words_that_they_stand_for(tmp_path, clip_state):
    path, first = tmp_path / "clip.pth", tmp_path / "first.pth"
    torch.save({name: value.float() for name, value in clip_state.items()}, path)
    start = ceprompt.build(ceprompt.Options(), n_classes=7, weights=Weights("file", path))
    options = dataclasses.replace(ceprompt.RECIPES["code_stage2"].options, stage1=str(first))
    options = dataclasses.replace(options, prompts=dataclasses.replace(options.prompts, depth=1))
    torch.save({ceprompt.RELEASED.name_of(name): value for name, value in start.state_dict().items()}, first)
    net = ceprompt.build(options, n_classes=7, weights=Weights("file", path))
    text = clip.embed_texts(path, ceprompt.sentences_of_stage2(7), options.vision)
    with torch.no_grad():
        torch.testing.assert_close(net.head.embeddings(), text, atol=1e-4, rtol=1e-4)


def test_blocks_that_stay_frozen_stay_so_in_training():
    options = dataclasses.replace(ceprompt.RECIPES["toy"].options, frozen_blocks=1)
    training = ceprompt.RECIPES["toy"].training
    net = ceprompt.build(options, n_classes=7, weights=Weights("none"))
    RunnerModel(net, training, weights=[torch.ones(7)], loss=None, couples_batch=False)
    frozen = {name for name, p in net.trunk.named_parameters() if not p.requires_grad}
    assert {"conv1.weight", "class_embedding", "transformer.resblocks.0.ln_1.weight"} <= frozen
    assert not any(name.startswith("transformer.resblocks.1.") for name in frozen)


def test_prompts_alone_bring_the_loss_below_that_of_equal_scores():
    net = stage2().train()
    loss = ceprompt.Loss(ceprompt.RECIPES["toy_stage2"].options)
    optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=1e-2)
    found = []
    for _ in range(30):
        optimizer.zero_grad()
        found.append(loss(net, toy_batch()))
        found[-1].backward()
        optimizer.step()
    assert found[0] > math.log(7) > found[-1]
