"""Claims beside where one more run of ours would land: which verdict, and for which reason."""

import json

import msgspec
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from typer.testing import CliRunner

from fer_bench import card, params, registry
from fer_bench.card import Card, Claim, Defect, PublishedProtocol
from fer_bench.cli.main import app
from fer_bench.expressions import expressions
from fer_bench.stats import judging, published, saying, scoring
from fer_bench.tables.told_apart import WORDS
from fer_bench.tables.verdicts import VERDICTS, verdicts

REAL = {"recipe": "paper", "changes": {"weights": "timm:some_tag"}}
WIDE = 0.2  # a tolerance that no interval here exceeds


@pytest.fixture
def judged(fake_runs, monkeypatch):
    """Judge one claim on conv_cut whose runs reach about 87 %; returns its row.

    `oracle` moves the runs' answers under best_on_test: that share of wrong ones becomes right. `also` is scored too.
    """

    def judge(
        value=0.87, *, metric="accuracy", dataset="synthetic", grid=None, pretraining="ImageNet-1k", defects=(),
        approximation=None, tolerance=WIDE, oracle=0.0, also="", **protocol,
    ):  # fmt: skip
        made = fake_runs(**{"methods": {"conv_cut": 0.8}, "n": 400, **REAL, **(grid or {})})
        text = (made.folder / "params.yaml").read_text().replace("mean_recall]", f"mean_recall{also}]")
        (made.folder / "params.yaml").write_text(f"{text}verdict: {{tolerance: {tolerance}}}\n")
        for method in made.methods if oracle else ():
            for seed in made.seeds:
                made.edit_predictions(method, seed, lambda table: _better(table, oracle))
        as_published = PublishedProtocol(**{"n_classes": 7, "n_test": 400, "selection": "best_on_test", **protocol})
        claim = Claim(dataset=dataset, metric=metric, value=value, where="Table 1", protocol=as_published)
        only = Card(
            title="Conv-cut", pretraining=pretraining, approximation=approximation, claims=[claim],
            known_defects=list(defects),
        )  # fmt: skip
        monkeypatch.setattr(card, "read", lambda _name: only)
        monkeypatch.setattr(
            registry, "names", lambda kind, real=registry.names: ["conv_cut"] if kind == "cards" else real(kind)
        )
        scoring.write(scoring.score(params.read()), made.folder / "results/tiny")
        return judging.judge(params.read()).iloc[0]

    return judge


def _better(table, share):
    wrong = (table["selection"] == "best_on_test") & (table["y_true"] != table["y_pred"])
    chosen = table.index[wrong][: round(share * wrong.sum())]
    table.loc[chosen, "y_pred"] = table.loc[chosen, "y_true"]
    logits = [name for name in table.columns if name.startswith("logit_")]
    table.loc[chosen, logits] = np.eye(len(logits))[table.loc[chosen, "y_true"].to_numpy(dtype=int)] * 2.0
    return table


FIVE = {"seeds": (0, 1, 2, 3, 4), "n": 1000}


def test_a_claim_within_the_interval_for_one_run_is_reproduced(judged):
    row = judged(0.87)
    assert row["verdict"] == "reproduced"
    assert row["predicted_low"] <= 0.87 <= row["predicted_high"]
    assert row["n_seeds"] == 2
    assert row["difference"] == pytest.approx(row["estimate"] - 0.87)


def test_a_claim_on_one_expression_is_judged_by_its_recall(judged):
    row = judged(0.87, metric="recall_fear", also=", recall", grid=FIVE, n_test=1000)
    table = pd.read_csv("results/tiny/predicted/synthetic.csv")
    of_fear = table[table["y_true"] == expressions(7).index("fear")]
    answers = of_fear[[name for name in table.columns if name.endswith("best_on_test")]]
    assert answers.shape[1] == 5
    found = np.mean(answers.to_numpy() == of_fear[["y_true"]].to_numpy())
    assert row["estimate"] == pytest.approx(found)
    assert row["difference"] == pytest.approx(found - 0.87)
    assert 0 < row["predicted_low"] < found < row["predicted_high"]


