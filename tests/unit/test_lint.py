"""A manuscript against results, and the macros that keep it from going stale."""

import importlib.util
import shutil
import sys
import time
from pathlib import Path

import pytest

from fer_bench.errors import FerBenchError
from fer_bench.report import numbers
from fer_bench.report.latex import run_pdflatex
from fer_bench.report.lint import lint
from fer_bench.report.manuscript import statements

_SPEC = importlib.util.spec_from_file_location("fake_grid", Path(__file__).parent.parent / "golden" / "fake_grid.py")
fake_grid = importlib.util.module_from_spec(_SPEC)
sys.modules["fake_grid"] = fake_grid
_SPEC.loader.exec_module(fake_grid)


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grid")
    fake_grid.write(fake_grid.GOLDEN, folder)
    return fake_grid.read(fake_grid.GOLDEN, folder)


@pytest.fixture
def remarks(grid, tmp_path):
    def found(text):
        path = tmp_path / "paper.tex"
        path.write_text(text)
        return [(one.kind, one.line, one.found) for one in lint(path, [grid])]

    return found


def printed(grid, method, metric="accuracy", column="estimate"):
    rows = grid.headline_rows("synthetic", metric)
    return f"{100 * float(rows[rows['method'] == method].iloc[0][column]):.1f}"


def test_a_number_that_is_in_the_results_passes_and_one_that_is_not_is_named(grid, remarks):
    right = printed(grid, "conv_cut")
    assert not remarks(rf"Conv-cut reaches {right}\,\% here.")
    assert remarks("\n\nConv-cut reaches 12.3\\,\\% here.") == [("number", 3, "12.3")]


def test_a_number_of_another_method_is_not_good_enough(grid, remarks):
    other = printed(grid, "majority_class")
    assert other != printed(grid, "conv_cut")
    assert [one[0] for one in remarks(rf"Conv-cut reaches {other} \% here.")] == ["number"]


def test_a_cell_is_looked_up_under_the_metric_over_it(grid, remarks):
    accuracy, macro = printed(grid, "conv_cut"), printed(grid, "conv_cut", "macro_f1")
    table = "\\begin{tabular}{lrr}\nMethod & Accuracy & Macro-F1 \\\\\nConv-cut & %s & %s \\\\\n\\end{tabular}"
    assert not remarks(table % (accuracy, macro))
    assert {one[0] for one in remarks(table % (macro, "1.23"))} == {"number"}


@pytest.fixture
def with_bounds(grid):
    """A number with the ends of its interval, as a text prints them."""

    def text(method, metric="accuracy"):
        estimate, low, high = (printed(grid, method, metric, column) for column in ("estimate", "low", "high"))
        return estimate, rf"{estimate}\,\% [{low}, {high}]"

    return text


def test_of_301_invented_accuracies_only_the_true_one_passes(grid, tmp_path):
    path = tmp_path / "paper.tex"
    invented = [f"{number / 10:.1f}" for number in range(700, 1001)]
    path.write_text("".join(f"Conv-cut has an accuracy of {number}\\,\\%.\n\n" for number in invented))
    found = {one.found for one in lint(path, [grid])}
    assert [number for number in invented if number not in found] == [printed(grid, "conv_cut")]


def test_a_number_without_a_metric_is_one_of_the_first_metric(grid, remarks):
    assert not remarks(rf"Conv-cut reaches {printed(grid, 'conv_cut')} \%.")
    assert remarks(rf"Conv-cut reaches {printed(grid, 'conv_cut', 'macro_f1')} \%.")
    assert not remarks(rf"Conv-cut reaches a macro-F1 of {printed(grid, 'conv_cut', 'macro_f1')} \%.")


def test_ends_of_an_interval_stand_in_brackets_behind_their_number_alone(grid, remarks, with_bounds):
    estimate, text = with_bounds("conv_cut")
    assert not remarks(f"Conv-cut has an accuracy of {text}.")
    low = printed(grid, "conv_cut", column="low")
    assert low != estimate
    assert [one[2] for one in remarks(rf"Conv-cut has an accuracy of {low} \%.")] == [low]
    assert [one[2] for one in remarks(rf"Conv-cut has an accuracy of {estimate} \% [{low}, 99.9].")] == ["99.9"]
    assert not remarks(r"The loss lies in [0.25, 0.75].")


def test_a_difference_is_in_points_behind_by_or_with_a_sign_and_of_the_methods_that_are_named(grid, remarks):
    (row,) = (
        row
        for row in grid.pairs("synthetic", "accuracy").to_dict("records")
        if {row["method_a"], row["method_b"]} == {"conv_cut", "majority_class"}
    )
    apart = f"{100 * abs(row['difference']):.1f}"
    for said in (rf"by {apart} \%", f"{apart} points", f"{apart} percentage points", rf"$+{apart}$ \%"):
        assert not remarks(f"Conv-cut is better than the majority class in accuracy, {said}.")
    assert remarks(rf"Conv-cut reaches an accuracy of {apart} \%.")
    assert remarks(f"Conv-cut is better than PAtt-Lite in accuracy by {apart} points.")


def test_what_is_not_the_protocols_own_number_passes_where_the_sentence_says_what_it_is(grid, remarks):
    rows = grid.over_seeds("synthetic", "accuracy").set_index(["method", "selection"])["estimate"]
    oracle = f"{100 * float(rows['conv_cut', 'best_on_test']):.1f}"
    assert oracle != printed(grid, "conv_cut")
    assert remarks(rf"Conv-cut reaches {oracle} \%.")
    assert not remarks(rf"Conv-cut reaches {oracle} \% with the checkpoint chosen on the test set.")


