"""What fer-bench explain asks, of what, what it leaves, and what the report draws of it."""

import dataclasses
import json
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest
import threadpoolctl
import torch
from captum.attr import LayerGradCam
from sklearn.neighbors import NearestNeighbors
from torch import nn
from typer.testing import CliRunner

from baselines import conv_cut
from fer_bench import params, registry
from fer_bench.cli.main import app
from fer_bench.datasets import _store
from fer_bench.errors import FerBenchError
from fer_bench.explain import asked, gradcam, purity
from fer_bench.expressions import EXPRESSIONS
from fer_bench.method import Phase, Weights
from fer_bench.params import Score
from fer_bench.report import blocks, explained
from fer_bench.report.grid import Grid, Shown
from fer_bench.stats import purity as stats_purity
from fer_bench.tables import features, gate, runs
from fer_bench.training import cell as cells
from fer_bench.training.carry_out import carry_out

SETTINGS = Score(metrics=["accuracy"], n_resamples=2000)
runner = CliRunner()


# purity


def test_purity_worked_by_hand():
    # on a line at 0, 1, 3, 6, labels a a b b, two neighbours each:
    # 0: 1 (a), 3 (b); 1: 0 (a), 3 (b); 3: 1 (a), and of 0 and 6, equally far, the first (a); 6: 3 (b), 1 (a)
    found = purity.shares(np.array([[0.0], [1.0], [3.0], [6.0]]), np.array([0, 0, 1, 1]), k=2)
    assert found.tolist() == [0.5, 0.5, 0.0, 0.5]


def test_purity_agrees_with_scikit_learns_neighbours(rng):
    points, y_true = rng.normal(size=(700, 12)), rng.integers(0, 7, 700)
    near = NearestNeighbors(n_neighbors=10).fit(points).kneighbors(return_distance=False)
    np.testing.assert_array_equal(purity.shares(points, y_true), (y_true[near] == y_true[:, None]).mean(axis=1))


def test_a_copy_of_a_picture_is_a_neighbour_and_the_picture_itself_is_not():
    points = np.array([[0.0, 0.0], [0.0, 0.0], [5.0, 5.0]])
    assert purity.shares(points, np.array([0, 1, 0]), k=1).tolist() == [0.0, 0.0, 1.0]


def test_features_without_labels_in_them_have_the_purity_of_chance(rng):
    y_true = rng.choice(4, size=3000, p=[0.5, 0.3, 0.15, 0.05])
    found = stats_purity.purity(purity.shares(rng.normal(size=(3000, 5)), y_true), y_true, EXPRESSIONS[:4], SETTINGS)
    by_chance, macro = purity.chance(y_true)
    assert found.low < by_chance < found.high
    assert found.macro == pytest.approx(macro, abs=0.02)


def test_the_interval_of_purity_covers_the_bootstrap_of_rows(rng):
    own = rng.integers(0, 11, 400) / 10
    found = stats_purity.purity(own, np.zeros(400, dtype=int), EXPRESSIONS[:2], SETTINGS)
    rows = own[rng.integers(0, 400, (4000, 400))].mean(axis=1)
    assert (found.low, found.high) == pytest.approx(np.quantile(rows, [0.025, 0.975]), abs=0.004)
    assert found.by_expression == {"neutral": pytest.approx(own.mean())}


def test_a_map_does_not_depend_on_the_number_of_threads(rng):
    points = rng.normal(size=(60, 4))
    first = purity.tsne(points)
    with threadpoolctl.threadpool_limits(4):
        np.testing.assert_array_equal(purity.tsne(points), first)


# Grad-CAM


