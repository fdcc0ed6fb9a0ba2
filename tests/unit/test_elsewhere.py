"""Predictions that were brought, as an entry of a grid: read onto the grid's samples, marked."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from fer_bench import params, provenance
from fer_bench.cli.main import app
from fer_bench.errors import FerBenchError
from fer_bench.explain import asked
from fer_bench.expressions import EXPRESSIONS
from fer_bench.report import compared, environment, ladder, main_table, methods_text, summary
from fer_bench.report import grid as report_grid
from fer_bench.stats import committed, comparing, judging, laddering, scoring, signature
from fer_bench.tables import predicted, predictions, runs
from fer_bench.tables.comparisons import comparisons
from fer_bench.tables.verdicts import verdicts
from fer_bench.training import orders
from fer_bench.training.carry_out import carry_out

ORDER = ["surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"]
ENTRY = "  mine: {predictions: predictions/mine, options: {label_order: rafdb}}\n"


def run(*arguments):
    found = CliRunner().invoke(app, list(arguments))
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found


def samples():
    table = pd.read_csv("data/synthetic/samples.csv")
    return table[table["split"] == "test"]


def probabilities(seed):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(len(samples()), 7)) + 2 * np.eye(7)[samples()["label"]]
    return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)


def bring(seed, change=lambda table: table, folder="predictions/mine"):
    """Write a seed's predictions as somebody has them: ids of their own, columns numbered as RAF-DB numbers."""
    p = probabilities(seed)
    columns = {f"p_{ORDER.index(name) + 1}": p[:, k] for k, name in enumerate(EXPRESSIONS[:7])}
    table = pd.DataFrame({"image": [f"faces/{name}.png" for name in samples()["sample_id"]]} | columns)
    Path(folder).mkdir(parents=True, exist_ok=True)
    change(table).to_csv(f"{folder}/seed{seed}.csv", index=False)


def edited(*pairs):
    file = Path("params.yaml")
    text = file.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)
    return params.read()


@pytest.fixture
def brought(prepared_folder):
    """A prepared grid with a method of ours and brought predictions."""
    edited(("  lbp_svm: {recipe: toy}\n  conv_cut: {recipe: toy}\n", ENTRY))
    for seed in (0, 1):
        bring(seed)
    return prepared_folder


def carried_out(grid=None):
    grid = grid or params.read()
    for method in grid.methods:
        for seed in grid.run.seeds:
            carry_out(grid, dataset="synthetic", method=method, seed=seed)
    return grid


@pytest.fixture
def scored(brought):
    grid = carried_out()
    scoring.write(scoring.score(grid), grid.results)
    return grid


def test_brought_predictions_are_scored_on_the_grids_samples(scored):
    wide = predicted.read(scored.results / "predicted" / "synthetic.csv")
    for seed in (0, 1):
        expected = pd.Series(probabilities(seed).argmax(axis=1), index=samples()["sample_id"])
        assert wide[f"mine/seed{seed}/best_on_val"].tolist() == expected[wide["sample_id"]].tolist()
    scores = pd.read_csv(scored.results / "scores.csv").query("method == 'mine' and metric == 'accuracy'")
    right = [(probabilities(seed).argmax(axis=1) == samples()["label"]).mean() for seed in (0, 1)]
    assert scores["value"].tolist() == pytest.approx(right)
    stored = scoring.stored(scored)
    assert stored.scores.query("method == 'mine'")["value"].tolist() == pytest.approx(
        pd.read_csv(scored.results / "scores.csv").query("method == 'mine'")["value"].tolist()
    )


