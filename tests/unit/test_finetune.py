"""Plain fine-tuning's trunks: what each takes, and that its preprocessing comes with it."""

import dataclasses

import pytest
import safetensors.torch
import torch

from baselines import finetune
from baselines._blocks import dlib_face, resnet
from baselines._blocks.normalise import Normalise
from fer_bench import registry
from fer_bench.errors import FerBenchError
from fer_bench.method import Weights
from fer_bench.training import cost

LITE0 = "tf_efficientnet_lite0"
NONE = Weights("none")


def built(backbone, weights=NONE):
    return finetune.build(finetune.Options(backbone=backbone), n_classes=8, weights=weights).eval()


def test_dlibs_network_has_the_grids_and_the_size_on_record():
    net = dlib_face.DlibFace(NONE).eval()
    seen = {}
    for number in (7, 10, 13, 14):
        net.blocks[number - 1].register_forward_hook(
            lambda _layer, _in, out, number=number: seen.update({number: tuple(out.shape[1:])})
        )
    with torch.no_grad():
        vector = net(torch.rand(1, 3, 150, 150))
    assert seen == {7: (64, 17, 17), 10: (128, 8, 8), 13: (256, 4, 4), 14: (256, 2, 2)}
    assert vector.shape == (1, 256)
    # 5,614,592 with the embedding of 256 × 128, which is not kept
    assert sum(weight.numel() for weight in net.parameters()) == 5_614_592 - 256 * 128


def test_a_block_of_dlibs_network_adds_what_is_smaller_padded_with_zeros():
    block = dlib_face.Block(2, 3, halves=True)
    for layer in (block.conv1, block.conv2):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    # by hand: 6 × 6 is pooled to 3 × 3 of ones, the convolution leaves 2 × 2 of three channels
    out = block(torch.ones(1, 2, 6, 6))
    assert out.shape == (1, 3, 3, 3)
    assert torch.equal(out[0, :2], torch.ones(2, 3, 3))
    assert torch.equal(out[0, 2], torch.zeros(3, 3))


def test_dlibs_network_refuses_a_picture_that_leaves_no_grid():
    net = dlib_face.DlibFace(NONE).eval()
    assert net(torch.rand(1, 3, 103, 103)).shape == (1, 256)
    with pytest.raises(FerBenchError, match="102 × 102 px") as raised:
        net(torch.rand(1, 3, 102, 102))
    assert "image_size_px of 103" in raised.value.fix


def test_dlibs_network_reads_its_file_and_leaves_the_embedding(tmp_path):
    state = dlib_face.DlibFace(NONE).state_dict()
    path = tmp_path / "face.safetensors"
    safetensors.torch.save_file({**state, "fc.weight": torch.zeros(128, 256)}, path)
    net = built(dlib_face.NAME, Weights("file", path))
    assert all(torch.equal(net.trunk.state_dict()[name], value) for name, value in state.items())


def test_a_file_of_another_network_is_named(tmp_path):
    import timm

    path = tmp_path / "lite1.safetensors"
    safetensors.torch.save_file(timm.create_model("tf_efficientnet_lite1", pretrained=False).state_dict(), path)
    for backbone in (LITE0, dlib_face.NAME):
        with pytest.raises(FerBenchError, match="not the weights of") as raised:
            built(backbone, Weights("file", path))
        assert backbone in raised.value.problem


@pytest.mark.parametrize(
    ("backbone", "mean", "std"),
    [
        (LITE0, [0.5] * 3, [0.5] * 3),
        (dlib_face.NAME, [122.782 / 255, 117.001 / 255, 104.298 / 255], [256 / 255] * 3),
    ],
)
def test_preprocessing_comes_with_the_trunk_and_another_one_changes_the_prediction(backbone, mean, std):
    net = built(backbone)
    images = torch.rand(2, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        own = net(images)
        assert torch.allclose(net.trunk.normalise.mean.flatten(), torch.tensor(mean))
        assert torch.allclose(net.trunk.normalise.std.flatten(), torch.tensor(std))
        net.trunk.normalise = Normalise(resnet.IMAGENET_MEAN, resnet.IMAGENET_STD)
        assert not torch.allclose(net(images), own)


def test_the_arithmetic_of_dlibs_network_is_that_on_record():
    assert cost.macs(lambda: dlib_face.DlibFace(NONE), 150) == pytest.approx(0.271e9, rel=0.005)


@pytest.mark.data
@pytest.mark.parametrize("backbone", [LITE0, dlib_face.NAME])
def test_the_released_weights_load(backbone, weights_folder):
    net = built(backbone, Weights("file", weights_folder / f"{backbone}.safetensors"))
    with torch.no_grad():
        assert torch.isfinite(net(torch.rand(1, 3, 112, 112))).all()


@pytest.mark.parametrize("name", ["scn", "eac", "dan"])
def test_methods_beside_the_control_have_its_network_and_its_training(name):
    recipe = registry.load("methods", name).recipes["lite0"]
    control = finetune.method.recipes["lite0"]
    assert (recipe.weights, recipe.training) == (control.weights, control.training)
    net = registry.load("methods", name).build(recipe.options, n_classes=8, weights=NONE).eval()
    own = built(LITE0).trunk.net.state_dict().keys()
    theirs = net.trunk.net.state_dict().keys()
    assert {key for key in own if key.startswith(("conv_stem", "bn1", "blocks"))} <= theirs <= own
    assert net(torch.zeros(2, 3, 112, 112)).shape == (2, 8)


def test_the_control_on_votes_differs_in_its_targets_alone():
    recipes = finetune.method.recipes
    on_labels, on_votes = recipes["lite0"].training, recipes["lite0_votes"].training
    assert dataclasses.replace(on_votes, targets="labels") == on_labels
