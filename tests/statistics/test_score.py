"""Scoring a grid: what is written, and what is refused."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from fer_bench import params, yaml12
from fer_bench.errors import FerBenchError
from fer_bench.expressions import expressions
from fer_bench.stats import scoring, signature
from fer_bench.tables import predicted, reported


def test_every_table_is_written_and_read_back(scored, tmp_path):
    scoring.write(scored, tmp_path)
    names = {path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("**/*.csv")}
    tables = {f"{name}.csv" for name in ("runs", "scores", "intervals", "confusions", "history", "calibration")}
    assert names == tables | {"predicted/synthetic.csv"}
    assert len(predicted.columns(predicted.read(tmp_path / "predicted/synthetic.csv"))) == 3 * 2 * 3


def test_scores_are_the_metric_of_the_stored_predictions(scored):
    table = scored.predicted["synthetic"]
    share = (table["conv_cut/seed1/best_on_val"] == table["y_true"]).mean()
    row = scored.scores.query(
        "method == 'conv_cut' and seed == 1 and selection == 'best_on_val' and metric == 'accuracy'"
    )
    assert row["value"].item() == pytest.approx(share)


def test_confusions_add_up_to_the_samples_of_each_run(scored):
    sums = scored.confusions.groupby(["method", "seed", "selection"])["count"].sum()
    assert (sums == 150).all()


def test_an_estimate_over_seeds_is_the_mean_of_its_runs(scored):
    key = "method == 'lbp_svm' and selection == 'last' and metric == 'macro_f1'"
    over = scored.intervals.query(f"{key} and n_seeds == 2").iloc[0]
    assert over["estimate"] == pytest.approx(scored.scores.query(key)["value"].mean())
    assert over["seeds"] == "0;1"
    assert over["resampled"] == "seeds and samples"


def test_every_interval_contains_its_estimate_and_stays_in_range(fake_runs):
    fake_runs(methods={"lbp_svm": 1.01, "conv_cut": 0.99})
    table = scoring.score(params.read()).intervals
    assert (table["low"] <= table["estimate"]).all()
    assert (table["estimate"] <= table["high"]).all()
    assert table["low"].ge(0).all()
    assert table["high"].le(1).all()


def test_a_run_without_errors_is_not_certain(fake_runs):
    fake_runs(methods={"lbp_svm": 1.01})
    table = scoring.score(params.read()).intervals
    assert (table["estimate"] == 1).all()
    assert (table["low"] < 0.995).all()


def test_the_mean_recall_of_a_constant_prediction_has_an_interval_without_width(scored):
    row = scored.intervals.query("method == 'majority_class' and metric == 'mean_recall' and n_seeds == 2")
    assert np.allclose(row[["low", "high"]], 1 / 7)


def test_the_order_of_methods_seeds_and_metrics_moves_no_number(fake_runs):
    grid = fake_runs()
    one = scoring.score(params.read())
    turned = grid.folder / "turned.yaml"
    text = yaml12.load((grid.folder / "params.yaml").read_text(), where="a test")
    text["methods"] = dict(reversed(text["methods"].items()))
    text["run"]["seeds"] = [1, 0]
    text["score"]["metrics"] = ["mean_recall", "macro_f1", "accuracy"]
    turned.write_text(json.dumps(text))
    reordered = params.read(turned)
    other = scoring.score(reordered)
    assert one.intervals.equals(other.intervals)
    assert one.scores.equals(other.scores)


def test_a_failed_run_is_a_row_without_scores(fake_runs):
    fake_runs(methods={"conv_cut": 0.8}, failed=(("conv_cut", 1),))
    scored = scoring.score(params.read())
    assert scored.runs.query("method == 'conv_cut' and seed == 1")["status"].item() == "failed"
    assert not len(scored.scores.query("method == 'conv_cut' and seed == 1"))
    assert set(scored.intervals.query("method == 'conv_cut'")["seeds"]) == {"0"}


def test_a_grid_in_which_all_failed_still_has_its_tables(fake_runs):
    grid = fake_runs(methods={"conv_cut": 0.5}, failed=(("conv_cut", 0), ("conv_cut", 1)), epochs=0)
    scoring.write(scoring.score(params.read()), grid.folder / "results/tiny")
    assert (grid.folder / "results/tiny/predicted/synthetic.csv").read_text() == "sample_id,y_true\n"
    assert len((grid.folder / "results/tiny/history.csv").read_text().splitlines()) == 1


def test_missing_runs_are_all_named_with_their_commands(fake_runs):
    grid = fake_runs()
    for method, seed in (("lbp_svm", 1), ("conv_cut", 0)):
        (grid.cell(method, seed) / "run.json").unlink()
    with pytest.raises(FerBenchError, match="2 of 6 runs are missing") as caught:
        scoring.score(params.read())
    assert "fer-bench run lbp_svm --dataset synthetic --seed 1" in caught.value.fix
    assert "fer-bench run conv_cut --dataset synthetic --seed 0" in caught.value.fix


def test_a_run_of_another_method_under_the_same_name_is_stale(fake_runs):
    made = fake_runs(methods={"mine": 0.8}, files={"mine": "conv_cut"})
    file = made.folder / "params.yaml"
    file.write_text(file.read_text().replace("method: conv_cut", "method: patt_lite"))
    with pytest.raises(FerBenchError, match="method file conv_cut, not patt_lite"):
        scoring.score(params.read())


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"recipe": "paper"}, "recipe paper, not toy"), ({"protocol": "published"}, "protocol published")],
)
def test_a_run_made_with_other_parameters_is_stale(fake_runs, changes, said):
    fake_runs(methods={"majority_class": 0.0}, seeds=(0,), changes=changes)
    with pytest.raises(FerBenchError, match=said) as caught:
        scoring.score(params.read())
    assert "fer-bench run majority_class --dataset synthetic --seed 0" in caught.value.fix


def _drop(table):
    return table[table["sample_id"] != "s0007"]


def _repeat(table):
    return table.assign(sample_id=table["sample_id"].replace("s0007", "s0008"))


def _nan(table):
    return table.assign(logit_fear=table["logit_fear"].where(table["sample_id"] != "s0007"))


def _infinite(table):
    return table.assign(logit_fear=table["logit_fear"].astype(float).mask(table["sample_id"] == "s0007", np.inf))


def _relabel(table):
    return table.assign(y_true=table["y_true"].mask(table["sample_id"] == "s0007", (table["y_true"] + 1) % 7))


def _unknown_class(table):
    return table.assign(y_true=table["y_true"].mask(table["sample_id"] == "s0003", 9))


def _uneven(table):
    return table[(table["sample_id"] != "s0007") | (table["selection"] != "last")]


def _without_headline(table):
    return table[table["selection"] != "best_on_val"]


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (_drop, "missing s0007"),
        (_repeat, "two rows with .*sample_id=s0008"),
        (_nan, "logit_fear is empty"),
        (_infinite, "NaN or infinite"),
        (_relabel, "disagree about y_true of 1 samples; first: s0007"),
        (_unknown_class, "y_true of s0003 is no class"),
        (_uneven, "s0007"),
    ],
)
def test_bad_predictions_are_refused_and_earlier_results_stay(fake_runs, edit, said):
    grid = fake_runs(methods={"lbp_svm": 0.7})
    kept = grid.folder / "results/tiny/scores.csv"
    kept.write_text("earlier")
    grid.edit_predictions("lbp_svm", 1, edit)
    with pytest.raises(FerBenchError, match=said):
        scoring.write(scoring.score(params.read()), grid.folder / "results/tiny")
    assert kept.read_text() == "earlier"


def test_samples_missing_from_the_first_run_are_noticed_too(fake_runs):
    grid = fake_runs(methods={"lbp_svm": 0.7})
    grid.edit_predictions("lbp_svm", 0, _uneven)
    with pytest.raises(FerBenchError, match="other samples"):
        scoring.score(params.read())


def test_predictions_without_the_headline_selection_are_refused(fake_runs):
    grid = fake_runs(methods={"lbp_svm": 0.7})
    grid.edit_predictions("lbp_svm", 0, _without_headline)
    with pytest.raises(FerBenchError, match="no predictions under best_on_val"):
        scoring.score(params.read())


def test_a_table_of_predicted_expressions_with_a_foreign_column_is_refused(tmp_path):
    path = tmp_path / "synthetic.csv"
    path.write_text("sample_id,y_true,mine\na,0,1\n")
    with pytest.raises(FerBenchError, match="column mine names no run"):
        predicted.read(path)


def logits_of(rng, y_pred):
    found = rng.normal(size=(len(y_pred), 7))
    found[np.arange(len(y_pred)), y_pred] = found.max(axis=1) + 0.5
    return found


def with_more(grid, *, metrics, votes=True, subjects=None, settings=""):
    """Ask for other metrics, give every run other logits, and write what is known of the reported samples."""
    file = grid.folder / "params.yaml"
    text = yaml12.load(file.read_text(), where=str(file))
    text["score"] |= {"metrics": metrics, **(yaml12.load(settings, where="a test") or {})}
    text["compare"] = {"metrics": ["accuracy"]}
    file.write_text(json.dumps(text))
    rng = np.random.default_rng(4)
    columns = [f"logit_{name}" for name in expressions(7)]

    def edit(table):
        table[columns] = logits_of(rng, table["y_pred"].to_numpy())
        return table

    for method in grid.methods:
        for seed in grid.seeds:
            grid.edit_predictions(method, seed, edit)
    table = pd.DataFrame({"sample_id": [f"s{index:04d}" for index in range(grid.n)], "subject": subjects})
    for index, name in enumerate((*expressions(8), "unknown") if votes else ()):
        table[f"votes_{name}"] = rng.integers(0, 4, size=grid.n) * (index != 3)
    reported.write(table, reported.path_of(grid.folder / "results/tiny", "synthetic"))


def test_metrics_of_probabilities_come_from_the_runs_logits(fake_runs):
    grid = fake_runs(methods={"lbp_svm": 0.7})
    with_more(grid, metrics=["accuracy", "log_loss", "soft_cross_entropy", "recall"])
    scored = scoring.score(params.read())
    table = pd.read_csv(grid.cell("lbp_svm", 1) / "predictions.csv").query("selection == 'last'")
    logits = table.filter(regex="^logit_").to_numpy()
    own = np.take_along_axis(logits, table["y_true"].to_numpy()[:, None], axis=1)[:, 0]
    expected = (np.log(np.exp(logits).sum(axis=1)) - own).mean()
    row = scored.scores.query("seed == 1 and selection == 'last' and metric == 'log_loss'")
    assert row["value"].item() == pytest.approx(expected, abs=1e-9)
    assert set(scored.scores["metric"]) == {
        "accuracy", "log_loss", "soft_cross_entropy", *(f"recall_{name}" for name in expressions(7)),
    }  # fmt: skip
    over = scored.intervals.query("n_seeds == 2")
    assert set(over["metric"]) == set(scored.scores["metric"])
    assert set(scored.intervals.query("metric == 'log_loss' and n_seeds == 1")["interval_method"]) == {
        "bootstrap of samples, percentile"
    }


def test_a_metric_against_votes_that_nobody_gave_is_refused(fake_runs):
    grid = fake_runs(methods={"lbp_svm": 0.7})
    with_more(grid, metrics=["accuracy", "jensen_shannon"], votes=False)
    with pytest.raises(FerBenchError, match=r"synthetic: jensen_shannon is measured against .*no votes") as caught:
        scoring.score(params.read())
    assert "fer-bench data audit synthetic" in caught.value.fix
    reported.path_of(grid.folder / "results/tiny", "synthetic").unlink()
    with pytest.raises(FerBenchError, match="there is no such file"):
        scoring.score(params.read())


def test_known_persons_are_drawn_and_not_their_pictures(fake_runs):
    grid = fake_runs(methods={"lbp_svm": 0.7})
    with_more(grid, metrics=["accuracy", "macro_f1"], subjects=[f"p{index // 5}" for index in range(150)])
    assert set(scoring.score(params.read()).intervals["resampled"]) == {"persons", "seeds and persons"}
    with_more(grid, metrics=["accuracy", "macro_f1"], subjects=[f"p{index}" for index in range(150)])
    assert set(scoring.score(params.read()).intervals["resampled"]) == {"samples", "seeds and samples"}


def test_the_grid_says_which_intervals_are_made(fake_runs):
    grid = fake_runs(methods={"lbp_svm": 0.7})
    with_more(grid, metrics=["accuracy", "macro_f1"], settings="{one_run: bca, over_seeds: crossed}")
    found = scoring.score(params.read()).intervals.query("selection == 'last'").set_index(["metric", "n_seeds"])
    assert found.loc[("macro_f1", 2), "interval_method"] == "crossed bootstrap, few seeds allowed for"
    assert set(found.loc[("macro_f1", 1), "interval_method"]) == {"multinomial bootstrap, BCa"}
    assert set(found.loc[("accuracy", 1), "interval_method"]) == {"Wilson"}


def test_every_interval_says_what_it_is_an_interval_of(scored):
    row = scored.intervals.query("method == 'lbp_svm' and selection == 'last' and metric == 'macro_f1'")
    signed = [signature.parse(text) for text in row["signature"]]
    table = scored.predicted["synthetic"]
    assert {one.ids for one in signed} == {signature.digest(table["sample_id"], table["y_true"].to_numpy())}
    assert [one.seeds for one in signed] == list(row["seeds"])
    assert [one.b for one in signed] == [str(resamples) for resamples in row["n_resamples"]]
    first = signed[0]
    assert (first.ds, first.n, first.classes, first.rule) == ("synthetic", "150", "7", "released")
    assert (first.protocol, first.selection) == ("honest", "last")


def test_stored_tables_give_the_numbers_of_the_runs_and_stay_as_they_are(fake_runs):
    grid = fake_runs(methods={"lbp_svm": 0.7, "conv_cut": 0.8}, failed=(("conv_cut", 1),))
    folder = grid.folder / "results/tiny"
    scoring.write(scoring.score(params.read()), folder)
    before = {path: path.read_bytes() for path in folder.glob("**/*.csv") if "runs/" not in str(path)}
    shutil.rmtree(folder / "runs")
    for name in ("scores", "intervals", "confusions"):
        (folder / f"{name}.csv").unlink()
    (folder / "runs.csv").write_bytes(before[folder / "runs.csv"] + b"\n")  # an empty line, which reading skips
    scoring.write(scoring.stored(params.read()), folder)
    assert (folder / "runs.csv").read_bytes() == before[folder / "runs.csv"] + b"\n"
    after = {path: path.read_bytes() for path in before if path.name != "runs.csv"}
    assert after == {path: content for path, content in before.items() if path.name != "runs.csv"}


def test_stored_tables_do_not_do_for_metrics_of_probabilities(fake_runs):
    grid = fake_runs(methods={"lbp_svm": 0.7})
    scoring.write(scoring.score(params.read()), grid.folder / "results/tiny")
    with_more(grid, metrics=["accuracy", "brier"])
    with pytest.raises(FerBenchError, match="brier: needs probabilities"):
        scoring.stored(params.read())


def test_stored_tables_of_another_grid_are_refused(fake_runs):
    grid = fake_runs(methods={"lbp_svm": 0.7})
    scoring.write(scoring.score(params.read()), grid.folder / "results/tiny")
    file = grid.folder / "results/tiny/predicted/synthetic.csv"
    table = pd.read_csv(file)
    table.drop(columns=[name for name in table if "/seed1/" in name]).to_csv(file, index=False)
    with pytest.raises(FerBenchError, match="1 runs that ended well; first: lbp_svm with seed 1"):
        scoring.stored(params.read())
    text = (grid.folder / "params.yaml").read_text()
    (grid.folder / "params.yaml").write_text(text.replace("[0, 1]", "[0, 1, 2]"))
    with pytest.raises(FerBenchError, match="differ in 1 runs"):
        scoring.stored(params.read())


def test_bins_of_confidence_hold_every_sample_of_the_headline_selection(scored):
    table = scored.calibration
    assert set(table["selection"]) == {"best_on_val"}
    assert (table.groupby(["method", "seed"])["n_samples"].sum() == 150).all()
    right = (table["accuracy"] * table["n_samples"]).groupby([table["method"], table["seed"]]).sum() / 150
    accuracy = scored.scores.query("selection == 'best_on_val' and metric == 'accuracy'")
    expected = accuracy.set_index(["method", "seed"])["value"]
    assert (right - expected).abs().max() < 1e-9


def test_a_run_of_another_file_than_the_digest_asked_for_is_stale(fake_runs):
    files = {"trunk.pth": "a" * 64, "second.pth": "b" * 64}
    grid = fake_runs(methods={"conv_cut": 0.8}, changes={"weights": "file:trunk.pth", "files": files})
    file, text = grid.folder / "params.yaml", (grid.folder / "params.yaml").read_text()
    for digest, stale in (("b" * 64, False), ("c" * 64, True)):
        asked = f"conv_cut: {{digests: {{brought/second.pth: {digest}}}, "
        file.write_text(text.replace("conv_cut: {", asked))
        if not stale:
            assert scoring.score(params.read()).runs["weights_digest"][0] == f"{'a' * 64}, {'b' * 64}"
            continue
        with pytest.raises(FerBenchError, match=f"file brought/second.pth with SHA-256 {'b' * 64}, not {digest}"):
            scoring.score(params.read())