class TwoChannels(nn.Module):
    """Channel 0 is red, channel 1 is green; logit 0 = 3 · mean red − mean green, logit 1 = 0."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Conv2d(3, 2, 1, bias=False)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2, bias=False))
        with torch.no_grad():
            self.trunk.weight.copy_(torch.eye(2, 3)[:, :, None, None])
            self.head[2].weight.copy_(torch.tensor([[3.0, -1.0], [0.0, 0.0]]))

    def forward(self, images):
        return self.head(self.trunk(images))


def test_the_map_of_a_network_made_by_hand_is_the_known_one():
    picture = torch.zeros(1, 3, 2, 2)
    picture[0, 0] = torch.tensor([[1.0, 0.5], [0.0, 0.25]])  # red
    picture[0, 1] = torch.tensor([[0.0, 0.0], [1.0, 1.0]])  # green
    net = TwoChannels()
    found = gradcam.grad_cam(net, gradcam.find_layer(net, picture), picture)
    assert found.y_pred == 0
    # alpha = mean over four places of 3/4 and −1/4; 3/4 · red − 1/4 · green, not below 0
    expected = [[0.75, 0.375], [0.0, 0.0]]
    np.testing.assert_allclose(found.places.numpy(), expected)


@pytest.mark.parametrize("frozen", [False, True])
def test_maps_are_those_of_captum(rng, frozen):
    torch.manual_seed(0)
    net = conv_cut.build(conv_cut.RECIPES["toy"].options, n_classes=7, weights=Weights("none")).eval()
    net.trunk.requires_grad_(not frozen)
    picture = torch.from_numpy(rng.random((1, 3, 48, 48), dtype=np.float32))
    found = gradcam.grad_cam(net, gradcam.find_layer(net, picture), picture)
    theirs = LayerGradCam(net, net.trunk).attribute(picture, target=found.y_pred, relu_attributions=True)
    np.testing.assert_allclose(found.places.numpy(), theirs[0, 0].detach().numpy(), rtol=1e-4, atol=1e-7)


class Tokens(nn.Module):
    """Its trunk returns a class token and 3 × 3 tokens of two numbers, its head averages the places."""

    def __init__(self):
        super().__init__()
        self.trunk = Patches()
        self.head = nn.Linear(2, 2, bias=False)
        with torch.no_grad():
            self.head.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 0.0]]))

    def forward(self, images):
        return self.head(self.trunk(images)[:, 1:].mean(dim=1))


class Patches(nn.Module):
    def forward(self, images):
        places = images[:, :2].flatten(2).transpose(1, 2)
        return torch.cat([torch.full_like(places[:, :1], 9.0), places], dim=1)


def test_tokens_are_read_as_a_grid_without_the_class_token():
    picture = torch.arange(27.0).reshape(1, 3, 3, 3)
    net = Tokens()
    found = gradcam.grad_cam(net, gradcam.find_layer(net, picture), picture)
    # the logit is the mean of the first number over nine places: alpha = 1/9, and nothing of the second number
    np.testing.assert_allclose(found.places.numpy(), picture[0, 0].numpy() / 9, rtol=1e-6)


class Pooling(nn.Module):
    """Its trunk pools; the last grid with more than one place lies inside, and what follows changes it in place."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(3, 4, 2), nn.ReLU(inplace=True), nn.Conv2d(4, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )
        self.head = nn.Linear(4, 3)

    def forward(self, images):
        return self.head(self.trunk(images))


def test_of_a_trunk_that_pools_the_last_grid_of_more_than_one_place_is_taken(rng):
    picture = torch.from_numpy(rng.random((1, 3, 4, 4), dtype=np.float32))
    net = Pooling()
    layer = gradcam.find_layer(net, picture)
    assert layer.name == "trunk.1"  # the second convolution leaves one place
    assert gradcam.grad_cam(net, layer, picture).places.shape == (3, 3)


def test_a_network_names_its_layer_and_how_to_read_it(rng):
    class Named(Pooling):
        cam_layer = "trunk.0"

        def cam_grid(self, output):
            return output[:, :, :2]

    net = Named()
    picture = torch.from_numpy(rng.random((1, 3, 4, 4), dtype=np.float32))
    layer = gradcam.find_layer(net, picture)
    assert layer.name == "trunk.0"
    assert gradcam.grad_cam(net, layer, picture).places.shape == (2, 3)


def test_a_trunk_without_a_grid_says_so():
    class Flat(Pooling):
        def __init__(self):
            super().__init__()
            self.trunk = nn.Sequential(nn.Flatten(), nn.Linear(48, 4))

    assert "no grid" in gradcam.find_layer(Flat(), torch.zeros(1, 3, 4, 4))


# which layer, and one picture at a time


class Ready:
    """Pictures as they enter a network, one at a time."""

    are_pictures = True

    def __init__(self, batch):
        self.batch = batch

    def __len__(self):
        return len(self.batch)

    def __getitem__(self, place):
        return self.batch[place : place + 1]


def test_features_are_what_enters_the_last_linear_layer(rng):
    batch = torch.from_numpy(rng.random((5, 3, 4, 4), dtype=np.float32))
    net = Pooling().eval()
    layer = asked.find_classifier(net, Ready(batch), 3)
    points, y_pred = asked.features_of(net, layer, Ready(batch))
    assert layer.name == "head"
    with torch.no_grad():
        np.testing.assert_allclose(points, net.trunk(batch).numpy(), rtol=1e-5, atol=1e-6)
        assert y_pred.tolist() == net(batch).argmax(dim=1).tolist()


