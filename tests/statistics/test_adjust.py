"""Scores without twins: the gap by hand, its interval's odd cases, and a grid's tables through the program."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from fer_bench import params, registry
from fer_bench.cli.main import app
from fer_bench.errors import FerBenchError
from fer_bench.metrics import accuracy, macro_f1, mean_recall
from fer_bench.stats import adjusting, bootstrap, gap, scoring
from fer_bench.tables import predicted
from fer_bench.tables.contamination import contamination
from fer_bench.tables.intervals import intervals
from fer_bench.tables.twins import twins

METRICS = {"accuracy": accuracy.metric, "macro_f1": macro_f1.metric, "mean_recall": mean_recall.metric}


def silent(_text):
    pass


def gap_of(y_true, y_pred, twin, metric, *, n_classes, seed=0):
    arrays = (np.asarray(y_true), np.atleast_2d(y_pred), np.asarray(twin, dtype=bool))
    rng = np.random.default_rng(seed)
    return gap.gap(*arrays, metric, n_classes=n_classes, level=0.95, n_resamples=400, rng=rng)


# Two expressions, 8 samples; the last two are twins, and right. Clean: 0 0 0 as 0 0 1, 1 1 1 as 1 0 1.
Y_TRUE, Y_PRED = [0, 0, 0, 1, 1, 1, 0, 1], [0, 0, 1, 1, 0, 1, 0, 1]
TWIN = [0, 0, 0, 0, 0, 0, 1, 1]


@pytest.mark.parametrize("name", METRICS)
def test_the_gap_is_the_value_worked_by_hand(name):
    # all: 3 of 4 right per expression, 1 wrong each way, so accuracy, both F1 and both recalls are 3/4;
    # clean: 2 of 3, so all are 2/3
    estimate, interval = gap_of(Y_TRUE, Y_PRED, TWIN, METRICS[name], n_classes=2)
    assert estimate == pytest.approx(3 / 4 - 2 / 3)
    assert interval.low <= estimate <= interval.high


def test_the_gap_of_several_seeds_is_the_mean_of_theirs():
    # a second seed is right everywhere but on the first twin: 7/8 - 1
    second = [0, 0, 0, 1, 1, 1, 1, 1]
    estimate, interval = gap_of(Y_TRUE, [Y_PRED, second], TWIN, accuracy.metric, n_classes=2)
    assert estimate == pytest.approx(((3 / 4 - 2 / 3) + (7 / 8 - 1)) / 2)
    assert (interval.resampled, interval.n_resamples) == ("seeds and samples", 0)
    assert interval.held_fixed.startswith("which samples are twins")


@pytest.mark.parametrize("n_seeds", [1, 3])
def test_without_twins_the_gap_is_0_exactly_and_says_so(rng, n_seeds):
    y_true, y_pred = rng.integers(0, 7, size=50), rng.integers(0, 7, size=(n_seeds, 50))
    estimate, interval = gap_of(y_true, y_pred, np.zeros(50), macro_f1.metric, n_classes=7)
    assert (estimate, interval.low, interval.high) == (0, 0, 0)
    assert interval.method == gap.NO_TWINS


def test_there_is_no_gap_where_every_sample_is_a_twin():
    with pytest.raises(ValueError, match="every sample is a twin"):
        gap_of(Y_TRUE, Y_PRED, np.ones(8), accuracy.metric, n_classes=2)


@pytest.mark.parametrize("n_seeds", [1, 2])
@pytest.mark.parametrize("name", METRICS)
def test_predictions_without_errors_are_not_called_certain(n_seeds, name):
    y_true = np.tile(np.arange(7), 20)
    twin = np.arange(140) < 14
    estimate, interval = gap_of(y_true, np.tile(y_true, (n_seeds, 1)), twin, METRICS[name], n_classes=7)
    assert estimate == 0
    assert interval.low < 0 < interval.high
    assert interval.method == bootstrap.NO_ERRORS


def test_the_ends_without_errors_are_the_values_worked_by_hand():
    # 100 clean, 100 twins; Wilson's lower end of 200 of 200 is 0.981155, so that 3.769 may be wrong
    y_true = np.tile([0, 1], 100)
    _, interval = gap_of(y_true, y_true, np.arange(200) < 100, accuracy.metric, n_classes=2)
    assert interval.low == pytest.approx(-3.769 / 200, abs=1e-5)  # errors among the twins alone
    assert interval.high == pytest.approx(3.769 / 100 - 3.769 / 200, abs=1e-5)  # among the clean alone


def test_the_interval_is_paired_and_therefore_narrower_than_that_of_the_score(rng):
    y_true = rng.integers(0, 7, size=2000)
    right = rng.random(2000) + 0.1 * rng.random((3, 2000)) < 0.85  # samples are easy or hard for all seeds alike
    y_pred = np.where(right, y_true, (y_true + 1) % 7)
    _, interval = gap_of(y_true, y_pred, rng.random(2000) < 0.08, accuracy.metric, n_classes=7)
    whole = scoring.over_seeds(y_true, y_pred, accuracy.metric, n_classes=7, level=0.95)
    assert interval.high - interval.low < 0.5 * (whole.high - whole.low)


def test_the_same_generator_gives_the_same_interval_and_another_another():
    ends = [gap_of(Y_TRUE * 20, Y_PRED * 20, TWIN * 20, macro_f1.metric, n_classes=2, seed=s)[1] for s in (0, 0, 1)]
    assert ends[0] == ends[1]
    assert ends[0] != ends[2]


def pair(table, place, *, twin_split="train", kind="exact", twin_label=0, split="test", **changes):
    row = table.iloc[place]
    return {
        "sample_id": row["sample_id"], "split": split, "twin_id": f"{twin_split}_{place}_{kind}",
        "twin_split": twin_split, "kind": kind, "similarity": 1.0 if kind == "exact" else 0.9,
        "label": int(row["y_true"]), "twin_label": twin_label, **changes,
    }  # fmt: skip


@pytest.fixture
def adjusted(fake_runs):
    """A factory: simulate and score a grid, write its twins, adjust it."""

    def make(pairs, *, said=silent, protocol="honest", **changes):
        grid = fake_runs(changes={"protocol": protocol}, **changes)
        file = grid.folder / "params.yaml"
        file.write_text(file.read_text().replace("run: {", f"run: {{protocol: {protocol}, "))
        results = grid.folder / "results/tiny"
        scoring.write(scoring.score(params.read()), results)
        table = predicted.read(results / "predicted/synthetic.csv")
        twins.write(twins.frame(pairs(table)), results / "audits/synthetic_twins.csv")
        return adjusting.adjust(params.read(), say=said)

    return make


def parts(table, metric="accuracy", method="conv_cut", selection="best_on_val"):
    chosen = table.query("metric == @metric and method == @method and selection == @selection")
    return chosen.set_index("part")


def first_twenty(table):
    return [pair(table, place, kind="exact" if place < 5 else "near") for place in range(20)]


def test_every_method_selection_and_metric_has_four_parts(adjusted):
    table = adjusted(first_twenty)
    assert len(table) == 3 * 3 * 3 * 4
    found = parts(table)
    assert found["n_samples"].to_dict() == {"all": 150, "clean": 130, "twins": 20, "gap": 150}
    assert set(found["n_twins"]) == {20}
    assert set(found["n_exact"]) == {5}
    assert set(found["trains_on"]) == {"train"}
    assert found.loc["gap", "estimate"] == pytest.approx(found.loc["all", "estimate"] - found.loc["clean", "estimate"])
    share = 20 / 150
    mixed = share * found.loc["twins", "estimate"] + (1 - share) * found.loc["clean", "estimate"]
    assert found.loc["all", "estimate"] == pytest.approx(mixed)


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_the_rows_of_all_samples_repeat_the_intervals_table(adjusted, seeds):
    table = adjusted(first_twenty, seeds=seeds).query("part == 'all'")
    held = intervals.read(params.read().results / "intervals.csv").query("n_seeds == @n", local_dict={"n": len(seeds)})
    key = ["dataset", "method", "selection", "metric"]
    both = table.merge(held, on=key, suffixes=("", "_held"), validate="one_to_one")
    assert len(both) == len(table) == len(held)
    for name in ("estimate", "low", "high"):
        # the file has nine digits
        assert both[name].to_numpy(float) == pytest.approx(both[f"{name}_held"].to_numpy(float), abs=1e-8)


def test_one_seed_is_resampled_and_said_to_hold_the_checkpoint_fixed(adjusted):
    found = parts(adjusted(first_twenty, seeds=(0,))).loc["gap"]
    assert (found["resampled"], found["n_resamples"]) == ("samples", 200)
    assert "the checkpoint" in found["held_fixed"]


def test_a_twin_in_val_counts_where_val_trains(adjusted):
    def pairs(table):
        return [pair(table, 0, twin_split="val"), pair(table, 1)]

    assert set(adjusted(pairs)["n_twins"]) == {1}
    table = adjusted(pairs, protocol="published")
    assert set(table["n_twins"]) == {2}
    assert set(table["trains_on"]) == {"train;val"}


def test_a_twin_that_the_label_rule_drops_never_trained(adjusted):
    table = adjusted(lambda table: [pair(table, 0, twin_label=-1), pair(table, 1)])
    assert set(table["n_twins"]) == {1}


def test_a_sample_with_several_twins_counts_once_and_as_exact_if_one_is(adjusted):
    table = adjusted(lambda table: [pair(table, 0), pair(table, 0, kind="near"), pair(table, 1, kind="near")])
    assert set(table["n_twins"]) == {2}
    assert set(table["n_exact"]) == {1}


def test_without_twins_all_and_clean_are_the_same_and_twins_are_empty(adjusted):
    found = parts(adjusted(lambda _: []))
    assert found.loc["gap", ["estimate", "low", "high"]].tolist() == [0, 0, 0]
    assert found.loc["gap", "interval_method"] == gap.NO_TWINS
    assert found.loc["clean", "estimate"] == found.loc["all", "estimate"]
    assert pd.isna(found.loc["twins", "estimate"])


def test_where_all_are_twins_clean_and_gap_are_empty_and_no_expression_is_clean(adjusted):
    found = parts(adjusted(lambda table: [pair(table, place) for place in range(len(table))]))
    assert found.loc[["clean", "gap"], "estimate"].isna().all()
    assert found.loc["clean", "n_samples"] == 0
    assert found.loc["all", "without_clean"].split(";")[0] == "neutral"


def test_an_expression_without_a_clean_sample_is_named(adjusted):
    table = adjusted(lambda table: [pair(table, p) for p in np.flatnonzero(table["y_true"] == 6)])
    assert set(table["without_clean"]) == {"fear"}
    assert parts(table, "macro_f1").loc["gap", "low"] <= parts(table, "macro_f1").loc["gap", "estimate"]


def test_one_twin_over_two_seeds_has_an_estimate_and_no_interval(adjusted):
    found = parts(adjusted(lambda table: [pair(table, 0)])).loc["twins"]
    assert found["interval_method"] == adjusting.ONE_SAMPLE
    assert not pd.isna(found["estimate"])
    assert pd.isna(found["low"])


def test_a_data_set_whose_runs_all_failed_is_left_out_and_said(fake_runs):
    grid = fake_runs(methods={"lbp_svm": 0.7}, failed=(("lbp_svm", 0), ("lbp_svm", 1)))
    scoring.write(scoring.score(params.read()), grid.folder / "results/tiny")
    said = []
    assert len(adjusting.adjust(params.read(), say=said.append)) == 0
    assert said == ["synthetic: no run ended well, so that there is nothing to adjust"]


def test_a_missing_table_of_twins_names_the_audit(fake_runs):
    grid = fake_runs()
    scoring.write(scoring.score(params.read()), grid.folder / "results/tiny")
    with pytest.raises(FerBenchError, match=r"no table of twins at .*synthetic_twins\.csv") as caught:
        adjusting.adjust(params.read(), say=silent)
    assert "fer-bench data audit synthetic" in caught.value.fix


@pytest.mark.parametrize(
    "changes",
    [{"sample_id": "stranger"}, {"label": 6}, {"split": "val"}, {"label": -1}],
    ids=["not predicted", "another label", "another split", "dropped, yet predicted"],
)
def test_twins_of_other_data_than_the_runs_saw_are_refused(adjusted, changes):
    with pytest.raises(FerBenchError, match="differ in split, label or presence of 1 samples"):
        adjusted(lambda table: [pair(table, int((table["y_true"] != 6).argmax()), **changes)])


def test_a_labelled_sample_of_another_split_is_no_stranger(adjusted):
    other = {"sample_id": "train_7", "split": "train", "twin_id": "s0001", "twin_split": "test"}
    dropped = {"sample_id": "test_8", "label": -1}
    table = adjusted(lambda table: [pair(table, 1), pair(table, 1, **other), pair(table, 2, **dropped)])
    assert set(table["n_twins"]) == {1}


def test_a_grid_without_its_headline_predictions_is_refused(fake_runs):
    grid = fake_runs()
    scoring.write(scoring.score(params.read()), grid.folder / "results/tiny")
    path = grid.folder / "results/tiny/predicted/synthetic.csv"
    table = pd.read_csv(path)
    table.drop(columns="conv_cut/seed1/best_on_val").to_csv(path, index=False)
    with pytest.raises(FerBenchError, match="no column conv_cut/seed1/best_on_val") as caught:
        adjusting.adjust(params.read(), say=silent)
    assert "fer-bench score" in caught.value.fix


def test_the_program_prints_percent_and_points_and_writes_the_table(adjusted):
    table = adjusted(first_twenty)
    done = CliRunner().invoke(app, ["adjust"])
    assert done.exit_code == 0, done.output
    row = next(line for line in done.stdout.splitlines() if "conv_cut" in line and "accuracy" in line)
    gap_row = parts(table).loc["gap"]
    assert row.split()[3:5] == ["130", "20"]
    assert f"{100 * gap_row['estimate']:+.1f} ({100 * gap_row['low']:+.1f} to {100 * gap_row['high']:+.1f})" in row
    assert len(contamination.read(params.read().results / "contamination.csv")) == len(table)
    printed = json.loads(CliRunner().invoke(app, ["adjust", "--json"]).stdout)
    assert len(printed) == len(table)


@pytest.mark.parametrize("name", registry.names("protocols"))
def test_a_protocol_trains_and_reports_the_splits_that_it_says(name, rng):
    protocol = registry.load("protocols", name)
    samples = pd.DataFrame({"split": np.repeat(["train", "val", "test"], 70), "label": np.tile(np.arange(7), 30)})
    found = protocol.parts(samples, 1.0)
    assert set(samples["split"].iloc[found.train]) == set(protocol.trains_on)
    assert set(samples["split"].iloc[found.report]) == set(protocol.reports_on)
