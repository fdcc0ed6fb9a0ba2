"""Comparing methods: families over data sets, metrics of every kind, persons, and results that degenerate."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from fer_bench import params
from fer_bench.errors import FerBenchError
from fer_bench.stats import comparing, paired, scoring, signature, simulate, two_way
from fer_bench.stats.mcnemar import mcnemar
from fer_bench.stats.pairs import Predicted, Settings, compare_methods, compare_sets
from fer_bench.tables import reported

SETTINGS = Settings(("accuracy", "macro_f1"), 0.95, 0.005, 300, 0, None)


def silent(_text):
    pass


def world(rng, *, methods=("a", "b", "c"), n_seeds=3, dataset="d", points=0.4):
    made = simulate.World(rng)
    runs = {name: dict(enumerate(made.predict(n_seeds, points=points))) for name in methods}
    return Predicted(dataset, "last", simulate.K, made.y_true, runs)


def with_probabilities(found, rng):
    """The same runs, the predicted expression the most probable one."""
    noise = {
        name: {seed: rng.dirichlet(np.ones(7), size=len(y)) for seed, y in runs.items()}
        for name, runs in found.y_pred.items()
    }
    mixed = {
        name: {seed: 0.45 * noise[name][seed] + 0.55 * np.eye(7)[y] for seed, y in runs.items()}
        for name, runs in found.y_pred.items()
    }
    return found._replace(probabilities=mixed)


def frame(rows):
    return pd.DataFrame(rows)


def test_a_family_is_all_pairs_on_all_data_sets(rng):
    sets = [world(rng, dataset=name) for name in ("first", "second")]
    rows = frame(compare_sets(sets, SETTINGS))
    for name in SETTINGS.metrics:
        own = rows[rows["metric"] == name]
        assert set(own["family"]) == {f"{name}: all pairs of 3 methods on 2 data sets"}
        assert set(own["family_size"]) == {6}
        assert len(own) == 6


def test_the_correction_is_holms_over_both_data_sets_together(rng):
    sets = [world(rng, dataset=name, n_seeds=1, points=0.8) for name in ("first", "second")]
    rows = frame(compare_sets(sets, SETTINGS._replace(metrics=("accuracy",))))
    assert rows["p_holm"].to_numpy() == pytest.approx(multipletests(rows["p"], method="holm")[1], abs=1e-10)


def test_one_data_set_is_named_in_its_family_and_so_is_a_baseline(rng):
    found = world(rng)
    assert compare_methods(found, SETTINGS)[0]["family"] == "accuracy: all pairs of 3 methods on d"
    row = compare_methods(found, SETTINGS._replace(baseline="c"))[0]
    assert (row["family"], row["family_size"]) == ("accuracy: 2 methods against c on d", 2)
    two = frame(compare_sets([found, found._replace(dataset="e")], SETTINGS._replace(baseline="c")))
    assert two["family"].iloc[0] == "accuracy: 2 methods against c on 2 data sets"


def test_a_metric_with_a_value_per_expression_is_one_family(rng):
    rows = frame(compare_methods(world(rng, methods=("a", "b")), SETTINGS._replace(metrics=("recall", "recall_fear"))))
    assert list(rows["metric"]) == [
        *(f"recall_{name}" for name in ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear")),
        "recall_fear",
    ]
    assert rows["family"].iloc[0] == "recall of 7 expressions: all pairs of 2 methods on d"
    assert rows["family_size"].tolist() == [7] * 7 + [1]


def test_one_pair_alone_needs_no_correction(rng):
    row = compare_methods(world(rng, methods=("a", "b")), SETTINGS)[0]
    assert row["p_holm"] == row["p"]


def test_within_a_family_p_values_over_few_seeds_are_no_smaller_than_alone(rng):
    for n_seeds in (2, 3, 5):
        for points in (0.0, 0.8):
            found = world(rng, methods=("a", "b"), n_seeds=n_seeds, points=points)
            right = {name: np.stack(list(runs.values())) == found.y_true for name, runs in found.y_pred.items()}
            a, b = (two_way.components(each.astype(float), each.mean(axis=1)) for each in right.values())
            found = paired.difference(a, b, level=0.95)
            assert found.p_family >= found.p


def parted(seeds, residual, means, estimate):
    return two_way.Components(np.array(means), 3, estimate, seeds, residual)


def test_the_difference_over_seeds_is_the_one_worked_by_hand():
    # means differ by 1 and 2 of two samples: V_b = 0.5 / 2; seeds add 0.4 - 0.1 and 0.2 - 0.1: V = 0.65;
    # nu = 0.4225 / (0.0625 / 1 + 0.16 / 2 + 0.04 / 2) = 2.6
    a, b = parted(0.4, 0.1, [1.0, 2.0], 1.5), parted(0.2, 0.1, [0.0, 0.0], 0.0)
    found = paired.difference(a, b, level=0.95)
    assert found.interval.standard_error == pytest.approx(np.sqrt(0.65), abs=1e-12)
    assert found.p == pytest.approx(2 * stats.t.sf(1.5 / np.sqrt(0.65), 2.6), abs=1e-12)
    # in a family: mean square of the seeds at least (0.4 + 0.2) / 2
    fewer = 0.4225 / (0.0625 + 0.16 / 2 + 0.09 / 2)
    assert found.p_family == pytest.approx(2 * stats.t.sf(1.5 / np.sqrt(0.65), fewer), abs=1e-12)


def test_seeds_that_lie_together_by_chance_take_away_half_the_residual_at_most():
    # V_b = 0.25; seeds 0 and residual 0.1 each would take away 0.2: only 0.1 goes
    a, b = parted(0.0, 0.1, [1.0, 2.0], 1.5), parted(0.0, 0.1, [0.0, 0.0], 0.0)
    found = paired.difference(a, b, level=0.95)
    assert found.interval.standard_error == pytest.approx(np.sqrt(0.15), abs=1e-12)
    assert found.p == pytest.approx(2 * stats.t.sf(1.5 / np.sqrt(0.15), 0.0225 / 0.0625), abs=1e-12)


def test_methods_that_never_vary_are_equal_or_not():
    a, b = parted(0.0, 0.0, [1.0, 1.0], 1.0), parted(0.0, 0.0, [0.0, 0.0], 0.0)
    assert paired.difference(a, b, level=0.95)[1:3] == (0.0, 0.0)
    assert paired.difference(a, a, level=0.95)[1:3] == (1.0, 1.0)


@pytest.mark.parametrize("n_seeds", [1, 3])
def test_metrics_of_probabilities_are_compared_where_they_are_known(rng, n_seeds):
    found = with_probabilities(world(rng, methods=("a", "b"), n_seeds=n_seeds), rng)
    rows = frame(compare_methods(found, SETTINGS._replace(metrics=("log_loss", "top2_accuracy"))))
    log_loss, top2 = (row for _, row in rows.iterrows())
    assert log_loss["low"] < log_loss["difference"] < log_loss["high"]
    assert top2["low"] <= top2["difference"] <= top2["high"]
    if n_seeds == 1:
        assert log_loss["test"] == "paired bootstrap, conditional on these checkpoints"
        assert top2["test"] == "exact McNemar, conditional on these checkpoints"


def test_a_method_with_less_of_what_should_fall_is_better(rng):
    found = world(rng, methods=("a", "b"), n_seeds=1)
    sure = {"a": {0: 0.97 * np.eye(7)[found.y_true] + 0.03 / 7}, "b": {0: np.full((len(found.y_true), 7), 1 / 7)}}
    row = compare_methods(found._replace(probabilities=sure), SETTINGS._replace(metrics=("log_loss",)))[0]
    assert row["difference"] < 0
    assert row["verdict"] == "better"


def test_a_metric_of_probabilities_without_them_is_refused_with_the_fix(rng):
    with pytest.raises(FerBenchError, match="log_loss needs probabilities, which are not known of d") as caught:
        compare_methods(world(rng), SETTINGS._replace(metrics=("log_loss",)))
    assert "leave log_loss out" in caught.value.fix


def test_a_metric_against_votes_is_compared_on_the_data_sets_that_have_them(rng):
    sets = [with_probabilities(world(rng, methods=("a", "b"), dataset=name), rng) for name in ("with", "without")]
    sets[0] = sets[0]._replace(votes=rng.multinomial(10, np.full(7, 1 / 7), size=len(sets[0].y_true)))
    rows = compare_sets(sets, SETTINGS._replace(metrics=("jensen_shannon",)))
    assert [row["dataset"] for row in rows] == ["with"]
    assert rows[0]["family"] == "jensen_shannon: all pairs of 2 methods on with"
    with pytest.raises(FerBenchError, match="needs votes"):
        compare_sets(sets[1:], SETTINGS._replace(metrics=("jensen_shannon",)))


@pytest.mark.parametrize("n_seeds", [1, 3])
def test_where_persons_are_known_they_are_what_varies(rng, n_seeds):
    found = world(rng, methods=("a", "b"), n_seeds=n_seeds)
    by_person = found._replace(subjects=np.arange(simulate.N) // 8)
    alone, clustered = (compare_methods(one, SETTINGS)[0] for one in (found, by_person))
    assert "over persons" in clustered["test"]
    assert "McNemar" not in clustered["test"]  # its pictures must be independent
    assert clustered["difference"] == alone["difference"]


def test_persons_with_one_picture_each_are_samples(rng):
    found = world(rng, methods=("a", "b"), n_seeds=1)
    each = compare_methods(found._replace(subjects=np.arange(simulate.N)), SETTINGS)
    assert each == compare_methods(found, SETTINGS)


def test_persons_whose_pictures_go_together_widen_the_interval(rng):
    found = world(rng, methods=("a", "b"), n_seeds=3)
    right = rng.random((simulate.N // 8 + 1, 2))[np.arange(simulate.N) // 8] < 0.85  # a person is right or wrong as one
    runs = {
        name: dict.fromkeys(range(3), np.where(right[:, index], found.y_true, (found.y_true + 1) % 7))
        for index, name in enumerate(("a", "b"))
    }
    narrow = compare_methods(found._replace(y_pred=runs), SETTINGS)[0]
    wide = compare_methods(found._replace(y_pred=runs, subjects=np.arange(simulate.N) // 8), SETTINGS)[0]
    assert wide["high"] - wide["low"] > 2 * (narrow["high"] - narrow["low"])


@pytest.mark.parametrize("n_seeds", [1, 2])
def test_identical_files_are_equal_and_not_called_certain(rng, n_seeds):
    found = world(rng, methods=("a",), n_seeds=1)
    run = found.y_pred["a"][0]
    same = found._replace(y_pred={name: dict.fromkeys(range(n_seeds), run) for name in ("a", "b")})
    for row in compare_methods(same, SETTINGS):
        assert (row["difference"], row["p"], row["disagreement"]) == (0, 1, 0)
        assert row["low"] < 0 < row["high"]
        assert row["interval_method"] == "identical predictions: Wilson's bound"


def test_probabilities_that_are_equal_to_the_last_bit_are_one_model(rng):
    found = with_probabilities(world(rng, methods=("a",), n_seeds=1), rng)
    both = found._replace(
        y_pred=dict.fromkeys("ab", found.y_pred["a"]), probabilities=dict.fromkeys("ab", found.probabilities["a"])
    )
    row = compare_methods(both, SETTINGS._replace(metrics=("brier",)))[0]
    assert (row["difference"], row["low"], row["high"], row["p"]) == (0, 0, 0, 1)
    assert row["detectable"] is None


def test_seeds_that_agree_leave_the_variation_of_samples(rng):
    found = world(rng, methods=("a", "b"), n_seeds=1)
    runs = {name: dict.fromkeys(range(3), run[0]) for name, run in found.y_pred.items()}
    row = compare_methods(found._replace(y_pred=runs), SETTINGS)[0]
    a, b = (found.y_pred[name][0] == found.y_true for name in "ab")
    width = 2 * 1.96 * (a.astype(float) - b).std() / np.sqrt(simulate.N)
    assert row["high"] - row["low"] == pytest.approx(width, rel=0.01)


def test_one_seed_is_mcnemars_exact_test(rng):
    found = world(rng, methods=("a", "b"), n_seeds=1)
    row = compare_methods(found, SETTINGS)[0]
    assert row["p"] == mcnemar(*(found.y_pred[name][0] == found.y_true for name in "ab"))


@pytest.fixture
def grid(fake_runs):
    made = fake_runs(methods={"lbp_svm": 0.7, "conv_cut": 0.8})
    scoring.write(scoring.score(params.read()), made.folder / "results/tiny")
    return made


def compared(**options):
    return comparing.compare_grid(
        params.read(), **{"metrics": None, "baseline": None, "dataset": None, "say": silent, **options}
    )


def test_probabilities_of_a_grid_are_read_from_its_runs(grid):
    row = compared(metrics=["log_loss"]).iloc[0]
    assert row["difference"] != 0


def test_a_grid_whose_runs_are_elsewhere_compares_labels_and_refuses_probabilities(grid):
    (grid.cell("conv_cut", 1) / "predictions.csv").unlink()
    assert len(compared()) == 2
    with pytest.raises(FerBenchError, match=r"log_loss needs probabilities, and the run .* is not here") as caught:
        compared(metrics=["log_loss"])
    assert "fer-bench run conv_cut --dataset synthetic --seed 1" in caught.value.fix


def test_a_run_that_changed_since_it_was_scored_is_refused(grid):
    grid.write_cell("conv_cut", 1, np.zeros(grid.n, dtype=int), np.zeros(grid.n, dtype=int))
    with pytest.raises(FerBenchError, match="carried out again since it was scored"):
        compared(metrics=["log_loss"])


def test_a_grids_persons_are_taken_from_its_audit(grid):
    assert set(compared()["test"]) == {"two-way paired t"}
    path = reported.path_of(grid.folder / "results/tiny", "synthetic")
    path.parent.mkdir(exist_ok=True)
    ids = [f"s{index:04d}" for index in range(grid.n)]
    pd.DataFrame({"sample_id": ids, "subject": [f"p{index // 5}" for index in range(grid.n)]}).to_csv(path, index=False)
    assert set(compared()["test"]) == {"two-way paired t over persons"}


def test_every_row_of_a_grid_says_what_it_is_a_number_of(grid):
    told = [signature.parse(text) for text in compared()["signature"]]
    assert {one.ds for one in told} == {"synthetic"}
    assert {(one.n, one.classes, one.rule, one.protocol) for one in told} == {("150", "7", "released", "honest")}
    assert {(one.selection, one.seeds, one.b) for one in told} == {("best_on_val", "0;1", "0")}
