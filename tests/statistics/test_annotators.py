"""Annotators: three pictures by hand, known noise by simulation, agreement beside statsmodels, odd crowds, a grid."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats import inter_rater
from typer.testing import CliRunner

from fer_bench import params
from fer_bench.cli.main import app
from fer_bench.datasets import _ferplus_rules
from fer_bench.errors import FerBenchError
from fer_bench.expressions import EXPRESSIONS
from fer_bench.metrics import accuracy, macro_f1, mean_recall
from fer_bench.stats import annotating, annotators, scoring
from fer_bench.stats.interval import Interval
from fer_bench.tables import annotators as schema
from fer_bench.tables import reported

METRICS = {"accuracy": accuracy.metric, "macro_f1": macro_f1.metric, "mean_recall": mean_recall.metric}
RNG = np.random.default_rng


def silent(_text):
    pass


def most(votes):
    """Label by most votes, the first of equals; none without votes, or where the last category leads."""
    first = votes.argmax(axis=1)
    return np.where(votes.any(axis=1) & (first < votes.shape[1] - 1), first, -1)


def majority(votes):
    return _ferplus_rules.apply(votes, "majority")


# Three pictures, two expressions and "unknown"; three votes each.
VOTES = np.array([[3, 0, 0], [2, 1, 0], [0, 2, 1]])
# One vote left out: [3,0,0] always leaves [2,0,0], label 0, vote 0: right.
# [2,1,0]: a 0 (2/3) leaves [1,1,0], label 0 (the first): right; the 1 (1/3) leaves [2,0,0], label 0: wrong.
# [0,2,1]: a 1 (2/3) leaves [0,1,1], label 1: right; unknown (1/3) leaves [0,2,0], label 1: wrong.
HUMAN = np.array([[1 + 2 / 3, 1 / 3], [1 / 3, 2 / 3]])


def test_three_pictures_by_hand():
    rest = annotators.leave_one_out(VOTES, most, settled=False)
    assert rest.labels.tolist() == [[0, -1, -1], [0, 0, -1], [-1, 1, 1]]
    added = annotators.of_annotator(rest, n_classes=2)
    # unknown names no expression; with two of them it is the one that is wrong
    assert added.sum(axis=0) == pytest.approx(HUMAN)
    assert annotators.score_of(added, accuracy.metric) == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)
    recalls = (1 + 2 / 3) / 2, (2 / 3) / 1
    assert annotators.score_of(added, mean_recall.metric) == pytest.approx(sum(recalls) / 2)


def test_a_run_is_right_where_it_predicts_what_the_others_say():
    rest = annotators.leave_one_out(VOTES, most, settled=False)
    added = annotators.of_run(rest, np.array([0, 1, 1]), n_classes=2)
    assert added.sum(axis=0) == pytest.approx(np.array([[1, 1], [0, 1]]))
    estimate, _ = annotators.difference(
        VOTES, added[None], annotators.of_annotator(rest, n_classes=2), accuracy.metric,
        level=0.95, n_resamples=200, rng=RNG(0),
    )  # fmt: skip
    assert estimate == pytest.approx(2 / 3 - 7 / 9)


def test_an_unknown_vote_is_spread_over_the_wrong_expressions():
    rest = annotators.leave_one_out(np.array([[0, 0, 0, 3, 1]]), most, settled=False)
    added = annotators.of_annotator(rest, n_classes=4)[0]
    assert added[3] == pytest.approx([1 / 12, 1 / 12, 1 / 12, 3 / 4])
    assert added.sum() == pytest.approx(1)


def test_only_pictures_that_keep_a_label_whatever_the_vote_was_are_settled():
    # ten votes, majority: with 6 + 4, without one of the six it is 5 + 4, and a fifth vote for the other leaves none
    close, clear = [6, 4, *[0] * 8], [9, 1, *[0] * 8]
    rest = annotators.leave_one_out(np.array([close, clear]), majority, settled=True)
    assert rest.weights[0].tolist() == [0, 0.4] + [0] * 8  # without one of the four, 6 + 3, all ten votes keep a label
    assert rest.weights[1].sum() == pytest.approx(1)
    loose = annotators.leave_one_out(np.array([close, clear]), majority, settled=False)
    assert loose.weights.sum(axis=1) == pytest.approx([1, 1])


def test_votes_that_all_agree_have_no_noise_exactly():
    votes = 10 * np.eye(10, dtype=int)[RNG(0).integers(0, 8, size=60)]
    y_true = majority(votes)
    drawn = annotators.draw_labels(votes, majority, n_resamples=50, rng=RNG(1))
    assert (drawn == y_true).all()
    y_pred = np.where(RNG(2).random((3, 60)) < 0.7, y_true, 0)
    noise = annotators.label_noise(y_true, y_pred, drawn, macro_f1.metric, n_classes=8)
    assert (noise.votes, noise.shift) == (0.0, 0.0)
    assert noise.pictures == noise.usual
    usual = Interval(0.6, 0.8, 0.95, "", "seeds and samples", "", 0, 0.05)
    same = annotators.with_votes(usual, 0.7, noise, macro_f1.metric)
    assert (same.low, same.high) == pytest.approx((0.6, 0.8))


def binary_crowd(rng, *, n, n_votes):
    """Two expressions, each picture with its own share of votes for the first."""
    chance = rng.beta(3, 1, size=n)
    first = rng.binomial(n_votes, chance)
    return np.column_stack([first, n_votes - first, np.zeros(n, dtype=int)])


def test_a_known_noise_has_its_known_variance(rng):
    """With 9 votes for one of two, a label is 0 if 5 or more are; accuracy is a mean of independent flips."""
    from scipy import stats

    votes = binary_crowd(rng, n=400, n_votes=9)
    y_true = most(votes)
    y_pred = np.stack([np.where(rng.random(400) < 0.8, y_true, 1 - y_true) for _ in range(2)])
    drawn = annotators.draw_labels(votes, most, n_resamples=8000, rng=rng)
    noise = annotators.label_noise(y_true, y_pred, drawn, accuracy.metric, n_classes=2)
    first = stats.binom.sf(4, 9, votes[:, 0] / 9)
    # the mean over two seeds gains or loses a half of every flip per seed that predicts 0
    gain = (y_pred == 0).mean(axis=0) - (y_pred == 1).mean(axis=0)
    assert math.sqrt(noise.votes) == pytest.approx(math.sqrt((first * (1 - first) * gain**2).sum()) / 400, rel=0.03)
    expected = np.where(y_pred == 0, first, 1 - first).mean()
    assert noise.shift == pytest.approx(expected - (y_pred == y_true).mean(), abs=4 * math.sqrt(noise.votes / 8000))


def test_votes_and_pictures_add_up_to_the_binomial_variance(rng):
    votes = binary_crowd(rng, n=500, n_votes=9)
    y_true = most(votes)
    y_pred = np.where(rng.random(500) < 0.8, y_true, 1 - y_true)[None]
    drawn = annotators.draw_labels(votes, most, n_resamples=1000, rng=rng)
    noise = annotators.label_noise(y_true, y_pred, drawn, accuracy.metric, n_classes=2)
    p = (drawn == y_pred).mean()
    assert noise.votes + noise.pictures == pytest.approx(p * (1 - p) / 499, rel=0.01)
    right = (y_pred == y_true).mean()
    assert noise.usual == pytest.approx(right * (1 - right) / 499)
    assert noise.seeds == 0


@pytest.mark.parametrize("name", METRICS)
def test_the_variance_over_pictures_is_that_of_the_pseudo_values(name, rng):
    y_true = rng.integers(0, 7, size=900)
    y_pred = np.where(rng.random((3, 900)) < 0.7, y_true, rng.integers(0, 7, size=(3, 900)))
    noise = annotators.label_noise(y_true, y_pred, np.tile(y_true, (5, 1)), METRICS[name], n_classes=7)
    parts = scoring.two_way_parts(y_true, y_pred, METRICS[name], n_classes=7)
    assert noise.usual == pytest.approx(parts.sample_means.var(ddof=1) / 900, rel=0.02)
    assert noise.seeds == pytest.approx(parts.seed_variance, rel=0.05, abs=1e-7)


def test_same_pictures_with_one_seed_have_votes_alone():
    noise = annotators.Noise(0.0004, 0.001, 0.001, 0.0, 0.0)
    found = annotators.same_pictures(np.array([0.7]), noise, accuracy.metric, level=0.95, n_resamples=100)
    assert (found.low, found.high) == pytest.approx((0.7 - 1.96 * 0.02, 0.7 + 1.96 * 0.02), abs=1e-4)
    assert found.resampled == "votes"
    assert "the checkpoint" in found.held_fixed


def test_a_run_without_errors_has_an_interval_with_votes_that_holds_wilsons():
    noise = annotators.Noise(0.0004, 0.0001, 0.0, 0.0, -0.05)
    usual = Interval(0.99, 1.0, 0.95, "no errors", "samples", "", 0, 0.0)
    found = annotators.with_votes(usual, 1.0, noise, accuracy.metric)
    assert found.low < 0.99
    assert found.high == 1.0
    assert found.resampled == "votes and samples"


@pytest.mark.slow
def test_the_usual_interval_covers_other_votes_already(rng):
    """Pictures, votes and answers are new in every trial: adding the votes' part once more would cover too much."""
    n, trials, truth = 600, 1500, _truth_of_others()
    covered, twice, wider = 0, 0, []
    for _ in range(trials):
        chance = rng.beta(3, 1, size=n)
        first, seen = rng.binomial(9, chance), rng.binomial(9, chance)
        votes = np.column_stack([first, 9 - first, np.zeros(n, dtype=int)])
        y_true = most(votes)
        y_pred = np.where(rng.random(n) < 0.85, seen < 5, rng.random(n) < 0.5).astype(int)
        drawn = annotators.draw_labels(votes, most, n_resamples=40, rng=rng)
        noise = annotators.label_noise(y_true, y_pred[None], drawn, accuracy.metric, n_classes=2)
        away = abs((y_pred == y_true).mean() - truth)
        covered += away <= 1.96 * math.sqrt(noise.usual)
        twice += away <= 1.96 * math.sqrt(noise.usual + noise.votes)
        wider.append((noise.votes + noise.pictures) / noise.usual)
    assert 0.93 < covered / trials < 0.965
    assert twice / trials > 0.97
    assert 1 < np.mean(wider) < 1.3  # redrawn votes are a little noisier than votes


