"""Scoring and comparing where there are fewer or more classes than expressions have names."""

import pytest

from fer_bench import params
from fer_bench.errors import FerBenchError
from fer_bench.expressions import expressions
from fer_bench.stats import comparing, scoring
from fer_bench.tables import predicted


@pytest.mark.parametrize("n_classes", [2, 11, pytest.param(30, marks=pytest.mark.slow)])
def test_scores_and_comparisons_are_made_of_any_number_of_classes(fake_runs, n_classes):
    grid = fake_runs(n_classes=n_classes, methods={"majority_class": 0.0, "lbp_svm": 0.7, "conv_cut": 0.9})
    file = grid.folder / "params.yaml"
    file.write_text(file.read_text().replace("score: {metrics: [accuracy, ", "score: {metrics: [recall, accuracy, "))
    folder = grid.folder / "results/tiny"
    scored = scoring.score(params.read())
    scoring.write(scored, folder)
    recalls = {name for name in scored.scores["metric"] if name.startswith("recall_")}
    assert recalls == {f"recall_{name}" for name in expressions(n_classes)}
    assert set(scored.intervals["metric"]) >= recalls
    assert scored.intervals[["estimate", "low", "high"]].notna().all(axis=None)
    assert predicted.read(folder / "predicted/synthetic.csv")["y_true"].max() == n_classes - 1
    table = comparing.compare_grid(params.read(), metrics=None, baseline=None, dataset=None, say=lambda _: None)
    assert len(table) == 3 * 2
    assert table["p_holm"].between(0, 1).all()


def test_a_label_that_is_no_class_is_told_the_names_of_the_numbered_ones(fake_runs):
    grid = fake_runs(n_classes=11, methods={"lbp_svm": 0.7})
    grid.edit_predictions("lbp_svm", 0, lambda table: table.assign(y_true=table["y_true"].replace(10, 11)))
    with pytest.raises(FerBenchError, match="contempt, class9, class10, class11"):
        scoring.score(params.read())
