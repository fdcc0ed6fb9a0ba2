"""The batch-independence audit: what it asks, what turns it red, what it leaves and what it refuses."""

import dataclasses
import json
import shutil

import msgspec
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from baselines import conv_cut
from fer_bench import params, registry
from fer_bench.audits import _orders
from fer_bench.cli.main import app
from fer_bench.datasets import _store, ferplus
from fer_bench.errors import FerBenchError
from fer_bench.expressions import EXPRESSIONS
from fer_bench.method import Method, Phase, Recipe, Training
from fer_bench.params import Score
from fer_bench.stats import by_order
from fer_bench.tables import gate, orders, predictions, runs
from fer_bench.training import cell as cells
from fer_bench.training import gradient
from fer_bench.training import orders as asking
from fer_bench.training.carry_out import carry_out
from fer_bench.training.module import RunnerModel
from fer_bench.training.pictures import Part

TRAINING = Training(phases=(Phase(epochs=1, lr=0.01),), batch_size=8, image_size_px=8, optimizer="adam")
N = 70
runner = CliRunner()


class Plain(nn.Module):
    """A trunk with batch normalisation, and a head that keeps to one picture."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 4))

    def forward(self, images):
        return self.head(self.trunk(images))


class Attentive(Plain):
    """Its logits attend to those of the batch."""

    def __init__(self):
        super().__init__()
        self.head.append(Attention())


class Attention(nn.Module):
    def forward(self, x):
        return torch.softmax(x @ x.T, dim=-1) @ x


class LeftInTraining(Plain):
    """Its batch normalisation never leaves training mode."""

    def train(self, mode=True):  # noqa: FBT002 - torch's signature
        super().train(mode)
        self.trunk[1].train()
        return self


class NormalisedFeatures(Plain):
    """Batch normalisation of single numbers, left in training mode: it refuses a batch of one."""

    def __init__(self):
        super().__init__()
        self.head.append(nn.BatchNorm1d(4))

    def train(self, mode=True):  # noqa: FBT002 - torch's signature
        super().train(mode)
        self.head[-1].train()
        return self


class Rounding(Plain):
    """Differs from batch size to batch size by what float32 may."""

    def forward(self, images):
        return super().forward(images) * (1 + 1e-6 * len(images) / 64)


def wrapped(kind, *, couples_batch=False):
    torch.manual_seed(0)
    return RunnerModel(kind(), TRAINING, weights=[torch.ones(4)], loss=None, couples_batch=couples_batch)


@pytest.fixture
def part(rng):
    labels = rng.integers(0, 4, N)
    images = rng.integers(0, 256, (N, 8, 8, 3), dtype=np.uint8)
    return Part(images=images, rows=np.arange(N), labels=labels, seed=0)


def found(kind, part, **said):
    """The finding about a planted model."""
    answers = asking.ask(wrapped(kind, **said), part, _orders.batches(part.labels, part.rows))
    return audited({(0, "last"): answers}, part.labels, **said)


def audited(answers, y_true, *, couples_batch=False, dropped=()):
    ids = [f"s{i:03d}" for i in range(len(y_true) + len(dropped))]
    samples = pd.DataFrame({"sample_id": ids, "y_true": [*y_true, *[-1] * len(dropped)]})
    return _orders.Audited(
        dataset="toy",
        method="net",
        recipe="toy",
        n_classes=4,
        couples_batch=couples_batch,
        samples=samples,
        answers=answers,
        dropped={key: np.array(dropped, dtype=int) for key in answers},
    )


# what is asked


def test_every_order_meets_every_picture_and_no_batch_is_too_large(rng):
    y_true, position = rng.integers(0, 8, N), rng.permutation(N)
    asked = _orders.batches(y_true, position)
    assert tuple(asked) == orders.ORDERS
    for order, batches in asked.items():
        size = {"single": 1, "copies": 2}.get(order) or int(order.split("_b")[1])
        assert {len(batch) for batch in batches[:-1]} == {size}
        assert sorted(set(np.concatenate(batches))) == list(range(N))
    assert all(batch[0] == batch[1] for batch in asked["copies"])


def test_listed_pictures_come_as_the_release_lists_them_and_sorted_ones_as_class_folders_are_read(rng):
    y_true, position = rng.integers(0, 8, N), rng.permutation(N)
    asked = _orders.batches(y_true, position)
    assert (np.diff(position[np.concatenate(asked["listed_b8"])]) > 0).all()
    rows = np.concatenate(asked["class_sorted_b32"])
    keys = [(EXPRESSIONS[y_true[row]], position[row]) for row in rows]
    assert keys == sorted(keys)


def test_shuffles_differ_from_each_other_and_not_from_call_to_call(rng):
    y_true = rng.integers(0, 8, N)
    first, second = (_orders.batches(y_true, np.arange(N)) for _ in range(2))
    shuffled = [tuple(np.concatenate(first[f"shuffled{k}_b8"])) for k in range(3)]
    assert len(set(shuffled)) == 3
    assert shuffled == [tuple(np.concatenate(second[f"shuffled{k}_b64"])) for k in range(3)]


# what turns it red


def test_a_model_that_keeps_to_one_picture_is_green(part):
    assert found(Plain, part).status == "green"


def test_rounding_between_batch_sizes_is_green(part):
    finding = found(Rounding, part)
    assert finding.answers[0, "last"]["shuffled0_b64"].largest > 0
    assert finding.status == "green"


@pytest.mark.parametrize("couples_batch", [True, False])
def test_attention_over_the_batch_is_red_whatever_the_method_says(part, couples_batch):
    finding = found(Attentive, part, couples_batch=couples_batch)
    assert finding.status == "red"
    assert finding.stops == (not couples_batch)
    answers = finding.answers[0, "last"]
    assert answers["copies"].n_dependent == 0  # attention over copies of one picture returns the picture
    assert all(answers[order].n_dependent for order in orders.ORDERS[2:])


def test_batch_normalisation_left_in_training_mode_is_red(part):
    finding = found(LeftInTraining, part)
    assert finding.status == "red"
    assert finding.stops


def test_a_model_that_takes_no_picture_alone_is_an_error(part):
    with pytest.raises(FerBenchError) as caught:
        found(NormalisedFeatures, part)
    assert "evaluation mode" in caught.value.fix


def test_logits_that_are_not_finite_depend_on_the_batch():
    single, other = np.zeros((2, 4)), np.array([[0, 0, 0, 0], [0, np.nan, 0, 0]])
    assert _orders.answer(single, other, 0.0).n_dependent == 1


def test_a_tie_within_noise_flips_and_stays_green():
    single = np.array([[1.0, 1.0 - 1e-6, 0.0, 0.0]])
    found = _orders.answer(single, np.array([[1.0 - 1e-6, 1.0, 0.0, 0.0]]), 0.0)
    assert (found.n_flipped, found.n_dependent) == (1, 0)


# what it leaves


def answers_of(*predicted):
    """Answers under ``single`` as given first, and under the other orders as given or the same."""
    by_order = dict(zip(orders.ORDERS, predicted, strict=False))
    return {
        order: _orders.Answer(np.array(by_order.get(order, predicted[0])), 0, 0, 0.0, 1.0) for order in orders.ORDERS
    }


def test_a_table_holds_what_differs_from_single_and_reads_the_rest_from_it(tmp_path):
    finding = audited({(3, "last"): answers_of([0, 1, 2], [0, 1, 3])}, [0, 1, 1], dropped=[2])
    orders.write(finding.table(), tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text().splitlines() == [
        "sample_id,y_true,seed3/last/single,seed3/last/copies",
        "s000,0,0,0",
        "s001,1,1,1",
        "s002,1,2,3",
        "s003,-1,2,",
    ]
    table = orders.read(tmp_path / "t.csv")
    assert orders.labels_in(table, 3, "last", "single").tolist() == [0, 1, 2, 2]
    assert orders.labels_in(table, 3, "last", "copies").tolist() == [0, 1, 3, -1]
    assert orders.labels_in(table, 3, "last", "listed_b8").tolist() == [0, 1, 2, -1]


def test_what_a_table_of_orders_lacks_is_an_error(tmp_path):
    finding = audited({(3, "last"): answers_of([0, 1, 2])}, [0, 1, 1])
    orders.write(finding.table(), tmp_path / "t.csv")
    table = orders.read(tmp_path / "t.csv")
    with pytest.raises(FerBenchError, match="it has: seed 3 last"):
        orders.labels_in(table, 4, "last", "single")
    with pytest.raises(FerBenchError) as caught:
        orders.labels_in(table, 3, "last", "listed_b4")
    assert "listed_b8" in caught.value.fix
    for text, said in (
        ("sample_id,y_true,seed0/last/listed_b8\ns,0,1\n", "without its single"),
        ("sample_id,y_true,seed0/last/listed_b9\ns,0,1\n", "names no checkpoint"),
        ("sample_id,y_true,seed0/last/single\ns,0,\n", "is empty"),
    ):
        (tmp_path / "bad.csv").write_text(text)
        with pytest.raises(FerBenchError, match=said) as caught:
            orders.read(tmp_path / "bad.csv")
        assert "fer-bench audit batch" in caught.value.fix


def test_the_record_counts_flips_over_seeds_and_holds_no_wall_time():
    flipped = _orders.answer(np.eye(4)[[0, 1, 2]], np.eye(4)[[0, 1, 1]], 5.0)
    answers = {seed: answers_of([0, 1, 2]) for seed in (0, 1)}
    answers[1]["listed_b8"] = flipped
    finding = audited({(seed, "last"): answers[seed] for seed in (0, 1)}, [0, 1, 2])
    rows = finding.rows()
    record = finding.record(rows)
    listed = record["orders"]["last"]["listed_b8"]
    assert (listed["n_flipped"], listed["share_flipped"], listed["batch_size"]) == (1, round(1 / 6, 6), 8)
    assert record["seeds"] == [0, 1]
    assert "seconds" not in json.dumps(record)
    assert set(_orders.printable(rows, [])["status"]) == {"green", "red"}


def test_each_order_is_scored_over_the_seeds_that_were_asked():
    answers = {seed: answers_of([0, 1, 2]) for seed in (0, 1)}
    answers[1]["listed_b8"] = _orders.answer(np.eye(4)[[0, 1, 2]], np.eye(4)[[0, 1, 1]], 5.0)
    finding = audited({(seed, "last"): answers[seed] for seed in (0, 1)}, [0, 1, 2])
    metrics = {"accuracy": registry.load("metrics", "accuracy")}
    settings = Score(metrics=["accuracy"], n_resamples=100)
    scored = list(
        by_order.scores(finding.table(), metrics, dataset="d", method="m", n_classes=finding.n_classes, score=settings)
    )
    assert [row["order"] for row in scored] == list(orders.ORDERS)
    found = {row["order"]: row for row in scored}
    assert found["single"]["estimate"] == 1.0
    assert found["listed_b8"]["estimate"] == pytest.approx(5 / 6)
    assert found["listed_b8"]["low"] < 5 / 6 < found["listed_b8"]["high"]
    assert (found["listed_b8"]["seeds"], found["listed_b8"]["n_samples"]) == ("0;1", 3)
    printed = _orders.printable(finding.rows(), scored)
    assert printed["accuracy"][0].startswith("1.0000 (")


# runs


@pytest.fixture(scope="module")
def done(tmp_path_factory, prepared_data, grid_text):
    """A small grid whose method was carried out once."""
    folder = tmp_path_factory.mktemp("done")
    (folder / "params.yaml").write_text(grid_text.replace("[0, 1]", "[0]"))
    shutil.copytree(prepared_data, folder / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        let_pass("synthetic")
        carry_out(params.read(), dataset="synthetic", method="conv_cut", seed=0)
        carry_out(params.read(), dataset="synthetic", method="lbp_svm", seed=0)
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


RUN = "results/tiny/runs/synthetic/conv_cut/seed0"


def fer_bench(*arguments):
    return runner.invoke(app, ["audit", "batch", *arguments], catch_exceptions=True)


def test_a_method_is_audited_over_the_grids_seeds_and_again_gives_the_same_bytes(grid):
    first = fer_bench("conv_cut", "--dataset", "synthetic")
    assert first.exit_code == 0, first.output  # red, and the method says so
    files = sorted((grid.results / "orders").iterdir())
    assert [file.name for file in files] == ["synthetic_conv_cut.csv", "synthetic_conv_cut.json"]
    before = [file.read_bytes() for file in files]
    record = json.loads(before[1])
    assert (record["status"], record["couples_batch"]) == ("red", True)
    assert list(record["orders"]) == ["best_on_test", "best_on_val"]
    assert set(record["orders"]["best_on_val"]) == set(orders.ORDERS)
    assert fer_bench("conv_cut", "--dataset", "synthetic").exit_code == 0
    assert [file.read_bytes() for file in files] == before


def test_single_pictures_give_the_runs_own_predictions(grid):
    finding = asking.of_method(grid, dataset="synthetic", method="conv_cut")
    stored = predictions.read(grid.cell("synthetic", "conv_cut", 0) / "predictions.csv", n_classes=7)
    table = finding.table().sort_values("sample_id")
    for selection in ("best_on_val", "best_on_test"):
        own = stored[stored["selection"] == selection].sort_values("sample_id")
        assert orders.labels_in(table, 0, selection, "single").tolist() == own["y_pred"].tolist()


def test_a_run_is_audited_by_its_folder_and_writes_only_where_asked(grid, tmp_path):
    assert fer_bench(RUN).exit_code == 0
    assert not (grid.results / "orders").exists()
    assert fer_bench(RUN, "--out", str(tmp_path / "out")).exit_code == 0
    assert (tmp_path / "out" / "synthetic_conv_cut.csv").exists()


def test_a_method_fitted_in_one_go_leaves_a_table_without_orders(grid):
    assert fer_bench("lbp_svm", "--dataset", "synthetic").exit_code == 0
    table = orders.read(grid.results / "orders" / "synthetic_lbp_svm.csv")
    assert (len(table), orders.columns(table)) == (60, [])
    record = json.loads((grid.results / "orders" / "synthetic_lbp_svm.json").read_text())
    assert (record["status"], record["orders"]) == ("none", {})
    assert "fitted in one go" in record["why"]


def test_a_seed_whose_training_diverged_is_left_out_and_named(grid):
    file = grid.cell("synthetic", "conv_cut", 0) / "run.json"
    failed = {"status": "failed", "error": "diverged: loss", "selected": {}}
    runs.write_sealed(msgspec.structs.replace(runs.read_record(file), **failed), file.parent)
    finding = asking.of_method(grid, dataset="synthetic", method="conv_cut")
    assert (finding.status, finding.without) == ("none", "training diverged for seed 0: no weights")
    assert "the run failed" in fer_bench(RUN).exception.problem


class Net(nn.Module):
    """For a frozen trunk whose features are stored; ``left`` leaves the trunk's statistics to the batch."""

    def __init__(self, n_classes, *, left):
        super().__init__()
        norm = nn.BatchNorm2d(8, track_running_stats=not left)
        self.trunk = nn.Sequential(nn.Conv2d(3, 8, 5, stride=4), norm, nn.ReLU())
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(8 * 9, n_classes))

    def forward(self, images):
        return self.head(self.trunk(images))