def _truth_of_others():
    """Return the expected accuracy of answers that are nine other people's, 85 % of the time, else a coin's."""
    from scipy import integrate, stats

    def agree(chance):
        first = stats.binom.sf(4, 9, chance)
        return (first**2 + (1 - first) ** 2) * stats.beta.pdf(chance, 3, 1)

    return 0.85 * integrate.quad(agree, 0, 1)[0] + 0.15 * 0.5


def test_the_annotators_interval_is_the_bootstrap_over_pictures(rng):
    votes = rng.multinomial(10, [0.6, 0.3, 0.1], size=500)
    rest = annotators.leave_one_out(votes, most, settled=False)
    added = annotators.of_annotator(rest, n_classes=2)
    found = annotators.annotator(votes, added, accuracy.metric, level=0.95, n_resamples=4000, rng=rng)
    right = np.trace(added, axis1=1, axis2=2)
    counted = added.sum(axis=(1, 2))
    by_hand = (right - right.sum() / counted.sum() * counted).std() / math.sqrt(500) / counted.mean()
    assert found.standard_error == pytest.approx(by_hand, rel=0.05)


def test_single_annotators_spread_as_one_vote_per_picture_does(rng):
    votes = rng.multinomial(10, [0.6, 0.3, 0.1], size=500)
    rest = annotators.leave_one_out(votes, most, settled=False)
    found = annotators.single_annotators(rest, accuracy.metric, n_classes=2, level=0.95, n_resamples=3000, rng=rng)
    right = np.trace(annotators.of_annotator(rest, n_classes=2), axis1=1, axis2=2)
    by_hand = math.sqrt((right * (1 - right)).sum()) / 500
    assert found.standard_error == pytest.approx(by_hand, rel=0.1)
    middle = annotators.score_of(annotators.of_annotator(rest, n_classes=2), accuracy.metric)
    assert found.low < middle < found.high


