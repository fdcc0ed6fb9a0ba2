"""Ladders and gains: what each step is, what it is set beside, and whether its intervals cover."""

import numpy as np
import pandas as pd
import pytest

from fer_bench import params, registry
from fer_bench.errors import FerBenchError
from fer_bench.stats import bootstrap, laddering, scoring, within
from fer_bench.stats.within import Answer, Way
from fer_bench.tables import orders, predicted
from fer_bench.tables.by_order import by_order
from fer_bench.tables.gains import gains
from fer_bench.tables.ladder import ladder

ACCURACY, MACRO_F1 = (registry.load("metrics", name) for name in ("accuracy", "macro_f1"))
WAY = Way(n_classes=7, level=0.95, n_resamples=400)


def climbed(grid, **more):
    scoring.write(scoring.score(params.read()), grid.folder / "results/tiny")
    return laddering.climb(params.read(), say=more.get("say", lambda _: None))


@pytest.fixture
def grid(fake_runs):
    """A grid whose selections differ: 3 seeds; last has 10 more errors than the others, the oracle 6 fewer."""
    made = fake_runs(methods={"conv_cut": 0.8}, seeds=(0, 1, 2), changes={"settings": {"training": {"batch_size": 8}}})
    for seed in made.seeds:

        def edit(table):
            k = [name for name in table.columns if name.startswith("logit_")]
            right = table["y_true"] == table["y_pred"]
            for name, wanted, n in (("last", True, 10), ("best_on_test", False, 6)):
                rows = table.index[(table["selection"] == name) & (right == wanted)][:n]
                labels = table.loc[rows, "y_true"].to_numpy()
                new = (labels + 1) % 7 if wanted else labels
                table.loc[rows, k] = np.eye(7)[new] * 2.0
                table.loc[rows, "y_pred"] = new
            return table

        made.edit_predictions("conv_cut", seed, edit)
    return made


def write_orders(grid, *, change=None, rule=None, dropped=2):
    """Write a table of orders: class-sorted batches of 32 repair 5 more samples than single ones do."""
    table = predicted.read(grid.folder / "results/tiny/predicted/synthetic.csv")
    made = table[["sample_id", "y_true"]].copy()
    made["label/released"] = made["y_true"]
    made["label/other"] = made["y_true"] if rule is None else rule(made["y_true"])
    for column in predicted.columns(table):
        single = table[str(column)]
        made[f"seed{column.seed}/{column.selection}/single"] = single
        wrong = made.index[single != made["y_true"]][:5]
        better = single.copy()
        better[wrong] = made.loc[wrong, "y_true"]
        made[f"seed{column.seed}/{column.selection}/class_sorted_b32"] = better
        for draw, n in enumerate((0, 2, 4)):
            shuffled = single.copy()
            shuffled[wrong[:n]] = made.loc[wrong[:n], "y_true"]
            made[f"seed{column.seed}/{column.selection}/shuffled{draw}_b32"] = shuffled
    extra = made.iloc[:dropped].assign(
        sample_id=[f"dropped{k}" for k in range(dropped)], y_true=-1, **{"label/released": -1, "label/other": 0}
    )
    extra = extra.assign(**{name: pd.NA for name in made.columns if "_b32" in name})
    made = pd.concat([made, extra if rule is not None else extra.assign(**{"label/other": -1})], ignore_index=True)
    if change is not None:
        made = change(made)
    orders.write(made.convert_dtypes(), grid.folder / "results/tiny/orders/synthetic_conv_cut.csv")


def of(table, step, metric="accuracy"):
    return table[(table["step"] == step) & (table["metric"] == metric)].iloc[0]


def test_a_ladder_goes_from_the_honest_number_to_class_sorted_batches(grid):
    climbed(grid)
    write_orders(grid)
    table, _ = climbed(grid)
    accuracy = table[table["metric"] == "accuracy"]
    assert list(accuracy["step"]) == ["honest", "last", "best_on_test", "shuffled", "listed", "class_sorted"]
    assert list(accuracy["batch_size"]) == [1, 1, 1, 32, 32, 32]  # as the released code evaluates, by conv_cut's card
    n = 150
    assert of(table, "last")["difference"] == pytest.approx(-10 / n)
    assert of(table, "best_on_test")["difference"] == pytest.approx(6 / n)
    assert of(table, "best_on_test")["added"] == pytest.approx(16 / n)
    assert of(table, "shuffled")["added"] == pytest.approx(2 / n)  # the mean of 0, 2 and 4
    assert of(table, "listed")["added"] == pytest.approx(-2 / n)
    assert of(table, "class_sorted")["difference"] == pytest.approx(11 / n)
    assert of(table, "class_sorted")["added"] == pytest.approx(5 / n)
    assert (table["n_seeds"] == 3).all()


def test_the_first_steps_are_the_rows_of_the_intervals_table(grid):
    table, _ = climbed(grid)
    scored = scoring.score(params.read()).intervals
    whole = scored[scored["n_seeds"] == 3].set_index(["selection", "metric"])
    for row in table.itertuples():
        for name in ("estimate", "low", "high"):
            assert getattr(row, name) == pytest.approx(whole.loc[(row.selection, row.metric), name], abs=1e-12)


