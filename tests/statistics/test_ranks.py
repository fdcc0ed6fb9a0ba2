"""Ranks by resampling on one data set, and by mean ranks over many."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fer_bench import params
from fer_bench.errors import FerBenchError
from fer_bench.report import ranked
from fer_bench.report.blocks import Figure, Table, Text
from fer_bench.report.grid import Shown
from fer_bench.stats import comparing, ranks, scoring
from fer_bench.stats.pairs import Predicted, Settings
from fer_bench.tables.ranks import parted
from fer_bench.tables.ranks import ranks as schema

SETTINGS = Settings(("accuracy",), 0.95, 0.005, 400, 0, None)


def silent(_text):
    pass


def predicted(rng, shares, *, n=600, n_seeds=2, **more):
    y_true = rng.integers(0, 7, size=n)
    wrong = (y_true + rng.integers(1, 7, size=n)) % 7
    runs = {
        name: {seed: np.where(rng.random(n) < share, y_true, wrong) for seed in range(n_seeds)}
        for name, share in shares.items()
    }
    return Predicted("d", "last", 7, y_true, runs, **more)


def table(found, settings=SETTINGS):
    return pd.DataFrame(ranks.rank_sets([found], settings)).set_index("method")


def test_a_method_far_ahead_is_first_in_every_draw(rng):
    rows = table(predicted(rng, {"good": 0.95, "fair": 0.7, "poor": 0.4}))
    assert list(rows.loc[["good", "fair", "poor"], "rank"]) == [1, 2, 3]
    assert rows.loc["good", ["rank_low", "rank_high", "p_best"]].tolist() == [1, 1, 1]
    assert rows["p_best"].sum() == pytest.approx(1)


def test_methods_that_are_alike_share_places_and_the_chance_of_being_best(rng):
    found = predicted(rng, {"a": 0.8, "c": 0.3}, n_seeds=1)
    rows = table(found._replace(y_pred={**found.y_pred, "b": found.y_pred["a"]}))
    assert rows.loc[["a", "b"], "rank"].tolist() == [1.5, 1.5]
    assert rows.loc[["a", "b"], "p_best"].tolist() == [0.5, 0.5]
    assert rows.loc["a", ["rank_low", "rank_high"]].tolist() == [1.5, 1.5]


def test_the_chances_of_all_ranks_sum_to_one_by_method_and_by_rank(rng):
    rows = table(predicted(rng, {"a": 0.80, "b": 0.80, "c": 0.79, "d": 0.79}, n=90))
    chances = np.array([parted(cell) for cell in rows["p_ranks"]])
    assert chances.shape == (4, 4)
    assert chances.sum(axis=0) == pytest.approx(1)
    assert chances.sum(axis=1) == pytest.approx(1)
    assert chances[:, 0] == pytest.approx(rows["p_best"].to_numpy(dtype=float), abs=1e-9)


def test_a_clear_order_has_each_rank_for_certain_and_equal_methods_share_theirs(rng):
    found = predicted(rng, {"good": 0.95, "twin": 0.7, "poor": 0.3}, n_seeds=1)
    rows = table(found._replace(y_pred={**found.y_pred, "fair": found.y_pred["twin"]}))
    chances = {method: parted(cell) for method, cell in rows["p_ranks"].items()}
    assert chances == {"good": [1, 0, 0, 0], "fair": [0, 0.5, 0.5, 0], "twin": [0, 0.5, 0.5, 0], "poor": [0, 0, 0, 1]}


def test_methods_that_tie_count_in_each_of_the_places_that_they_fill():
    # three draws: a before b, c; all three tie; b and c tie before a
    drawn = np.array([[3.0, 1, 1], [2, 1, 2], [1, 1, 2]])
    found = ranks.ranking(np.array([2.0, 2, 1]), drawn, higher_is_better=True, level=0.95)
    third = 1 / 3
    expected = [[1, 0, 1], [0.5, 1.5, 0], [0.5, 0.5, 1]]  # without the draw in which all tie
    assert found.p_ranks * 3 == pytest.approx(np.array(expected) + third)
    assert found.p_best.tolist() == found.p_ranks[:, 0].tolist()


def test_near_equal_methods_have_an_interval_of_ranks(rng):
    rows = table(predicted(rng, {"a": 0.80, "b": 0.80, "c": 0.80}))
    assert (rows["rank_low"] < rows["rank_high"]).all()
    assert rows["p_best"].between(0.01, 0.98).all()


def test_another_method_changes_no_other_methods_draws(rng):
    found = predicted(rng, {"a": 0.8, "b": 0.78, "z": 0.2})
    two = found._replace(y_pred={name: found.y_pred[name] for name in ("a", "b")})
    assert table(found).loc[["a", "b"], "p_best"].tolist() == table(two)["p_best"].tolist()


def test_of_a_metric_that_should_fall_the_smallest_is_first(rng):
    found = predicted(rng, {"good": 0.95, "poor": 0.4}, n_seeds=1)
    sure = {name: {0: 0.7 * np.eye(7)[runs[0]] + 0.3 / 7} for name, runs in found.y_pred.items()}
    rows = table(found._replace(probabilities=sure), SETTINGS._replace(metrics=("log_loss",)))
    assert rows.loc["good", "rank"] == 1
    assert rows.loc["good", "estimate"] < rows.loc["poor", "estimate"]


def test_where_persons_are_known_they_are_drawn(rng):
    found = predicted(rng, {"a": 0.8, "b": 0.7}, subjects=np.arange(600) // 10)
    assert set(table(found)["resampled"]) == {"seeds and persons"}


def test_ranks_of_a_grid_are_by_data_set_and_metric(fake_runs):
    grid = fake_runs()
    scoring.write(scoring.score(params.read()), grid.folder / "results/tiny")
    found = comparing.ranks_grid(params.read(), metrics=None, dataset=None, say=silent)
    assert len(found) == 3 * 2
    assert found.groupby("metric")["p_best"].sum().tolist() == pytest.approx([1, 1])
    compared, same = comparing.compare_and_rank(params.read(), metrics=None, baseline=None, dataset=None, say=silent)
    assert same.equals(found)
    assert compared.equals(comparing.compare_grid(params.read(), metrics=None, baseline=None, dataset=None, say=silent))


# Four methods on eight data sets: a and b lead, c and d follow, neither pair told apart
SCORES = pd.DataFrame(
    {
        "a": [0.91, 0.88, 0.86, 0.93, 0.90, 0.87, 0.92, 0.89],
        "b": [0.90, 0.87, 0.87, 0.91, 0.89, 0.86, 0.90, 0.88],
        "c": [0.85, 0.83, 0.80, 0.88, 0.86, 0.82, 0.85, 0.84],
        "d": [0.84, 0.84, 0.79, 0.87, 0.85, 0.81, 0.86, 0.83],
    },
    index=[f"set{index}" for index in range(8)],
)


def test_friedman_agrees_with_scipy_with_and_without_ties(rng):
    for n, k in ((5, 3), (12, 6)):
        for values in (rng.random((n, k)), rng.integers(0, 3, size=(n, k)).astype(float)):
            places = np.apply_along_axis(stats.rankdata, 1, values)
            assert ranks.friedman(places) == pytest.approx(stats.friedmanchisquare(*values.T).pvalue, abs=1e-10)


def test_methods_that_tie_everywhere_do_not_differ():
    assert ranks.friedman(np.full((6, 3), 2.0)) == 1.0


def test_the_critical_difference_is_the_published_one():
    # Demšar (2006), section 3.2.3: four classifiers, 14 data sets, at 5 %: 1.25
    assert ranks.nemenyi(4, 14, level=0.95) == pytest.approx(2.569 * np.sqrt(4 * 5 / (6 * 14)), abs=1e-3)


@pytest.mark.parametrize("test", ["wilcoxon_holm", "nemenyi"])
def test_methods_that_are_not_told_apart_form_a_clique(test):
    found = ranks.critical_difference(SCORES, higher_is_better=True, level=0.95, test=test)
    assert found.methods[:2] == ("a", "b")
    assert found.n_datasets == 8
    assert found.p < 0.001
    assert ("c", "d") in found.cliques
    assert not any({"a", "d"} <= set(clique) for clique in found.cliques)


def test_without_a_difference_all_methods_are_one_clique(rng):
    scores = pd.DataFrame(rng.random((6, 4)), columns=list("abcd"))
    scores = scores.assign(b=scores["a"], c=scores["a"], d=scores["a"])
    found = ranks.critical_difference(scores, higher_is_better=True, level=0.95)
    assert found.cliques == (("a", "b", "c", "d"),)


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        (SCORES.iloc[:1], "no critical-difference diagram: 1 data set, needs 5 or more"),
        (SCORES.iloc[:4], "no critical-difference diagram: 4 data sets, needs 5 or more"),
        (SCORES[["a", "b"]], "2 methods with a score on every data set, needs 3 or more"),
        (SCORES.assign(c=np.nan, d=np.nan), "2 methods with a score on every data set"),
    ],
)
def test_where_there_can_be_no_diagram_the_reason_is_said(scores, said):
    assert said in ranks.critical_difference(scores, higher_is_better=True, level=0.95)


@pytest.fixture
def grid():
    """As much of a grid as the section looks at."""
    return SimpleNamespace(
        level=0.95,
        several=True,
        datasets=list(SCORES.index),
        runs=pd.DataFrame({"dataset": "set0", "method": list("abcd"), "weights": "none"}),
        metrics={"accuracy": Shown(title="Accuracy")},
        title=str.upper,
        selections=lambda table: sorted(set(table["selection"])),  # none is brought
        params=SimpleNamespace(report=SimpleNamespace(scale="For tests.")),
    )


def stored(scores):
    """A ranks table of these scores."""
    long = scores.rename_axis("dataset").reset_index().melt("dataset", var_name="method", value_name="estimate")
    same = {"metric": "accuracy", "selection": "last", "p_best": 0.25, "level": 0.95, "n_samples": 3068, "n_seeds": 5}
    rank = long.groupby("dataset")["estimate"].rank(ascending=False)
    m = len(scores.columns)
    return long.assign(rank=rank, rank_low=1.0, rank_high=2.5, p_ranks=";".join([f"{1 / m:g}"] * m), n_resamples=1000,
                       resampled="seeds and samples", **same)  # fmt: skip


def test_the_section_shows_ranks_and_says_why_there_is_no_diagram(grid):
    section = ranked.section(grid, stored(SCORES.iloc[:2]))
    shown, why = section.blocks
    assert isinstance(shown, Table)
    assert shown.cells.iloc[0].tolist() == ["set0", "Accuracy", "A", "1", "1 to 2.5", "25.0 %"]
    assert why == Text("No critical-difference diagram: 2 data sets, needs 5 or more (Accuracy).")


def test_the_section_draws_a_diagram_over_five_data_sets_or_more(grid, tmp_path):
    section = ranked.section(grid, stored(SCORES), tmp_path)
    said, drawn = section.blocks[-2:]
    assert "A has the best mean rank in accuracy, 1.1 of 4" in said.text
    assert isinstance(drawn, Figure)
    assert {path.name for path in tmp_path.iterdir()} >= {"ranks_accuracy.pdf", "ranks_accuracy.png"}


def test_each_data_set_has_a_figure_of_its_ranks(grid, tmp_path):
    _, first, second, _ = ranked.section(grid, stored(SCORES.iloc[:2]), tmp_path).blocks
    assert (first.name, second.name, first.width) == ("set0_ranks", "set1_ranks", "column")
    assert first.caption.startswith("Accuracy on set0: the share of 1,000 resamples of seeds and samples in which each")
    assert "n = 3,068; 5 seeds; selection last; weights none." in first.caption
    assert "interval of ranks (95 %)" in first.caption
    assert "A rank 1 in 25.0 %, interval 1 to 2.5; B rank 1" in first.alt
    assert {path.stem for path in tmp_path.iterdir()} == {"set0_ranks", "set1_ranks"}


def test_the_figure_is_of_the_first_metric_and_equal_numbers_give_equal_bytes(grid, tmp_path):
    twelve = pd.DataFrame(np.linspace(0.9, 0.5, 12)[None], index=["set0"], columns=list("abcdefghijkl"))
    both = pd.concat([stored(twelve).assign(metric="macro_f1", p_ranks="1"), stored(twelve)])
    for name in ("one", "two"):
        figure = ranked.section(grid, both, tmp_path / name).blocks[1]
        assert figure.caption.startswith("Accuracy")
        assert figure.width == "page"
        assert figure.alt.endswith("4 more in the figure.")
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_a_lone_method_has_no_figure_of_its_ranks(grid, tmp_path):
    lone = stored(SCORES[["a"]].iloc[:1]).assign(p_ranks="1")
    assert not any(isinstance(block, Figure) for block in ranked.section(grid, lone, tmp_path).blocks)
    assert not list(tmp_path.iterdir())


def test_a_table_of_before_the_distributions_is_read_and_the_section_says_so(grid, tmp_path):
    columns = [name for name in schema.columns if name != "p_ranks"]
    stored(SCORES.iloc[:2])[columns].to_csv(tmp_path / "ranks.csv", index=False)
    table = schema.read(tmp_path / "ranks.csv")
    assert table["p_ranks"].isna().all()
    section = ranked.section(grid, table, tmp_path / "figures")
    assert section.blocks[1] == Text(
        "No figure of the distribution over ranks on set0 and set1: ranks.csv was made before it kept them; fer-bench "
        "compare makes it anew."
    )
    assert not any(isinstance(block, Figure) for block in section.blocks)


def test_shares_that_are_not_as_many_as_the_methods_are_named(grid, tmp_path):
    with pytest.raises(FerBenchError, match="p_ranks of a on set0") as raised:
        ranked.section(grid, stored(SCORES.iloc[:1]).assign(p_ranks="0.5;0.5"), tmp_path)
    assert raised.value.fix == "make it anew: fer-bench compare"


def test_the_program_says_it_in_a_line():
    assert ranks.in_words(stored(SCORES.iloc[:1])) == ["No critical-difference diagram: 1 data set, needs 5 or more."]
    (line,) = ranks.in_words(stored(SCORES))
    assert line.startswith("accuracy, mean ranks over 8 data sets: a leads with 1.1 (Friedman's p = ")
    assert line.endswith("not told apart from it (Wilcoxon's signed ranks, Holm): b.")


def test_a_section_without_ranks_is_empty_and_no_error(grid):
    assert ranked.section(grid, stored(SCORES).iloc[:0]).blocks[0].cells.empty