def test_the_caption_names_the_metric_of_a_tables_cells(grid, remarks):
    table = (
        "\\begin{{table}}\\caption{{{}}}\n\\begin{{tabular}}{{lr}}\nMethod & Synthetic faces \\\\\n"
        "Conv-cut & {} \\\\\n\\end{{tabular}}\n\\end{{table}}"
    )
    macro = printed(grid, "conv_cut", "macro_f1")
    assert not remarks(table.format("Macro-F1 of all methods.", macro))
    assert remarks(table.format("Accuracy of all methods.", macro))


@pytest.mark.parametrize(
    "text",
    [
        "Conv-cut reaches 1.2" + 40_000 * " " + "x",
        "x." + 40_000 * "\n \n" + "x",
        "p" + 40_000 * " " + "x significant",
        40_000 * "\\input{",
        40_000 * "\\cite[",
        20_000 * "Nothing is said here.\n",
        "\\begin{tabular}{l}" + 20_000 * "{\\bfseries " + "\\end{tabular}",
        20_000 * "(1.5 ",
        "\\begin{table}" + 2000 * "\\caption{" + "\\begin{tabular}{l}a\\end{tabular}",
    ],
    ids=lambda text: text[:12].strip(),
)
def test_a_long_text_takes_time_by_its_length(remarks, text):
    start = time.process_time()
    remarks(text)
    assert time.process_time() - start < 5  # the square of these lengths takes minutes


@pytest.mark.parametrize(
    "text",
    [
        "% Conv-cut reaches 1.2 \\%\n",
        r"Conv-cut~\cite{a1.23} is described in version 1.23 and section 4.5.",
        r"\includegraphics[width=0.45\linewidth]{conv_cut_1.23} shows Conv-cut.",
        "\\begin{tabular}{lr}\nSomebody else & 1.23 \\\\\n\\end{tabular}",
    ],
)
def test_what_is_no_claim_is_left_alone(remarks, text):
    assert not remarks(text)


def test_bold_needs_the_whole_set_that_is_not_told_from_the_best(grid, remarks):
    # in the stored grid Conv-cut and PAtt-Lite are not told apart, the majority class is
    rows = {name: printed(grid, name) for name in ("conv_cut", "patt_lite", "majority_class")}
    text = (
        "\\begin{{tabular}}{{lr}}\nMethod & Accuracy \\\\\nConv-cut & {} \\\\\nPAtt-Lite & {} \\\\\n"
        "Majority class & {} \\\\\n\\end{{tabular}}"
    )
    bold = {name: rf"\textbf{{{value}}}" for name, value in rows.items()}
    assert not remarks(text.format(bold["conv_cut"], bold["patt_lite"], rows["majority_class"]))
    assert [one[0] for one in remarks(text.format(bold["conv_cut"], rows["patt_lite"], rows["majority_class"]))] == [
        "bold"
    ]
    assert [one[2] for one in remarks(text.format(rows["conv_cut"], rows["patt_lite"], bold["majority_class"]))] == [
        rows["majority_class"]
    ]


def test_significantly_needs_a_p_value_in_its_sentence(remarks):
    assert [one[0] for one in remarks("Ours is significantly better. It is fast.")] == ["significant"]
    assert not remarks("Ours is significantly better ($p < 0.01$, exact McNemar). It is fast.")


def test_what_is_input_is_read_in_its_place(tmp_path, grid, remarks):
    (tmp_path / "part.tex").write_text("One.\n\nConv-cut has 1.23\\,\\%.\n")
    assert remarks("\\input{part}\nNo number here.") == [("number", 3, "1.23")]


def test_a_manuscript_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FerBenchError, match=r"no file .*gone\.tex"):
        list(statements(tmp_path / "gone.tex"))


def test_a_file_that_inputs_itself_ends(tmp_path, remarks):
    assert not remarks("\\input{paper}\nNothing.")


def test_every_headline_number_has_a_macro(grid):
    text = numbers.macros(grid, head="")
    assert f"\\fer@define{{estimate/synthetic/conv_cut/accuracy}}{{{printed(grid, 'conv_cut')}}}" in text
    assert "\\fer@define{difference/synthetic/conv_cut/patt_lite/accuracy}" in text
    assert "\\fer@define{difference/synthetic/patt_lite/conv_cut/accuracy}" in text


@pytest.mark.latex
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex: install texlive-latex-recommended")
def test_macros_compile_and_a_missing_one_stops(grid, tmp_path):
    (tmp_path / "numbers.tex").write_text(numbers.macros(grid, head="% made\n"))
    document = "\\documentclass{article}\\begin{document}\\input{numbers}%s\\end{document}"
    used = (
        r"\fer{synthetic}{conv_cut}{accuracy}",
        r"$n = \fern{synthetic}{conv_cut}{accuracy}$",
        r"\ferdifference{synthetic}{conv_cut}{patt_lite}{macro_f1}",
    )
    (tmp_path / "paper.tex").write_text(document % ", ".join(used))
    run_pdflatex(tmp_path, "paper.tex")
    (tmp_path / "paper.tex").write_text(document % r"\fer{synthetic}{nobody}{accuracy}")
    with pytest.raises(FerBenchError, match="nobody"):
        run_pdflatex(tmp_path, "paper.tex")
