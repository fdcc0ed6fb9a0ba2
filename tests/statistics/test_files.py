"""Comparing files and folders of predictions that runs of this project left."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from fer_bench import params
from fer_bench.errors import FerBenchError
from fer_bench.expressions import EXPRESSIONS
from fer_bench.stats import comparing, scoring, signature
from fer_bench.tables import _spellings, brought, reading


def silent(_text):
    pass


@pytest.fixture
def two_files(fake_runs):
    """The predictions of two methods, as files a.csv and b.csv."""
    grid = fake_runs(methods={"lbp_svm": 0.7, "conv_cut": 0.8}, seeds=(0,))
    paths = [grid.folder / "a.csv", grid.folder / "b.csv"]
    for method, path in zip(("conv_cut", "lbp_svm"), paths, strict=True):
        shutil.copy(grid.cell(method, 0) / "predictions.csv", path)
    (grid.folder / "params.yaml").unlink()
    return paths


def compared(paths, **options):
    settings = comparing.settings_of_file(paths[0].parent / "params.yaml", say=silent)._replace(n_resamples=300)
    return comparing.compare_files(
        paths, settings=settings, **{"metrics": None, "baseline": None, "selection": None, "say": silent, **options}
    )


def of_files(paths, **options):
    return compared(paths, **options).table


def edited(path, change):
    table = pd.read_csv(path)
    change(table).to_csv(path, index=False)


def test_two_files_are_compared_without_a_grid(two_files):
    row = of_files(two_files).query("metric == 'accuracy'").iloc[0]
    assert (row["method_a"], row["method_b"], row["dataset"]) == ("a", "b", "files")
    assert row["difference"] > 0


def test_identical_files_are_not_called_certain(two_files):
    shutil.copy(two_files[0], two_files[1])
    row = of_files(two_files).query("metric == 'accuracy'").iloc[0]
    assert (row["difference"], row["p"], row["disagreement"]) == (0, 1, 0)
    assert row["verdict"] == "undecided"  # 150 samples cannot show that two methods are within half a point
    assert row["low"] < 0 < row["high"]


def test_ids_that_differ_are_counted_and_named(two_files):
    a, b = two_files
    edited(b, lambda table: table.replace({"sample_id": {"s0003": "x3", "s0005": "x5"}}))
    with pytest.raises(FerBenchError, match=r"2 only in .*a.csv \(s0003, s0005\); 2 only in .*b.csv \(x3, x5\)"):
        of_files([a, b])


def test_ids_that_differ_in_folder_and_ending_alone_are_matched_and_it_is_said(two_files):
    a, b = two_files
    expected = of_files([a, b])
    edited(b, lambda table: table.assign(sample_id="test/" + table["sample_id"] + ".png"))
    said = []
    assert of_files([a, b], say=said.append).equals(expected)
    assert any("by file name, without folder and ending (test/s0000.png: s0000)" in line for line in said)


def test_files_with_other_true_labels_are_refused(two_files):
    a, b = two_files
    edited(b, lambda table: table.assign(y_true=(table["y_true"] + (table["sample_id"] == "s0004")) % 7))
    with pytest.raises(
        FerBenchError, match="disagree about the true label of 1 of 150 samples; first: s0004"
    ) as caught:
        of_files([a, b], force=True)
    assert "label rule" in caught.value.fix


def test_a_file_without_true_labels_takes_those_of_the_other(two_files):
    a, b = two_files
    expected = of_files([a, b])
    edited(b, lambda table: table.drop(columns=["y_true", "y_pred"]))
    said = []
    assert of_files([a, b], say=said.append).equals(expected)
    assert any(f"{b}: true labels are those of {a}" in line for line in said)
    edited(a, lambda table: table.drop(columns=["y_true", "y_pred"]))
    with pytest.raises(FerBenchError, match="has no true labels") as caught:
        of_files([a, b])
    assert "--dataset" in caught.value.fix


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"selection": "nonsense"}, "no selection nonsense in common"),
        ({"baseline": "c"}, "no run 'c'"),
        ({"metrics": ["acuracy"]}, "unknown metric 'acuracy'"),
        ({"dataset": "nonsense"}, "unknown dataset 'nonsense'"),
    ],
)
def test_unknown_choices_are_refused(two_files, options, said):
    with pytest.raises(FerBenchError, match=said):
        of_files(two_files, **options)


def test_one_file_or_a_missing_one_or_one_named_twice_is_refused(two_files):
    a, _ = two_files
    for paths, said in (
        ([a], "one file alone"),
        ([a, a], "named twice"),
        ([a, a.parent / "none.csv"], "no file"),
    ):
        with pytest.raises(FerBenchError, match=said):
            of_files(paths)


def test_equal_file_names_in_two_folders_are_told_apart_by_their_folders(two_files):
    a, b = two_files
    other = a.parent / "other" / "a.csv"
    other.parent.mkdir()
    shutil.copy(b, other)
    row = of_files([a, other]).iloc[0]
    assert {row["method_a"], row["method_b"]} == {f"{a.parent.name}/a", "other/a"}


def test_seven_and_eight_expressions_are_not_mixed_and_the_way_out_is_said(two_files):
    a, b = two_files
    shutil.copy(b, a.parent / "c.csv")
    edited(b, lambda table: table.assign(logit_contempt=-1000.0))
    with pytest.raises(FerBenchError, match=r"tells 7 expressions apart, .*b.csv 8") as caught:
        of_files([a, b])
    assert caught.value.fix.startswith("--classes 7: ")
    assert "; or --classes 8: " in caught.value.fix
    expected = of_files([a, a.parent / "c.csv"], reading=reading.Reading(n_classes=7))
    for n_classes in (7, 8):
        found = of_files([a, b], reading=reading.Reading(n_classes=n_classes))
        assert found["difference"].tolist() == pytest.approx(
            [value * (7 / 8 if name == "macro_f1" and n_classes == 8 else 1)
             for name, value in zip(expected["metric"], expected["difference"], strict=True)]
        )  # fmt: skip


def test_other_selections_are_compared_only_by_force(two_files):
    a, b = two_files
    edited(a, lambda table: table[table["selection"] == "best_on_test"])
    edited(b, lambda table: table[table["selection"] == "best_on_val"])
    with pytest.raises(FerBenchError, match="no common selection") as caught:
        of_files([a, b])
    assert "--force" in caught.value.fix
    found = compared([a, b], force=True)
    assert any("differ in what they mean: selection: best_on_test, best_on_val" in note for note in found.notes)
    assert signature.parse(found.table["signature"].iloc[0]).selection == "?"


def test_records_beside_runs_fill_the_signature_and_other_protocols_are_compared_only_by_force(fake_runs):
    grid = fake_runs(methods={"lbp_svm": 0.7, "conv_cut": 0.8}, seeds=(0,))
    paths = [grid.cell(method, 0) / "predictions.csv" for method in grid.methods]
    found = compared(paths)
    told = signature.parse(found.table["signature"].iloc[0])
    assert (told.ds, told.n, told.rule, told.protocol, told.seeds) == ("synthetic", "150", "released", "honest", "0")
    assert set(found.table["method_b"]) == {"lbp_svm/seed0"}
    assert not any("Not known" in note for note in found.notes)
    record = json.loads((paths[0].parent / "run.json").read_text())
    (paths[0].parent / "run.json").write_text(json.dumps({**record, "protocol": "published", "label_rule": "other"}))
    with pytest.raises(FerBenchError, match="rule: other, released; protocol: published, honest") as caught:
        of_files(paths)
    assert "--force" in caught.value.fix
    assert any(note.startswith("Forced: ") for note in compared(paths, force=True).notes)
    with pytest.raises(FerBenchError, match="is of a run on synthetic, not ferplus"):
        of_files(paths, dataset="ferplus")


def test_what_is_not_known_is_no_conflict_and_is_said(two_files):
    notes = compared(two_files).notes
    assert any("Not known of every file" in note and "label rule, protocol" in note for note in notes)


def test_a_folder_is_a_method_and_its_runs_are_seeds(fake_runs):
    grid = fake_runs(methods={"lbp_svm": 0.7, "conv_cut": 0.8}, seeds=(0, 1, 2))
    scoring.write(scoring.score(params.read()), grid.folder / "results/tiny")
    expected = comparing.compare_grid(params.read(), metrics=None, baseline=None, dataset=None, say=silent)
    table = of_files([grid.cell(method, 0).parent for method in grid.methods])
    same = ["metric", "method_a", "method_b", "difference", "low", "high", "p", "test", "n_seeds"]
    assert table[same].equals(expected[same])
    assert set(table["test"]) == {"two-way paired t"}


def test_a_folder_of_files_is_a_method_too(fake_runs):
    grid = fake_runs(methods={"lbp_svm": 0.7, "conv_cut": 0.8}, seeds=(0, 1))
    for method in grid.methods:
        (grid.folder / method).mkdir()
        for seed in grid.seeds:
            shutil.copy(grid.cell(method, seed) / "predictions.csv", grid.folder / method / f"seed{seed}.csv")
    row = of_files([grid.folder / method for method in grid.methods]).iloc[0]
    assert (row["method_a"], row["method_b"], row["n_seeds"]) == ("conv_cut", "lbp_svm", 2)


def test_folders_with_other_numbers_of_seeds_are_compared_on_the_common_ones_and_it_is_said(fake_runs):
    grid = fake_runs(methods={"lbp_svm": 0.7, "conv_cut": 0.8}, seeds=(0, 1, 2))
    shutil.rmtree(grid.cell("lbp_svm", 1))
    found = compared([grid.cell(method, 0).parent for method in grid.methods])
    assert set(found.table["n_seeds"]) == {2}
    assert (
        "Seeds differ (lbp_svm: 0;2, conv_cut: 0;1;2): each pair is compared on the seeds that both have."
        in found.notes
    )


def test_seeds_without_a_common_one_are_numbered_and_it_is_said(fake_runs):
    grid = fake_runs(methods={"lbp_svm": 0.7, "conv_cut": 0.8}, seeds=(0, 1, 2, 3))
    for method, kept in (("lbp_svm", "01"), ("conv_cut", "23")):
        for seed in grid.seeds:
            if str(seed) not in kept:
                shutil.rmtree(grid.cell(method, seed))
    said = []
    table = of_files([grid.cell(method, 0).parent for method in grid.methods], say=said.append)
    assert set(table["n_seeds"]) == {2}
    assert any("runs are numbered 0, 1" in line for line in said)


def test_one_run_stands_beside_each_of_several_and_not_beside_an_arbitrary_one(fake_runs):
    grid = fake_runs(methods={"lbp_svm": 0.7, "conv_cut": 0.8}, seeds=(0, 1))
    shutil.copy(grid.cell("conv_cut", 0) / "predictions.csv", grid.folder / "alone.csv")
    found = compared([grid.cell("lbp_svm", 0).parent, grid.folder / "alone.csv"], metrics=["accuracy"])
    row = found.table.iloc[0]
    right = [
        np.mean([(t["y_pred"] == t["y_true"]).mean() for t in map(pd.read_csv, paths)])  # all selections are alike
        for paths in (
            [grid.folder / "alone.csv"], [grid.cell("lbp_svm", seed) / "predictions.csv" for seed in grid.seeds],
        )
    ]  # fmt: skip
    assert (row["method_a"], row["method_b"], row["n_seeds"]) == ("alone", "lbp_svm", 2)
    assert row["difference"] == pytest.approx(right[0] - right[1])
    assert row["test"] == "two-way paired t, the one run of alone held fixed"
    assert any("One run alone: alone." in note for note in found.notes)


def test_runs_that_failed_are_left_out_of_a_folder_and_said_and_alone_refused(fake_runs):
    grid = fake_runs(methods={"lbp_svm": 0.7, "conv_cut": 0.8}, seeds=(0, 1, 2), failed=(("lbp_svm", 1),))
    said = []
    table = of_files([grid.cell(method, 0).parent for method in grid.methods], say=said.append)
    assert set(table["n_seeds"]) == {2}
    assert any("1 of 3 runs failed and are left out" in line for line in said)
    with pytest.raises(FerBenchError, match="its run failed"):
        of_files([grid.cell(method, 1) / "predictions.csv" for method in grid.methods])


def test_a_folder_without_predictions_names_the_folders_in_it(fake_runs):
    grid = fake_runs(methods={"lbp_svm": 0.7, "conv_cut": 0.8})
    with pytest.raises(FerBenchError, match="holds no predictions; it has the folders conv_cut, lbp_svm"):
        of_files([grid.cell("lbp_svm", 0).parents[1], grid.cell("conv_cut", 0).parent])


def test_one_class_alone_in_the_test_set_is_compared_and_said_to_mean_little(two_files):
    for path in two_files:
        edited(path, lambda table: table[table["y_true"] == 1])
    found = compared(two_files)
    assert len(found.table) == 2
    assert any(note.startswith("All true labels are happiness: mean recall is its recall") for note in found.notes)


def test_the_order_of_rows_changes_nothing(two_files, rng):
    expected = of_files(two_files)
    edited(two_files[1], lambda table: table.iloc[rng.permutation(len(table))])
    assert of_files(two_files).equals(expected)


def test_probabilities_and_logits_of_the_same_run_are_the_same(two_files):
    a, _ = two_files
    (found,) = [each for name, each in brought.read(a, reading.NOTHING_SAID).items() if name == "last"]
    table = pd.read_csv(a).query("selection == 'last'").sort_values("sample_id")
    scores = {
        f"p_{name.removeprefix('logit_')}": found.probabilities[:, index]
        for index, name in enumerate(name for name in table.columns if name.startswith("logit_"))
    }
    names = np.array(["neutral", "happy", "surprise", "sad", "angry", "disgust", "fear"])[found.y_true]
    pd.DataFrame({"file": table["sample_id"], "label": names, **scores}).to_csv(a.parent / "p.csv", index=False)
    row = of_files([a, a.parent / "p.csv"], metrics=["log_loss"], selection="last").iloc[0]
    assert row["difference"] == pytest.approx(0, abs=1e-9)


def as_words(path):
    """Return a run's last predictions as names, without scores."""
    (found,) = [each for name, each in brought.read(path, reading.NOTHING_SAID).items() if name == "last"]
    names = np.array(EXPRESSIONS)
    return pd.DataFrame({"id": found.sample_ids, "label": names[found.y_true], "pred": names[found.y_pred]})


