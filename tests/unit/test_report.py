"""The report on grids that are incomplete or badly named."""

import dataclasses
import importlib.util
import re
import shutil
import sys
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from fer_bench import params
from fer_bench.card import Card, KnownFile, PublishedRow, PublishedTable
from fer_bench.errors import FerBenchError
from fer_bench.report import (
    adjusted,
    audit,
    best_set,
    claims,
    compared,
    figures,
    ladder,
    latex,
    main_table,
    markdown,
    matrix,
    methods_text,
    numbers,
    per_class,
    published,
    ranked,
    run_list,
    style,
    summary,
    write,
)
from fer_bench.report.grid import title_of
from fer_bench.report.latex import compile_pdf, run_pdflatex
from fer_bench.tables.runs import joined

_SPEC = importlib.util.spec_from_file_location("fake_grid", Path(__file__).parent.parent / "golden" / "fake_grid.py")
fake_grid = importlib.util.module_from_spec(_SPEC)
sys.modules["fake_grid"] = fake_grid
_SPEC.loader.exec_module(fake_grid)

NASTY = r"a&b%c_d<e|f>$x$ {y} \z ~^ #1 `q` *s* 猫 é"
LONG = "x" * 40

ODD = fake_grid.Fake(
    methods={"good": 0.8, "gone": 0.7, "long_name_that_goes_on_for_forty_letters": 0.79, "floor": 0.3},
    titles={"good": NASTY, "long_name_that_goes_on_for_forty_letters": LONG},
    seeds=(0,),
    failed=frozenset({("gone", 0)}),
    one_go=frozenset({"floor", "long_name_that_goes_on_for_forty_letters"}),
    datasets={"eight": (90, 8), "seven": (80, 7)},
    figures=("good",),
    compared=False,
    audited=False,
    cards={
        "good": Card(
            title=NASTY,
            pretraining="none",
            tables=[
                PublishedTable(
                    name="table1",
                    where=NASTY,
                    about=NASTY,
                    metric="accuracy",
                    columns=["method", NASTY],
                    rows=[
                        PublishedRow(cells=[LONG, NASTY], method="gone", published={"eight": 0.9}),
                        PublishedRow(cells=[NASTY, LONG], method="nowhere", published={"elsewhere": 0.9}),
                        PublishedRow(cells=[NASTY, NASTY], recipes=["toy"]),
                    ],
                )
            ],
        )
    },
    weights="file:a_very_long_file_name_without_any_end_of_it-v1.0_final.pth",
    made_with={("good", 0): {"machine": joined({"processor": NASTY}), "versions": joined({"p": LONG})}},
    error=f"loss | is <nan>\n& {NASTY}",
    title=f"Odd {NASTY}",
    scale=f"Scale {NASTY}",
)
COPY = "eight: unofficial copy, never compared with an official fingerprint"
MARKED = dataclasses.replace(
    ODD, audited=True, twins=12, compared=True, unofficial="sorted into class folders", origin="red", accepted=True
)


def _grid(fake, folder):
    fake_grid.write(fake, folder)
    return fake_grid.read(fake, folder)


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd")
    write.write(_grid(ODD, folder), asked=ODD.yaml())
    return folder


@pytest.fixture(scope="module")
def marked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("marked")
    write.write(_grid(MARKED, folder), asked=MARKED.yaml())
    return folder


SMALL = fake_grid.Fake(methods={"a": 0.9, "b": 0.89, "c": 0.5}, datasets={"synthetic": (300, 7)})


@pytest.fixture
def small():
    return SMALL


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    """The small grid, for tests that only read it."""
    return _grid(SMALL, tmp_path_factory.mktemp("small"))


@pytest.mark.parametrize(
    ("table", "column", "text"),
    [
        ("runs", "commit", "0123456\n\\input{x}"),
        ("runs", "dataset", "a\n\\input{x}"),
        ("intervals", "method", "}\\input{x}"),
        ("comparisons", "method_a", "}\\input{x}"),
        ("ranks", "method", "tiny\n"),
    ],
)
def test_a_table_from_elsewhere_brings_no_latex_of_its_own(tmp_path, table, column, text):
    fake_grid.write(fake_grid.GOLDEN, tmp_path)
    path = tmp_path / f"{table}.csv"
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    rows.loc[0, column] = text
    rows.to_csv(path, index=False)
    with pytest.raises(FerBenchError, match=rf"{table}\.csv: column {column} has"):
        fake_grid.read(fake_grid.GOLDEN, tmp_path)