def test_the_interval_for_one_run_is_wider_than_that_of_the_mean(judged):
    row = judged(0.87, grid=FIVE, n_test=1000)
    assert row["predicted_low"] < row["low"]
    assert row["high"] < row["predicted_high"]


@pytest.mark.parametrize(("value", "verdict"), [(0.99, "lower"), (0.5, "higher")])
def test_a_claim_outside_both_intervals_is_lower_or_higher_with_points_and_z(judged, value, verdict):
    row = judged(value, grid=FIVE, n_test=1000)
    assert row["verdict"] == verdict
    assert f"points {verdict} than claimed (z = " in row["reason"]
    assert (row["z"] < 0) == (verdict == "lower")


def test_a_claim_that_only_the_oracle_reaches_is_consistent_only_under_it(judged):
    row = judged(0.93, grid=FIVE, n_test=1000, oracle=0.5)
    assert row["verdict"] == "consistent only under best-on-test"
    assert row["selection"] == "best_on_test"
    assert "best_on_val" in row["reason"]  # where the honest interval lies


@pytest.mark.parametrize("selection", ["last", "best_on_val"])
def test_the_oracle_does_not_speak_for_a_claim_that_was_selected_honestly(judged, selection):
    row = judged(0.93, grid=FIVE, n_test=1000, oracle=0.5, selection=selection)
    assert (row["verdict"], row["selection"]) == ("lower", selection)


def test_the_oracle_is_looked_at_where_the_selection_is_unknown(judged):
    row = judged(0.93, grid=FIVE, n_test=1000, oracle=0.5, selection="unknown")
    assert row["verdict"] == "consistent only under best-on-test"
    assert row["reason"].startswith("the published selection is unknown; ")


@pytest.mark.parametrize(
    ("claimed", "used"), [("best_on_test", "best_on_test"), ("last", "last"), ("unknown", "best_on_val")]
)
def test_what_is_outside_is_measured_under_the_claims_own_selection(judged, claimed, used):
    assert judged(0.99, grid=FIVE, n_test=1000, selection=claimed)["selection"] == used


def test_a_wide_interval_that_holds_the_claim_is_undecided_and_says_how_many_seeds_would_settle_it(judged):
    row = judged(0.87, grid={"n": 4000}, n_test=4000, tolerance=0.022)
    assert row["verdict"] == "undecided"
    assert row["seeds_needed"] > 2
    assert f"; {row['seeds_needed']} seeds would settle it." in row["reason"]


def test_where_one_run_alone_spreads_too_far_no_number_of_seeds_settles_it(judged):
    row = judged(0.87, tolerance=0.01)
    assert row["verdict"] == "undecided"
    assert pd.isna(row["seeds_needed"])
    assert "no number of seeds would settle it: one run alone spreads by" in row["reason"]


def test_one_seed_is_undecided(judged):
    row = judged(0.87, grid={"seeds": (3,)})
    assert row["verdict"] == "undecided"
    assert pd.isna(row["predicted_low"])
    assert "one seed, " in row["reason"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"n_classes": 8}, "n_classes: 8 as published, 7 here"),
        ({"n_test": 3068}, "n_test: 3068 as published, 400 here"),
        ({"label_rule": "majority"}, "label_rule: majority as published, released here"),
        ({"grid": {"changes": {"weights": "none"}}}, "weights"),
        ({"grid": {"recipe": "toy"}}, "recipe: ours is toy"),
        ({"approximation": "its stem"}, "method: ours is an approximation, without its stem"),
    ],
)
def test_another_question_is_not_comparable_and_the_field_is_named(judged, changes, field):
    row = judged(**changes)
    assert row["verdict"] == "not comparable"
    assert field in row["reason"]
    assert pd.isna(row["difference"])


def test_a_claim_without_a_test_size_is_judged_as_one_on_other_samples(judged):
    row = judged(0.87, n_test=None)
    assert row["verdict"] == "reproduced"
    assert "other pictures of the kind" in row["reason"]


def audited(folder, **changes):
    fingerprint = {"same": 400, "moved": 0, "added": 0, **changes.pop("fingerprint", {})}
    numbers = {"fingerprint": fingerprint, "labels_compared": True, **changes.pop("numbers", {})}
    found = {"origin": {"status": "green", "why": "-", "numbers": numbers}}
    path = folder / "results/tiny/audits/synthetic.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"audits": found, "official": "complete", "unofficial": "", **changes}))


