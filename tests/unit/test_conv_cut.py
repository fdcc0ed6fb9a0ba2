"""Conv-cut: the facts' shapes and counts, and its head against a few lines of numpy."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from baselines import conv_cut, convnext_full
from baselines._blocks import keras
from baselines._blocks.attention import BatchAttention, FeatureAttention, SpatialAttention, check
from baselines._blocks.classifier import Classifier, Regularisation
from baselines._blocks.convnext import Cut, Small, create
from fer_bench.errors import FerBenchError
from fer_bench.method import Weights

NONE = Weights("none")


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.fixture(scope="module")
def convnext_base():
    """A ConvNeXt-Base without memory: its shapes and counts cost little."""
    with torch.device("meta"):
        return create(conv_cut.Options().backbone, None, NONE)


def head(n_channels=512, n_classes=7, **options):
    return conv_cut.head_of(conv_cut.Options(**options), n_channels, n_classes)


@pytest.mark.parametrize(
    ("cut", "n_parameters", "n_channels"),
    [
        ("stem", 6_528, 128),
        ("stage1", 422_016, 128),
        ("stage2", 2_171_008, 256),
        ("stage3_block22_norm", 49_513_600, 512),
        (conv_cut.CODE_CUT, 51_640_448, 512),
        ("stage3_block24_norm", 53_767_296, 512),
        ("stage3_block26_norm", 58_020_992, 512),
        ("stage3", 60_121_216, 512),
        ("stage4", 87_564_416, 1024),
    ],
)
def test_each_cut_has_the_parameters_of_the_facts(convnext_base, cut, n_parameters, n_channels):
    trunk = Cut(convnext_base, cut)
    assert count(trunk) == n_parameters
    assert trunk.n_channels == n_channels


@pytest.mark.parametrize(
    ("cut", "shape"),
    [("stem", (8, 56, 56)), ("stage2", (12, 28, 28)), ("code", (16, 14, 14)), ("stage3", (16, 14, 14))],
)
def test_each_cut_has_the_grid_of_the_facts(cut, shape):
    options = conv_cut.Options(cut=cut, small=Small(depths=(1, 1, 24, 1), dims=(8, 12, 16, 20)))
    with torch.device("meta"):
        trunk = conv_cut.trunk_of(options, NONE).eval()
        assert trunk(torch.zeros(1, 3, 224, 224)).shape == (1, *shape)
    assert trunk.n_channels == shape[0]


@pytest.mark.parametrize(
    ("n_classes", "phase", "n_parameters"), [(7, 0, 215_368), (7, 1, 214_856), (8, 0, 215_401), (8, 1, 214_889)]
)
def test_each_phase_of_the_code_trains_keras_trainable_parameters(n_classes, phase, n_parameters):
    found = conv_cut.head_of(conv_cut.RECIPES["code"].options, 512, n_classes)
    found.classifier.enter_phase(phase)
    assert sum(p.numel() for p in found.parameters() if p.requires_grad) == n_parameters


def test_layer_normalisation_stands_in_the_first_phase_only():
    found = conv_cut.head_of(conv_cut.RECIPES["code"].options, 6, 7).eval()
    grid = torch.rand(2, 6, 14, 14)
    first = found(grid)
    torch.nn.init.normal_(found.classifier.norm.weight)
    other = found(grid)
    assert not torch.equal(first, other)
    found.classifier.enter_phase(1)
    second = found(grid)
    torch.nn.init.normal_(found.classifier.norm.weight)
    assert torch.equal(found(grid), second)


@pytest.mark.parametrize(("phase", "shares"), [(0, (0.1, 0.1, 0.1)), (1, (0.2, 0.2, 0.2))])
def test_each_phase_drops_as_the_code_does(phase, shares):
    classifier = conv_cut.head_of(conv_cut.RECIPES["code"].options, 6, 7).classifier
    classifier.enter_phase(phase)
    layers = (classifier.spatial_dropout, classifier.dropout, classifier.attention_dropout)
    assert tuple(layer.p for layer in layers) == shares


@pytest.mark.parametrize(("channels", "n_parameters"), [(256, 136_704), (512, 206_336), (1024, 345_600)])
def test_detail_extraction_has_the_parameters_of_the_facts(channels, n_parameters):
    assert count(head(channels).detail) == n_parameters


def test_the_cut_of_the_code_is_block_23_before_its_mlp_and_without_its_residual():
    small = Small(depths=(1, 1, 2, 1), dims=(4, 8, 12, 16))
    options = conv_cut.Options(cut="stage3_block1_norm", small=small)
    torch.manual_seed(0)
    net = create(options.backbone, small, NONE).eval()
    images = torch.rand(2, 3, 64, 64)
    trunk = Cut(net, options.cut).eval()
    seen = {}
    net.stages[2].blocks[1].norm.register_forward_hook(lambda _m, _i, out: seen.update(out=out))
    net.stages[2].blocks[1].mlp.register_forward_hook(lambda _m, inputs, _o: seen.update(mlp=inputs[0]))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        net((images - mean.view(3, 1, 1)) / std.view(3, 1, 1))
        whole = {name: value.permute(0, 3, 1, 2) for name, value in seen.items()}
        cut = trunk(images)
    torch.testing.assert_close(cut, whole["out"])
    torch.testing.assert_close(cut, whole["mlp"])


def test_a_cut_that_does_not_exist_is_named_with_those_that_do(convnext_base):
    with pytest.raises(FerBenchError, match=r"no cut 'stage5'") as raised:
        Cut(convnext_base, "stage5")
    assert "stage3_block23_norm" in raised.value.fix
    with pytest.raises(FerBenchError, match=r"3 \+ 3 \+ 27 \+ 3 blocks"):
        Cut(convnext_base, "stage3_block27_norm")


def test_the_cut_named_code_keeps_23_blocks_of_stage_3_whole():
    assert conv_cut.RECIPES["paper"].options.cut == "code"
    options = conv_cut.Options(small=Small(depths=(1, 1, 27, 1), dims=(2, 2, 2, 2)))
    with torch.device("meta"):
        assert len(conv_cut.trunk_of(options, NONE).last.blocks) == 23


def test_a_detail_extraction_of_four_layers_is_refused():
    with pytest.raises(FerBenchError, match="4 layers") as raised:
        head(layers=4)
    assert "0 to 3" in raised.value.fix


def test_an_attention_that_does_not_exist_is_named_with_those_that_do():
    with pytest.raises(FerBenchError, match="no attention over 'heads'") as raised:
        check("heads")
    assert "batch, none, feature, spatial, projected" in raised.value.fix


@pytest.mark.parametrize(("layers", "side"), [(0, 14), (1, 4), (2, 2), (3, 2)])
def test_detail_extraction_reduces_a_grid_of_14_to_4_to_2(layers, side):
    grid = head(8, layers=layers).detail(torch.rand(2, 8, 14, 14))
    assert grid.shape[-2:] == (side, side)


@pytest.mark.parametrize(
    ("layers", "channels", "n_parameters"),
    [(0, 512, 0), (1, 512, 139_520), (2, 512, 206_336), (3, 512, 206_336 + 65_792)],
)
def test_each_layer_of_detail_extraction_has_the_parameters_of_the_facts(layers, channels, n_parameters):
    assert count(head(channels, layers=layers).detail) == n_parameters


@pytest.mark.parametrize(
    ("cut", "channels", "side", "grids"),
    [("stage2", 256, 28, (7, 3)), ("code", 512, 14, (4, 2)), ("stage3", 512, 14, (4, 2)), ("stage4", 1024, 7, (2, 1))],
)
def test_the_block_leaves_the_grids_of_the_facts_at_each_cut(cut, channels, side, grids):
    first, second = head(channels, layers=2, cut=cut).detail
    grid = first(torch.rand(1, channels, side, side))
    assert (grid.shape[-1], second(grid).shape[-1]) == grids


def test_stage_4_at_120_px_leaves_no_place_for_the_second_layer():
    with pytest.raises(FerBenchError, match="1×1") as raised:
        head(1024)(torch.rand(2, 1024, 3, 3))
    assert "cut the trunk earlier" in raised.value.fix


def test_a_grid_too_small_for_the_second_layer_is_refused_with_the_way_out():
    with pytest.raises(FerBenchError, match="1×1") as raised:
        head(8)(torch.rand(2, 8, 4, 4))
    assert "image_size_px" in raised.value.fix


@pytest.mark.parametrize(("size", "padding"), [(14, (1, 1)), (7, (0, 1)), (28, (0, 0)), (15, (0, 1)), (3, (0, 1))])
def test_same_padding_is_tensorflows(size, padding):
    assert keras.same_padding(size, 4, 4) == padding


@pytest.mark.parametrize("size", [14, 7, 15])
def test_a_separable_convolution_equals_loops_over_a_padded_grid(size, rng):
    layer = keras.SeparableConv2d(3, 5, kernel=4, stride=4, padding="same")
    x = rng.normal(size=(3, size, size)).astype(np.float32)
    before, after = {14: (1, 1), 7: (0, 1), 15: (0, 1)}[size]
    padded = np.pad(x, ((0, 0), (before, after), (before, after)))
    depthwise = layer.depthwise.weight.detach().numpy()[:, 0]
    pointwise = layer.pointwise.weight.detach().numpy()[:, :, 0, 0]
    n = padded.shape[1] // 4
    expected = np.zeros((5, n, n))
    for row in range(n):
        for column in range(n):
            patch = padded[:, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
            mixed = pointwise @ (patch * depthwise).sum(axis=(1, 2)) + layer.pointwise.bias.detach().numpy()
            expected[:, row, column] = np.maximum(mixed, 0)
    np.testing.assert_allclose(layer(torch.from_numpy(x)[None]).detach().numpy()[0], expected, atol=1e-5)


def numpy_attention(x, scale):
    scores = scale * x @ x.T
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True) @ x


@pytest.mark.parametrize("n_samples", [1, 2, 16])
def test_attention_is_the_softmax_of_scaled_products_over_the_batch(n_samples, rng):
    x = rng.normal(size=(n_samples, 32)).astype(np.float32)
    attention = BatchAttention()
    attention.scale.data.fill_(0.3)
    found = attention(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(found, numpy_attention(x.astype(np.float64), 0.3), atol=1e-5)


def test_attention_leaves_a_single_sample_as_it_is():
    x = torch.rand(1, 32)
    torch.testing.assert_close(BatchAttention()(x), x)


def test_the_classifier_in_evaluation_equals_a_few_lines_of_numpy(rng):
    torch.manual_seed(0)
    phases = (Regularisation(layer_norm=True, spatial_dropout=0.1, dropout=0.1, attention_dropout=0.1),)
    classifier = Classifier(6, 7, attention="batch", phases=phases).eval()
    dense, _, norm = classifier.bottleneck
    norm.running_mean.uniform_(-1, 1)
    norm.running_var.uniform_(0.001, 0.01)  # small, so that an epsilon other than 1e-3 shows
    classifier.attention.scale.data.fill_(0.5)
    grid = rng.normal(size=(4, 6, 2, 2)).astype(np.float32)

    def array(tensor):
        return tensor.detach().numpy().astype(np.float64)

    centred = grid - grid.mean(axis=1, keepdims=True)
    pooled = (centred / np.sqrt(grid.var(axis=1, keepdims=True) + 1e-6)).mean(axis=(2, 3))
    hidden = np.maximum(pooled @ array(dense.weight).T + array(dense.bias), 0)
    hidden = (hidden - array(norm.running_mean)) / np.sqrt(array(norm.running_var) + 1e-3)
    expected = numpy_attention(hidden, 0.5) @ array(classifier.logits.weight).T + array(classifier.logits.bias)
    np.testing.assert_allclose(classifier(torch.from_numpy(grid)).detach().numpy(), expected, rtol=1e-4, atol=1e-4)


def test_batch_normalisation_keeps_a_hundredth_of_the_biased_variance_per_step(rng):
    norm = keras.BatchNorm1d(4).train()
    x = rng.normal(size=(8, 4)).astype(np.float32)
    found = norm(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(found, (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-3), atol=1e-5)
    np.testing.assert_allclose(norm.running_mean, 0.01 * x.mean(0), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(norm.running_var, 0.99 + 0.01 * x.var(0), rtol=1e-6)


def test_a_training_batch_of_one_sample_is_refused():
    with pytest.raises(FerBenchError, match="one sample") as raised:
        keras.BatchNorm1d(4).train()(torch.rand(1, 4))
    assert "batch_size" in raised.value.fix


def test_weights_start_within_keras_glorot_bounds():
    torch.manual_seed(0)
    found = head(512)
    depthwise = found.detail[0].depthwise.weight
    # Keras: fan in 4 · 4 · 512, fan out 4 · 4 · 1
    bound = np.sqrt(6 / (16 * 512 + 16))
    assert 0.99 * bound < depthwise.abs().max().item() <= bound
    dense = found.classifier.logits.weight
    assert dense.abs().max().item() <= np.sqrt(6 / (32 + 7))
    assert all((layer.bias == 0).all() for layer in found.modules() if isinstance(layer, nn.Linear))


def test_attention_over_features_takes_each_feature_for_a_token(rng):
    """Keras' layer given (n, 32, 1): for each sample softmax(s x xᵀ) x, with a 32 × 32 matrix."""
    x = rng.normal(size=(3, 32)).astype(np.float32)
    attention = FeatureAttention()
    attention.scale.data.fill_(0.3)
    expected = [numpy_attention(row[:, None], 0.3)[:, 0] for row in x.astype(np.float64)]
    np.testing.assert_allclose(attention(torch.from_numpy(x)).detach().numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("projections", [False, True])
def test_attention_over_the_grid_is_the_softmax_of_products_over_its_places(projections, rng):
    """Algorithm 1: softmax(Y Yᵀ / √d) Y; with projections softmax(Q Kᵀ / √d) V."""
    grid = rng.normal(size=(2, 5, 3, 4)).astype(np.float32)
    attention = SpatialAttention(5, projections=projections)
    expected = np.empty(grid.shape)
    for n, picture in enumerate(grid.astype(np.float64)):
        tokens = picture.reshape(5, 12).T
        query = key = value = tokens
        if projections:
            mixed = tokens @ attention.projections.weight.detach().numpy().T.astype(np.float64)
            query, key, value = mixed[:, :5], mixed[:, 5:10], mixed[:, 10:]
        scores = np.exp(query @ key.T / np.sqrt(5))
        expected[n] = (scores / scores.sum(axis=1, keepdims=True) @ value).T.reshape(5, 3, 4)
    np.testing.assert_allclose(attention(torch.from_numpy(grid)).detach().numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("attention", ["none", "feature", "spatial", "projected"])
def test_only_attention_over_the_batch_couples_samples(attention):
    assert conv_cut.couples_batch(conv_cut.Options())
    assert not conv_cut.couples_batch(conv_cut.Options(attention=attention))
    model = head(8, attention=attention).eval()
    grid = torch.rand(4, 8, 14, 14)
    torch.testing.assert_close(model(grid)[:1], model(grid[:1]), atol=1e-5, rtol=1e-5)


def test_the_words_of_the_paper_are_without_bottleneck_and_normalise_the_input():
    options = conv_cut.RECIPES["words_stage3"].options
    model = conv_cut.head_of(options, 512, 7)
    # layer normalisation 2 · 512, the block, dense 256 × 7 + 7
    assert count(model) == 1_024 + 206_336 + 1_799
    grid = torch.rand(2, 512, 14, 14)
    torch.testing.assert_close(model.eval()(grid * 3 + 1), model(grid), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("prefix", ["", "toy_"])
def test_the_rows_of_tables_2_and_3_differ_by_what_their_names_say(prefix):
    found = {
        name: (recipe.options.cut, recipe.options.layers, recipe.options.attention)
        for name, recipe in conv_cut.RECIPES.items()
        if name.startswith(f"{prefix}table")
    }
    cut = conv_cut.RECIPES["toy" if prefix else "paper"].options.cut
    assert found == {
        f"{prefix}table2_baseline": ("stage4", 0, "none"),
        f"{prefix}table2_cut": (cut, 0, "none"),
        f"{prefix}table2_attention": (cut, 0, "batch"),
        f"{prefix}table2_detail": (cut, 2, "none"),
        f"{prefix}table2_both": (cut, 2, "batch"),
        f"{prefix}table3_layers1": (cut, 1, "batch"),
        f"{prefix}table3_layers2": (cut, 2, "batch"),
        f"{prefix}table3_layers3": (cut, 3, "batch"),
    }
    training = {conv_cut.RECIPES[name].training for name in found}
    assert len(training) == 1


def test_the_code_recipe_holds_the_constants_of_the_facts():
    training = conv_cut.RECIPES["code"].training
    first, second = training.phases
    assert (first.epochs, first.lr, first.class_weights, first.trunk) == (100, 1e-3, "balanced", "frozen")
    assert (second.epochs, second.lr, second.class_weights, second.trunk) == (60, 1e-5, "none", "frozen")
    assert (training.batch_size, training.clip_norm, training.adam_eps) == (16, 3.0, 1e-7)
    assert training.augment == ("flip", "contrast")
    assert conv_cut.RECIPES["code_flip"].training.augment == ("flip",)


def test_departures_follow_the_architecture():
    said = {name: " ".join(conv_cut.RECIPES[name].departures) for name in ("paper", "paper_spatial", "words_stage3")}
    assert "over the batch" in said["paper"]
    assert "over the batch" not in said["paper_spatial"]
    assert "bottleneck" not in said["words_stage3"]


def test_what_the_papers_words_do_not_hold_is_said_by_every_recipe_with_its_training():
    recipes = {name: r for name, r in conv_cut.RECIPES.items() if r.training == conv_cut.PAPER_TRAINING}
    assert {"paper", "words_stage2", "table2_baseline", "table3_layers3"} <= recipes.keys()
    for recipe in recipes.values():
        said, options = " ".join(recipe.departures), recipe.options
        drops = (options.phases[0].dropout, options.phases[0].attention_dropout)
        assert ("after pooling and after the attention" in said) == (drops == (0.1, 0.1))
        assert ("Algorithm 1 pools first" in said) == (options.attention in ("spatial", "projected"))
        assert ("convnext_full" in said) == (options.cut == "stage4")
    # two networks, two readings of one row
    assert "table2_baseline" in " ".join(convnext_full.RECIPES["paper"].departures)


@pytest.mark.parametrize(
    ("backbone", "cut", "shape"),
    [
        ("tf_efficientnet_lite0", "blocks.4", (112, 14, 14)),
        ("resnet18", "layer3", (256, 14, 14)),
        ("keras_mobilenet_v1", "conv_dw_9", (512, 14, 14)),  # as large as the released code's cut of ConvNeXt-Base
    ],
)
def test_the_head_can_be_put_on_other_trunks(backbone, cut, shape):
    options = conv_cut.Options(backbone=backbone, cut=cut)
    net = conv_cut.build(options, n_classes=8, weights=NONE).eval()
    with torch.no_grad():
        assert net.trunk(torch.rand(1, 3, 224, 224)).shape == (1, *shape)
        assert net(torch.rand(2, 3, 224, 224)).shape == (2, 8)


def test_a_cut_of_another_network_computes_what_the_network_computes_there():
    import timm

    whole = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=0).eval()
    trunk = conv_cut.trunk_of(conv_cut.Options(backbone="tf_efficientnet_lite0", cut="blocks.4"), NONE).eval()
    found = trunk.net.load_state_dict(whole.state_dict(), strict=False)
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    grid = whole.bn1(whole.conv_stem((images - 0.5) / 0.5))
    for stage in whole.blocks[:5]:
        grid = stage(grid)
    with torch.no_grad():
        assert found.missing_keys == []
        assert torch.allclose(trunk(images), grid, atol=1e-5)
        assert len(trunk.net.blocks) == 5


@pytest.mark.parametrize(
    ("backbone", "fix"),
    [("tf_efficientnet_lite0", "blocks.4"), ("keras_mobilenet_v1", "conv_dw_9"), ("convnext_atto", "stage3")],
)
def test_a_cut_that_a_trunk_lacks_is_answered_by_those_that_it_has(backbone, fix):
    with pytest.raises(FerBenchError, match="stage9") as raised:
        conv_cut.trunk_of(conv_cut.Options(backbone=backbone, cut="stage9"), NONE)
    assert fix in raised.value.fix


def test_a_trunk_that_leaves_too_small_a_grid_is_named():
    net = conv_cut.build(conv_cut.Options(backbone="resnet18", cut="layer4"), n_classes=8, weights=NONE).eval()
    with pytest.raises(FerBenchError, match="grid of 1×1") as raised:
        net(torch.rand(1, 3, 64, 64))
    assert "cut the trunk earlier" in raised.value.fix


def test_the_rows_on_mobilenet_differ_from_the_papers_in_trunk_and_epochs_alone():
    for name, row in conv_cut.ablation(conv_cut.paper, "").items():
        ours = conv_cut.RECIPES[f"mobilenet_{name}"]
        same = dataclasses.replace(ours.options, backbone=row.options.backbone, cut=row.options.cut)
        assert same == row.options
        assert dataclasses.replace(ours.training, phases=row.training.phases) == row.training
        assert dataclasses.replace(ours.training.phases[0], epochs=50) == row.training.phases[0]
        assert any("MobileNetV1 from ImageNet instead of ConvNeXt-Base" in clause for clause in ours.departures)
        assert any(clause.endswith("epochs instead of 50") for clause in ours.departures)


def test_the_whole_mobilenet_is_what_keras_file_without_its_last_convolution_holds():
    whole = conv_cut.RECIPES["mobilenet_table2_baseline"].options
    with torch.no_grad():
        assert conv_cut.trunk_of(whole, NONE).eval()(torch.rand(1, 3, 224, 224)).shape == (1, 1024, 7, 7)