def test_nothing_ends_a_line_of_comment(grid):
    runs = grid.runs.assign(commit=pd.Series("a\n\\input{x}", index=grid.runs.index, dtype="string"))
    changed = dataclasses.replace(grid, tables={**grid.tables, "runs": runs})
    assert [line[0] for line in latex.provenance(changed).splitlines()] == ["%"]


def test_a_grid_full_of_holes_still_gives_a_report(odd):
    text = (odd / "report.md").read_text(encoding="utf-8")
    for said in (
        "No published claim is on record",
        "No two methods were compared.",
        "not audited",
        "fer-bench data audit eight",
        "gone on eight seed 0",
        "It was compared with no other method",
        "1 seed say little",
    ):
        assert said in text


def test_a_method_whose_runs_all_failed_is_a_row_without_numbers(odd):
    row = next(line for line in (odd / "report.md").read_text(encoding="utf-8").splitlines() if "| gone" in line)
    assert row.count("failed") == 3
    assert "0 of 1" in row


def test_no_name_breaks_a_markdown_table(odd):
    lines = (odd / "report.md").read_text(encoding="utf-8").splitlines()
    for before, line in pairwise(lines):
        if before.startswith("|") and line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", before)) == len(re.findall(r"(?<!\\)\|", line)), line
    assert not any("<nan>" in re.sub(r"\\<", "", line) for line in lines)


@pytest.mark.slow
@pytest.mark.latex
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex: install texlive-latex-recommended")
@pytest.mark.parametrize("name", ["odd", "marked"])
def test_every_fragment_compiles_alone(name, request, tmp_path):
    fragments = sorted((request.getfixturevalue(name) / "tables").glob("*.tex"))
    assert len(fragments) >= 9
    for path in fragments:
        shutil.copy(path, tmp_path)
        document = "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n\\input{%s}\n\\end{document}\n"
        (tmp_path / "alone.tex").write_text(document % path.stem, encoding="utf-8")
        run_pdflatex(tmp_path, "alone.tex")


@pytest.mark.latex
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex: install texlive-latex-recommended")
@pytest.mark.parametrize("name", ["odd", "marked"])
def test_every_table_fits_a_column(name, request, sticking_out):
    fragments = sorted((request.getfixturevalue(name) / "tables" / "column").glob("*.tex"))
    assert len(fragments) >= 9
    assert not sticking_out(fragments, 241)


@pytest.mark.latex
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex: install texlive-latex-recommended")
@pytest.mark.parametrize("name", ["odd", "marked"])
def test_the_report_compiles_to_equal_bytes_and_no_line_sticks_out(name, request, tmp_path):
    folder = request.getfixturevalue(name)
    shutil.copytree(folder, tmp_path / "report")
    log = run_pdflatex(tmp_path / "report", "report.tex")
    too_wide = [float(points) for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt too wide\)", log)]
    too_high = re.findall(r"Overfull \\vbox.*", log)
    assert max(too_wide, default=0.0) <= 5, log
    assert not too_high
    assert not re.search(r"\.\d+pk\b", log), "letters drawn as bitmaps"
    first = compile_pdf(folder).read_bytes()
    assert compile_pdf(folder).read_bytes() == first


def test_without_pdflatex_the_error_says_what_to_install(odd, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FerBenchError, match="texlive-latex-recommended"):
        compile_pdf(odd)
    assert (odd / "report.tex").exists()


def test_figures_have_equal_bytes_in_two_drawings_and_are_not_blank(small, tmp_path):
    grid = _grid(dataclasses.replace(small, figures=("a",)), tmp_path)
    with style.styled():
        for folder in ("one", "two"):
            figures.forest(grid, "synthetic", tmp_path / folder)
            figures.confusion(grid, "synthetic", "a", tmp_path / folder)
    drawn = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert len(drawn) == 4
    for name in drawn:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
        if name.endswith("png"):
            assert np.std(imread(tmp_path / "one" / name)[..., :3]) > 0.02


@pytest.mark.slow
def test_a_second_report_of_equal_tables_draws_nothing_and_a_changed_one_only_what_changed(
    small, tmp_path, monkeypatch
):
    fake = dataclasses.replace(small, methods={"a": 0.9, "b": 0.8}, one_go=frozenset({"b"}), seeds=(0,))
    folder, kept = tmp_path / "grid", tmp_path / "kept"
    grid = _grid(fake, folder)
    write.write(grid, asked="", kept=kept)
    first = {path.name: path.read_bytes() for path in (folder / "figures").iterdir()}
    drawn = []
    monkeypatch.setattr(
        style, "_write", lambda _, pdf, png, write=style._write: (drawn.append(png.stem), write(_, pdf, png))
    )
    write.write(grid, asked="", kept=kept)
    assert drawn == []
    assert {path.name: path.read_bytes() for path in (folder / "figures").iterdir()} == first
    grid.tables["history"].loc[0, "train_loss"] += 1
    write.write(grid, asked="", kept=kept)
    assert drawn == ["synthetic_training_a"]
    drawn.clear()
    write.write(grid, asked="")
    assert len(drawn) == len(first) / 2


