"""APViT: the function of the released code, and which patches and tokens it keeps."""

import dataclasses

import numpy as np
import pytest
import reference
import torch

from baselines import apvit
from fer_bench.errors import FerBenchError
from fer_bench.method import EpochCosine, Grey, InBgr, Jitter, RepeatFactor, Rotate, Weights

FIGURES = reference.figures("apvit")
OURS = reference.ours("apvit")


@pytest.fixture
def network():
    return reference.network(apvit.method, FIGURES)


def walked(network, images):
    """Digests' names to tensors, and names of poolings to places kept."""
    seen, places = {}, {}
    grid = network.trunk.extractor(images)[-1]
    seen["extractor.body.2"] = grid
    seen["vit.projs.0"] = network.trunk.vit.projs[0](grid)
    tokens, places["patch_pool"] = network.trunk.vit.embed(grid)
    for index, block in enumerate(network.trunk.vit.blocks):
        if block.share < 1:
            places[f"block{index}"] = block.attend(tokens)[1]
        tokens = block(tokens)
        seen[f"vit.blocks.{index}"] = tokens
    seen["vit.norm"] = network.trunk.vit.norm(tokens)
    return seen, places


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_places_kept_tokens_and_logits_are_the_released_codes(network, seed):
    expected = FIGURES["eval"][str(seed)]
    with torch.no_grad():
        seen, places = walked(network, reference.inputs(FIGURES, seed))
        features = network.trunk(reference.inputs(FIGURES, seed))
        logits = network.head(features)
    for name, digest in expected["intermediates"].items():
        if name in seen:
            reference.assert_digest(seen[name], digest)
    assert {name: found.tolist() for name, found in places.items()} == expected["facts"]["kept_indices"]
    n_tokens = [seen[f"vit.blocks.{index}"].shape[1] for index in range(8)]
    assert n_tokens == FIGURES["facts"]["tokens_after_each_block_including_class_token"]
    reference.assert_digest(features, expected["outputs"]["features"])
    reference.assert_digest(logits[:, OURS], expected["outputs"]["logits"])


def test_the_network_has_the_released_codes_weights_and_no_other():
    with torch.device("meta"):
        model = apvit.build(apvit.Options(), n_classes=7, weights=Weights("none"))
    found = {apvit.RELEASED.name_of(name): list(value.shape) for name, value in model.state_dict().items()}
    assert found == {key: shape for key, shape, _, _ in FIGURES["state_dict"]}
    parts = {"extractor": model.trunk.extractor, "vit": model.trunk.vit, "head": model.head}
    counted = {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}
    assert counted == FIGURES["facts"]["parameters_by_part"]
    assert sum(counted.values()) == FIGURES["counts"]["parameters_total"] == FIGURES["counts"]["parameters_trainable"]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["eval", "train"])
def test_losses_gradients_and_batch_statistics_are_the_released_codes(network, mode):
    labels = torch.tensor([OURS[label] for label in FIGURES["train"]["labels"]])
    batch = dataclasses.replace(reference.batch(FIGURES), labels=labels)
    loss = apvit.build_loss(apvit.Options(repeats=False), labels=np.arange(7), n_classes=7)
    found = loss(network.train(mode == "train"), batch)
    expected = FIGURES["train"]
    assert found.item() == pytest.approx(expected[f"losses_{mode}_mode"]["total"], rel=1e-9)
    if mode == "train":
        found.backward()
        reference.assert_gradients(network, apvit.RELEASED, expected["gradients_train_mode"])
        reference.assert_buffers(network, apvit.RELEASED, expected["buffers_after_this_training_pass"])


def test_what_is_kept_is_the_released_codes():
    expected = FIGURES["units"]["top_pool"]
    scores = reference.normal(111, (2, 12, 1))[:, :, 0]
    assert apvit.kept(scores, 8).tolist() == expected["keep_num_8_exclude_first_false"]
    assert apvit.kept_tokens(scores, 0.9).tolist() == expected["keep_rate_0.9_exclude_first_true"]


def toy(**options):
    torch.manual_seed(0)
    options = dataclasses.replace(apvit.RECIPES["toy"].options, **options)
    return apvit.build(options, n_classes=7, weights=Weights("none")).eval()


def test_the_scale_of_attention_is_a_switch():
    assert toy().trunk.vit.blocks[0].attn.scale == 1 / 4  # 64 / 4 heads: 16
    assert toy(scale="token").trunk.vit.blocks[0].attn.scale == 1 / 8


def test_a_head_that_starts_at_zero_gives_no_logits():
    assert toy(zero_head=True)(torch.rand(2, 3, 48, 48)).abs().max() == 0
    assert apvit.RECIPES["code"].options.zero_head


def test_rare_classes_weigh_as_often_as_they_are_repeated():
    labels = np.repeat(np.arange(2), [90, 10])  # √(0.15 / 0.1) = 1.22, rounded up to 2; mean 1.1
    loss = apvit.build_loss(apvit.Options(repeats=True), labels=labels, n_classes=2)
    assert loss.factors.tolist() == pytest.approx([1 / 1.1, 2 / 1.1])
    equal = apvit.build_loss(apvit.Options(repeats=False), labels=labels, n_classes=2)
    assert equal.factors.tolist() == [1, 1]


def test_the_transformer_starts_from_a_file_of_its_weights(tmp_path):
    donor = toy()
    face, transformer = tmp_path / "ir50.pth", tmp_path / "vit.pth"
    torch.save(dict(donor.trunk.extractor.state_dict()), face)
    state = {name: value for name, value in donor.trunk.vit.state_dict().items() if not name.startswith("projs")}
    positions = torch.cat([state.pop("cls_pos_embed"), state.pop("patch_pos_embed")], dim=1)
    torch.save({**state, "pos_embed": positions, "head.weight": torch.zeros(2, 2)}, transformer)
    model = toy()
    apvit.load_transformer(model.trunk.vit, transformer)
    assert torch.equal(model.trunk.vit.patch_pos_embed, donor.trunk.vit.patch_pos_embed)
    assert torch.equal(model.trunk.vit.blocks[3].mlp.fc2.weight, donor.trunk.vit.blocks[3].mlp.fc2.weight)
    torch.save({**state, "pos_embed": positions[:, 1:]}, transformer)
    with pytest.raises(FerBenchError, match="patch_pos_embed"):
        apvit.load_transformer(model.trunk.vit, transformer)


def test_the_recipe_of_the_code_has_its_settings():
    training = apvit.RECIPES["code"].training
    (phase,) = training.phases
    assert (training.optimizer, phase.lr, training.weight_decay, training.batch_size) == ("sgd", 1e-3, 5e-4, 128)
    assert (phase.epochs, phase.schedule, training.clip_norm) == (40, EpochCosine(), 10.0)
    turned, _, _, colours, erased = training.augment
    assert (turned.p, turned.changes) == (0.5, (Rotate(degrees=6, interpolation="bilinear"),))
    assert isinstance(colours, InBgr)
    assert [(each.p, type(each.changes[0])) for each in colours.changes] == [(0.2, Grey), (0.8, Jitter)]
    assert (erased.p, erased.changes[0].drawn, erased.changes[0].aspect) == (0.5, "ratio", (0.3, 3.3))
    assert training.sampling == RepeatFactor(threshold=0.15)
    assert not apvit.RECIPES["code"].options.repeats  # or rare classes would count twice


def test_the_toy_has_each_picture_once_and_mirrored_alone():
    training = apvit.RECIPES["toy"].training
    assert (training.sampling, training.augment, training.interpolation) == ("once", ("flip",), "bilinear")