def test_features_of_a_method_that_couples_the_batch_do_not_depend_on_mates(rng):
    torch.manual_seed(0)
    net = conv_cut.build(conv_cut.RECIPES["toy"].options, n_classes=7, weights=Weights("none")).eval()
    assert conv_cut.couples_batch(conv_cut.RECIPES["toy"].options)
    batch = torch.from_numpy(rng.random((6, 3, 48, 48), dtype=np.float32))
    layer = asked.find_classifier(net, Ready(batch), 7)
    together, _ = asked.features_of(net, layer, Ready(batch))
    order = [4, 1]
    np.testing.assert_array_equal(asked.features_of(net, layer, Ready(batch[order]))[0], together[order])
    with torch.no_grad():
        grid = net.head.detail(net.trunk(batch))
        coupled = net.head.classifier.attention(net.head.classifier.bottleneck(grid.mean(dim=(2, 3))))
    assert not np.allclose(coupled.numpy(), together, atol=1e-3)  # asked as a batch, they would


def test_a_network_without_a_linear_classifier_says_so():
    net = Pooling()
    net.head = nn.Sequential(nn.Unflatten(1, (4, 1, 1)), nn.Conv2d(4, 3, 1), nn.Flatten())
    assert "classifier_layer" in asked.find_classifier(net, Ready(torch.zeros(1, 3, 4, 4)), 3)
    net.classifier_layer = "head.1"
    assert asked.find_classifier(net, Ready(torch.zeros(1, 3, 4, 4)), 3).name == "head.1"


@pytest.mark.parametrize("name", registry.names("methods"))
def test_every_method_shows_a_classifier_and_a_grid_or_names_them(name):
    method = registry.load("methods", name)
    if method.build is None:
        pytest.skip("fitted in one go")
    recipe = method.recipes["toy"]
    net = method.build(recipe.options, n_classes=7, weights=Weights("none")).eval()
    picture = torch.zeros(1, 3, recipe.training.image_size_px, recipe.training.image_size_px)
    classifier, layer = asked.find_classifier(net, Ready(picture), 7), gradcam.find_layer(net, picture)
    assert not isinstance(classifier, str), f"{name}: {classifier}"
    assert not isinstance(layer, str), f"{name}: {layer}"
    assert min(gradcam.grad_cam(net, layer, picture).places.shape) > 1


# runs