def test_a_drawing_is_known_by_its_values_and_of_values_only():
    values = [1, 1.0, True, "1", None, np.array([1]), np.array([1.0]), np.array([[1]]), [1], [[1]], {"a": 1}, {"b": 1}]
    named = [style.digest(style.new, {"value": value}) for value in values]
    assert len(set(named)) == len(values)
    assert style.digest(style.new, {"value": (1, np.float64(2))}) == style.digest(style.new, {"value": [1, 2.0]})
    with pytest.raises(TypeError, match="plain values, not of PosixPath"):
        style.digest(style.new, {"value": Path()})


def test_a_run_without_history_has_no_training_figure(small, tmp_path):
    grid = _grid(dataclasses.replace(small, one_go=frozenset({"a"})), tmp_path)
    assert figures.training(grid, "synthetic", "a", tmp_path) is None


def test_the_set_not_told_from_the_best_is_bold_not_the_winner_alone(grid):
    verdicts = grid.tables["comparisons"].set_index(["metric", "method_a", "method_b"])["verdict"]
    assert verdicts["accuracy", "a", "b"] in {"undecided", "equivalent"}
    assert verdicts["accuracy", "a", "c"] == "better"
    assert best_set.best_set(grid, "synthetic", "accuracy").bold == {"a", "b"}
    table = main_table.main(grid)
    assert {(row, column) for row, column in table.bold if column == "Accuracy"} == {(0, "Accuracy"), (1, "Accuracy")}
    assert "\\textbf" in latex.fragments(table, head="")["main"]


def test_nothing_is_bold_while_a_method_was_not_compared_with_the_best(grid):
    table = main_table.main(grid)
    assert not any(column == "Mean recall" for _, column in table.bold)
    assert "Mean recall: not compared" in table.note


def test_the_oracle_is_called_so_and_never_is_a_headline(grid):
    assert "best_on_test (oracle)" in main_table.selections(grid).bold_headers
    assert set(main_table.main(grid).cells["selection"]) == {"best_on_val"}


def test_a_method_without_the_headline_selection_is_shown_with_last(small, tmp_path):
    fake_grid.write(small, tmp_path)
    for name in ("intervals", "confusions"):
        path = tmp_path / f"{name}.csv"
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if not (line.startswith("synthetic,c,") and "best_on_" in line)]
        path.write_text("".join(kept), encoding="utf-8")
    grid = fake_grid.read(small, tmp_path)
    cells = main_table.main(grid).cells.set_index("method")
    assert cells.loc["c", "selection"] == "last"
    assert len(per_class.per_class(grid).cells) == 3 * 7


def test_the_box_names_what_cannot_be_told_apart(grid):
    box = summary.section(grid).blocks[0]
    assert any(
        "a has the highest accuracy" in sentence and "cannot be told from b" in sentence for sentence in box.sentences
    )
    assert SMALL.scale in box.sentences


def test_differences_are_in_points_and_levels_in_percent(grid):
    assert compared.comparisons(grid).cells["A − B"].str.fullmatch(r"(0\.0|[+−]\d+\.\d) points \[.*, .*\]").all()
    assert main_table.main(grid).cells["Accuracy"].str.fullmatch(r"\d+\.\d % \[\d+\.\d, \d+\.\d\]").all()


def test_ranks_say_which_weights_they_rest_on(grid):
    ranks = ranked.section(grid, grid.ranks).blocks[0]
    assert set(grid.runs["weights"]) == {"none"}
    assert ranks.caption.endswith("weights none.")


def test_every_form_of_the_report_shows_the_figure_of_ranks(marked):
    for form in ("md", "html", "tex", "json"):
        said = " ".join((marked / f"report.{form}").read_text(encoding="utf-8").split())
        assert "eight_ranks" in said
        assert "in which each method has each rank" in said
    assert {"eight_ranks.pdf", "seven_ranks.png"} <= {path.name for path in (marked / "figures").iterdir()}


