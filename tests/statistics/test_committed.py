"""Anyone's file beside committed results: the same samples and true labels, one run beside several seeds."""

import numpy as np
import pandas as pd
import pytest

from fer_bench import params
from fer_bench.errors import FerBenchError
from fer_bench.expressions import EXPRESSIONS
from fer_bench.metrics import Answers
from fer_bench.metrics.accuracy import metric as accuracy
from fer_bench.provenance import ROOT
from fer_bench.stats import comparing, measuring, paired, scoring, signature
from fer_bench.tables import predicted, reading

NAMES = np.array(EXPRESSIONS)


@pytest.fixture
def results(fake_runs):
    """The folder of a scored grid with three methods and three seeds."""
    grid = fake_runs(seeds=(0, 1, 2))
    folder = grid.folder / "results" / "tiny"
    scoring.write(scoring.score(params.read()), folder)
    return folder


def file_of(folder, column, name="mine.csv", change=lambda table: table):
    """Write what one committed run predicted, as names, the way others bring it."""
    wide = predicted.read(folder / "predicted" / "synthetic.csv")
    table = pd.DataFrame(
        {"image": "faces/" + wide["sample_id"] + ".png", "label": NAMES[wide["y_true"]], "pred": NAMES[wide[column]]}
    )
    change(table).to_csv(folder.parents[1] / name, index=False)
    return folder.parents[1] / name


def compared(paths, beside, say=lambda _: None, **options):
    settings = comparing.settings_of_file(paths[0].parent / "none.yaml", say=say)._replace(n_resamples=300)
    return comparing.compare_files(
        paths, beside=[str(each) for each in beside],
        settings=settings, **{"metrics": ["accuracy"], "baseline": None, "selection": None, "say": say, **options},
    )  # fmt: skip


def test_a_file_is_set_beside_every_method_of_committed_results(results):
    said = []
    mine = file_of(results, "lbp_svm/seed1/best_on_val")
    found = compared([mine], [results], say=said.append)
    table = found.table
    assert set(table["method_a"]) == {"conv_cut", "lbp_svm", "majority_class"}
    assert set(table["method_b"]) == {"mine"}
    wide = predicted.read(results / "predicted" / "synthetic.csv")
    right = {name: (wide[name] == wide["y_true"]).mean() for name in wide.columns[2:]}
    for method, difference in zip(table["method_a"], table["difference"], strict=True):
        theirs = np.mean([right[f"{method}/seed{seed}/best_on_val"] for seed in range(3)])
        assert difference == pytest.approx(theirs - right["lbp_svm/seed1/best_on_val"])
    assert set(table["test"]) == {"two-way paired t, the one run of mine held fixed"}
    assert set(table["n_seeds"]) == {3}
    told = signature.parse(table["signature"].iloc[0])
    assert (told.ds, told.n, told.rule, told.protocol) == ("synthetic", "150", "released", "honest")
    assert any(note.startswith("One run alone: mine. It stands beside each run of the others") for note in found.notes)
    assert any("by file name, without folder and ending (faces/s0000.png: s0000)" in line for line in said)
    ranks = found.ranks.set_index("method")
    assert ranks.loc["mine", "n_seeds"] == 1
    assert ranks.loc["lbp_svm", "n_seeds"] == 3


def test_one_method_of_them_can_be_named_and_a_folder_has_seeds_of_its_own(results):
    folder = results.parents[1] / "mine"
    folder.mkdir()
    for seed in range(3):
        file_of(results, f"conv_cut/seed{seed}/best_on_val", f"mine/seed{seed}.csv")
    row = compared([folder], [f"{results}:lbp_svm"]).table.iloc[0]
    expected = comparing.compare_grid(
        params.read(), metrics=["accuracy"], baseline=None, dataset=None, say=lambda _: None
    ).query("method_a == 'conv_cut' and method_b == 'lbp_svm'")
    assert (row["method_a"], row["method_b"], row["test"]) == ("lbp_svm", "mine", "two-way paired t")
    assert -row["difference"] == pytest.approx(expected["difference"].item())
    assert row["p"] == pytest.approx(expected["p"].item())