@pytest.mark.parametrize(("left", "status"), [(False, "green"), (True, "red")])
def test_stored_features_stand_for_a_frozen_trunk_that_is_asked_on_a_few_pictures(grid, left, status):
    phases = (Phase(epochs=2, lr=0.01, trunk="frozen"),)
    recipe = Recipe(
        about="for tests", options=None, training=dataclasses.replace(TRAINING, phases=phases, image_size_px=16)
    )

    def build(options, *, n_classes, weights):
        return Net(n_classes, left=left)

    method = Method(title="Net", recipes={"toy": recipe}, build=build)
    cell = cells.resolve(grid, dataset="synthetic", method="conv_cut", seed=0)
    cell = dataclasses.replace(cell, method=method, recipe=recipe)
    outcome = gradient.train(cell, "none")
    folder = grid.results / "own"
    for epoch, content in outcome.weights.items():
        runs.weights_of(folder, epoch).parent.mkdir(parents=True, exist_ok=True)
        runs.weights_of(folder, epoch).write_bytes(content)
    finding = asking.of_cell(cell, folder, outcome.facts["selected"])
    single = finding.answers[0, "best_on_test"]["single"].y_pred
    assert single.tolist() == outcome.logits["best_on_test"].argmax(axis=1).tolist()
    assert finding.status == status
    assert (finding.trunk_moved > _orders.NOISE) == left