def test_every_order_that_was_asked_is_scored_and_single_is_the_row_of_score(grid, tmp_path):
    climbed(grid)
    assert not len(laddering.score_orders(params.read()))
    write_orders(grid)
    table = laddering.score_orders(params.read())
    assert set(table["order"]) == set(orders.ORDERS)
    ladders, _ = climbed(grid)
    found = table[table["metric"] == "accuracy"].set_index(["selection", "order"])
    assert found.loc[("best_on_test", "class_sorted_b32"), "estimate"] == of(ladders, "class_sorted")["estimate"]
    scored = scoring.score(params.read()).intervals
    whole = scored[scored["n_seeds"] == 3].set_index(["selection", "metric"])
    for row in table[table["order"] == "single"].itertuples():
        for name in ("estimate", "low", "high"):
            assert getattr(row, name) == pytest.approx(whole.loc[(row.selection, row.metric), name], abs=1e-12)
    by_order.write(table, tmp_path / "orders.csv")
    pd.testing.assert_frame_equal(by_order.read(tmp_path / "orders.csv"), table, rtol=1e-8)


def test_a_gain_is_the_oracle_less_each_other_selection(grid):
    _, table = climbed(grid)
    accuracy = table[table["metric"] == "accuracy"].set_index("over")
    assert accuracy.loc["best_on_val", "difference"] == pytest.approx(6 / 150)
    assert accuracy.loc["last", "difference"] == pytest.approx(16 / 150)
    assert (accuracy["low"] <= accuracy["difference"]).all()
    assert (accuracy["difference"] <= accuracy["high"]).all()
    assert (table["n_same"] == 0).all()


def test_both_tables_are_written_and_read_back(grid, tmp_path):
    for schema, table in zip((ladder, gains), climbed(grid), strict=True):
        schema.write(table, tmp_path / "table.csv")
        pd.testing.assert_frame_equal(schema.read(tmp_path / "table.csv"), table, rtol=1e-8)


def test_a_method_without_orders_has_no_batches_and_that_is_said(grid):
    said = []
    table, _ = climbed(grid, say=said.append)
    assert set(table["step"]) == {"honest", "last", "best_on_test"}
    assert said == [
        (
            "synthetic, conv_cut: no orders, so that its ladder has no batches; make them: "
            "fer-bench audit batch conv_cut --dataset synthetic"
        )
    ]


def test_one_set_of_weights_gains_nothing_exactly(fake_runs):
    made = fake_runs(methods={"lbp_svm": 0.7}, changes={"epochs": None})
    said = []
    table, gained = climbed(made, say=said.append)
    assert not said
    steps = table[table["step"] != "honest"]
    assert (steps[["difference", "difference_low", "difference_high"]].to_numpy(dtype=float) == 0).all()
    assert (gained[["difference", "low", "high"]].to_numpy(dtype=float) == 0).all()


def test_equal_predictions_of_checkpoints_that_could_differ_have_no_interval(fake_runs):
    table, gained = climbed(fake_runs(methods={"conv_cut": 0.7}))
    assert (gained["difference"] == 0).all()
    assert gained["high"].isna().all()
    assert set(gained["interval_method"]) == {within.SAME}
    assert "same predictions" in laddering.printable(table)["from honest, points"].iloc[1]
    assert (gained["n_same"] == 2).all()


def test_another_label_rule_is_a_step_from_the_honest_number_over_its_own_samples(grid):
    climbed(grid)
    write_orders(grid, rule=lambda labels: labels.where(labels.index >= 30, -1))
    table, _ = climbed(grid)
    row = of(table, "label_rule")
    assert (row["label_rule"], row["n_samples"], row["selection"]) == ("other", 150 - 30 + 2, "best_on_val")
    held = predicted.read(grid.folder / "results/tiny/predicted/synthetic.csv")
    right = [(held[f"conv_cut/seed{k}/best_on_val"] == held["y_true"]).to_numpy() for k in range(3)]
    extra = [held[f"conv_cut/seed{k}/best_on_val"].to_numpy()[:2] == 0 for k in range(3)]
    expected = np.mean([(a[30:].sum() + b.sum()) / 122 for a, b in zip(right, extra, strict=True)])
    assert row["estimate"] == pytest.approx(expected)
    assert row["difference"] == pytest.approx(expected - np.mean(right))
    assert row["added"] == row["difference"]