def test_recall_of_a_class_that_is_always_right_has_wilsons_interval(small, tmp_path):
    grid = _grid(dataclasses.replace(small, methods={"a": 1.2}), tmp_path)
    cells = per_class.per_class(grid).cells
    first = cells.iloc[0]
    assert re.fullmatch(r"100\.0 % \[9\d\.\d, 100\.0\]", first["recall"])
    assert first["F1"] == "100.0 %"


def test_a_long_table_goes_on_in_a_second_fragment(small, tmp_path):
    many = dataclasses.replace(small, seeds=tuple(range(30)))
    from fer_bench.report import run_list

    parts = latex.fragments(run_list.runs(_grid(many, tmp_path)), head="")
    assert list(parts) == ["runs", "runs_2", "runs_3"]
    assert all("\\toprule" in text and "\\bottomrule" in text for text in parts.values())


def test_a_failure_while_writing_leaves_the_old_report(small, tmp_path, monkeypatch):
    grid = _grid(small, tmp_path)
    (tmp_path / "report.md").write_text("old", encoding="utf-8")
    monkeypatch.setattr(write.figures, "sections", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write.write(grid, asked="")
    assert (tmp_path / "report.md").read_text(encoding="utf-8") == "old"
    assert not list(tmp_path.glob(".report-*"))


def test_an_audit_file_that_is_not_json_is_named(small, tmp_path):
    fake_grid.write(small, tmp_path)
    (tmp_path / "audits" / "synthetic.json").write_text("{", encoding="utf-8")
    with pytest.raises(FerBenchError, match="fer-bench data audit synthetic"):
        fake_grid.read(small, tmp_path)


def _marks(small, tmp_path, **changes):
    return _grid(dataclasses.replace(small, **changes), tmp_path).marks


def test_the_ordinary_case_has_no_mark(small, tmp_path):
    assert _marks(small, tmp_path) == {}
    folder = tmp_path
    write.write(fake_grid.read(small, folder), asked=small.yaml())
    assert "Data: " not in (folder / "report.md").read_text(encoding="utf-8")
    assert "sbox" not in (folder / "tables" / "main.tex").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"official": "part"}, "part of the release"),
        ({"official": "none"}, None),
        ({"unofficial": "class folders", "origin": "amber"}, "unofficial copy, never compared with an official fin"),
        ({"unofficial": "class folders", "origin": "green"}, None),
        ({"near": "red", "accepted": True}, "contaminated (near_duplicates), accepted in params.yaml"),
        ({"near": "red"}, "contaminated (near_duplicates), not accepted in params.yaml"),
        ({"accepted": True}, None),
        (
            {"official": "part", "near": "red", "origin": "red", "accepted": True},
            "part of the release; contaminated (near_duplicates, origin), accepted in params.yaml",
        ),
        ({"audited": False, "accepted": True}, None),
    ],
)
def test_a_mark_says_what_the_audits_found(small, tmp_path, changes, said):
    found = _marks(small, tmp_path, **changes)
    if said is None:
        assert found == {}
    else:
        assert found["synthetic"].startswith(f"synthetic: {said}")


def test_an_audit_that_never_asked_for_the_official_form_is_marked(small, tmp_path):
    fake_grid.write(small, tmp_path)
    path = tmp_path / "audits" / "synthetic.json"
    path.write_text('{"audits": {"counts": {"status": "green", "why": "as released"}}}', encoding="utf-8")
    assert "did not ask for the official form" in fake_grid.read(small, tmp_path).marks["synthetic"]


def test_every_table_and_figure_carries_the_marks(marked):
    folder = marked
    grid = fake_grid.read(MARKED, folder)
    parts = write.sections(grid, folder / "figures")
    blocks = [block for section in parts for block in section.blocks if hasattr(block, "caption")]
    assert len(blocks) > 12
    for block in blocks:
        said = markdown.render("", (dataclasses.replace(parts[0], blocks=(block,)),))
        assert COPY in said
        assert "contaminated (origin), accepted in params.yaml" in said
    for path in (folder / "tables").rglob("*.tex"):
        head, table, body = path.read_text(encoding="utf-8").partition("{\\scriptsize")
        for text in (head, body) if table else (head,):  # numbers.tex has no table
            assert COPY in text, path.name
    assert any(COPY in sentence for sentence in summary.section(grid).blocks[0].sentences)
    assert COPY in methods_text.paragraph(grid)


def test_every_part_of_a_long_table_carries_the_marks(small, tmp_path):
    from fer_bench.report import marked as marking
    from fer_bench.report import run_list

    many = dataclasses.replace(small, seeds=tuple(range(30)), official="part")
    grid = _grid(many, tmp_path)
    (section,) = marking.marked((run_list.section(grid),), grid.marks)
    parts = latex.fragments(section.blocks[0], head="")
    assert list(parts) == ["runs", "runs_2", "runs_3"]
    assert all("part of the release" in text for text in parts.values())