def test_a_run_of_them_is_a_table_as_any_with_a_record_that_claims_nothing(scored):
    folder = scored.cell("synthetic", "mine", 1)
    assert sorted(file.name for file in folder.iterdir()) == ["predictions.csv", "run.json"]
    record = runs.read_record(folder / "run.json")
    assert runs.check_unchanged(folder / "run.json", "predictions.csv")
    assert (record.recipe, record.weights, record.device, record.n_train, record.commit) == (
        "brought", "unknown", "unknown", 0, None
    )  # fmt: skip
    assert record.files == {"seed1.csv": provenance.sha256_of_file(Path("predictions/mine/seed1.csv"))}
    assert record.settings["options"]["said"] == {"label_order": "rafdb"}
    row = pd.read_csv(scored.results / "runs.csv").query("method == 'mine'").iloc[0]
    assert (row["batch_mates"], row["weights"]) == ("unknown", "unknown")
    held = (folder / "predictions.csv").read_bytes()
    carry_out(scored, dataset="synthetic", method="mine", seed=1)  # again, over itself
    assert (folder / "predictions.csv").read_bytes() == held


def test_the_numbers_are_those_that_score_gives_for_the_file(scored):
    done = run(
        "score", "predictions/mine/seed1.csv", "--dataset", "synthetic", "--label-order", "rafdb", "--json",
        "--metric", "accuracy", "--metric", "macro_f1", "--metric", "mean_recall",
    )  # fmt: skip
    of_file = pd.DataFrame(json.loads(done.stdout)).set_index("metric")
    of_grid = pd.read_csv(scored.results / "intervals.csv").query("method == 'mine' and seeds == '1'")
    of_grid = of_grid.set_index("metric")
    assert of_file["estimate"].to_dict() == pytest.approx(of_grid["estimate"].to_dict())


def test_no_number_of_them_claims_the_protocol_or_its_selection(scored):
    table = pd.read_csv(scored.results / "intervals.csv")
    signed = {method: signature.parse(rows["signature"].iloc[0]) for method, rows in table.groupby("method")}
    assert (signed["mine"].protocol, signed["mine"].selection) == ("?", "?")
    assert (signed["majority_class"].protocol, signed["majority_class"].selection) == ("honest", "best_on_test")
    pair = comparing.compare_grid(scored, metrics=["accuracy"], baseline=None, dataset=None, say=lambda _: None)
    told = signature.parse(pair["signature"].item())
    assert (told.protocol, told.selection) == ("?", "?")


def test_beside_results_that_hold_them_their_selection_is_not_known_whichever_is_asked(scored):
    for method, selection, told in (("mine", "last", "?"), ("majority_class", "last", "last")):
        found = committed.read("results/tiny", dataset=None, selection=selection)
        signed = found.runs[Path(f"results/tiny/{method}/seed0")].signature
        assert (signed.selection, signed.protocol) == (told, "?" if told == "?" else "honest")


def labels_alone(table):
    pred = table.filter(regex="^p_").idxmax(axis=1).str.removeprefix("p_")
    return table[["image"]].assign(pred=pred)


def test_probabilities_are_compared_too_and_labels_alone_only_where_no_metric_needs_them(brought):
    edited(("mean_recall]", "log_loss]"), ("[accuracy, macro_f1]}\nreport", "[accuracy, log_loss]}\nreport"))
    grid = carried_out()
    found = scoring.score(grid)
    scoring.write(found, grid.results)
    p = probabilities(0)[np.arange(len(samples())), samples()["label"]]
    row = found.scores.query("method == 'mine' and seed == 0 and metric == 'log_loss'")
    assert row["value"].item() == pytest.approx(-np.log(p).mean())
    assert set(found.calibration["method"]) == {"majority_class", "mine"}
    table, _ = comparing.compare_and_rank(grid, metrics=None, baseline=None, dataset=None, say=lambda _: None)
    comparisons.write(table, grid.results / "comparisons.csv")
    verdicts.write(judging.judge(grid), grid.results / "verdicts.csv")
    row = table.set_index("metric").loc["log_loss"]
    assert (row["method_a"], row["method_b"]) == ("majority_class", "mine")
    shown = compared.comparisons(report_grid.read(grid)).cells.set_index("metric")["A − B"]
    assert "points" in shown["Accuracy"]
    assert shown["Log loss"].startswith(f"{row['difference']:+.3f} [".replace("-", "−"))
    for seed in (0, 1):
        bring(seed, labels_alone)
    carried_out(grid)
    with pytest.raises(FerBenchError, match="labels alone, as they were brought, and log_loss needs") as caught:
        scoring.score(grid)
    assert "leave log_loss out of score.metrics" in caught.value.fix
    labels = edited((", log_loss], n_resamples", "], n_resamples"), ("[accuracy, log_loss]}", "[accuracy, macro_f1]}"))
    assert scoring.score(labels).scores.query("method == 'mine'")["value"].tolist() == pytest.approx(
        found.scores.query("method == 'mine' and metric != 'log_loss'")["value"].tolist()
    )


