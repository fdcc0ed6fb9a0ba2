"""PAtt-Lite: the facts' shapes and counts, Keras' weights, and what they were made for."""

import numpy as np
import pytest
import torch
from skimage import data
from torch.nn import functional

from baselines import patt_lite
from baselines._blocks import mobilenet
from fer_bench.errors import FerBenchError
from fer_bench.method import Weights

NONE = Weights("none")
IMAGENET_MEAN = (0.485, 0.456, 0.406)
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
    for block, (n_out, _) in enumerate(mobilenet.BLOCKS[:cut], start=1):
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


@pytest.mark.parametrize("phase", [0, 1])
@pytest.mark.parametrize(("n_classes", "n_parameters"), [(7, 280_648), (8, 280_681)])
def test_the_head_has_keras_trainable_parameters_in_both_phases(n_classes, n_parameters, phase):
    head = patt_lite.head_of(patt_lite.RECIPES["code"].options, 512, n_classes)
    head.classifier.enter_phase(phase)
    assert sum(p.numel() for p in head.parameters() if p.requires_grad) == n_parameters


@pytest.mark.parametrize(("phase", "shares"), [(0, (0.0, 0.1, 0.0)), (1, (0.2, 0.2, 0.2))])
def test_each_phase_drops_as_the_code_does(phase, shares):
    classifier = patt_lite.head_of(patt_lite.RECIPES["code"].options, 512, 7).classifier
    classifier.enter_phase(phase)
    layers = (classifier.spatial_dropout, classifier.dropout, classifier.attention_dropout)
    assert tuple(layer.p for layer in layers) == shares


def test_the_code_recipe_holds_the_constants_of_the_facts():
    training = patt_lite.RECIPES["code"].training
    first, second = training.phases
    assert (first.epochs, first.lr, first.class_weights, first.trunk) == (100, 1e-3, "balanced", "frozen")
    assert (second.epochs, second.lr, second.class_weights, second.trunk) == (500, 1e-5, "none", "frozen")
    assert (training.batch_size, training.clip_norm, training.adam_eps) == (8, 3.0, 1e-7)
    assert patt_lite.RECIPES["meant"].training.phases[1].trunk == "tuned"


def test_patch_extraction_reduces_a_grid_of_14_to_2():
    grid = patt_lite.head_of(patt_lite.Options(), 16, 7).patches(torch.rand(1, 16, 14, 14))
    assert grid.shape == (1, 256, 2, 2)
    assert grid.min() >= 0


def test_a_stride_of_two_pads_below_and_to_the_right_only(rng):
    arrays = random_arrays(rng, cut=1)
    trunk = mobilenet.KerasMobileNet(1, 1.0).eval()
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
    trunk = mobilenet.KerasMobileNet(9, 0.25)
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


def keras_trunk(ferplus_folder):
    path = ferplus_folder.parent / "weights" / WEIGHTS
    if not path.is_file():
        pytest.skip(f"{path.name} is not in weights/ beside ferplus/; bring Keras' MobileNet weights")
    return patt_lite.trunk_of(patt_lite.Options(), Weights("file", path)).eval()


def correlations(trunk, images):
    """Each layer's means before batch normalisation, over pictures and places, against its running means."""
    means = {}

    def remember(name):
        return lambda _m, _i, out: means.setdefault(name, []).append(out.mean(dim=(0, 2, 3)))

    hooks = [layer.conv.register_forward_hook(remember(name)) for name, layer in trunk.layers.named_children()]
    with torch.no_grad():
        for start in range(0, len(images), 16):
            trunk(images[start : start + 16])
    for hook in hooks:
        hook.remove()
    return {
        name: float(np.corrcoef(torch.stack(means[name]).mean(dim=0), layer.bn.running_mean)[0, 1])
        for name, layer in trunk.layers.named_children()
    }