@pytest.mark.parametrize("n_seeds", [1, 3])
@pytest.mark.parametrize("name", METRICS)
def test_a_method_that_answers_as_an_annotator_stands_within(n_seeds, name, rng):
    shares = rng.dirichlet([4, 1, 1], size=1500)
    votes = np.column_stack([rng.multinomial(10, shares), np.zeros(1500, dtype=int)])
    rest = annotators.leave_one_out(votes, most, settled=False)
    human = annotators.of_annotator(rest, n_classes=3)
    # one vote drawn of each picture's own ten is about as often right as the one left out
    y_pred = (rng.random((n_seeds, 1500))[:, :, None] > np.cumsum(shares, axis=1)).sum(axis=2).clip(0, 2)
    runs = np.stack([annotators.of_run(rest, row, n_classes=3) for row in y_pred])
    estimate, interval = annotators.difference(
        votes, runs, human, METRICS[name], level=0.999, n_resamples=1000, rng=rng
    )
    assert interval.low <= estimate <= interval.high
    assert annotators.stands(interval, margin=0.005, higher_is_better=True) == "within"
    assert interval.resampled == ("samples" if n_seeds == 1 else "seeds and samples")


@pytest.mark.parametrize(
    ("low", "high", "stands"),
    [(0.01, 0.03, "above"), (-0.03, -0.01, "below"), (-0.01, 0.03, "within"), (0.001, 0.004, "within"),
     (0.001, 0.006, "above"), (-0.004, -0.001, "within")],
)  # fmt: skip
def test_above_within_below(low, high, stands):
    interval = Interval(low, high, 0.95, "", "", "", 0, 0.0)
    assert annotators.stands(interval, margin=0.005, higher_is_better=True) == stands