def test_scores_with_and_without_twins_stand_side_by_side(small, tmp_path):
    grid = _grid(dataclasses.replace(small, twins=30), tmp_path)
    table = adjusted.adjusted(grid)
    assert list(table.cells["method"]) == ["a", "b", "c"] * 2
    first = table.cells.iloc[0]
    assert (first["n clean"], first["n twins"]) == ("270", "30")
    assert re.fullmatch(r"(0\.0|[+−]\d+\.\d) \[.*, .*\]", first["gap, points"])
    assert "30 twins; fewer than 100 make" in table.note
    for said in ("95 % intervals", "3 seeds", "best_on_val", "weights none", "labelled picture of train"):
        assert said in table.caption
    assert "which samples are twins" in table.caption


def test_the_box_says_what_the_best_method_has_without_twins(small, tmp_path):
    grid = _grid(dataclasses.replace(small, twins=30), tmp_path)
    (sentence,) = adjusted.sentences(grid)
    assert sentence.startswith("On synthetic 30 of 300 test pictures have a twin in training, 15 of them an exact one;")
    assert re.search(r"without them a has accuracy [\d.]+ % \[.*\] instead of .*, gap .* points \[.*\]\.$", sentence)
    assert sentence in summary.section(grid).blocks[0].sentences


def test_without_twins_the_gap_is_said_to_be_0_and_the_box_is_silent(small, tmp_path):
    grid = _grid(dataclasses.replace(small, twins=0), tmp_path)
    assert "no reported sample has a twin in training, so that the gap is 0" in adjusted.adjusted(grid).empty
    assert adjusted.sentences(grid) == []


def test_where_every_sample_is_a_twin_no_score_is_called_clean(small, tmp_path):
    grid = _grid(dataclasses.replace(small, twins=300), tmp_path)
    assert set(adjusted.adjusted(grid).cells["clean"]) == {"–"}
    assert adjusted.sentences(grid)[0].endswith("no score on it is free of them.")


def test_a_grid_that_was_never_adjusted_says_so(grid):
    assert "synthetic: not computed; make it: fer-bench adjust." in adjusted.adjusted(grid).empty


def test_expressions_without_a_clean_sample_are_named(small, tmp_path):
    fake_grid.write(dataclasses.replace(small, twins=30), tmp_path)
    path = tmp_path / "contamination.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([lines[0], *(f"{line}disgust;fear" for line in lines[1:])]) + "\n", encoding="utf-8")
    assert "no clean sample of disgust and fear" in adjusted.adjusted(fake_grid.read(small, tmp_path)).note


@pytest.mark.slow
@pytest.mark.latex
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex: install texlive-latex-recommended")
def test_many_audits_with_long_reasons_are_parted_by_their_lines(small, tmp_path):
    several = {f"set_{number}": (60, 7) for number in range(6)}
    grid = _grid(dataclasses.replace(small, datasets=several, near="red", accepted=True), tmp_path)
    for found in grid.audits.values():
        found["near_duplicates"]["why"] *= 4
    assert len(latex.fragments(audit.audits(grid), head="")) > 1
    write.write(grid, asked="")
    log = run_pdflatex(tmp_path, "report.tex")
    assert "Overfull \\vbox" not in log


@pytest.mark.latex
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex: install texlive-latex-recommended")
def test_a_marked_fragment_can_be_resized_and_floated(marked, tmp_path):
    shutil.copy(marked / "tables" / "main.tex", tmp_path)
    (tmp_path / "float.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs,graphicx}\\begin{document}\n"
        "\\begin{table}\\centering\\resizebox{0.8\\linewidth}{!}{\\input{main}}\\caption{C.}\\end{table}\n"
        "\\begin{table}\\centering\\input{main}\\caption{C.}\\end{table}\n\\end{document}\n",
        encoding="utf-8",
    )
    run_pdflatex(tmp_path, "float.tex")


def test_audits_stand_with_their_names_whole(small, tmp_path):
    table = audit.audits(_grid(small, tmp_path))
    assert len(table.cells) == 7
    assert "near\\_duplicates & amber" in latex.fragments(table, head="")["audits"].replace("\\allowbreak{}", "")


def climbed_grid(tmp_path, **changes):
    fake = dataclasses.replace(fake_grid.GOLDEN, **changes)
    fake_grid.write(fake, tmp_path)
    return fake_grid.read(fake, tmp_path)