def test_of_equal_scores_the_label_that_the_file_names_is_the_answer(brought):
    def tie(table):
        numbers = table[["image"]].assign(pred=2)
        return numbers.assign(**{f"p_{k}": 0.5 if k in {2, 5} else 0.0 for k in range(1, 8)})

    bring(0, tie)
    grid = params.read()
    carry_out(grid, dataset="synthetic", method="mine", seed=0)
    held = predictions.read(grid.cell("synthetic", "mine", 0) / "predictions.csv", n_classes=7)
    assert set(held["y_pred"]) == {EXPRESSIONS.index("fear")}


def test_a_grid_of_brought_predictions_alone_is_scored_by_the_data_set(brought):
    grid = carried_out(edited(("  majority_class: {recipe: toy}\n", "")))
    found = scoring.score(grid)
    assert set(found.scores["method"]) == {"mine"}
    scoring.write(found, grid.results)
    table, _ = comparing.compare_and_rank(grid, metrics=None, baseline=None, dataset=None, say=lambda _: None)
    comparisons.write(table, grid.results / "comparisons.csv")
    verdicts.write(judging.judge(grid), grid.results / "verdicts.csv")
    held = report_grid.read(grid)
    assert methods_text.paragraph(held).startswith("Nothing was trained. Predictions of mine")
    assert "On synthetic 60 samples are reported, in 7 expressions" in methods_text.paragraph(held)
    assert "Initial weights" not in methods_text.paragraph(held)
    assert "; nothing was trained." in summary.signature(held)
    assert environment.environment(held).cells.empty


def test_labels_alone_are_not_taken_for_a_run_that_lost_its_logits(brought):
    grid = carried_out()
    file = grid.cell("synthetic", "majority_class", 0) / "predictions.csv"
    table = pd.read_csv(file)
    table[["sample_id", "selection", "y_true", "y_pred"]].to_csv(file, index=False)
    runs.write_sealed(runs.read_record(file.with_name("run.json")), file.parent)  # or its digest is another
    with pytest.raises(FerBenchError, match="missing logit_neutral"):
        scoring.score(grid)


def test_what_a_file_leaves_open_is_said_in_the_entry_and_the_fix_names_it(brought):
    edited((", options: {label_order: rafdb}", ""))
    with pytest.raises(FerBenchError, match="p_7 … p_2 are numbered") as caught:
        run("sources")
    assert "--label-order" in caught.value.fix
    assert "in a grid, options stand in methods.mine.options: column, scores, label_order" in caught.value.fix
    edited(("predictions/mine}", "predictions/mine, options: {label_oder: rafdb}}"))
    with pytest.raises(FerBenchError, match=r"methods.mine.options: .* unknown field `label_oder`") as caught:
        run("sources")
    assert caught.value.fix == "did you mean label_order?"


def eight(table):
    return table.rename(columns={f"p_{k}": f"p_{name}" for k, name in enumerate(ORDER, 1)}).assign(p_contempt=0.0)


def test_eight_outputs_on_seven_expressions_are_asked_back_and_one_way_is_left(brought):
    for seed in (0, 1):
        bring(seed, eight)
    with pytest.raises(FerBenchError, match="tells 8 expressions apart, not 7") as caught:
        run("sources")
    assert "--classes 7" in caught.value.fix
    assert "--classes 8" not in caught.value.fix
    edited(("label_order: rafdb", "classes: 8"))
    with pytest.raises(FerBenchError, match=r"methods.mine.options.classes: 8, and synthetic has 7"):
        run("sources")
    edited(("classes: 8", "classes: 7"))
    run("sources")
    assert set(scoring.score(carried_out()).scores["method"]) == {"majority_class", "mine"}