def test_kappa_is_that_of_statsmodels(rng):
    for shares in ([0.5, 0.3, 0.2], [0.9, 0.05, 0.05]):
        votes = rng.multinomial(10, shares, size=200)
        assert annotators.fleiss_kappa(votes) == pytest.approx(inter_rater.fleiss_kappa(votes), abs=1e-10)


def test_kappa_of_unequal_numbers_of_votes_is_the_value_worked_by_hand():
    # agreeing pairs: [2,1]: 1 of 3; [2,0]: 1 of 1; mean 2/3. Shares 4/5, 1/5: chance 0.68
    assert annotators.fleiss_kappa(np.array([[2, 1], [2, 0], [1, 0]])) == pytest.approx((2 / 3 - 0.68) / 0.32)


def test_kappa_is_not_defined_without_two_votes_or_two_categories():
    for rows in ([[1, 0], [0, 1]], [[5, 0], [5, 0]], np.zeros((0, 2), dtype=int)):
        votes = np.asarray(rows).reshape(-1, 2)
        assert math.isnan(annotators.fleiss_kappa(votes))
        assert annotators.kappa_interval(votes, level=0.95, n_resamples=50, rng=RNG(0)) is None


def test_kappas_interval_is_the_bootstrap_over_pictures(rng):
    votes = rng.multinomial(10, [0.6, 0.3, 0.1], size=300)
    found = annotators.kappa_interval(votes, level=0.95, n_resamples=3000, rng=rng)
    by_hand = [annotators.fleiss_kappa(votes[rng.integers(0, 300, size=300)]) for _ in range(1000)]
    assert (found.low, found.high) == pytest.approx(np.quantile(by_hand, [0.025, 0.975]), abs=0.004)


def test_many_votes_in_many_categories_are_told_apart_all_the_same(rng):
    votes = rng.multinomial(1000, np.full(10, 0.1), size=20)  # more than fits an integer
    votes = np.concatenate([votes, votes])
    assert (annotators.apply(votes, most) == most(votes)).all()


# --- a grid -----------------------------------------------------------------------------------------------------------

VOTE_COLUMNS = [f"votes_{name.lower()}" for name in (*EXPRESSIONS, "unknown", "NF")]


def crowd(y_true, rng):
    """Ten votes for each of the first two thirds of the pictures by majority, all for one label on the rest."""
    votes = np.zeros((len(y_true), 10), dtype=int)
    for place, label in enumerate(y_true):
        sure = 10 if place % 3 == 2 else int(rng.integers(6, 10))
        votes[place, label] = sure
        votes[place, rng.choice([c for c in range(10) if c != label])] += 10 - sure
    votes[0] = 0
    votes[0, y_true[0]] = 9  # one picture of the release has nine votes
    return votes