def colour_of(trunk):
    """Return the average colour, in [0, 1], of the pictures that the weights were made on, and how well it is told.

    ``conv1`` is linear, so the mean of each filter is its kernel's sum per colour times the average colour of the
    pictures (but for the border): 32 running means from three numbers.
    """
    kernel = trunk.layers.conv1.conv.weight.detach().numpy().astype(np.float64).sum(axis=(2, 3))
    running = trunk.layers.conv1.bn.running_mean.numpy().astype(np.float64)
    colour, *_ = np.linalg.lstsq(kernel, running, rcond=None)
    return (colour + 1) / 2, np.corrcoef(kernel @ colour, running)[0, 1]


def in_colour(images, colour):
    """Shift pictures so that their average has a given colour."""
    return (
        images
        + torch.as_tensor(colour, dtype=torch.float32).view(1, 3, 1, 1)
        - images.mean(dim=(0, 2, 3), keepdim=True)
    )


@pytest.mark.data
def test_the_first_layers_running_means_are_those_of_imagenets_average_colour(ferplus_folder):
    """RGB, scaled to [−1, 1]: in another order or scale the colour found would be another one."""
    colour, told = colour_of(keras_trunk(ferplus_folder))
    assert told > 0.9999
    np.testing.assert_allclose(colour, IMAGENET_MEAN, atol=0.02)


@pytest.mark.data
def test_keras_weights_see_on_photographs_what_they_were_made_for(ferplus_folder):
    """A wrong scaling, order of colours or layout shows as activations that the running averages do not know.

    The photographs are scikit-image's, shifted to ImageNet's average colour. Five photographs do not have it by
    themselves (0.50, 0.36, 0.32 against 0.47, 0.45, 0.41), and the first layer's means are nothing but that colour,
    seen through filters whose sums nearly cancel: unshifted it is at 0.90, the other layers at 0.97 and more.
    """
    trunk = keras_trunk(ferplus_folder)
    colour, _ = colour_of(trunk)
    for average in (colour, IMAGENET_MEAN):
        found = correlations(trunk, in_colour(photographs(), average))
        assert min(found.values()) >= 0.97, found


@pytest.mark.data
def test_keras_weights_see_on_faces_what_faces_differ_in(ferplus_folder):
    """FERPlus' faces are grey, cropped tightly, and 48 px enlarged: not what the running means were made on.

    In ImageNet's average colour the early layers agree; in their own grey the first one is at −0.55. Further in, faces
    are at 0.80 (``conv_pw_6``) to 0.99, photographs at 0.98 and more: the pictures differ, not the conversion.
    """
    trunk = keras_trunk(ferplus_folder)
    images = np.load(ferplus_folder / "fer2013.0.npz")["images"][:4096:64]
    faces = torch.from_numpy(images)[:, None].expand(-1, 3, -1, -1).float() / 255
    faces = functional.interpolate(faces, size=224, mode="bilinear", align_corners=False)
    found = correlations(trunk, in_colour(faces, IMAGENET_MEAN))
    assert min(found[name] for name in ("conv1", "conv_dw_1", "conv_pw_1")) >= 0.97, found
    assert min(found.values()) >= 0.75, found
    assert correlations(trunk, faces)["conv1"] < 0


def swap_gamma_and_beta(layer):
    layer.bn.weight.data, layer.bn.bias.data = layer.bn.bias.data, layer.bn.weight.data


def shift_depthwise_channels(layer):
    if layer.conv.groups > 1:
        layer.conv.weight.data = layer.conv.weight.data.roll(1, 0)


@pytest.mark.data
@pytest.mark.parametrize(
    ("pictures", "layers"),
    [
        (lambda images: images.flip(1), None),  # BGR
        (lambda images: (images + 1) / 2, None),  # as if they were to lie in [0, 1]
        (lambda images: images * 255, None),
        (None, swap_gamma_and_beta),
        (None, shift_depthwise_channels),
    ],
)
def test_mistakes_of_conversion_show_on_photographs(ferplus_folder, pictures, layers):
    """Padding on both sides (0.979) and an epsilon of 1e-5 (0.983) do not: tests above hold these to their formulas."""
    trunk = keras_trunk(ferplus_folder)
    images = in_colour(photographs(), IMAGENET_MEAN)
    for layer in trunk.layers:
        if layers is not None:
            layers(layer)
    assert min(correlations(trunk, images if pictures is None else pictures(images)).values()) < 0.5


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
