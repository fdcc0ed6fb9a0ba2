"""Released checkpoints: read without running code, and refused with the names of what does not fit."""

import os
from functools import partial
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from baselines import ceprompt, scn
from baselines._blocks import clip
from fer_bench import registry
from fer_bench.cli.main import app
from fer_bench.datasets import _store
from fer_bench.errors import FerBenchError
from fer_bench.expressions import expressions
from fer_bench.method import Weights
from fer_bench.provenance import ROOT
from fer_bench.tables import predictions
from fer_bench.training import official

OPTIONS = scn.Options()


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return scn.build(OPTIONS, n_classes=7, weights=Weights("none"))


@pytest.fixture
def state(net):
    """What the released code would write of the network: the authors' names, the authors' order of classes."""
    in_their_order = [expressions(7).index(name) for name in official.RAFDB]
    return {
        scn.RELEASED.name_of(name): value[in_their_order] if name in scn.RELEASED.of_classes else value
        for name, value in net.state_dict().items()
    }


def test_a_released_file_gives_back_the_network_classes_in_our_order(net, state, tmp_path):
    torch.save({"iter": 3, "model_state_dict": state}, tmp_path / "w.pth")
    torch.manual_seed(1)
    other = scn.build(OPTIONS, n_classes=7, weights=Weights("none"))
    official.load(scn.method, other, tmp_path / "w.pth")
    expected = net.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in other.state_dict().items())


def refused(checkpoint):
    with pytest.raises(FerBenchError) as raised:
        scn.method.from_official(checkpoint)
    return raised.value


def test_missing_weights_are_named(state):
    del state["features.6.1.conv2.weight"]
    assert "lacks features.6.1.conv2.weight" in refused(state).problem


def test_a_missing_classifier_is_named(state):
    del state["fc.weight"]
    assert "lacks fc.weight" in refused(state).problem


def test_weights_too_many_are_named(state):
    state["features.8.0.conv1.weight"] = torch.ones(2)
    assert "the network lacks, features.8.0.conv1.weight" in refused(state).problem


def test_weights_of_another_size_are_named_with_both_sizes(state):
    state["alpha.0.weight"] = torch.ones(1, 256)
    assert "alpha.0.weight (1, 256) instead of (1, 512)" in refused(state).problem


def test_a_classifier_that_is_a_single_number_is_refused(state):
    state["fc.weight"] = torch.tensor(1.0)
    assert "0 classes" in refused(state).problem


def test_classes_whose_order_is_not_on_record_are_refused(state):
    state["fc.weight"], state["fc.bias"] = torch.ones(8, 512), torch.ones(8)
    error = refused(state)
    assert "8 classes" in error.problem
    assert "RAF-DB" in error.fix


def test_what_is_wrong_with_a_checkpoint_is_said_with_its_name(net, state, tmp_path):
    del state["fc.bias"]
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(FerBenchError, match=r"w\.pth: not a released checkpoint of this method: it lacks fc\.bias"):
        official.load(scn.method, net, tmp_path / "w.pth")


def test_a_network_with_another_number_of_expressions_is_refused(state, tmp_path):
    torch.save(state, tmp_path / "w.pth")
    eight = scn.build(OPTIONS, n_classes=8, weights=Weights("none"))
    with pytest.raises(FerBenchError, match=r"another network.*head\.fc\.bias, head\.fc\.weight differ"):
        official.load(scn.method, eight, tmp_path / "w.pth")


WITH_CHECKPOINTS = [n for n in registry.names("methods") if registry.load("methods", n).from_official is not None]


@pytest.mark.parametrize("name", WITH_CHECKPOINTS)
def test_what_a_checkpoint_lacks_and_a_network_computes_with_is_known(name):
    method = registry.load("methods", name)
    build = partial(method.build, method.recipes["code"].options, n_classes=7, weights=Weights("none"))
    assert official.ungiven(build) == (["head.text"] if name == "ceprompt" else [])


