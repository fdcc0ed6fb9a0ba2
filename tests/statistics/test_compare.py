"""Comparing a grid's methods, and two files, through the program."""

import json

import numpy as np
import pytest

from fer_bench import params
from fer_bench.cli import compare
from fer_bench.errors import FerBenchError
from fer_bench.stats import comparing, scoring, wording
from fer_bench.stats.pairs import Predicted, Settings, compare_methods

SETTINGS = Settings(("accuracy", "macro_f1"), 0.95, 0.005, 300, 0, None)


def silent(_text):
    pass


def compared(grid_folder=None, **options):
    return comparing.compare_grid(
        params.read(), **{"metrics": None, "baseline": None, "dataset": None, "say": silent, **options}
    )


@pytest.fixture
def scored_grid(fake_runs):
    def make(**changes):
        grid = fake_runs(**changes)
        scoring.write(scoring.score(params.read()), grid.folder / "results/tiny")
        return grid

    return make


def test_all_pairs_are_compared_within_named_families(scored_grid):
    scored_grid()
    table = compared()
    assert len(table) == 3 * 2
    assert set(table["family"]) == {f"{name}: all pairs of 3 methods on synthetic" for name in ("accuracy", "macro_f1")}
    assert (table["family_size"] == 3).all()
    assert (table["selection"] == "best_on_val").all()


def test_a_difference_is_that_of_the_means_over_seeds(scored_grid):
    grid = scored_grid()
    table = compared()
    values = scoring.score(params.read()).scores.query("metric == 'macro_f1' and selection == 'best_on_val'")
    means = values.groupby("method")["value"].mean()
    row = table.query("metric == 'macro_f1' and method_a == 'conv_cut' and method_b == 'lbp_svm'").iloc[0]
    assert row["difference"] == pytest.approx(means["conv_cut"] - means["lbp_svm"])
    assert row["low"] < row["difference"] < row["high"]
    assert row["n_seeds"] == len(grid.seeds)
    assert row["test"] == "two-way paired t"


def test_a_baseline_is_compared_with_every_other_method(scored_grid):
    scored_grid()
    table = compared(baseline="majority_class", metrics=["accuracy"])
    assert set(table["method_b"]) == {"majority_class"}
    assert set(table["method_a"]) == {"lbp_svm", "conv_cut"}
    assert (table["verdict"] == "better").all()


def test_one_seed_is_said_to_be_conditional_on_the_checkpoints(scored_grid):
    scored_grid(seeds=(0,))
    table = compared()
    assert table["test"].str.endswith("conditional on these checkpoints").all()
    assert set(table.query("metric == 'accuracy'")["test"]) == {"exact McNemar, conditional on these checkpoints"}
    assert "conditional on these checkpoints" in wording.in_words(table)


def test_a_method_whose_runs_failed_is_left_out_and_named(scored_grid):
    scored_grid(failed=(("lbp_svm", 0), ("lbp_svm", 1)))
    said = []
    table = compared(say=said.append)
    assert "lbp_svm" not in set(table["method_a"]) | set(table["method_b"])
    assert said == ["synthetic: 2 of 2 runs of lbp_svm failed and are left out"]


def test_methods_are_compared_on_the_seeds_that_both_have(scored_grid):
    scored_grid(seeds=(0, 1, 2), failed=(("lbp_svm", 1),))
    table = compared(metrics=["accuracy"]).set_index(["method_a", "method_b"])["n_seeds"]
    assert table["conv_cut", "lbp_svm"] == 2
    assert table["conv_cut", "majority_class"] == 3


def test_a_grid_with_one_method_has_an_empty_table(scored_grid):
    scored_grid(methods={"lbp_svm": 0.7})
    table = compared()
    assert len(table) == 0
    assert wording.in_words(table).startswith("There is nothing to compare")


def test_a_grid_that_changed_since_it_was_scored_is_refused(scored_grid):
    grid = scored_grid()
    text = (grid.folder / "params.yaml").read_text().replace("seeds: [0, 1]", "seeds: [0, 1, 2]")
    (grid.folder / "params.yaml").write_text(text)
    with pytest.raises(FerBenchError, match="differ in 3 runs") as caught:
        compared()
    assert "fer-bench score" in caught.value.fix


def test_adding_a_method_changes_no_difference_between_others(rng):
    y_true = rng.integers(0, 7, size=100)
    y_pred = {name: {0: rng.integers(0, 7, size=100)} for name in ("a", "b", "c")}
    two = Predicted("d", "last", 7, y_true, {name: y_pred[name] for name in ("a", "b")})
    few, many = compare_methods(two, SETTINGS), compare_methods(two._replace(y_pred=y_pred), SETTINGS)
    kept = ("difference", "low", "high", "p")
    pair = next(row for row in many if (row["method_a"], row["method_b"]) == ("a", "b"))
    assert [few[0][name] for name in kept] == [pair[name] for name in kept]


def test_exchanging_the_two_methods_turns_the_sign(rng):
    y_true = rng.integers(0, 7, size=200)
    right, wrong = y_true.copy(), (y_true + (rng.random(200) < 0.3)) % 7
    seeds = {seed: np.where(rng.random(200) < 0.9, wrong, right) for seed in range(3)}
    good = dict.fromkeys(range(3), right)
    one, other = (
        compare_methods(Predicted("d", "last", 7, y_true, y_pred), SETTINGS)[0]
        for y_pred in ({"a": seeds, "b": good}, {"a": good, "b": seeds})
    )
    assert one["difference"] == pytest.approx(-other["difference"])
    assert (one["low"], one["high"]) == pytest.approx((-other["high"], -other["low"]))
    assert {one["verdict"], other["verdict"]} == {"worse", "better"}


def test_marks_of_a_grids_data_are_printed_under_the_table_and_never_into_json(scored_grid, capsys):
    grid = scored_grid(methods={"lbp_svm": 0.7, "conv_cut": 0.8})
    path = grid.folder / "results/tiny/audits/synthetic.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"audits": {"near": {"status": "red"}}, "official": "part", "unofficial": ""}))
    said = "Data: synthetic: part of the release; contaminated (near), not accepted in params.yaml."
    compare.compare(metric=["accuracy"])
    assert said in capsys.readouterr().out.splitlines()
    compare.compare(metric=["accuracy"], as_json=True)
    printed = capsys.readouterr()
    assert len(json.loads(printed.out)) == 1
    assert said in printed.err


def test_an_approximation_is_called_one_under_the_table_and_never_in_json(scored_grid, capsys):
    scored_grid(methods={"lbp_svm": 0.7, "vtff": 0.8})
    compare.compare(metric=["accuracy"])
    said = capsys.readouterr().out
    assert "vtff is an approximation, without the kind of local binary patterns" in " ".join(said.split())
    compare.compare(metric=["accuracy"], as_json=True)
    printed = capsys.readouterr()
    assert "approximation" not in printed.out
    assert "vtff is an approximation" in " ".join(printed.err.split())