def test_files_with_orders_of_their_own_are_compared(two_files):
    a, b = two_files
    expected = of_files(two_files, metrics=["accuracy"], selection="last")
    paths, orders = [], []
    for path, order in ((a, "rafdb"), (b, "alphabetical8")):
        numbers = {EXPRESSIONS[index]: number for number, index in _spellings.order(order).numbers.items()}
        paths.append(path.with_name(f"{path.stem}_{order}.csv"))
        as_words(path).replace({"label": numbers, "pred": numbers}).to_csv(paths[-1], index=False)
        orders.append(f"{paths[-1]}={order}")
    said = reading.said(None, scores=None, label_order=orders, n_classes=None, files=paths)
    same = ["difference", "p"]  # the draws of intervals are named after the files
    assert of_files(paths, metrics=["accuracy"], reading=said)[same].equals(expected[same])
    common = reading.said(None, scores=None, label_order=["alphabetical8", orders[0]], n_classes=None, files=paths)
    assert of_files(paths, metrics=["accuracy"], reading=common)[same].equals(expected[same])
    with pytest.raises(FerBenchError, match=r"there is no file x.csv among those named") as caught:
        reading.said(None, scores=None, label_order=["x.csv=ours"], n_classes=None, files=paths)
    assert caught.value.fix == f"name it as it is named: --label-order {paths[0]}=ours"