@pytest.fixture
def judged(fake_runs, rng, monkeypatch):
    """A factory: simulate a grid that claims to be FERPlus, score it, write its votes, set it beside its annotators."""

    def make(*, edit=lambda table: table, said=silent, rule="majority", **changes):
        grid = fake_runs(changes={"label_rule": f"{rule} on label_csv", "dataset": "ferplus"}, n=150, **changes)
        file = grid.folder / "params.yaml"
        file.write_text(
            file.read_text().replace(
                "synthetic: {source: fer_bench/datasets/synthetic.py}",
                f"ferplus: {{source: data/raw/ferplus, options: {{rule: {rule}, n_classes: 7}}}}",
            )
        )
        runs = grid.folder / "results/tiny/runs"
        (runs / "synthetic").rename(runs / "ferplus")
        for history in runs.glob("*/*/*/history.csv"):
            history.write_text(history.read_text().replace("synthetic", "ferplus"))
        read = params.read()
        scored = scoring.score(read)
        scoring.write(scored, read.results)
        table = scored.predicted["ferplus"]
        if len(table):
            votes = pd.DataFrame(crowd(table["y_true"].to_numpy(dtype=int), rng), columns=VOTE_COLUMNS)
            whole = pd.DataFrame({"sample_id": table["sample_id"], "subject": None}).join(votes)
            dropped = {**dict.fromkeys(VOTE_COLUMNS, 0), "sample_id": "t9999", "subject": None}
            dropped |= {"votes_neutral": 5, "votes_anger": 5}
            whole = edit(pd.concat([whole, pd.DataFrame([dropped])], ignore_index=True))
            if whole is not None:
                reported.write(whole, reported.path_of(read.results, "ferplus"))
        return annotating.annotate(read, say=said)

    return make


def parts_of(table, method="conv_cut", metric="accuracy"):
    own = table[(table["metric"] == metric) & (table["method"].isna() if method is None else table["method"] == method)]
    return own.set_index("part")


@pytest.mark.parametrize("seeds", [(0, 1), (0,)])
def test_a_grid_has_every_part_of_every_method_and_metric(judged, seeds):
    table = judged(seeds=seeds)
    assert len(table) == 3 * 2 * len(schema.OF_METHOD) + 2 + 2 * 4
    found = parts_of(table)
    assert set(found.index) == set(schema.OF_METHOD)
    assert found.loc["score", "estimate"] == found.loc["score_votes", "estimate"]
    assert found.loc["score_votes", "sd_votes"] > 0
    assert pd.isna(found.loc["score_votes", "sd_seeds"]) == (len(seeds) == 1)
    assert 0 < found.loc["score_votes", "share_changed"] + found.loc["score_votes", "share_dropped"] < 0.3
    assert found.loc["difference", "verdict"] in {"above", "within", "below"}
    theirs = parts_of(table, None)
    assert found.loc["difference", "estimate"] == pytest.approx(
        found.loc["rest", "estimate"] - theirs.loc["annotator", "estimate"]
    )
    assert theirs.loc["annotator_all", "n_samples"] == 151
    assert parts_of(table, None, "fleiss_kappa")["n_samples"].to_dict() == {
        "agreement": 151, "agreement_reported": 150,
    }  # fmt: skip
    assert set(table["label_rule"]) == {"majority on label_csv"}


def test_the_score_is_that_of_the_intervals_table(judged):
    table = judged()
    from fer_bench.tables.intervals import intervals

    held = intervals.read(params.read().results / "intervals.csv")
    row = parts_of(table).loc["score"]
    same = held.query("method == 'conv_cut' and metric == 'accuracy' and selection == 'best_on_val' and n_seeds == 2")
    assert [row[name] for name in ("estimate", "low", "high")] == same[["estimate", "low", "high"]].iloc[0].tolist()


def test_a_rule_for_training_alone_leaves_test_pictures_to_the_one_that_fits(judged):
    assert len(judged(rule="probability"))