def test_random_numbers_beside_the_weights_are_found_and_leave_no_trace():
    def build():
        net = torch.nn.Linear(2, 2)
        net.register_buffer("drawn", torch.rand(3), persistent=False)
        net.register_buffer("fixed", torch.ones(3), persistent=False)
        return net

    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    assert official.ungiven(build) == ["drawn"]
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.slow  # 150 million weights
def test_no_prediction_rests_on_sentences_that_no_file_gives(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prepare(n_train=20, n_val=10, n_test=7)
    torch.manual_seed(0)
    net = ceprompt.build(ceprompt.Options(), n_classes=7, weights=Weights("none"))
    torch.save({ceprompt.RELEASED.name_of(name): value for name, value in net.state_dict().items()}, "first.pth")
    towers = {f"visual.{name}": value for name, value in net.trunk.state_dict().items()}
    towers |= {"visual.proj": net.head.projection_dist.detach(), **clip.TextTower().state_dict()}
    torch.save(towers, "clip.pth")
    command = ["predict", "ceprompt", "first.pth", "--dataset", "synthetic", "-o", "p.csv"]
    refused = CliRunner().invoke(app, command)
    assert isinstance(refused.exception, FerBenchError)
    assert "head.text would be random" in refused.exception.problem
    assert "--weights weights/clip_vit_b_16.pth" in refused.exception.fix
    assert not Path("p.csv").exists()
    predicted = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        done = CliRunner().invoke(app, [*command, "--weights", "clip.pth"])
        assert done.exit_code == 0, done.output
        predicted.append(Path("p.csv").read_text())
    assert predicted[0] == predicted[1]


def prepare(**counts):
    """Prepare the drawn data set in the working folder."""
    source = ROOT / "fer_bench" / "datasets" / "synthetic.py"
    options = ", ".join(f"{name}: {count}" for name, count in counts.items())
    Path("params.yaml").write_text(
        "grid: tiny\n"
        f"prepare: {{synthetic: {{source: {source}, options: {{{options}}}}}}}\n"
        "methods: {scn: {recipe: toy}}\nrun: {seeds: [0]}\nscore: {metrics: [accuracy]}\n"
        "compare: {metrics: [accuracy]}\nreport: {title: t, scale: s}\n"
    )
    for command in (["data", "prepare", "synthetic"], ["data", "audit", "synthetic"]):
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, done.output


@pytest.mark.slow
def test_what_a_released_checkpoint_predicts_can_be_scored(net, state, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prepare(n_train=20, n_val=10, n_test=30)
    torch.save({"model_state_dict": state}, "w.pth")
    for command in (
        ["predict", "scn", "w.pth", "--dataset", "synthetic"],
        ["score", "scn_released.csv", "--dataset", "synthetic"],
    ):
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, done.output
    table = predictions.read(Path("scn_released.csv"), n_classes=7)
    prepared = _store.open_prepared("synthetic")
    row = prepared.samples.index[prepared.samples["sample_id"] == table["sample_id"].iloc[0]][0]
    net.eval()
    picture = torch.from_numpy(prepared.images[row].copy()).permute(2, 0, 1)[None].float() / 255
    resized = torch.nn.functional.interpolate(picture, size=(224, 224), mode="bilinear", antialias=False)
    with torch.no_grad():
        alone = net(resized)[0]
    assert torch.allclose(alone, torch.tensor(table.filter(regex="^logit_").iloc[0].to_numpy(float)).float(), atol=1e-2)


@pytest.mark.parametrize("name", ["conv_cut", "patt_lite"])
def test_a_method_without_a_reader_does_not_say_that_no_code_is_public(name, net, tmp_path):
    """Both have code that trains them."""
    method = registry.load("methods", name)
    with pytest.raises(FerBenchError, match="nothing here reads a released checkpoint of it") as raised:
        official.load(method, net, tmp_path / "any.pth")
    assert "public" not in raised.value.problem


BAD = (
    b"", b"a", b"abcd", b"some text, and more of it", b"\x80\x02.", bytes(300), {}, [], 7, {0: torch.ones(2)},
    {"fc.weight": torch.ones(())}, {"a": {}}, "folder", "link to text", "link to nothing", "pipe",
)  # fmt: skip
"""What people may name for a checkpoint: bytes, what torch.save writes, or what is no file."""


def put(bad, path):
    """Put something bad where a file of weights is expected."""
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    path.unlink(missing_ok=True)
    if isinstance(bad, bytes):
        path.write_bytes(bad)
    elif not isinstance(bad, str):
        torch.save(bad, path)
    elif bad == "folder":
        path.mkdir()
    elif bad == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("params.yaml" if "text" in bad else "nothing")


@pytest.mark.slow
def test_no_bad_checkpoint_or_file_of_weights_ends_in_a_traceback(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prepare(n_train=20, n_val=10, n_test=7)
    text = Path("params.yaml").read_text().replace("{scn: {recipe: toy}}", "{scn: {recipe: code, weights: w.pth}}")
    Path("params.yaml").write_text(text)
    for bad in BAD:
        put(bad, Path("w.pth"))
        for command in (
            ["predict", "scn", "w.pth", "--dataset", "synthetic"],
            ["predict", "dmue", "w.pth", "--dataset", "synthetic"],
            ["run", "scn", "--dataset", "synthetic", "--seed", "0"],
        ):
            done = CliRunner().invoke(app, command)
            assert isinstance(done.exception, FerBenchError), (bad, command, done.exception)
            assert "w.pth" in done.exception.problem, (bad, command)
