"""PAtt-Lite: the facts' shapes and counts, Keras' weights, and what they were made for."""

import numpy as np
import pytest
import torch
from skimage import data
from torch.nn import functional

from baselines import patt_lite
from fer_bench.errors import FerBenchError
from fer_bench.method import Weights

NONE = Weights("none")
WEIGHTS = "mobilenet_v1_1.0_224_imagenet_notop_no_pw13.npz"


def count(module):
    return sum(p.numel() for p in module.parameters())


def random_arrays(rng, cut=9, width=1.0):
    """Arrays with Keras' names and layouts, of random numbers."""
    arrays = {}

    def add(name, kernel, n_out):
        arrays[name] = rng.normal(size=kernel).astype(np.float32)
        layer = name.split("/")[0]
        for key in ("gamma", "beta", "moving_mean", "moving_variance"):
            arrays[f"{layer}_bn/{key}"] = rng.uniform(0.5, 1.5, n_out).astype(np.float32)

    n_in = int(32 * width)
    add("conv1/kernel", (3, 3, 3, n_in), n_in)
    for block, (n_out, _) in enumerate(patt_lite.BLOCKS[:cut], start=1):
        add(f"conv_dw_{block}/depthwise_kernel", (3, 3, n_in, 1), n_in)
        add(f"conv_pw_{block}/kernel", (1, 1, n_in, int(n_out * width)), int(n_out * width))
        n_in = int(n_out * width)
    return arrays


@pytest.mark.parametrize("trunk", ["keras", "timm"])
def test_both_trunks_have_the_parameters_and_the_grid_of_the_facts(trunk):
    with torch.device("meta"):
        found = patt_lite.trunk_of(patt_lite.Options(trunk=trunk), NONE).eval()
        assert found(torch.zeros(1, 3, 224, 224)).shape == (1, 512, 14, 14)
    assert count(found) == 812_352
    statistics = [name for name, _ in found.named_buffers() if "running" in name]
    assert sum(dict(found.named_buffers())[name].numel() for name in statistics) == 9_600


@pytest.mark.parametrize(("n_classes", "n_parameters"), [(7, 280_648), (8, 280_681)])
def test_the_head_has_keras_trainable_parameters(n_classes, n_parameters):
    assert count(patt_lite.head_of(patt_lite.Options(), 512, n_classes)) == n_parameters


def test_patch_extraction_reduces_a_grid_of_14_to_2():
    grid = patt_lite.head_of(patt_lite.Options(), 16, 7).patches(torch.rand(1, 16, 14, 14))
    assert grid.shape == (1, 256, 2, 2)
    assert grid.min() >= 0