def test_the_same_grid_gives_the_same_bytes(judged, tmp_path):
    table = judged()
    schema.annotators.write(table, tmp_path / "a.csv")
    schema.annotators.write(annotating.annotate(params.read(), say=silent), tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_failed_runs_are_left_out_and_said(judged):
    said = []
    failed = (("lbp_svm", 0), ("lbp_svm", 1), ("conv_cut", 1))
    table = judged(failed=failed, said=said.append)
    assert set(table["method"].dropna()) == {"majority_class", "conv_cut"}
    assert parts_of(table).loc["score", "n_seeds"] == 1
    assert said == [
        "ferplus: 2 of 2 runs of lbp_svm failed and are left out",
        "ferplus: 1 of 2 runs of conv_cut failed and are left out",
    ]


def test_a_grid_whose_runs_all_failed_has_a_table_without_rows(judged):
    said = []
    failed = tuple((method, seed) for method in ("majority_class", "lbp_svm", "conv_cut") for seed in (0, 1))
    assert len(judged(failed=failed, said=said.append)) == 0
    assert said == ["ferplus: no run ended well; left out"]


def test_a_data_set_without_votes_is_left_out_and_said(judged):
    said = []
    assert len(judged(edit=lambda table: table[["sample_id", "subject"]], said=said.append)) == 0
    assert said == ["ferplus: no votes; left out"]


def test_one_annotator_per_picture_has_no_noise_and_no_rest(judged):
    def alone(table):
        votes = table[VOTE_COLUMNS].to_numpy()
        return table.assign(**dict(zip(VOTE_COLUMNS, np.eye(10, dtype=int)[votes.argmax(axis=1)].T, strict=True)))

    table = judged(edit=alone, rule="argmax10")
    found = parts_of(table)
    assert found.loc["score_votes", "sd_votes"] == 0
    assert "difference" not in found.index
    assert pd.isna(parts_of(table, None).loc["annotator", "estimate"])
    assert parts_of(table, None, "fleiss_kappa")["estimate"].isna().all()
    assert len(annotating.printable(table)) == 6
    assert any("no annotator has a score" in sentence for sentence in annotating.sentences(table))


def test_votes_that_are_missing_name_the_audit(judged):
    with pytest.raises(FerBenchError, match=r"no votes at .*ferplus_reported\.csv") as caught:
        judged(edit=lambda _: None)
    assert "fer-bench data audit ferplus" in caught.value.fix


def test_a_sample_without_votes_is_named(judged):
    with pytest.raises(FerBenchError, match="lacks 1 of 150 samples that were predicted; first: s0003"):
        judged(edit=lambda table: table[table["sample_id"] != "s0003"])


def test_votes_for_other_labels_than_were_scored_are_refused(judged):
    def turned(table):
        return table.assign(**{VOTE_COLUMNS[0]: table[VOTE_COLUMNS[1]], VOTE_COLUMNS[1]: table[VOTE_COLUMNS[0]]})

    with pytest.raises(FerBenchError, match=r"under majority on label_csv, .* have votes for another label"):
        judged(edit=turned)


def test_a_grid_that_was_not_scored_again_is_refused(judged):
    judged()
    path = params.read().results / "intervals.csv"
    table = pd.read_csv(path)
    table["estimate"] = table["estimate"].where(table["method"] != "conv_cut", 0.5)
    table.to_csv(path, index=False)
    with pytest.raises(FerBenchError, match=r"intervals\.csv and predicted/ferplus\.csv differ in accuracy") as caught:
        annotating.annotate(params.read(), say=silent)
    assert "fer-bench score" in caught.value.fix


def test_the_program_prints_writes_and_says(judged):
    table = judged()
    done = CliRunner().invoke(app, ["annotators"])
    assert done.exit_code == 0, done.output
    assert "Fleiss' kappa" in done.stdout
    assert "one annotator against the others" in done.stdout
    written = schema.annotators.read(params.read().results / "annotators.csv")
    assert len(written) == len(table)
    assert len(json.loads(CliRunner().invoke(app, ["annotators", "--json"]).stdout)) == len(table)


def test_a_grid_without_votes_writes_a_table_without_rows(fake_runs):
    grid = fake_runs()
    scoring.write(scoring.score(params.read()), grid.folder / "results/tiny")
    done = CliRunner().invoke(app, ["annotators"])
    assert done.exit_code == 0, done.output
    assert "synthetic: no votes, as far as its reader knows; left out" in done.stderr
    assert "no data set of tiny has votes" in done.stderr
    text = (grid.folder / "results/tiny/annotators.csv").read_text()
    assert text.count("\n") == 1