def test_two_files_beside_results_are_compared_with_each_other_as_two_runs(results):
    paths = [file_of(results, f"lbp_svm/seed{seed}/best_on_val", f"run_{name}.csv") for seed, name in enumerate("ab")]
    table = compared(paths, [f"{results}:conv_cut"]).table.set_index(["method_a", "method_b"])
    assert set(table.index) == {("conv_cut", "run_a"), ("conv_cut", "run_b"), ("run_a", "run_b")}
    both = table.loc[("run_a", "run_b")]
    assert (both["test"], both["n_seeds"]) == ("exact McNemar, conditional on these checkpoints", 1)


def test_labels_that_a_file_lacks_are_those_of_the_results_and_others_are_refused(results):
    column = "lbp_svm/seed0/best_on_val"
    expected = compared([file_of(results, column)], [results]).table
    bare = file_of(results, column, change=lambda table: table.drop(columns="label"))
    assert compared([bare], [results]).table.equals(expected)
    rows = file_of(results, column, change=lambda table: table.drop(columns="image"))
    assert compared([rows], [results], reading=reading.Reading(rows=True)).table.equals(expected)
    wrong = file_of(results, column, change=lambda table: table.assign(label=["fear", *table["label"][1:]]))
    with pytest.raises(FerBenchError, match="disagree about the true label of 1 of 150"):
        compared([wrong], [results])


def test_samples_that_the_results_do_not_report_are_left_out_and_said_and_missing_ones_refused(results):
    column = "lbp_svm/seed0/best_on_val"
    expected = compared([file_of(results, column)], [results]).table
    extra = pd.DataFrame({"image": ["faces/other.png"], "label": ["fear"], "pred": ["fear"]})
    said = []
    more = file_of(results, column, change=lambda table: pd.concat([extra, table]))
    assert compared([more], [results], say=said.append).table.equals(expected)
    assert any("1 samples left out, which the results do not report" in line for line in said)
    with pytest.raises(FerBenchError, match="149 of 150 samples of synthetic test; missing s0000"):
        compared([file_of(results, column, change=lambda table: table[1:])], [results])


def test_a_file_called_as_a_committed_method_keeps_a_name_of_its_own(results):
    mine = file_of(results, "lbp_svm/seed0/best_on_val", "conv_cut.csv")
    row = compared([mine], [f"{results}:conv_cut"]).table.iloc[0]
    assert {row["method_a"], row["method_b"]} == {"tiny/conv_cut", f"{mine.parent.name}/conv_cut"}


def test_a_fixed_run_beside_random_seeds_errs_as_often_as_it_says():
    rng = np.random.default_rng(12)
    n, n_seeds, n_draws, rejected = 800, 3, 600, 0
    for _ in range(n_draws):
        easy = rng.normal(size=n)
        level = rng.normal(0.8, 0.06, size=n_seeds)  # of each seed: about two points of accuracy apart
        answered = [easy + 0.5 * rng.normal(size=n) + shift > 0 for shift in (0.8, *level)]
        mine, *theirs = [Answers(np.zeros(n, int), np.where(right, 0, 1)) for right in answered]
        parts = [measuring.parts(accuracy, each, n_classes=2, subjects=None) for each in ([mine] * n_seeds, theirs)]
        rejected += paired.difference(*parts, level=0.95).p < 0.05
    assert 0.02 < rejected / n_draws < 0.08


def test_it_works_on_the_results_that_are_committed(tmp_path):
    folder = ROOT / "results" / "ferplus_cpu"
    wide = predicted.read(folder / "predicted" / "ferplus.csv")
    pred = NAMES[wide["patt_lite/seed0/best_on_val"]]
    pd.DataFrame({"image": wide["sample_id"], "pred": pred}).to_csv(tmp_path / "mine.csv", index=False)
    table = compared([tmp_path / "mine.csv"], [f"{folder}:lbp_svm"]).table
    assert table["difference"].item() == pytest.approx(0.627 - 0.748, abs=0.006)
    assert table["verdict"].item() == "worse"
