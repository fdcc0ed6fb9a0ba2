"""`fer-bench compare` with files: what is printed, in which formats, and what is refused."""

import json
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from fer_bench.cli.main import app
from fer_bench.errors import FerBenchError
from fer_bench.stats import signature
from fer_bench.tables.comparisons import comparisons

runner = CliRunner()


def run(*arguments):
    found = runner.invoke(app, ["compare", *arguments])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found


def test_the_text_ends_with_two_sentences_and_the_signature(three_files):
    found = run("good.csv", "better.csv", "--metric", "accuracy")
    last, *above = [line for line in reversed(found.stdout.splitlines()) if line]
    assert signature.parse(last).n == "280"
    said = " ".join(reversed(above[: above.index(next(line for line in above if line.startswith("better is"))) + 1]))
    assert said.startswith("better is better than good by ")
    assert said.count(". ") == 1
    assert "This is conditional on these checkpoints" in said
    assert "±" not in found.stdout


def test_what_was_understood_is_said_once_for_files_that_are_alike(three_files):
    said = run("good.csv", "better.csv").stderr
    assert said.count("280 samples, ids from file; true labels from label") == 1
    assert "7 expressions; probabilities from p_neutral … p_fear" in said


def test_every_method_has_its_value_and_rank(three_files):
    printed = run("good.csv", "better.csv", "same.csv", "--metric", "accuracy").stdout
    assert "best in" in printed
    assert sum(line.startswith("Accuracy") for line in printed.splitlines()) == 3 + 3


def test_metrics_are_repeated_and_may_be_of_one_expression_or_of_probabilities(three_files):
    printed = run("good.csv", "better.csv", "--metric", "recall_fear", "--metric", "log_loss", "--format", "json")
    assert [row["metric"] for row in json.loads(printed.stdout)] == ["log_loss", "recall_fear"]


def test_differences_that_are_no_shares_are_not_called_points(three_files):
    printed = run("good.csv", "better.csv", "--metric", "log_loss").stdout
    assert "points of log loss" not in printed
    assert "better is better than good by 0." in printed.replace("\n", " ")


def test_a_baseline_is_compared_with_the_others(three_files):
    rows = json.loads(
        run("good.csv", "better.csv", "same.csv", "--baseline", "good", "--metric", "accuracy", "--json").stdout
    )
    assert [(row["method_a"], row["method_b"]) for row in rows] == [("better", "good"), ("same", "good")]


def test_two_identical_files_have_p_1_and_an_interval_with_a_width(three_files):
    (row,) = json.loads(run("good.csv", "same.csv", "--metric", "accuracy", "--json").stdout)
    assert (row["difference"], row["p"], row["p_holm"]) == (0, 1, 1)
    assert row["low"] < 0 < row["high"]
    assert row["interval_method"].startswith("identical predictions")


def test_the_margin_is_the_users(three_files):
    (row,) = json.loads(run("good.csv", "same.csv", "--metric", "accuracy", "--margin", "0.2", "--json").stdout)
    assert row["verdict"] == "equivalent"
    with pytest.raises(FerBenchError, match=r"a fraction from 0 to 0.2"):
        run("good.csv", "same.csv", "--margin", "5")


def test_markdown_has_a_table_and_paragraphs(three_files):
    printed = run("good.csv", "better.csv", "--metric", "accuracy", "--format", "md").stdout
    assert "| metric   | A " in printed
    assert printed.splitlines()[-1].startswith("`fer|ds:?|")


def test_csv_is_the_comparisons_table(three_files):
    (three_files / "out.csv").write_text(run("good.csv", "better.csv", "--format", "csv").stdout)
    assert len(comparisons.read(three_files / "out.csv")) == 2


@pytest.mark.parametrize("ending", [".txt", ".md", ".tex", ".csv", ".json"])
def test_the_output_is_in_the_format_of_its_ending(three_files, ending):
    form = {".txt": "text", ".md": "md", ".tex": "latex", ".csv": "csv", ".json": "json"}[ending]
    found = run("good.csv", "better.csv", "-o", f"out/table{ending}", "--format", form)
    assert (three_files / "out" / f"table{ending}").read_text() == found.stdout
    assert f"wrote out/table{ending}" in found.stderr


@pytest.mark.parametrize("option", [("--format", "xml"), ("-o", "table.xlsx"), ("--scores", "x"), ("--column", "x")])
def test_what_there_is_not_is_refused_before_anything_is_read(three_files, option):
    with pytest.raises(FerBenchError) as caught:
        run("none.csv", "nothing.csv", *option)
    assert option[1] in caught.value.problem


@pytest.mark.latex
@pytest.mark.slow
def test_latex_compiles_alone_with_booktabs(three_files):
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex; Debian: texlive-latex-recommended")
    for name in ("good", "better"):
        shutil.copy(f"{name}.csv", f"{name}_100%&#{{$^~.csv")
    table = run("good_100%&#{$^~.csv", "better_100%&#{$^~.csv", "--metric", "log_loss", "--format", "latex").stdout
    whole = rf"\documentclass{{article}}\usepackage{{booktabs}}\begin{{document}}{table}\end{{document}}"
    (three_files / "t.tex").write_text(whole.replace(r"\begin{document}", "\\begin{document}\n"))
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "t.tex"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:]


def test_ids_that_do_not_match_are_counted_and_named(three_files):
    table = pd.read_csv("better.csv")
    table.loc[:1, "file"] = ["x", "y"]
    table.to_csv("better.csv", index=False)
    with pytest.raises(
        FerBenchError, match=r"2 only in good.csv \(faces/f0000.png, faces/f0001.png\); 2 only in better.csv"
    ):
        run("good.csv", "better.csv")


def test_true_labels_come_from_a_prepared_data_set(prepared_faces):
    for name in ("good", "better"):
        pd.read_csv(f"{name}.csv").drop(columns="label").to_csv(f"{name}.csv", index=False)
    found = run("good.csv", "better.csv", "--dataset", "faces", "--metric", "soft_cross_entropy", "--json")
    (row,) = json.loads(found.stdout)
    told = signature.parse(row["signature"])
    assert (told.ds, told.rule, told.n, row["n_samples"]) == ("faces", "majority", "279", 279)
    assert "1 samples left out, which the label rule majority drops" in found.stderr


def test_options_settle_what_is_ambiguous(three_files):
    for name in ("good", "better"):
        table = pd.read_csv(f"{name}.csv").rename(columns=lambda column: column.removeprefix("p_"))
        order = ["surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"]
        table["label"] = [order.index(label) + 1 for label in table["label"]]
        table.assign(id=np.arange(len(table))).to_csv(f"odd_{name}.csv", index=False)
    expected = json.loads(run("good.csv", "better.csv", "--json", "--metric", "accuracy").stdout)[0]
    said = [
        "--column",
        "id=file",
        "--scores",
        "probabilities",
        "--label-order",
        "rafdb",
        "--json",
        "--metric",
        "accuracy",
    ]
    found = json.loads(run("odd_good.csv", "odd_better.csv", *said).stdout)[0]
    assert found["difference"] == pytest.approx(
        -expected["difference"] if found["method_a"] != "odd_better" else expected["difference"]
    )
    for missing in ("--column", "--scores", "--label-order"):
        where = said.index(missing)
        with pytest.raises(FerBenchError) as caught:
            run("odd_good.csv", "odd_better.csv", *said[:where], *said[where + 2 :])
        assert missing in caught.value.fix