def test_a_grid_without_a_ladder_says_how_to_make_it(tmp_path):
    grid = climbed_grid(tmp_path, ordered=None)
    (tmp_path / "figures").mkdir()
    first = ladder.section(grid, tmp_path / "figures").blocks[0]
    assert first.cells.empty
    assert "fer-bench ladder" in first.empty
    assert not list((tmp_path / "figures").iterdir())
    selections = main_table.selections(grid)
    assert set(selections.cells["over last"]) == {"–"}
    assert "fer-bench ladder" in selections.note


def test_a_ladder_names_the_methods_that_were_not_asked_in_batches(tmp_path):
    table = ladder.table(climbed_grid(tmp_path), "accuracy")
    assert "Not asked in batches: Conv-cut." in table.note
    assert "Fitted in one go, so that no step changes anything: Majority class." in table.note
    assert set(table.cells["method"]) == {"Conv-cut", "PAtt-Lite"}


def test_a_published_number_is_the_last_row_of_its_methods_ladder(tmp_path):
    rows = ladder.table(climbed_grid(tmp_path), "accuracy").cells
    last = rows[rows["method"] == "PAtt-Lite"].iloc[-1]
    assert (last["step"], last["Accuracy"], last["n"]) == (
        "published, Table 3 (selected by: best_on_test)",
        "95.05 %",
        "400",
    )


def test_the_number_of_the_whole_method_is_no_line_for_an_ablation(tmp_path):
    grid = climbed_grid(tmp_path)
    claim = grid.cards["patt_lite"].claims[0]
    cut = msgspec.structs.replace(
        grid.cards["patt_lite"],
        tables=[
            PublishedTable(
                name="table2", where="Table 2", about="rows", metric="accuracy", columns=["row"],
                rows=[PublishedRow(cells=["without"], recipes=["toy"], published={"synthetic": 0.5})],
            )
        ],
    )  # fmt: skip
    assert ladder.claims(grid, "synthetic", "patt_lite", "accuracy") == [claim]
    assert not ladder.claims(dataclasses.replace(grid, cards={"patt_lite": cut}), "synthetic", "patt_lite", "accuracy")


def test_an_ablation_stands_only_where_the_grid_holds_a_row(tmp_path):
    grid = climbed_grid(tmp_path)
    table = next(block for block in published.section(grid).blocks if block.name == "conv_cut_table2")
    assert list(table.cells["rafdb, claimed"]) == ["97.33", "75.62"]
    assert list(table.cells["synthetic, ours"])[1] == "not run"
    none = params.from_yaml(grid.params.report and _without(tmp_path, "conv_cut"), params.Params, where="params.yaml")
    found = published.section(dataclasses.replace(grid, params=none))
    assert found is None or "conv_cut_table2" not in {block.name for block in found.blocks}


def _without(folder, method):
    text = (folder / "params.yaml").read_text(encoding="utf-8")
    return text.replace(f"  {method}: {{recipe: toy}}\n", "").replace(f'"{method}"', '"patt_lite"')


def test_a_method_that_stands_several_times_is_titled_with_its_recipes(grid_folder):
    file = grid_folder / "params.yaml"
    text = file.read_text()
    file.write_text(text.replace("  conv_cut:", "  cut: {method: conv_cut, recipe: toy_table2_cut}\n  conv_cut:"))
    asked = params.read()
    assert [title_of(asked, entry, "Conv-cut") for entry in ("cut", "conv_cut")] == [
        "Conv-cut, toy_table2_cut",
        "Conv-cut, toy",
    ]
    assert title_of(asked, "lbp_svm", "LBP + SVM") == "LBP + SVM"


def test_the_matrix_is_a_table_whose_halves_are_each_others_opposite(grid):
    (table,) = matrix.tables(grid, "synthetic", "accuracy")
    cells = table.cells.set_index("row less column")
    assert list(cells.index) == ["1. a", "2. b", "3. c"]
    assert [cells.iloc[place, place] for place in range(3)] == [""] * 3
    assert re.fullmatch(r"\+\d+\.\d ▲", cells.loc["1. a", "3"])
    assert cells.loc["3. c", "1"] == cells.loc["1. a", "3"].replace("+", "−").replace("▲", "▼")
    assert "[U+" not in latex.fragments(table, head="")["matrix_synthetic_accuracy"]