def renamed(table):
    return table.assign(image=table["image"].str.replace("synth", "real"))


@pytest.mark.parametrize(
    ("change", "problem", "fix"),
    [
        (lambda table: table[1:], "59 of 60 samples of synthetic test; missing synth_test_00", "wrong answer"),
        (
            renamed,
            "no id is in synthetic",
            "data/DATASET/samples.csv",
        ),
        (lambda table: pd.concat([table, table.tail(1).assign(image="faces/other.png")]), "not one sample's", "ids"),
        (lambda table: table.assign(label=1), "disagree about the true label", "label rules differ, remove those"),
        (lambda table: table.assign(selection="last"), "has no selection best_on_val, which the protocol", "remove"),
        (lambda table: table.assign(p_1=np.nan), "NaN", ""),
    ],
)
@pytest.mark.parametrize("verb", [("sources",), ("run", "mine", "--dataset", "synthetic", "--seed", "1")])
def test_what_does_not_fit_the_grid_is_refused_before_anything_is_trained(brought, change, problem, fix, verb):
    bring(1, change)
    with pytest.raises(FerBenchError, match=problem) as caught:
        run(*verb)
    assert fix in caught.value.fix
    assert "--dataset" not in caught.value.fix
    assert not Path("results/tiny/runs").exists()


def test_before_data_are_prepared_files_are_read_and_ids_are_not_asked(brought):
    bring(1, lambda table: table[1:])
    Path("data").rename("not-yet")
    run("sources")
    file = Path("predictions/mine/seed1.csv")
    pd.read_csv(file).assign(p_1=np.nan).to_csv(file, index=False)
    with pytest.raises(FerBenchError, match="NaN"):
        run("sources")


def test_doctor_names_what_cannot_be_read_and_ends_with_1(brought):
    done = run("doctor")
    assert "mine predictions" in done.stdout
    bring(1, lambda table: table[1:])
    done = run("doctor")
    assert done.exit_code == 1
    assert "methods.mine: predictions/mine/seed1.csv: 59 of 60 samples" in done.stderr.replace("\n", " ")


@pytest.mark.parametrize(
    ("old", "new", "problem", "fix"),
    [
        ("predictions/mine", "predictions/gone", "no folder predictions/gone", "a file per seed"),
        ("predictions/mine", "elsewhere/mine", "does not lie in predictions/", "predictions/mine"),
        ("predictions/mine", "predictions/../x", "does not lie in predictions/", "move it"),
        ("[0, 1]", "[0, 1, 2]", "no files of seed 2; one is expected", "seed2.csv"),
        ("rafdb", "mine", "--label-order mine: no such order", "alphabetical7"),
    ],
)
def test_an_entry_that_is_not_there_is_named_with_what_to_do(brought, old, new, problem, fix):
    edited((old, new))
    with pytest.raises(FerBenchError) as caught:
        run("sources")
    assert problem in caught.value.problem
    assert fix in caught.value.fix


def test_two_files_of_a_seed_are_asked_back_and_longer_numbers_are_others(brought):
    bring(10)
    run("sources")
    Path("predictions/mine/mine_seed_1.tsv").write_text("x")
    with pytest.raises(FerBenchError, match=r"2 files of seed 1 \(mine_seed_1.tsv, seed1.csv\)"):
        run("sources")


def test_folders_of_seeds_and_of_data_sets_are_looked_into(brought):
    shutil.rmtree("predictions/mine")
    for seed in (0, 1):
        bring(seed, folder=f"predictions/mine/synthetic/seed{seed}")
        Path(f"predictions/mine/synthetic/seed{seed}/seed{seed}.csv").rename(
            f"predictions/mine/synthetic/seed{seed}/predictions.csv"
        )
    assert carried_out().cell("synthetic", "mine", 0).is_dir()