# several label rules


@pytest.mark.parametrize("votes", ["label_csv", "fer2013new"])
@pytest.mark.parametrize("rule", ["majority", "argmax10", "argmax8"])
def test_a_prepared_table_gives_the_labels_of_every_rule_again(tmp_path, votes, rule):
    ferplus.write_toy(tmp_path / "toy")
    options = {"allow_part": True, "votes": votes, "rule": rule}
    store = _store.prepare("ferplus", params.Prepare(source=str(tmp_path / "toy"), options=options), tmp_path)
    found = ferplus.labels_under(store.samples, _store.read_options("ferplus", options, ferplus.Options))
    assert set(found) == {"majority", "argmax10", "argmax8"}
    assert found[rule].tolist() == store.samples["label"].tolist()


@pytest.mark.data
def test_the_release_has_3137_and_3545_test_pictures_under_majority_and_argmax10(ferplus_folder):
    options = ferplus.Options()
    samples = ferplus.load(ferplus_folder, options).samples
    of_test = (samples["split"] == "test").to_numpy()
    found = {rule: (labels[of_test] >= 0).sum() for rule, labels in ferplus.labels_under(samples, options).items()}
    assert found == {"majority": 3137, "argmax10": 3545, "argmax8": 3573}


def test_samples_that_the_rule_drops_are_predicted_singly_and_have_their_other_labels(grid_folder, no_fingerprint):
    ferplus.write_toy(grid_folder / "release")
    text = (grid_folder / "params.yaml").read_text().replace("[0, 1]", "[0]")
    entry = "prepare:\n  ferplus: {source: release, options: {allow_part: true}}\n"
    (grid_folder / "params.yaml").write_text(text.replace("prepare:\n", entry))
    _store.prepare("ferplus", params.read().prepare["ferplus"])
    let_pass("ferplus")
    carry_out(params.read(), dataset="ferplus", method="conv_cut", seed=0)
    assert fer_bench("conv_cut", "--dataset", "ferplus").exit_code == 0
    table = orders.read(grid_folder / "results" / "tiny" / "orders" / "ferplus_conv_cut.csv")
    assert orders.rules(table) == ["argmax10", "argmax8", "majority"]
    assert list(table["sample_id"]) == sorted(table["sample_id"])
    dropped = (table["y_true"] < 0).to_numpy(dtype=bool)
    assert (len(table), dropped.sum()) == (34, 2)
    assert (table["label/majority"] == table["y_true"]).all()
    assert (orders.labels_in(table, 0, "best_on_val", "single")[dropped] >= 0).all()
    assert (orders.labels_in(table, 0, "best_on_val", "class_sorted_b8")[dropped] == -1).all()