def test_a_matrix_too_wide_for_a_page_is_parted_in_columns(small, tmp_path):
    many = dataclasses.replace(small, methods={f"m{place:02}": 0.5 + 0.02 * place for place in range(13)}, seeds=(0,))
    first, second = matrix.tables(_grid(many, tmp_path), "synthetic", "accuracy")
    assert (list(first.cells)[1:], list(second.cells)[1:]) == (list("1234567"), ["8", "9", "10", "11", "12", "13"])
    assert (first.name, second.name) == ("matrix_synthetic_accuracy", "matrix_synthetic_accuracy_columns2")
    assert "columns 8 to 13" in second.caption


def test_the_methods_paragraph_says_how_every_number_came_about(grid):
    text = methods_text.paragraph(grid)
    for said in (
        "a, b and c on synthetic with 3 seeds each (0, 1 and 2) under the protocol honest",
        "300 are reported, in 7 expressions",
        "accuracy, macro-F1 and mean recall of the checkpoint best_on_val, mean over seeds, with 95 % intervals",
        "they allow for other seeds and samples and hold the training data and the recipe fixed",
        "Holm's correction within each family (accuracy on synthetic (3 tests); macro_f1 on synthetic (3 tests))",
        "within 0.5 points either way, as decided beforehand",
        "fer-bench 0",
        "commit 0123456789ab",
    ):
        assert said in text
    assert "\n" not in text


def test_signatures_that_tables_record_stand_in_the_methods_paragraph(grid):
    of = "ds:synthetic|n:300|ids:00c0ffee|classes:7|rule:released|protocol:honest|selection:best_on_val|seeds:0"
    signed = f"fer|{of}|b:0|v:9.1"
    tables = {**grid.tables, "intervals": grid.tables["intervals"].assign(signature=signed)}
    text = methods_text.paragraph(dataclasses.replace(grid, tables=tables))
    assert text.endswith(f"Signature of the numbers: {signed}.")
    assert "computed with fer-bench 9.1;" in text


def test_published_methods_stand_side_by_side_whether_or_not_the_grid_holds_them(grid):
    card = Card(title="Paper", pretraining="none", tables=[PublishedTable(
        name="table1", where="Table 1", about="methods", metric="accuracy", columns=["method"],
        rows=[PublishedRow(cells=["Other"], method="other", published={"rafdb": 0.8876})],
    )])  # fmt: skip
    (table,) = published.section(dataclasses.replace(grid, known={"paper": card})).blocks
    assert table.cells.to_dict("records") == [
        {"method": "Other", "rafdb, claimed": "88.76", "rafdb, ours": "not run", "synthetic, ours": "not run",
         "recipe": "–", "seeds": "–"}
    ]  # fmt: skip


def test_claims_chosen_on_test_bear_a_sign_and_their_verdict(tmp_path):
    table = next(block for block in published.section(climbed_grid(tmp_path)).blocks if block.name == "conv_cut_table1")
    row = table.cells.set_index("method").loc["PAtt-Lite"]
    assert (row["synthetic, claimed"], row["synthetic, verdict"], row["rafdb, claimed"]) == ("95.05 ‡", "void", "95.05")
    assert table.note.startswith("‡: that checkpoint was chosen on the reported samples")


def test_claims_of_methods_outside_the_grid_are_counted_not_listed(tmp_path):
    table = claims.claims(climbed_grid(tmp_path))
    assert set(table.cells["method"]) == {"Conv-cut", "PAtt-Lite"}
    assert "left out here: 1 claim of methods outside this grid (not_here); verdicts.csv" in table.note


def test_two_expressions_and_names_of_forty_letters_make_a_report(small, tmp_path):
    name = "m" * 40
    fake = dataclasses.replace(small, methods={name: 0.9, "b": 0.5}, datasets={"two": (60, 2)}, seeds=(0,))
    write.write(_grid(fake, tmp_path), asked="")
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert name in text
    assert "2 expressions" in text


@pytest.mark.latex
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex: install texlive-latex-recommended")
def test_macros_print_numbers_and_stop_at_one_that_is_not_there(grid, tmp_path):
    (tmp_path / "numbers.tex").write_text(numbers.macros(grid, head="% made\n"), encoding="utf-8")
    other = numbers.macros(grid, head="").replace("{3}", "{4}")
    (tmp_path / "other.tex").write_text(other, encoding="utf-8")
    document = (
        "\\documentclass{article}\\input{numbers}\\input{%s}\\begin{document}\\section{\\fer{synthetic}{a}{accuracy}}\n"
        "\\ferestimate{synthetic}{a}{accuracy} \\ferlow{synthetic}{a}{accuracy} \\ferhigh{synthetic}{a}{accuracy}\n"
        "\\fern{synthetic}{a}{accuracy} \\ferseeds{synthetic}{a}{accuracy} \\ferdifference{synthetic}{c}{a}{accuracy}\n"
        "\\tableofcontents %s\\end{document}\n"
    )
    (tmp_path / "good.tex").write_text(document % ("numbers", ""), encoding="utf-8")
    assert "two values" not in run_pdflatex(tmp_path, "good.tex")
    (tmp_path / "two.tex").write_text(document % ("other", ""), encoding="utf-8")
    assert "two values of seeds/synthetic/a/accuracy" in run_pdflatex(tmp_path, "two.tex")
    (tmp_path / "bad.tex").write_text(document % ("numbers", "\\fer{synthetic}{a}{nothing}"), encoding="utf-8")
    with pytest.raises(FerBenchError, match="no number of/synthetic/a/nothing"):
        run_pdflatex(tmp_path, "bad.tex")