SECOND = "  other:\n    source: fer_bench/datasets/synthetic.py\n    reader: synthetic\nmethods:\n"


def test_predictions_of_one_data_set_alone_do_not_make_a_row_of_another(brought):
    shutil.rmtree("predictions/mine")
    for seed in (0, 1):
        bring(seed, folder="predictions/mine/synthetic")
    edited(("methods:\n", SECOND))
    with pytest.raises(FerBenchError, match="predictions/mine holds nothing of other") as caught:
        run("sources")
    assert "predictions/mine/other" in caught.value.fix


def test_a_run_depends_on_the_files_that_were_brought(brought):
    run("sources")
    held = {file.name: file.read_text() for file in Path("results/tiny/sources").iterdir()}
    files = json.loads(held["mine.json"])["files"]
    assert list(files)[:2] == ["predictions/mine/seed0.csv", "predictions/mine/seed1.csv"]
    assert {"fer_bench/tables/brought.py", "fer_bench/stats/truth.py"} < set(files)
    bring(1, lambda table: table[::-1])
    run("sources")
    changed = [file.name for file in Path("results/tiny/sources").iterdir() if file.read_text() != held[file.name]]
    assert changed == ["mine.json"]


def test_there_is_no_model_to_ask_and_the_audits_say_so(scored):
    audited = orders.of_method(scored, dataset="synthetic", method="mine")
    assert audited.without == "mine was brought as predictions: there is no model to ask"
    found = asked.of_run(scored, dataset="synthetic", method="mine", seed=0, n=10).found
    assert found.why == "brought as predictions, so that there is no model to ask"


def test_every_table_and_the_report_mark_them(scored):
    table, _ = comparing.compare_and_rank(scored, metrics=None, baseline=None, dataset=None, say=lambda _: None)
    comparisons.write(table, scored.results / "comparisons.csv")
    verdicts.write(judging.judge(scored), scored.results / "verdicts.csv")
    grid = report_grid.read(scored)
    assert grid.title("mine") == "mine (brought)"
    row = main_table.main(grid).cells.set_index("method").loc["mine (brought)"]
    assert (row["recipe"], row["selection"], row["weights"], row["batch mates"]) == (
        "brought", "unknown", "unknown", "unknown"
    )  # fmt: skip
    assert "Brought: predictions that were made elsewhere" in main_table.main(grid).note
    assert "mine (brought)" not in set(main_table.selections(grid).cells["method"])
    assert "mine" not in set(laddering.climb(scored, say=lambda _: None)[0]["method"])
    assert "mine (brought)" not in str(ladder.table(grid, "accuracy"))
    said = methods_text.paragraph(grid)
    assert "We trained Majority class on synthetic" in said
    assert "Predictions of mine were made elsewhere, brought with 2 seeds each (0 and 1)" in said
    assert "140 samples train" in said
    assert "mine (brought) has the highest accuracy" in str(summary.section(grid))
    assert "2 seeds, selection unknown, 95 % interval" in str(summary.section(grid))
    run("data", "audit", "synthetic")
    for verb in ("compare", "adjust", "annotators"):
        printed = " ".join(run(verb).stdout.split())
        assert "mine was brought: predictions that were made elsewhere" in printed


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("mine: {}", "missing required field `recipe` (or `predictions`)"),
        ("mine: {predictions: predictions/mine, recipe: toy}", "`predictions` goes with `options` alone"),
        ("mine: {predictions: predictions/mine, method: dan}", "`predictions` goes with `options` alone"),
        ("mine: {predictions: predictions/mine, weights: none}", "`predictions` goes with `options` alone"),
    ],
)
def test_an_entry_has_a_recipe_or_predictions(grid_folder, entry, problem):
    with pytest.raises(FerBenchError) as caught:
        edited(("conv_cut: {recipe: toy}", entry))
    assert problem in caught.value.problem
