"""Claims beside our intervals: which verdict, and for which reason."""

import msgspec
import pytest

from fer_bench import card, params, registry
from fer_bench.card import Card, Claim, PublishedProtocol
from fer_bench.stats import judging, scoring

REAL = {"recipe": "paper", "changes": {"weights": "timm:some_tag"}}


@pytest.fixture
def judged(fake_runs, monkeypatch):
    """Judge one claim on conv_cut whose runs reach about 87 %; returns its row."""

    def judge(value=0.87, *, metric="accuracy", dataset="synthetic", grid=None, pretraining="ImageNet-1k", **protocol):
        made = fake_runs(**{"methods": {"conv_cut": 0.8}, "n": 400, **REAL, **(grid or {})})
        published = PublishedProtocol(**{"n_classes": 7, "n_test": 400, "selection": "best_on_test", **protocol})
        claim = Claim(dataset=dataset, metric=metric, value=value, where="Table 1", protocol=published)
        only = Card(title="Conv-cut", pretraining=pretraining, claims=[claim])
        monkeypatch.setattr(card, "read", lambda _name: only)
        monkeypatch.setattr(
            registry, "names", lambda kind, real=registry.names: ["conv_cut"] if kind == "cards" else real(kind)
        )
        scoring.write(scoring.score(params.read()), made.folder / "results/tiny")
        return judging.judge(params.read()).iloc[0]

    return judge


def test_a_claim_within_the_interval_is_reproduced(judged):
    row = judged(0.87)
    assert row["verdict"] == "reproduced"
    assert row["low"] <= 0.87 <= row["high"]
    assert row["n_seeds"] == 2


def test_an_interval_under_the_claim_is_below(judged):
    assert judged(0.95)["verdict"] == "below"


def test_an_interval_over_the_claim_is_above(judged):
    assert judged(0.5)["verdict"] == "above"


def test_a_wide_interval_that_contains_the_claim_is_inconclusive(judged):
    row = judged(0.87, grid={"n": 60}, n_test=60)
    assert row["verdict"] == "inconclusive"
    assert "wider than 10 points" in row["reason"]


@pytest.mark.parametrize(
    ("claimed", "used"), [("best_on_test", "best_on_test"), ("last", "last"), ("unknown", "best_on_val")]
)
def test_a_claim_is_set_beside_its_own_selection_or_the_headline(judged, claimed, used):
    assert judged(selection=claimed)["selection"] == used


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"n_classes": 8}, "n_classes: 8 as published, 7 here"),
        ({"n_test": 3068}, "n_test: 3068 as published, 400 here"),
        ({"label_rule": "majority"}, "label_rule: majority as published, released here"),
        ({"grid": {"changes": {"weights": "none"}}}, "weights"),
        ({"grid": {"recipe": "toy"}}, "recipe: ours is toy"),
    ],
)
def test_another_question_is_not_comparable_and_the_field_is_named(judged, changes, field):
    row = judged(**changes)
    assert row["verdict"] == "not comparable"
    assert field in row["reason"]


def test_a_claim_is_judged_for_each_entry_of_its_method(judged):
    grid = {"methods": {"first": 0.8, "second": 0.5}, "files": {"first": "conv_cut", "second": "conv_cut"}}
    judged(grid=grid)
    table = judging.judge(params.read()).set_index("method")
    assert dict(table["verdict"]) == {"first": "reproduced", "second": "below"}


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
    assert len(judging.printable(table)) == len(table)
    assert msgspec.json.encode(table.to_dict("records")[0]["reason"])