@pytest.mark.slow
def test_the_report_of_twelve_methods_five_seeds_and_two_data_sets_draws_every_figure_once(
    small, tmp_path, monkeypatch
):
    # its time and memory are measured by benchmarks/report.py, in a process of its own
    many = dataclasses.replace(
        small, methods={f"m{place:02}": 0.6 + 0.02 * place for place in range(12)}, seeds=tuple(range(5)), twins=300,
        datasets={"one": (3137, 8), "two": (3068, 7)},
    )  # fmt: skip
    grid = _grid(many, tmp_path)
    drawn = []
    monkeypatch.setattr(
        style, "_write", lambda _, pdf, png, write=style._write: (drawn.append(png.stem), write(_, pdf, png))
    )
    write.write(grid, asked="", kept=tmp_path / "kept")
    named = sorted(path.stem for path in (tmp_path / "figures").glob("*.pdf"))
    assert sorted(drawn) == named
    assert len(named) > 60
    drawn.clear()
    write.write(grid, asked="", kept=tmp_path / "kept")
    assert drawn == []
    assert sorted(path.stem for path in (tmp_path / "figures").glob("*.pdf")) == named


@pytest.mark.parametrize("title", ["Conv-cut (approximation)", None])
def test_every_table_says_of_an_approximation_that_it_is_one(tmp_path, title):
    card = msgspec.structs.replace(
        fake_grid.CARDS["conv_cut"], title="Conv-cut (approximation)", approximation="its stem"
    )
    titles = {"patt_lite": "PAtt-Lite", **({"conv_cut": title} if title else {})}
    grid = climbed_grid(tmp_path, cards={**fake_grid.CARDS, "conv_cut": card}, titles=titles)
    (tmp_path / "figures").mkdir()
    blocks = [block for section in write.sections(grid, tmp_path / "figures") for block in section.blocks]
    of_methods = {"method", "A", "B"}
    named = {}
    for block in blocks:
        for column in of_methods & set(getattr(block, "cells", ())):
            cells = {cell for cell in block.cells[column] if cell.lower().startswith(("conv-cut", "conv_cut"))}
            named[block.name] = named.get(block.name, set()) | cells
    assert {"main", "selections", "runs", "claims", "efficiency"} <= {name for name, cells in named.items() if cells}
    published_names = {"conv_cut_table1"}  # the paper's own name of the row, and the recipe says what ours is
    bare = {name for name, cells in named.items() if any("approximation" not in cell for cell in cells)}
    assert bare <= published_names
    table = next(block for block in blocks if getattr(block, "name", "") == "conv_cut_table2")
    assert "toy (approximation)" in set(table.cells["recipe"])
    assert "% conv_cut: an approximation, without its stem\n" in numbers.macros(grid, head="")


def test_the_list_of_runs_says_which_files_of_weights_were_used_and_whether_they_are_those_on_record(tmp_path):
    grid = climbed_grid(tmp_path)
    assert run_list.runs(grid).note == ""
    known = KnownFile(name="trunk.pth", sha256="a" * 64, what="as mirrored")
    cards = {**grid.cards, "conv_cut": msgspec.structs.replace(grid.cards["conv_cut"], files=[known])}
    files = {"weights": "file:trunk.pth, second.pth", "weights_digest": f"{'a' * 64}, {'b' * 64}"}
    brought = grid.runs["method"] == "conv_cut"
    runs = grid.runs.assign(**{name: grid.runs[name].where(~brought, value) for name, value in files.items()})
    note = run_list.runs(dataclasses.replace(grid, cards=cards, tables={**grid.tables, "runs": runs})).note
    assert note == (
        "Files of weights: trunk.pth, SHA-256 aaaaaaaaaaaa…, the one on record (as mirrored). "
        "second.pth, SHA-256 bbbbbbbbbbbb…; none is on record. runs.csv has all digits."
    )
