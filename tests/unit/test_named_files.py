"""Every recipe that names a file of weights can start from that file, laid out as its authors publish it."""

from pathlib import Path

import pytest
import reference
import timm
import torch

from fer_bench import registry
from fer_bench.method import Weights

ELSEWHERE = {
    "ir50.pth": "test_poster",
    "mobilefacenet_model_best.pth.tar": "test_poster",
    "backbone_ir50_ms1m_epoch120.pth": "test_poster",  # face.evoLVe's network too
    "vit_small_p16_224-15ec54c9.pth": "test_apvit",
    "MFN_msceleb.pth": "test_ddamfn",
    "clip_vit_b_16.pth": "test_ceprompt",
    "dlib_face_resnet_v1.safetensors": "test_finetune",
    "tf_efficientnet_lite0.safetensors": "test_finetune",
    "mobilenet_v1_1.0_224_imagenet_notop.npz": "test_patt_lite",
}
"""Files that tests of their methods read, by the test's file."""


def resnet(name, n_classes):
    torch.manual_seed(1)
    return timm.create_model(name, num_classes=n_classes).state_dict()


def ijba_res18_naive():
    """SCN's, as people report it (Self-Cure-Network#9, DREAM#13): an embedding and a classifier of faces behind it."""
    body = resnet("resnet18", 0) | {"feature.weight": torch.ones(256, 512), "feature.bias": torch.ones(256)}
    body |= {"fc.weight": torch.ones(870, 256), "fc.bias": torch.ones(870)}
    state = {f"module.{name}": value for name, value in body.items()}
    return {"epoch": 3, "arch": "resnet18", "state_dict": state, "best_prec1": torch.tensor(91.0)}


def mv_epoch_17():
    """DMUE's, as pretrain/train_mv_softmax.py writes it."""
    state = {f"feat_net.{name}": value for name, value in resnet("resnet18", 0).items()}
    return {"state_dict": state | {"loss_layer.weight": torch.ones(512, 10)}, "epoch": 17, "batch_id": 1}


def resnet18_msceleb():
    """DAN's, as networks/dan.py reads it."""
    return {"state_dict": resnet("resnet18", 1000)}


def resnet50_ft_weight():
    """EAC's, as src/model.py reads it, as tensors."""
    return resnet("resnet50", 8631)


def start_0():
    """LNSU's, as code/train_exp.py reads it: the encoder with what it does not use."""
    torch.manual_seed(1)
    shapes = {key: shape for key, shape, _, _ in reference.figures("lnsu")["state_dict"]}
    inside = {key.removeprefix("encoder."): shape for key, shape in shapes.items() if key.startswith("encoder.")}
    state = {name: torch.rand(shape) for name, shape in inside.items()}
    return {"epoch": 1, "state_dict_backbone": state, "state_dict_softmax_fc": {"weight": torch.ones(5, 512)}}


MADE = {
    "ijba_res18_naive.pth.tar": (ijba_res18_naive, "layer4.1.conv2.weight", "net.layer4.1.conv2.weight"),
    "mv_epoch_17.pt": (mv_epoch_17, "layer3.1.conv2.weight", "layer3.1.conv2.weight"),
    "resnet18_msceleb.pth": (resnet18_msceleb, "layer4.1.conv2.weight", "net.layer4.1.conv2.weight"),
    "resnet50_ft_weight.pth": (resnet50_ft_weight, "layer4.2.conv3.weight", "net.layer4.2.conv3.weight"),
    "start_0.pt": (start_0, "layers.2.downsample.reduction.weight", "net.layers.3.downsample.reduction.weight"),
}
"""How a file is made, one of its weights, and that weight's name in our trunk."""

RECIPES = [
    (method, name, Path(recipe.weights).name)
    for method in registry.names("methods")
    for name, recipe in registry.load("methods", method).recipes.items()
    if recipe.weights not in {"none", "timm"}
]


def test_every_named_file_is_read_by_a_test():
    named = {file for _, _, file in RECIPES}
    for method, name, file in RECIPES:
        found = registry.load("methods", method)
        if not (method == "ceprompt" and "stage2" in name):  # which names a run's weights
            named |= {path.name for path in found.files(found.recipes[name].options, Weights("file", Path(file)))}
    assert named == MADE.keys() | ELSEWHERE.keys()
    assert all(Path(__file__).with_name(f"{test}.py").exists() for test in ELSEWHERE.values())


@pytest.mark.slow  # networks of the released codes' sizes
@pytest.mark.parametrize(("method", "recipe", "file"), [each for each in RECIPES if each[2] in MADE], ids=str)
def test_a_recipe_starts_from_the_file_that_it_names(tmp_path, method, recipe, file):
    make, theirs, ours = MADE[file]
    content = make()
    torch.save(content, tmp_path / file)
    found = registry.load("methods", method)
    options = found.recipes[recipe].options
    net = found.build(options, n_classes=7, weights=Weights("file", tmp_path / file))
    tables = [table for table in (content, *content.values()) if isinstance(table, dict)]
    (expected,) = [v for table in tables for name, v in table.items() if name.endswith(theirs)]
    assert torch.equal(net.trunk.state_dict()[ours], expected)


def test_the_last_normalisation_of_lnsus_trunk_starts_anew(tmp_path):
    torch.save(start_0(), tmp_path / "start_0.pt")
    found = registry.load("methods", "lnsu")
    weights = Weights("file", tmp_path / "start_0.pt")
    trunk = found.build(found.recipes["code"].options, n_classes=7, weights=weights).trunk
    assert torch.equal(trunk.net.norm.weight, torch.ones(768))
    assert not trunk.net.norm.bias.any()
