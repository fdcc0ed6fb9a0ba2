"""Conv-cut: the facts' shapes and counts, and its head against a few lines of numpy."""

import numpy as np
import pytest
import torch
from torch import nn

from baselines import conv_cut
from baselines._blocks import keras
from baselines._blocks.attention import BatchAttention
from baselines._blocks.classifier import Classifier
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
    ("n_classes", "layer_norm", "n_parameters"),
    [(7, True, 215_368), (7, False, 214_856), (8, True, 215_401), (8, False, 214_889)],
)
def test_the_head_has_keras_trainable_parameters(n_classes, layer_norm, n_parameters):
    assert count(head(n_classes=n_classes, layer_norm=layer_norm)) == n_parameters


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


def test_a_detail_extraction_of_three_layers_is_refused():
    with pytest.raises(FerBenchError, match="3 layers") as raised:
        head(layers=3)
    assert "0 to 2" in raised.value.fix


@pytest.mark.parametrize(("layers", "side"), [(0, 14), (1, 4), (2, 2)])
def test_detail_extraction_reduces_a_grid_of_14_to_4_to_2(layers, side):
    grid = head(8, layers=layers).detail(torch.rand(2, 8, 14, 14))
    assert grid.shape[-2:] == (side, side)


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
    classifier = Classifier(6, 7, attention="batch", layer_norm=True, spatial_dropout=0.1, dropout=0.1).eval()
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


def test_only_attention_over_the_batch_couples_samples():
    assert conv_cut.couples_batch(conv_cut.Options())
    assert not conv_cut.couples_batch(conv_cut.Options(attention="none"))
