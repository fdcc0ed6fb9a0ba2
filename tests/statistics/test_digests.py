"""What was changed by hand after a verb wrote it is named by the next one."""

import fnmatch
import re
import shlex
import shutil

import msgspec
import pandas as pd
import pytest
from typer.testing import CliRunner

import fer_bench
from fer_bench import params, whole, yaml12
from fer_bench.cli.main import app
from fer_bench.errors import FerBenchError
from fer_bench.provenance import ROOT
from fer_bench.tables import digests, orders, predicted, reported, runs
from fer_bench.tables.twins import twins

METHODS = {"lbp_svm": 0.7, "conv_cut": 0.8}
AFTER_SCORING = ("annotators", "adjust", "ladder", "compare", "verdict", "report")


def call(*words):
    return CliRunner().invoke(app, list(words), catch_exceptions=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory, fake_grid):
    """A folder with sealed runs, an audit and a batch audit, and one with all tables too."""
    folders = tmp_path_factory.mktemp("runs"), tmp_path_factory.mktemp("finished") / "grid"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folders[0])
        grid = fake_grid(folders[0], methods=METHODS, n=60)
        grid.write()
        grid.seal()
        write_audit(grid)
        shutil.copytree(*folders)
        patch.chdir(folders[1])
        for verb in ("score", *AFTER_SCORING[:-1]):
            assert call(verb).exit_code == 0, verb
        digests.check(params.read(), "report")
    return folders


def write_audit(grid):
    """Write what the audits of data and of batches leave, as far as verbs read it."""
    asked, ids = params.read(), [f"s{index:04d}" for index in range(grid.n)]
    y_true = pd.read_csv(grid.cell("lbp_svm", 0) / "predictions.csv")["y_true"].to_numpy()[: grid.n]
    with whole.together(asked.results, "audit-synthetic") as new:
        persons = [f"p{index // 2}" for index in range(grid.n)]
        reported.write(pd.DataFrame({"sample_id": ids, "subject": persons}), reported.path_of(new, "synthetic"))
        twin = {"sample_id": "s0001", "split": "test", "twin_id": "t1", "twin_split": "train", "kind": "near"}
        twin |= {"similarity": 0.9, "label": int(y_true[1]), "twin_label": 1}
        twins.write(twins.frame([twin]), new / "audits/synthetic_twins.csv")
        digests.check(asked, "audit", dataset="synthetic").write(new)
    for method in asked.methods:
        with whole.together(asked.results, f"batch-{method}") as new:
            orders.write(pd.DataFrame({"sample_id": ids, "y_true": y_true}), new / f"orders/synthetic_{method}.csv")
            digests.check(asked, "batch", dataset="synthetic", method=method).write(new)


@pytest.fixture
def grid(made, tmp_path, monkeypatch, fake_grid):
    """A grid that was not scored yet."""
    shutil.copytree(made[0], tmp_path / "grid")
    monkeypatch.chdir(tmp_path / "grid")
    return fake_grid(tmp_path / "grid", methods=METHODS, n=60)


@pytest.fixture
def finished(made, tmp_path, monkeypatch):
    """The folder of results of a grid with all its tables."""
    shutil.copytree(made[1], tmp_path / "grid")
    monkeypatch.chdir(tmp_path / "grid")
    return tmp_path / "grid/results/tiny"


def change_a_digit(path):
    """Change the last digit; where a table has no rows, write one."""
    text = path.read_text()
    *_, place = [None, *re.finditer(r"\d", text)]
    digit = "" if place is None else str((int(place[0]) + 1) % 10)
    path.write_text(f"{text}1\n" if place is None else text[: place.start()] + digit + text[place.end() :])


def test_a_digit_changed_in_any_table_is_named_by_the_report_and_the_fix_mends_it(finished):
    tables = [*sorted(finished.rglob("*.csv")), finished / "metrics.json"]
    assert {path.name for path in tables} >= {
        "intervals.csv", "scores.csv", "runs.csv", "comparisons.csv", "ranks.csv", "confusions.csv", "history.csv",
        "predictions.csv", "synthetic.csv", "synthetic_reported.csv", "published.csv", "ladder.csv",
    }  # fmt: skip
    mended = set()
    for path in tables:
        before = path.read_bytes()
        change_a_digit(path)
        with pytest.raises(FerBenchError, match=re.escape(str(path.relative_to(finished)))) as refused:
            digests.check(params.read(), "report")
        command = re.search(r"anew: (fer-bench (?!data|audit).*)$", refused.value.fix)
        if command and command[1] not in mended:
            mended.add(command[1])
            assert call(*shlex.split(command[1])[1:]).exit_code == 0
            assert path.read_bytes() == before
        path.write_bytes(before)
        digests.check(params.read(), "report")
    assert mended == {f"fer-bench {verb}" for verb in ("score", *AFTER_SCORING[:-1])}