@pytest.mark.parametrize(
    ("own", "released", "size", "said"),
    [
        (8, 32, 32, "released"),
        (8, None, 8, "own"),
        (8, 100, 8, "own"),
        (128, None, 32, "128, was not asked"),
        (None, None, 32, "not on record"),
    ],
)
def test_the_batch_size_is_the_released_codes_and_else_the_recipes_where_it_was_asked(own, released, size, said):
    found, why = laddering.batch_size(own, released=released)
    assert found == size
    assert said in why


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table: table.drop(index=3), "other samples or labels"),
        (lambda table: table.assign(y_true=table["y_true"].clip(upper=5)), "other samples or labels"),
        (lambda table: table.assign(**{"seed1/best_on_test/single": 0}), "other weights were asked"),
        (lambda table: table.drop(columns=[c for c in table if c.startswith("seed2")]), "no seed 2"),
    ],
)  # fmt: skip
def test_orders_of_another_grid_are_refused(grid, change, said):
    climbed(grid)
    write_orders(grid, change=change)
    with pytest.raises(FerBenchError, match=said) as caught:
        climbed(grid)
    assert "fer-bench audit batch" in caught.value.fix


def test_a_table_of_runs_without_batch_sizes_is_read_as_not_knowing_them(grid, monkeypatch):
    climbed(grid)
    write_orders(grid)
    path = grid.folder / "results/tiny/runs.csv"
    pd.read_csv(path).drop(columns="batch_size").to_csv(path, index=False)
    monkeypatch.setattr(laddering, "_released_batch_size", lambda _method: None)
    table, _ = laddering.climb(params.read(), say=lambda _: None)
    assert of(table, "class_sorted")["batch_size"] == 32
    assert "not on record" in of(table, "class_sorted")["batch_size_why"]


def test_the_bootstrap_of_patterns_is_that_of_rows(rng):
    """One seed: the spread of a difference by patterns against drawing rows."""
    y_true = rng.choice(7, size=200)
    a, b = (np.where(rng.random(200) < share, y_true, (y_true + 1) % 7) for share in (0.8, 0.7))
    way = WAY._replace(n_resamples=4000)
    _, interval = within.difference(
        Answer(y_true, a[None, None]), Answer(y_true, b[None, None]), ACCURACY, way, one_model=False, rng=rng
    )
    picks = rng.integers(200, size=(4000, 200))
    gap = ((a == y_true).astype(float) - (b == y_true))[picks].mean(axis=1)
    assert interval.standard_error == pytest.approx(gap.std(), rel=0.06)
    assert interval.held_fixed == f"which checkpoints were chosen, {bootstrap.CHECKPOINT}"


def test_the_order_of_samples_moves_no_interval(rng):
    y_true, order = rng.choice(7, size=120), rng.permutation(120)
    a, b = (np.where(rng.random((1, 3, 120)) < share, y_true, (y_true + 1) % 7) for share in (0.8, 0.7))
    found = [
        within.difference(Answer(y, p), Answer(y, q), MACRO_F1, WAY, one_model=False, rng=rng)
        for y, p, q in ((y_true, a, b), (y_true[order], a[..., order], b[..., order]))
    ]
    assert found[0][0] == pytest.approx(found[1][0])
    assert found[0][1].low == pytest.approx(found[1][1].low)


@pytest.mark.slow
@pytest.mark.parametrize("n_seeds", [1, 3])
@pytest.mark.parametrize("drops", [False, True])
@pytest.mark.parametrize("metric", [ACCURACY, MACRO_F1], ids=["accuracy", "macro_f1"])
def test_intervals_of_a_difference_within_runs_cover(rng, metric, n_seeds, drops):
    """1,000 trials: samples, and where there are several also seeds, are drawn anew; the truth is that of 2e6 samples.

    A is right more often than B, mostly on the same samples; a seed shifts both answers, and their difference too. With
    ``drops`` B does not count a tenth of the samples, which are harder.
    """
    shares = np.array([0.22, 0.39, 0.11, 0.15, 0.05, 0.05, 0.03])

    def draw(n, n_seeds, seed_sd):
        y_true = rng.choice(7, size=n, p=shares)
        ease, other = rng.normal(0, 1, n), (y_true + rng.integers(1, 7, size=n)) % 7
        run = ease + seed_sd * rng.normal(0, 1, (n_seeds, 1)) + 0.4 * rng.normal(0, 1, (n_seeds, n))
        answers = []
        for level in (1.2, 1.0):
            own = run + 0.5 * seed_sd * rng.normal(0, 1, (n_seeds, 1)) + 0.2 * rng.normal(0, 1, (n_seeds, n))
            answers.append(np.where(own + level > 0, y_true, other)[None])
        dropped = drops & (rng.random(n) < np.where(ease < 0, 0.15, 0.05))
        return Answer(y_true, answers[0]), Answer(np.where(dropped, -1, y_true), answers[1])

    def plain(answers):
        return np.subtract(*(within.value(one, metric, WAY, rng=rng)[0] for one in answers))

    seed_sd = 0.0 if n_seeds == 1 else 0.03
    truth = np.mean([plain(draw(20_000, 2, seed_sd)) for _ in range(50)])
    covered = 0
    for _ in range(1000):
        a, b = draw(3068, n_seeds, seed_sd)
        _, interval = within.difference(a, b, metric, WAY, one_model=False, rng=rng)
        covered += interval.low <= truth <= interval.high
    assert 930 <= covered <= 970, covered