def test_on_the_same_samples_the_scores_of_the_seeds_alone_make_the_interval(judged, tmp_path):
    other = judged(0.87, grid=FIVE, n_test=1000)
    audited(tmp_path)
    row = judging.judge(params.read()).iloc[0]
    assert "the same pictures" in row["reason"]
    scores = pd.read_csv("results/tiny/scores.csv")
    scores = scores[(scores["selection"] == row["selection"]) & (scores["metric"] == "accuracy")]["value"]
    half = stats.t.ppf(0.975, 4) * scores.std(ddof=1) * np.sqrt(1 + 1 / 5)
    assert row["predicted_low"] == pytest.approx(scores.mean() - half)
    assert row["z"] == pytest.approx((scores.mean() - 0.87) / (scores.std(ddof=1) * np.sqrt(1 + 1 / 5)))
    assert row["predicted_high"] - row["predicted_low"] < other["predicted_high"] - other["predicted_low"]


@pytest.mark.parametrize(
    "changes",
    [
        {"fingerprint": {"moved": 1}},
        {"numbers": {"labels_compared": False}},
        {"numbers": {"fingerprint": None}},
        {"official": "part"},
    ],
)
def test_samples_that_may_differ_are_not_taken_for_the_same(judged, tmp_path, changes):
    other = judged(0.87)
    audited(tmp_path, **changes)
    again = judging.judge(params.read()).iloc[0]
    assert again["predicted_low"] == other["predicted_low"]


def test_seeds_that_do_not_vary_leave_the_samples_part(judged):
    grid = {"methods": {"majority_class": 0.0}, "files": {"majority_class": "conv_cut"}}
    row = judged(0.39, grid=grid)
    assert row["predicted_low"] < row["estimate"] < row["predicted_high"]


def test_without_any_variation_the_interval_is_the_number_itself_as_printed(judged, tmp_path):
    grid = {"methods": {"majority_class": 0.0}, "files": {"majority_class": "conv_cut"}}
    value = round(float(judged(0.39, grid=grid)["estimate"]), 4)
    row = judged(value, grid=grid)
    audited(tmp_path)
    row = judging.judge(params.read()).iloc[0]
    assert row["predicted_low"] == row["predicted_high"]
    assert row["verdict"] == "reproduced"
    assert pd.isna(row["z"])


VOID = Defect(what="labels leak. More of it", link="https://example.org/notice", voids=["synthetic"])


def test_a_defect_voids_a_claim_with_its_link_and_says_where_our_interval_lies(judged):
    row = judged(0.87, defects=[VOID])
    assert row["verdict"] == "void"
    assert row["reason"].startswith("labels leak (https://example.org/notice). Our 95 % interval for one more run")
    assert row["link"] == "https://example.org/notice"
    assert row["predicted_low"] < row["predicted_high"]


def test_void_comes_before_not_comparable_and_still_names_the_fields(judged):
    row = judged(0.87, defects=[VOID], n_classes=8)
    assert row["verdict"] == "void"
    assert "n_classes: 8 as published, 7 here" in row["reason"]


def test_what_was_not_run_comes_before_void_and_still_names_the_defect(judged):
    row = judged(defects=[VOID], grid={"failed": (("conv_cut", 0), ("conv_cut", 1))})
    assert row["verdict"] == "not run"
    assert "With runs it would be void: labels leak" in row["reason"]


def test_a_defect_without_voids_voids_nothing(judged):
    assert judged(0.87, defects=[Defect(what="slow", link="https://example.org")])["verdict"] == "reproduced"


def test_a_claim_is_judged_for_each_entry_of_its_method(judged):
    grid = {"methods": {"first": 0.8, "second": 0.5}, "files": {"first": "conv_cut", "second": "conv_cut"}, **FIVE}
    judged(grid=grid, n_test=1000)
    table = judging.judge(params.read()).set_index("method")
    assert dict(table["verdict"]) == {"first": "reproduced", "second": "lower"}