@pytest.fixture(scope="module")
def done(tmp_path_factory, prepared_data, grid_text):
    """A small grid with one trained run and two fitted in one go, all asked."""
    folder = tmp_path_factory.mktemp("explained")
    text = grid_text.replace("[0, 1]", "[0]").replace("methods:\n", "methods:\n  patt_lite: {recipe: toy}\n")
    (folder / "params.yaml").write_text(text)
    shutil.copytree(prepared_data, folder / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        let_pass("synthetic")
        for method in ("conv_cut", "lbp_svm", "majority_class"):
            carry_out(params.read(), dataset="synthetic", method=method, seed=0)
            assert fer_bench(method, "--dataset", "synthetic").exit_code == 0
    return folder


@pytest.fixture
def grid(done, tmp_path, monkeypatch):
    shutil.copytree(done, tmp_path / "grid")
    monkeypatch.chdir(tmp_path / "grid")
    return params.read()


def let_pass(name):
    info = _store.open_prepared(name).info
    passed = gate.Gate(dataset=name, samples_digest=info.samples_digest, pixels_digest=info.pixels_digest, red=[])
    gate.write(passed, gate.path_of(params.read().results, name))


def fer_bench(*arguments):
    return runner.invoke(app, ["explain", *arguments], catch_exceptions=True)


def base(grid, method="conv_cut"):
    return features.stem(grid.results / "features", "synthetic", method)


def test_the_same_run_asked_twice_gives_the_same_bytes(grid):
    before = {suffix: base(grid).with_suffix(suffix).read_bytes() for suffix in (".csv", ".json", ".npz")}
    assert fer_bench("conv_cut", "--dataset", "synthetic").exit_code == 0
    assert {suffix: base(grid).with_suffix(suffix).read_bytes() for suffix in before} == before


def test_what_a_run_leaves(grid):
    found, table = (
        features.read_record(base(grid).with_suffix(".json")),
        features.features.read(base(grid).with_suffix(".csv")),
    )
    maps = features.read_maps(base(grid).with_suffix(".npz"))
    assert (found.n, found.n_reported, found.seed, found.selection) == (60, 60, 0, "best_on_val")
    assert (found.features.layer, found.features.dimension) == ("head.classifier.logits", 32)
    for column in ("pure", "pure_map"):
        own = stats_purity.purity(table[column].to_numpy(), table["y_true"].to_numpy(), EXPRESSIONS, SETTINGS)
        assert own.estimate == pytest.approx(table[column].mean())
        assert own.low < own.estimate < own.high
    assert (found.gradcam.layer, found.gradcam.grid, found.gradcam.faces) == ("trunk", (6, 6), True)
    assert len(maps.images) == found.gradcam.n == len(set(maps.y_true))


def predicted(grid, method="conv_cut"):
    """What the run predicted, by sample."""
    stored = pd.read_csv(grid.cell("synthetic", method, 0) / "predictions.csv", dtype={"sample_id": "string"})
    return stored[stored["selection"] == "best_on_val"].set_index("sample_id")["y_pred"]


def test_what_a_run_answers_is_what_it_predicted(grid):
    table = features.features.read(base(grid).with_suffix(".csv")).set_index("sample_id")
    assert (table["y_pred"] == predicted(grid).loc[table.index]).all()


def test_of_a_frozen_trunk_the_stored_features_are_asked_as_in_the_run(grid, monkeypatch):
    toy = conv_cut.RECIPES["toy"]
    phases = (Phase(epochs=1, lr=1e-3, trunk="frozen"),)
    frozen = dataclasses.replace(toy, training=dataclasses.replace(toy.training, phases=phases))
    monkeypatch.setitem(conv_cut.RECIPES, "toy", frozen)
    carry_out(grid, dataset="synthetic", method="conv_cut", seed=0)
    stored = sorted(Path(".fer-bench/features").iterdir())
    found = asked.of_run(grid, dataset="synthetic", method="conv_cut", seed=0, n=40)
    assert sorted(Path(".fer-bench/features").iterdir()) == stored
    table = found.table.set_index("sample_id")
    assert (table["y_pred"] == predicted(grid).loc[table.index]).all()


def test_the_pictures_are_the_same_for_all_methods_and_stratified(grid):
    first, second = (
        cells.resolve(grid, dataset="synthetic", method=name, seed=0) for name in ("conv_cut", "patt_lite")
    )
    rows = asked.chosen(first, 30)
    np.testing.assert_array_equal(rows, asked.chosen(second, 30))
    np.testing.assert_array_equal(asked.picked(first), asked.picked(second))
    assert len(rows) == 30
    of_all = np.bincount(first.labels[first.parts.report], minlength=7)
    assert (np.abs(np.bincount(first.labels[rows], minlength=7) - of_all / 2) <= 1).all()
    assert len(asked.chosen(first, 10_000)) == len(first.parts.report)
    with pytest.raises(FerBenchError, match="too few") as caught:
        asked.chosen(first, 3)
    assert "--pictures" in caught.value.fix


def test_of_a_method_fitted_in_one_go_the_features_are_what_it_is_fitted_on(grid):
    found = features.read_record(base(grid, "lbp_svm").with_suffix(".json"))
    assert (found.features.layer, found.features.dimension) == (asked.FITTED_ON, 7 * 6 * 59)
    assert "no gradients" in found.no_gradcam
    assert len(features.read_maps(base(grid, "lbp_svm").with_suffix(".npz")).maps) == 0
    table, other = (features.features.read(base(grid, name).with_suffix(".csv")) for name in ("lbp_svm", "conv_cut"))
    assert list(table["sample_id"]) == list(other["sample_id"])
    assert (table.set_index("sample_id")["y_pred"] == predicted(grid, "lbp_svm").loc[list(table["sample_id"])]).all()


def test_a_method_without_weights_or_features_is_skipped_with_a_reason(grid):
    assert fer_bench("majority_class", "--dataset", "synthetic").exit_code == 0
    found = features.read_record(base(grid, "majority_class").with_suffix(".json"))
    assert found.status == "none"
    assert "fitted in one go" in found.why
    assert features.features.read(base(grid, "majority_class").with_suffix(".csv")).empty
    assert len(features.read_maps(base(grid, "majority_class").with_suffix(".npz")).maps) == 0


def test_a_run_that_diverged_is_skipped_with_a_reason(grid):
    path = grid.cell("synthetic", "conv_cut", 0) / "run.json"
    failed = msgspec.structs.replace(runs.read_record(path), status="failed", error="diverged")
    runs.write_sealed(failed, path.parent)
    assert fer_bench("conv_cut", "--dataset", "synthetic").exit_code == 0
    assert "no weights" in features.read_record(base(grid).with_suffix(".json")).why


def test_a_missing_run_or_missing_weights_are_an_error_with_the_remedy(grid):
    result = fer_bench("patt_lite", "--dataset", "synthetic")
    assert isinstance(result.exception, FerBenchError)
    assert "fer-bench run" in result.exception.fix
    shutil.rmtree(grid.cell("synthetic", "conv_cut", 0) / "weights")
    result = fer_bench("conv_cut", "--dataset", "synthetic")
    assert "no trained weights" in result.exception.problem
    assert "again" in result.exception.fix


# licences and the report


def forbid():
    """Make the prepared data set one whose faces may not be shown."""
    path = Path("data/synthetic/info.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"faces_may_be_shown": False}))


def shown(grid, folder):
    """The section of a grid that was asked and not scored."""
    keys = ["dataset", "method", "metric", "selection", "n_seeds", "estimate"]
    given = {
        "params": grid,
        "folder": grid.results,
        "headline": "best_on_val",
        "titles": {"conv_cut": "Conv-cut"},
        "metrics": {"accuracy": Shown(title="Accuracy")},
        "tables": {name: pd.DataFrame(columns=keys) for name in ("runs", "intervals")},
    }
    others = {field.name: pd.DataFrame() for field in dataclasses.fields(Grid) if field.name not in given}
    return explained.section(Grid(**others, **given), folder)


def test_a_licence_that_forbids_faces_draws_none(grid, tmp_path):
    forbid()
    assert fer_bench("conv_cut", "--dataset", "synthetic").exit_code == 0
    assert features.read_maps(base(grid).with_suffix(".npz")).images is None
    section = shown(grid, tmp_path / "figures")
    assert [path.name for path in sorted((tmp_path / "figures").iterdir())] == [
        "synthetic_features.pdf", "synthetic_features.png",
    ]  # fmt: skip
    assert [block.name for block in section.blocks] == ["features", "synthetic_features"]
    assert not (grid.results / "private").exists()


def test_faces_on_request_go_to_the_private_folder_and_nowhere_else(grid, tmp_path):
    forbid()
    assert fer_bench("conv_cut", "--dataset", "synthetic", "--faces").exit_code == 0
    assert features.read_maps(base(grid).with_suffix(".npz")).images is None
    section = shown(grid, tmp_path / "figures")
    assert [path.name for path in sorted((grid.results / "private").iterdir())] == [
        "synthetic_conv_cut.npz", "synthetic_gradcam.pdf", "synthetic_gradcam.png",
    ]  # fmt: skip
    assert not list((tmp_path / "figures").glob("*gradcam*"))
    assert "gradcam" not in str(section)


def test_the_report_draws_maps_and_faces_and_says_what_is_missing(grid, tmp_path):
    section = shown(grid, tmp_path / "first")
    table, maps, faces = section.blocks
    assert isinstance(table, blocks.Table)
    assert set(table.cells["method"]) == {"Conv-cut", "lbp_svm"}
    assert "Not asked (fer-bench explain): patt_lite." in table.note
    assert "No features: majority_class (fitted in one go" in table.note
    assert "mean nothing" in maps.caption
    assert "[" in table.cells["purity"][0]
    assert "Conv-cut" in faces.alt
    shown(grid, tmp_path / "second")
    for path in sorted((tmp_path / "first").iterdir()):
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes(), path.name


def test_a_grid_that_was_not_asked_has_no_section(grid, tmp_path):
    shutil.rmtree(grid.results / "features")
    assert shown(grid, tmp_path / "figures") is None


def test_more_methods_than_fit_on_a_page_get_a_second_figure(grid, tmp_path):
    each = explained.Kept(
        features.read_record(base(grid).with_suffix(".json")),
        features.features.read(base(grid).with_suffix(".csv")),
        features.read_maps(base(grid).with_suffix(".npz")),
    )
    parts = explained._parts({f"m{number}": each for number in range(9)}, 8)
    assert [len(part) for part in parts] == [8, 1]


def test_broken_files_say_how_to_make_them_anew(grid):
    for suffix, read in ((".json", features.read_record), (".npz", features.read_maps)):
        path = base(grid).with_suffix(suffix)
        path.write_bytes(b"{}")
        with pytest.raises(FerBenchError) as caught:
            read(path)
        assert "fer-bench explain" in caught.value.fix
        path.unlink()
        with pytest.raises(FerBenchError) as caught:
            read(path)
        assert "fer-bench explain" in caught.value.fix
