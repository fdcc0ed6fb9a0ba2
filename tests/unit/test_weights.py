"""Initial weights: what was asked for, or an error that says what to do."""

import numpy as np
import pytest
import safetensors.torch
import timm
import torch

from fer_bench.errors import FerBenchError
from fer_bench.method import Weights
from fer_bench.training import weights

TINY = {"depths": (1, 1, 1, 1), "dims": (4, 4, 8, 8)}
NAME = "convnext_atto.d2_in1k"


def tiny(**options):
    return timm.create_model(NAME, **TINY, **options)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "no-cache"))


def test_the_grids_choice_comes_before_the_recipes():
    assert weights.resolve("none", "timm") == Weights("none")
    assert weights.resolve(None, "timm") == Weights("timm")


def test_a_file_that_is_not_there_is_named_with_both_ways_out(tmp_path):
    with pytest.raises(FerBenchError, match=r"absent\.npz") as raised:
        weights.resolve(None, str(tmp_path / "absent.npz"))
    assert "params.yaml" in raised.value.fix
    assert "weights: none" in raised.value.fix


def test_the_runs_table_spells_weights_in_three_ways(tmp_path):
    assert weights.describe(Weights("none"), NAME) == "none"
    assert weights.describe(Weights("timm"), NAME) == "timm:d2_in1k"
    assert weights.describe(Weights("file", tmp_path / "w.pth"), NAME) == "file:w.pth"


def test_a_download_that_cannot_be_had_is_an_error_and_never_random_weights():
    with pytest.raises(FerBenchError, match="could not be downloaded") as raised:
        weights.create_backbone(NAME, Weights("timm"), num_classes=0)
    assert "torch.save" in raised.value.fix
    assert "weights: none" in raised.value.fix


def test_a_network_that_timm_has_no_weights_for_is_an_error():
    with pytest.raises(FerBenchError, match="no download") as raised:
        weights.create_backbone("convnext_atto_rms", Weights("timm"), num_classes=0)
    assert "params.yaml" in raised.value.fix


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_is_loaded_whole_and_its_classifier_left_over(tmp_path, suffix):
    source = tiny(num_classes=3).state_dict()
    path = tmp_path / f"w{suffix}"
    if suffix == ".pth":
        torch.save(source, path)
    else:
        safetensors.torch.save_file(source, path)
    net = weights.create_backbone(NAME, Weights("file", path), num_classes=0, **TINY)
    loaded = net.state_dict()
    assert all(torch.equal(loaded[name], source[name]) for name in loaded)


def test_missing_layers_are_named(tmp_path):
    source = tiny(num_classes=0).state_dict()
    del source["stages.2.blocks.0.norm.weight"]
    torch.save(source, tmp_path / "w.pth")
    with pytest.raises(FerBenchError, match=r"lacks stages\.2\.blocks\.0\.norm\.weight") as raised:
        weights.create_backbone(NAME, Weights("file", tmp_path / "w.pth"), num_classes=0, **TINY)
    assert NAME in raised.value.fix


def test_weights_of_another_network_are_refused(tmp_path):
    torch.save(timm.create_model("mobilenetv1_100", num_classes=0).state_dict(), tmp_path / "w.pth")
    with pytest.raises(FerBenchError, match="not the weights of"):
        weights.create_backbone(NAME, Weights("file", tmp_path / "w.pth"), num_classes=0, **TINY)


def test_weights_of_another_size_are_refused(tmp_path):
    other = timm.create_model(NAME, num_classes=0, depths=(1, 1, 1, 1), dims=(4, 4, 8, 12))
    torch.save(other.state_dict(), tmp_path / "w.pth")
    with pytest.raises(FerBenchError, match=r"in other sizes"):
        weights.create_backbone(NAME, Weights("file", tmp_path / "w.pth"), num_classes=0, **TINY)


def test_a_layer_that_the_network_lacks_is_refused(tmp_path):
    source = tiny(num_classes=0).state_dict()
    source["stages.0.blocks.1.norm.weight"] = torch.ones(4)
    torch.save(source, tmp_path / "w.pth")
    with pytest.raises(FerBenchError, match=r"network lacks, stages\.0\.blocks\.1"):
        weights.create_backbone(NAME, Weights("file", tmp_path / "w.pth"), num_classes=0, **TINY)


def test_keras_arrays_come_with_their_names(tmp_path):
    np.savez(tmp_path / "w.npz", **{"conv1/kernel": np.ones((3, 3, 3, 32))})
    assert weights.keras_arrays(tmp_path / "w.npz")["conv1/kernel"].shape == (3, 3, 3, 32)


@pytest.mark.parametrize("name", ["w.npz", "w.h5"])
def test_what_is_not_an_archive_of_arrays_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"not an archive")
    with pytest.raises(FerBenchError, match="not an archive") as raised:
        weights.keras_arrays(tmp_path / name)
    assert "conv_dw_9/depthwise_kernel" in raised.value.fix


def test_an_archive_of_arrays_that_is_cut_short_is_refused(tmp_path):
    np.savez(tmp_path / "w.npz", a=np.ones(1000))
    (tmp_path / "w.npz").write_bytes((tmp_path / "w.npz").read_bytes()[:2000])
    with pytest.raises(FerBenchError, match="not an archive"):
        weights.keras_arrays(tmp_path / "w.npz")


@pytest.mark.parametrize(("content", "problem"), [(b"", "has 0 bytes"), (b"hello there", "is text"), (None, "folder")])
def test_what_cannot_be_weights_is_refused_before_anything_is_prepared(tmp_path, content, problem):
    path = tmp_path / "w.pth"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(FerBenchError, match=problem):
        weights.resolve(str(path), "none")


def test_timms_weights_without_a_tag_are_refused_with_the_tags_there_are():
    with pytest.raises(FerBenchError, match="need a tag") as raised:
        weights.describe(Weights("timm"), "resnet18")
    assert "resnet18.tv_in1k" in raised.value.fix


def test_counters_of_batches_that_older_files_lack_are_no_reason_to_refuse_them(tmp_path):
    source = timm.create_model("resnet18", num_classes=5).state_dict()
    old = {name: value for name, value in source.items() if not name.endswith("num_batches_tracked")}
    torch.save(old, tmp_path / "w.pth")
    net = weights.create_backbone("resnet18", Weights("file", tmp_path / "w.pth"), num_classes=0)
    assert torch.equal(net.state_dict()["layer4.1.conv2.weight"], source["layer4.1.conv2.weight"])


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([1j]), np.array([1.0, np.nan])])
def test_arrays_that_are_no_plain_numbers_are_named(tmp_path, array):
    np.savez(tmp_path / "w.npz", good=np.ones(2), bad=array)
    with pytest.raises(FerBenchError, match="1 of 2 arrays are no plain numbers: bad"):
        weights.keras_arrays(tmp_path / "w.npz")


def test_names_that_timm_cannot_translate_are_named(tmp_path):
    torch.save(
        {"patch_embed.proj.weight": torch.ones(()), "layers.0.downsample.norm.bias": torch.ones(2)}, tmp_path / "w.pth"
    )
    with pytest.raises(FerBenchError, match="not the weights of swin_tiny"):
        weights.create_backbone("swin_tiny_patch4_window7_224", Weights("file", tmp_path / "w.pth"), num_classes=0)