def test_the_number_of_another_row_of_a_published_table_is_not_the_claim(fake_runs, monkeypatch):
    made = fake_runs(methods={"conv_cut": 0.8}, recipe="table2_cut", changes={"weights": "timm:some_tag"}, n=400)
    claim = Claim(
        dataset="synthetic", metric="accuracy", value=0.87, where="Table 1", protocol=PublishedProtocol(n_classes=7)
    )
    only = msgspec.structs.replace(card.read("conv_cut"), claims=[claim])
    monkeypatch.setattr(card, "read", lambda _name: only)
    scoring.write(scoring.score(params.read()), made.folder / "results/tiny")
    row = judging.judge(params.read()).set_index("method").loc["conv_cut"]
    assert (row["verdict"], row["reason"]) == ("not comparable", "recipe: ours is table2_cut, another row of Table 2.")


def test_random_weights_are_comparable_where_the_published_ones_were_random_too(judged):
    assert judged(grid={"changes": {"weights": "none"}}, pretraining="none")["verdict"] == "reproduced"


def test_a_data_set_that_is_not_in_the_grid_was_not_run(judged):
    row = judged(dataset="ferplus")
    assert (row["verdict"], row["reason"]) == ("not run", "this grid has no run of conv_cut on ferplus.")


def test_failed_runs_were_not_run_and_say_so(judged):
    row = judged(grid={"failed": (("conv_cut", 0), ("conv_cut", 1))})
    assert (row["verdict"], row["reason"]) == ("not run", "all 2 runs of this grid failed.")


def test_every_claim_of_every_card_has_a_row(fake_runs):
    made = fake_runs()
    scoring.write(scoring.score(params.read()), made.folder / "results/tiny")
    table = judging.judge(params.read())
    assert len(table) == sum(len(card.read(name).claims) for name in registry.names("cards"))
    assert set(table["verdict"]) <= {"not run", "not comparable"}  # a toy grid on synthetic faces judges nobody
    assert len(saying.verdicts(table)) == len(table)
    row = table[table["method"] == "mgr3net"].iloc[0]
    assert row["reason"] == "the method has a card but no code here yet."


def test_a_table_of_0_1_is_read_with_the_new_columns_empty(tmp_path, judged):
    old = judged(0.87)
    table = pd.DataFrame([old]).drop(columns=["predicted_low", "predicted_high", "difference", "z", "seeds_needed"])
    table.drop(columns="link").to_csv(tmp_path / "old.csv", index=False)
    assert pd.isna(verdicts.read(tmp_path / "old.csv")["predicted_low"].iloc[0])


def test_the_command_writes_verdicts_and_what_published_numbers_say_on_their_own(judged, tmp_path):
    judged(0.87)
    result = CliRunner().invoke(app, ["verdict"])
    assert result.exit_code == 0, result.output
    assert "reproduced" in result.output
    for name in ("verdicts", "published", "told_apart"):
        assert (tmp_path / f"results/tiny/{name}.csv").exists()


def test_published_numbers_need_no_grid_and_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["verdict", "--published"])
    assert result.exit_code == 0, result.output
    assert "84.24" in result.output
    assert not list(tmp_path.iterdir())
    held = json.loads(CliRunner().invoke(app, ["verdict", "--published", "--json"]).stdout)
    assert {row["verdict"] for row in held["told_apart"]} == set(WORDS)


def test_the_printed_tables_of_published_numbers_fit_120_columns():
    from tabulate import tabulate

    cards = published.cards()
    for shown in (
        saying.published(published.from_n_alone(cards, level=0.95)),
        saying.told_apart(published.pairs(cards, level=0.95)),
    ):
        text = tabulate(shown.to_numpy().tolist(), headers=list(shown.columns), tablefmt="simple")
        assert max(map(len, text.splitlines())) <= 120


def test_the_printed_table_fits_120_columns(judged):
    from tabulate import tabulate

    judged(0.5, grid=FIVE, n_test=1000)
    shown = saying.verdicts(judging.judge(params.read()))
    text = tabulate(shown.to_numpy().tolist(), headers=list(shown.columns), tablefmt="simple")
    assert max(map(len, text.splitlines())) <= 120


def test_every_verdict_is_documented():
    text = (registry.folder("cards").parent / "docs" / "claims.md").read_text(encoding="utf-8")
    assert all(f"| {word} |" in text for word in VERDICTS)