@pytest.mark.parametrize("arguments", [["conv_cut", "--dataset", "synthetic"], [RUN], ["conv_cut", "--untrained"]])
def test_red_ends_with_1_only_where_the_method_does_not_say_that_it_couples_its_batch(grid, monkeypatch, arguments):
    assert fer_bench(*arguments).exit_code == 0
    silent = dataclasses.replace(conv_cut.method, couples_batch=lambda _options: False)
    monkeypatch.setattr(conv_cut, "method", silent)
    asked = fer_bench(*arguments)
    assert asked.exit_code == 1
    assert "say couples_batch in the file of conv_cut" in asked.stderr


# without a run


def test_a_method_that_the_grid_lacks_is_asked_untrained(grid):
    asked = fer_bench("patt_lite")
    assert asked.exit_code == 0
    assert "not in this grid" in asked.stderr
    assert "synthetic patt_lite: red" in asked.stderr


def test_untrained_needs_no_grid(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = fer_bench("convnext_full", "--untrained", "--json")
    assert asked.exit_code == 0, asked.output
    assert len(json.loads(asked.stdout)) == len(orders.ORDERS)
    assert not list(tmp_path.glob("results"))


# what it refuses


@pytest.mark.parametrize(
    ("arguments", "problem", "fix"),
    [
        (["conv_cat"], "unknown method", "did you mean conv_cut?"),
        (["conv_cat", "--untrained"], "unknown method", "did you mean conv_cut?"),
        (["conv_cut"], "on which data set", "--dataset, one of: synthetic"),
        (["conv_cut", "--dataset", "synthetc"], "unknown dataset", "did you mean synthetic?"),
        (["conv_cut", "--dataset", "synthetic", "--untrained"], "synthetic pictures", "leave --dataset"),
        ([RUN, "--dataset", "synthetic"], "is a run", "leave --dataset out"),
        (["results/tiny/runs/synthetic/conv_cut/seed7"], "no run record", "fer-bench run"),
        (["results/tiny/runs/synthetic/lbp_svm/seed0"], "fitted in one go", "trained by gradient descent"),
        (["majority_class", "--untrained"], "fitted in one go", "trained by gradient descent"),
    ],
)
def test_a_wrong_call_is_an_error_with_its_fix(grid, arguments, problem, fix):
    error = fer_bench(*arguments).exception
    assert isinstance(error, FerBenchError)
    assert problem in error.problem
    assert fix in error.fix


def refused(target=RUN):
    error = fer_bench(target).exception
    assert isinstance(error, FerBenchError)
    assert "fer-bench run" in error.fix or "carry the run out again" in error.fix
    return error.problem


def test_a_run_without_weights_is_refused(grid):
    shutil.rmtree(grid.cell("synthetic", "conv_cut", 0) / "weights")
    assert "no trained weights" in refused()


def test_weights_of_another_model_are_refused(grid):
    cell = grid.cell("synthetic", "conv_cut", 0)
    for file in (cell / "weights").iterdir():
        torch.save({"state_dict": {"model.other": torch.ones(1)}, "phase": 0}, file)
    assert "epoch_0001.pth is not as the run left it" in refused()
    file = cell / "run.json"  # or their digests fit, and they do not
    runs.write_sealed(runs.read_record(file), cell)
    assert "not weights of this model" in refused()


def test_data_prepared_differently_since_the_run_are_refused(grid):
    text = (grid.results.parents[1] / "params.yaml").read_text().replace("n_test: 60", "n_test: 70")
    (grid.results.parents[1] / "params.yaml").write_text(text)
    _store.prepare("synthetic", params.read().prepare["synthetic"])
    let_pass("synthetic")
    assert "prepared differently since the run: other samples, pixels, split" in refused()


def test_a_run_of_another_recipe_is_refused(grid):
    text = (grid.results.parents[1] / "params.yaml").read_text()
    changed = text.replace("conv_cut: {recipe: toy}", "conv_cut: {recipe: toy_table2_both}")
    (grid.results.parents[1] / "params.yaml").write_text(changed)
    assert "made with another recipe" in refused()