@pytest.mark.parametrize(
    ("name", "verb"),
    [("runs.csv", "compare"), ("intervals.csv", "annotators"), ("intervals.csv", "verdict"),
     ("predicted/synthetic.csv", "adjust"), ("orders/synthetic_conv_cut.csv", "ladder"),
     ("audits/synthetic_reported.csv", "score"), ("comparisons.csv", "report"), ("verdicts.csv", "report")],
)  # fmt: skip
def test_the_next_verb_names_it_and_writes_nothing(finished, name, verb):
    change_a_digit(finished / name)
    held = {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()}
    with pytest.raises(FerBenchError, match=re.escape(str(name))):
        call(verb)
    assert {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()} == held


def test_predictions_made_perfect_by_hand_are_named_by_score(grid):
    grid.edit_predictions("lbp_svm", 1, lambda table: table.assign(y_pred=table["y_true"]))
    with pytest.raises(FerBenchError, match=r"lbp_svm/seed1/predictions\.csv is not as the run left it"):
        call("score")
    with pytest.raises(FerBenchError, match=r"lbp_svm/seed1/predictions\.csv is not as the run left it"):
        call("score", str(grid.cell("lbp_svm", 1) / "predictions.csv"))


@pytest.mark.parametrize("name", ["predictions.csv", "run.json"])
def test_files_exchanged_between_two_methods_are_named_by_score(grid, name):
    first, second = (grid.cell(method, 0) / name for method in ("lbp_svm", "conv_cut"))
    held = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(held)
    with pytest.raises(FerBenchError, match=f"(lbp_svm|conv_cut)/seed0/{name}"):
        call("score")


def test_a_record_changed_by_hand_is_named_by_score(grid):
    path = grid.cell("conv_cut", 1) / "run.json"
    path.write_text(path.read_text().replace('"n_train": 500', '"n_train": 501'))
    with pytest.raises(FerBenchError, match=r"conv_cut/seed1/run\.json is not as the run left it"):
        call("score")


def test_weights_changed_by_hand_are_named(grid):
    path = grid.cell("conv_cut", 0) / "run.json"
    weights = runs.weights_of(path.parent, 1)
    weights.parent.mkdir()
    weights.write_bytes(b"weights")
    runs.write_sealed(runs.read_record(path), path.parent)
    assert runs.check_unchanged(path, "weights/epoch_0001.pth")
    weights.write_bytes(b"others")
    with pytest.raises(FerBenchError, match=r"seed0/weights/epoch_0001\.pth is not as the run left it"):
        runs.check_unchanged(path, "weights/epoch_0001.pth")


def test_a_run_carried_out_again_makes_its_tables_stale(finished):
    path = finished / "runs/synthetic/lbp_svm/seed0/run.json"
    runs.write_sealed(msgspec.structs.replace(runs.read_record(path), train_s=9.0), path.parent)
    with pytest.raises(FerBenchError, match=r"from another .*lbp_svm/seed0/run\.json than is there now") as refused:
        call("compare")
    assert refused.value.fix == "make them anew: fer-bench score"


def test_other_values_in_the_grids_file_make_tables_stale(finished):
    file = finished.parents[1] / "params.yaml"
    file.write_text(file.read_text().replace("n_resamples: 200", "n_resamples: 300"))
    with pytest.raises(FerBenchError, match=r"with other values of score than params\.yaml has now"):
        call("report")


def test_a_parameter_that_a_later_version_adds_leaves_digests_as_they_are(finished):
    asked = params.read()
    later = msgspec.defstruct("Later", [("added", int, 3)], bases=(params.Score,), frozen=True, kw_only=True)
    known = {name: getattr(asked.score, name) for name in asked.score.__struct_fields__}
    digests.check(msgspec.structs.replace(asked, score=later(**known)), "report")
    with pytest.raises(FerBenchError, match="other values of score"):
        digests.check(msgspec.structs.replace(asked, score=later(**known, added=4)), "report")