def test_a_stride_of_two_pads_below_and_to_the_right_only(rng):
    arrays = random_arrays(rng, cut=1)
    trunk = patt_lite.KerasMobileNet(1, 1.0).eval()
    trunk.load_keras(arrays)
    image = rng.uniform(size=(1, 3, 6, 6)).astype(np.float32)
    padded = np.pad(image * 2 - 1, ((0, 0), (0, 0), (0, 1), (0, 1)))
    kernel = arrays["conv1/kernel"]
    expected = np.zeros((32, 3, 3))
    for row in range(3):
        for column in range(3):
            patch = padded[0, :, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
            expected[:, row, column] = np.einsum("chw,hwco->o", patch, kernel)
    scale = arrays["conv1_bn/gamma"] / np.sqrt(arrays["conv1_bn/moving_variance"] + 1e-3)
    shift = arrays["conv1_bn/beta"] - arrays["conv1_bn/moving_mean"] * scale
    expected = np.clip(expected * scale[:, None, None] + shift[:, None, None], 0, 6)
    with torch.no_grad():
        found = trunk.layers.conv1(trunk.normalise(torch.from_numpy(image)))[0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_an_epsilon_of_a_thousandth_is_used_throughout():
    trunk = patt_lite.KerasMobileNet(9, 0.25)
    norms = [layer for layer in trunk.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    assert len(norms) == 18
    assert {layer.eps for layer in norms} == {1e-3}


def test_keras_weights_reach_every_layer(tmp_path, rng):
    arrays = random_arrays(rng)
    np.savez(tmp_path / "w.npz", **arrays)
    trunk = patt_lite.trunk_of(patt_lite.Options(), Weights("file", tmp_path / "w.npz"))
    depthwise = trunk.layers.conv_dw_9.conv.weight[7, 0, 2, 1].item()
    assert depthwise == arrays["conv_dw_9/depthwise_kernel"][2, 1, 7, 0]
    pointwise = trunk.layers.conv_pw_3.conv.weight[5, 11, 0, 0].item()
    assert pointwise == arrays["conv_pw_3/kernel"][0, 0, 11, 5]
    for name, layer in trunk.layers.named_children():
        np.testing.assert_array_equal(layer.bn.running_var, arrays[f"{name}_bn/moving_variance"])
        np.testing.assert_array_equal(layer.bn.bias.detach(), arrays[f"{name}_bn/beta"])


def test_a_missing_layer_is_named(tmp_path, rng):
    arrays = random_arrays(rng)
    del arrays["conv_pw_4_bn/moving_mean"]
    np.savez(tmp_path / "w.npz", **arrays)
    with pytest.raises(FerBenchError, match="conv_pw_4_bn/moving_mean") as raised:
        patt_lite.trunk_of(patt_lite.Options(), Weights("file", tmp_path / "w.npz"))
    assert "alpha 1" in raised.value.fix


def test_weights_of_a_narrower_mobilenet_are_refused_by_their_sizes(tmp_path, rng):
    np.savez(tmp_path / "w.npz", **random_arrays(rng, width=0.5))
    with pytest.raises(FerBenchError, match=r"conv1/kernel of sizes \(3, 3, 3, 16\)"):
        patt_lite.trunk_of(patt_lite.Options(), Weights("file", tmp_path / "w.npz"))


def test_timms_weights_for_keras_trunk_are_refused():
    with pytest.raises(FerBenchError, match="as Keras computes it") as raised:
        patt_lite.trunk_of(patt_lite.Options(), Weights("timm"))
    assert "npz" in raised.value.fix


def test_a_cut_behind_the_last_block_is_refused():
    with pytest.raises(FerBenchError, match="no block 14") as raised:
        patt_lite.trunk_of(patt_lite.Options(cut=14), NONE)
    assert "1 to 13" in raised.value.fix


@pytest.mark.data
def test_keras_weights_see_on_photographs_what_they_were_made_for(ferplus_folder):
    """A wrong padding, scaling or layout shows as activations that the running averages do not know.

    The photographs are scikit-image's. ``conv1`` is held to less: the means of its edge filters follow the average
    colour of the pictures, and five photographs do not have ImageNet's. (On FERPlus' faces, grey and of mean 0.52, it
    is -0.6, and the later layers are at 0.80 to 0.99.)
    """
    path = ferplus_folder.parent / "weights" / WEIGHTS
    if not path.is_file():
        pytest.skip(f"{path.name} is not in weights/ beside ferplus/; bring Keras' MobileNet weights")
    trunk = patt_lite.trunk_of(patt_lite.Options(), Weights("file", path)).eval()
    means = {}
    for name, layer in trunk.layers.named_children():
        layer.conv.register_forward_hook(lambda _m, _i, out, name=name: means.update({name: out.mean(dim=(0, 2, 3))}))
    with torch.no_grad():
        trunk(photographs())
    correlations = {
        name: float(np.corrcoef(means[name], layer.bn.running_mean)[0, 1])
        for name, layer in trunk.layers.named_children()
    }
    assert correlations.pop("conv1") >= 0.85
    assert min(correlations.values()) >= 0.97, correlations


def photographs():
    """Crops of five photographs at two scales, (30, 3, 224, 224)."""
    found = []
    for picture in (data.astronaut(), data.coffee(), data.chelsea(), data.rocket(), data.stereo_motorcycle()[0]):
        pixels = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255
        height, width = pixels.shape[-2:]
        for side in (min(height, width), 224):
            top = (height - side) // 2
            for left in (0, (width - side) // 2, width - side):
                crop = pixels[..., top : top + side, left : left + side]
                found.append(functional.interpolate(crop, size=224, mode="bilinear", antialias=True))
    return torch.cat(found)
