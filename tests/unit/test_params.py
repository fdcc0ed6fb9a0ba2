"""params.yaml: every mistake is named where it stands."""

from pathlib import Path

import pytest

from fer_bench import card, params, registry, whole, yaml12
from fer_bench.errors import FerBenchError
from fer_bench.method import Weights
from fer_bench.provenance import ROOT
from fer_bench.training.cell import with_options


def read_changed(folder, old, new):
    file = folder / "params.yaml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new, 1))
    return params.read(file)


def test_the_grid_is_read_with_its_defaults(grid_folder):
    found = params.read()
    assert found.results.as_posix() == "results/tiny"
    assert found.run.protocol == "honest"
    assert found.cell("synthetic", "lbp_svm", 1).as_posix() == "results/tiny/runs/synthetic/lbp_svm/seed1"


def test_a_grid_holds_every_method_that_has_code():
    grid = params.read(ROOT / "grids" / "every_method.yaml")
    assert {name: choice.recipe for name, choice in grid.methods.items()} == dict.fromkeys(
        registry.names("methods"), "toy"
    )


BASELINE = "accuracy], baseline: dan}\nreport"
NO_PROTOCOL = "run: {seeds: [0, 1], protocol: honset}"


@pytest.mark.parametrize(
    ("old", "new", "problem", "fix"),
    [
        ("compare: {", "compare: {margn: 0.1, ", "compare: Object contains unknown field", "did you mean margin?"),
        ("seeds: [0, 1]", "seeds: [0, one]", "run.seeds[1]: Expected `int`, got `str`", "type and range"),
        ("seeds: [0, 1]", "seeds: [0, -1]", "run.seeds[1]", "type and range"),
        ("seeds: [0, 1]", "seeds: [1, 1]", "run.seeds repeats 1", "once"),
        ("seeds: [0, 1]", "seeds: []", "run.seeds is empty", "at least one"),
        ("lbp_svm:", "lbp_svn:", "unknown method 'lbp_svn'", "did you mean lbp_svm?"),
        ("  synthetic:", "  syntetic:", "unknown dataset 'syntetic'", "did you mean synthetic?"),
        ("mean_recall]", "mean_recal]", "unknown metric 'mean_recal'", "did you mean mean_recall?"),
        ("n_resamples: 200", "n_resamples: 3", "score.n_resamples", "type and range"),
        ("grid: tiny", "grid: ../tiny", "grid", "type and range"),
        ("grid: tiny", 'grid: "tiny\\n"', "grid", "type and range"),
        ("grid: tiny", f"grid: {65 * 't'}", "grid", "type and range"),
        ("seeds: [0, 1]", f"seeds: [{2**63}]", "run.seeds[0]", "type and range"),
        ("grid: tiny", "grid: [tiny", "not valid YAML", "line"),
        ("run: {seeds: [0, 1]}", NO_PROTOCOL, "unknown protocol 'honset'", "did you mean honest?"),
        ("accuracy, macro_f1]}\nreport", BASELINE, "compare.baseline names 'dan'", "one of: majority_class"),
        (", macro_f1, mean_recall]", "]", "compare.metrics has macro_f1", "score.metrics"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_fix(grid_folder, old, new, problem, fix):
    with pytest.raises(FerBenchError) as caught:
        read_changed(grid_folder, old, new)
    assert problem in caught.value.problem
    assert fix in caught.value.fix


def test_one_method_can_stand_in_a_grid_several_times(grid_folder):
    twice = "  conv_cut_cut: {method: conv_cut, recipe: toy_table2_cut}\n  conv_cut: {recipe: toy}"
    found = read_changed(grid_folder, "  conv_cut: {recipe: toy}", twice)
    assert found.method_of("conv_cut_cut") == found.method_of("conv_cut") == "conv_cut"
    assert found.entries_of("conv_cut") == ["conv_cut_cut", "conv_cut"]


def test_an_entry_whose_method_does_not_exist_is_named(grid_folder):
    with pytest.raises(FerBenchError, match="unknown method 'conv_cutt'") as caught:
        read_changed(grid_folder, "conv_cut: {recipe", "mine: {method: conv_cutt, recipe")
    assert "did you mean conv_cut?" in caught.value.fix


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FerBenchError, match="no file") as caught:
        params.read(tmp_path / "params.yaml")
    assert "--params" in caught.value.fix


FOR_A_GPU = ["paper", "paper_clip"]
GRIDS = [ROOT / "params.yaml", *sorted((ROOT / "grids").glob("*.yaml"))]


@pytest.mark.parametrize("file", GRIDS, ids=lambda file: file.name)
def test_every_grid_of_the_project_can_be_read(file):
    found = params.read(file)
    # dvc.yaml names these one by one, and DVC wants what it names
    written = yaml12.load(file.read_text(), where=str(file))["run"].keys()
    assert written == set(params.Run.__struct_fields__)
    assert file.name == "params.yaml" or found.grid == file.stem


@pytest.mark.parametrize("file", GRIDS, ids=lambda file: file.name)
def test_every_grid_of_the_project_names_recipes_and_options_that_there_are(file):
    found = params.read(file)
    for entry, choice in found.methods.items():
        if choice.predictions is not None:
            assert (ROOT / choice.predictions).is_dir()
            continue
        recipes = registry.load("methods", found.method_of(entry)).recipes
        assert choice.recipe in recipes, f"{entry}: {choice.recipe}"
        with_options(recipes[choice.recipe], choice.options, where=entry)


PAPER = [ROOT / "grids" / "paper.yaml", ROOT / "grids" / "paper_clip.yaml"]


def test_the_papers_grids_hold_every_method_of_its_table_that_has_code():
    held = {grid.method_of(entry) for grid in map(params.read, PAPER) for entry in grid.methods}
    tables = [table for table in card.read("conv_cut").tables if any(row.method for row in table.rows)]
    rows = {row.method or "conv_cut" for table in tables for row in table.rows}
    assert rows & set(registry.names("methods")) <= held
    assert set(registry.names("methods")) == held


@pytest.mark.parametrize("file", PAPER, ids=lambda file: file.name)
def test_the_papers_grids_say_which_files_have_to_be_brought_and_have_each_method_without_where_it_can_be(file):
    found, text = params.read(file), file.read_text()
    without = set()
    for entry, choice in found.methods.items():
        method = registry.load("methods", found.method_of(entry))
        recipe = method.recipes[choice.recipe]
        weights = choice.weights or recipe.weights
        if weights in {"none", "timm"}:
            without.add(found.method_of(entry))
            continue
        options = with_options(recipe, choice.options, where=entry).options
        brought = [Path(weights), *method.files(options, Weights("file", Path(weights)))]
        line = text.index(f"  {entry}: {{")
        beside = text[line : text.index("\n", line)]
        assert all(path.name in beside or "the same two" in beside for path in brought), entry
    for entry in found.methods:
        name = found.method_of(entry)
        recipes = registry.load("methods", name).recipes
        others = {
            key for key, recipe in recipes.items() if key.startswith("code_") and recipe.weights in {"none", "timm"}
        }
        assert name in without or not others, f"{name}: {others}"


def test_opening_a_grid_finishes_what_a_stopped_verb_had_ready(grid_folder, monkeypatch):
    """Killed between the first and the last of its files, `score` left a mixture that `report` printed."""
    folder = params.read().results
    for text in ("first", "second"):
        with monkeypatch.context() as patch:
            if text == "second":
                patch.setattr(whole, "_finish", lambda _: None)
            with whole.together(folder, "score") as new:
                for name in ("runs.csv", "scores.csv"):
                    (new / name).write_text(text)
    (folder / "runs.csv").write_text("second")
    params.read()
    assert [(folder / name).read_text() for name in ("runs.csv", "scores.csv")] == ["second", "second"]
    assert sorted(path.name for path in folder.iterdir()) == ["runs.csv", "scores.csv"]


@pytest.mark.parametrize("name", FOR_A_GPU)
def test_a_grid_that_is_meant_for_a_gpu_does_not_start_without_one(name):
    assert params.read(ROOT / "grids" / f"{name}.yaml").run.device == "cuda"