def test_tables_of_another_version_are_refused(finished, monkeypatch):
    monkeypatch.setattr(digests, "__version__", "9.9.9")
    with pytest.raises(FerBenchError, match=f"by fer-bench {fer_bench.__version__}, and this is 9.9.9"):
        call("verdict")


def test_stored_tables_are_scored_to_the_same_digests_and_not_when_they_were_changed(finished):
    before = {path: path.read_bytes() for path in finished.rglob("*") if path.is_file() and "runs/" not in str(path)}
    shutil.rmtree(finished / "runs")
    assert call("score", "--stored").exit_code == 0
    assert {path: path.read_bytes() for path in before} == before
    digests.check(params.read(), "report")
    wide = predicted.read(finished / "predicted/synthetic.csv")
    perfect = {name: wide["y_true"] for name in wide.columns if name.startswith("lbp_svm/")}
    predicted.write(wide.assign(**perfect), finished / "predicted/synthetic.csv")
    with pytest.raises(
        FerBenchError, match=r"predicted/synthetic\.csv is not as `fer-bench score` wrote it"
    ) as refused:
        call("score", "--stored")
    assert "git restore results/tiny/predicted/synthetic.csv" in refused.value.fix


def test_what_older_versions_left_is_taken_as_it_is_said_and_held_to_from_then_on(grid):
    results = grid.folder / "results/tiny"
    shutil.rmtree(results / "digests")
    for path in results.glob("runs/*/*/*/run.json"):
        data = msgspec.structs.replace(runs.read_record(path), wrote={}, seal=None)
        runs.write_record(data, path)
    said = call("score").stderr
    assert "no digests of audits/synthetic_reported.csv and 1 more, as of what older versions wrote: taken as" in said
    assert "4 runs have no digests, for an older version made them: taken as they are" in said
    assert "no digests" not in call("compare").stderr
    change_a_digit(results / "audits/synthetic_reported.csv")
    for verb in ("score", "compare"):
        read = rf"synthetic_reported\.csv is not the one that `fer-bench {verb}` read"
        with pytest.raises(FerBenchError, match=read) as refused:
            call(verb)
        assert refused.value.fix.endswith(
            "remove results/tiny/digests and make all tables anew, first: fer-bench score"
        )
    shutil.rmtree(results / "digests")
    for verb in ("score", *AFTER_SCORING[:-1]):
        assert call(verb).exit_code == 0
    digests.check(params.read(), "report")


def test_digests_that_are_none_are_named(finished):
    (finished / "digests/score.json").write_text("{}")
    with pytest.raises(FerBenchError, match=r"digests/score\.json: not digests of results") as refused:
        call("compare")
    assert "git restore results/tiny/digests/score.json" in refused.value.fix


@pytest.mark.parametrize("words", [("lint", "paper.tex", "--results"), ("plan", "--from")])
def test_verbs_that_take_results_of_others_look_too(finished, words):
    folder = finished.parents[1]
    (folder / "paper.tex").write_text("Nothing.")
    shutil.copy(folder / "params.yaml", finished)
    change_a_digit(finished / "predicted/synthetic.csv")
    with pytest.raises(FerBenchError, match=r"predicted/synthetic\.csv is not as"):
        call(*words, str(finished))


@pytest.mark.parametrize("verb", digests.VERBS)
def test_the_pipeline_knows_what_each_verb_reads_and_writes(verb):
    stages = yaml12.load((ROOT / "dvc.yaml").read_text(), where="dvc.yaml")["stages"]
    stage = stages[verb].get("do", stages[verb])
    about = digests.VERBS[verb]
    results = "results/${grid}/"
    deps = {dep.removeprefix(results).split("/")[0] for dep in stage["deps"] if dep.startswith(results)}
    reads = {pattern.split("/")[0] for pattern in about.reads} | {"runs", "sources"}
    assert not [dep for dep in deps if not any(fnmatch.fnmatch(dep, pattern) for pattern in reads)]
    assert not [pattern for pattern in reads - {"runs", "sources"} if not fnmatch.filter(deps, pattern)]
    asked = {re.sub(r"\$\{(item\.)?(key|dataset|method)\}", "*", place) for place in stage["params"]} - {"grid"}
    assert asked == {re.sub(r"\{\w+\}", "*", place) for place in about.params}
    outs = [next(iter(out)) if isinstance(out, dict) else out for out in stage["outs"]]
    assert sum("/digests/" in out for out in outs) == 1
    assert ("fer_bench/__init__.py" in stage["deps"]) == about.stored