def test_a_folders_order_is_that_of_its_files(two_files):
    a, _ = two_files
    folder = a.parent / "mine"
    folder.mkdir()
    numbers = {EXPRESSIONS[index]: number for number, index in _spellings.order("rafdb").numbers.items()}
    as_words(a).replace({"label": numbers, "pred": numbers}).to_csv(folder / "seed0.csv", index=False)
    said = reading.said(None, scores=None, label_order=[f"{folder}=rafdb"], n_classes=None, files=[a, folder])
    row = of_files([a, folder], metrics=["accuracy"], selection="last", reading=said).iloc[0]
    assert row["difference"] == 0


def test_labels_without_scores_are_of_as_many_expressions_as_the_other_file(two_files):
    a, b = two_files
    edited(a, lambda table: table.assign(logit_contempt=-1000.0))
    as_words(b)[["id", "pred"]].to_csv(b.with_name("words.csv"), index=False)
    told = compared([a, b.with_name("words.csv")], selection="last").table["signature"]
    assert {signature.parse(text).classes for text in told} == {"8"}


def test_rows_without_ids_are_laid_side_by_side_where_that_is_said_and_true_labels_agree(two_files):
    a, _ = two_files
    expected = of_files(two_files, metrics=["accuracy"], selection="last")
    paths = [path.with_name(f"{path.stem}_rows.csv") for path in two_files]
    for path, made in zip(two_files, paths, strict=True):
        as_words(path).drop(columns="id").to_csv(made, index=False)
    with pytest.raises(FerBenchError, match="no column of ids") as caught:
        of_files(paths)
    assert "--rows" in caught.value.fix
    said = reading.Reading(rows=True)
    same = ["difference", "p"]  # the draws of intervals are named after the files
    assert of_files(paths, metrics=["accuracy"], reading=said)[same].equals(expected[same])
    edited(paths[1], lambda table: table.iloc[::-1])
    with pytest.raises(FerBenchError, match="disagree about the true label"):
        of_files(paths, reading=said)
    edited(paths[1], lambda table: table[["pred"]])
    with pytest.raises(FerBenchError, match="rows have neither ids nor true labels") as caught:
        of_files(paths, reading=said)
    assert "a column sample_id, or true_label" in caught.value.fix
    with pytest.raises(FerBenchError, match="not one sample's by file name"):
        of_files([a, paths[0]], reading=said)


def test_a_folder_that_holds_tables_is_read_without_the_archives_beside_them(two_files):
    a, b = two_files
    folder = a.parent / "mine"
    folder.mkdir()
    shutil.copy(b, folder / "seed0.csv")
    (folder / "notes.json").write_text("{}")
    np.savez(folder / "features.npz", features=np.zeros(3))
    assert len(of_files([a, folder])) == 2
