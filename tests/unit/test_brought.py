"""Predictions that anyone brings: what is found by name, what is asked back, what is refused."""

import builtins
import json
import re

import numpy as np
import pandas as pd
import pytest

from fer_bench.errors import FerBenchError
from fer_bench.expressions import EXPRESSIONS
from fer_bench.tables import _spellings, brought, predictions, reading

SEVEN = EXPRESSIONS[:7]
SPELLED = {"neutral": "Neutral", "happiness": "happy", "surprise": "surprised", "sadness": "Sad", "anger": "ANGRY",
           "disgust": "disgusted", "fear": "afraid", "contempt": "contemptuous"}  # fmt: skip


def table(n=14, n_classes=7, seed=0):
    """Ids, names of true labels, and probabilities with our names."""
    rng = np.random.default_rng(seed)
    y_true = np.arange(n) % n_classes
    scores = rng.dirichlet(np.ones(n_classes), size=n)
    return pd.DataFrame(
        {"sample_id": [f"img_{i:02d}.jpg" for i in range(n)], "true_label": [EXPRESSIONS[k] for k in y_true]}
        | {f"p_{name}": scores[:, k] for k, name in enumerate(EXPRESSIONS[:n_classes])}
    )


@pytest.fixture
def read(tmp_path):
    """Write a table as CSV and read it back; one selection."""

    def of(found, name="mine.csv", **said):
        path = tmp_path / name
        if isinstance(found, str):
            path.write_text(found)
        else:
            found.to_csv(path, index=False)
        (one,) = brought.read(path, reading.Reading(**said)).values()
        return one

    return of


def test_the_columns_are_found_and_the_largest_probability_is_predicted(read):
    found = read(table())
    scores = table().filter(regex="^p_").to_numpy()
    assert found.y_pred.tolist() == scores.argmax(axis=1).tolist()
    assert found.y_true.tolist() == [i % 7 for i in range(14)]
    assert found.probabilities == pytest.approx(scores)
    assert (found.n_classes, found.selection, found.logits) == (7, None, None)
    assert found.understood == (
        "14 samples, ids from sample_id; true labels from true_label; predicted label: the largest score",
        "7 expressions; probabilities from p_neutral … p_fear",
    )


@pytest.mark.parametrize("ids", ["id", "Image ID", "fileName", "path", "image-name", "img"])
@pytest.mark.parametrize("true", ["y_true", "Label", "ground_truth", "GT", "target", "trueName"])
def test_ids_and_labels_are_found_under_usual_names(read, ids, true):
    found = read(table().rename(columns={"sample_id": ids, "true_label": true}))
    assert found.y_true is not None
    assert found.sample_ids[0] == "img_00.jpg"


@pytest.mark.parametrize("prefix", ["p_", "Prob ", "probability_", "proba.", "softmax-"])
def test_probabilities_are_found_under_usual_spellings_in_any_order(read, prefix):
    renamed = {f"p_{name}": f"{prefix}{SPELLED[name]}" for name in SEVEN}
    mixed = table().rename(columns=renamed).iloc[:, [4, 0, 8, 1, 2, 3, 7, 6, 5]]
    assert read(mixed).probabilities == pytest.approx(read(table()).probabilities)


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_every_expression_has_its_spellings(name):
    assert _spellings.expression(SPELLED[name]) == name


def test_logits_become_probabilities(read):
    logits = table().rename(columns={f"p_{name}": f"logit_{name}" for name in SEVEN})
    found = read(logits)
    raised = np.exp(logits.filter(regex="^logit_").to_numpy())
    assert found.probabilities == pytest.approx(raised / raised.sum(axis=1, keepdims=True))
    assert found.logits is not None


@pytest.mark.parametrize("rename", ["{}", "score_{}", "conf {}"])
def test_scores_whose_kind_no_name_tells_are_asked_back_whatever_their_values(read, rename):
    bare = table().rename(columns={f"p_{name}": rename.format(name) for name in SEVEN})
    with pytest.raises(FerBenchError, match="could be probabilities or logits") as caught:
        read(bare)
    assert "--scores probabilities or --scores logits" in caught.value.fix
    assert read(bare, scores="probabilities").logits is None
    assert read(bare, scores="logits").logits is not None


def test_two_sets_of_scores_are_asked_back(read):
    both = table().assign(**{f"logit_{name}": np.log(table()[f"p_{name}"]) for name in SEVEN})
    with pytest.raises(FerBenchError, match=r"several sets of scores: p_neutral … p_fear; logit_neutral … logit_fear"):
        read(both)
    assert read(both, scores="logits").logits is not None


def test_numbers_alone_are_asked_back(read):
    numbers = table().assign(true_label=[i % 7 for i in range(14)])
    with pytest.raises(FerBenchError, match="nothing in the file says which expression each one is") as caught:
        read(numbers)
    assert "--label-order" in caught.value.fix
    assert "rafdb" in caught.value.fix


@pytest.mark.parametrize(
    ("order", "number", "name"),
    [("ours", 1, "happiness"), ("ferplus", 7, "contempt"), ("rafdb", 1, "surprise"), ("rafdb", 7, "neutral"),
     ("fer2013", 0, "anger"), ("fer2013", 5, "surprise"), ("affectnet", 3, "surprise"), ("affectnet", 7, "contempt"),
     ("alphabetical8", 7, "surprise"), ("alphabetical7", 6, "surprise"), ("sad, Happy,neutral", 1, "happiness")],
)  # fmt: skip
def test_named_orders_are_those_of_the_releases(order, number, name):
    assert EXPRESSIONS[_spellings.order(order).numbers[number]] == name


def test_alphabetical_order_is_of_seven_or_of_eight_and_the_bare_word_is_asked_back():
    for n in (7, 8):
        found = _spellings.order(f"alphabetical{n}").numbers.values()
        assert [EXPRESSIONS[index] for index in found] == sorted(EXPRESSIONS[:n])
    with pytest.raises(FerBenchError, match="contempt stands second in it") as caught:
        _spellings.order("alphabetical")
    for fix in re.findall(r"--label-order (\w+)", caught.value.fix):
        assert _spellings.order(fix).numbers[0] == EXPRESSIONS.index("anger")


WITH_CONTEMPT = ["anger", "contempt", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"]


@pytest.mark.parametrize("order", ["alphabetical8", ",".join(WITH_CONTEMPT)])
@pytest.mark.parametrize("said", [{"n_classes": 7}, {}, {"known": 7}])
def test_an_order_with_contempt_inside_means_what_it_says_for_seven_expressions(read, order, said):
    shown = [name for name in SEVEN * 2 if name != "surprise"]  # so no number is above 6
    numbers = pd.DataFrame(
        {"id": [f"{i:02d}" for i in range(len(shown))], "label": [WITH_CONTEMPT.index(name) for name in shown]}
    )
    found = read(numbers.assign(pred=numbers["label"]), order=_spellings.order(order), **said)
    assert [EXPRESSIONS[index] for index in found.y_true] == shown
    assert found.y_pred.tolist() == found.y_true.tolist()
    assert found.n_classes == 7


def test_seven_numbered_scores_are_of_the_order_without_contempt_only_if_their_numbers_are(read):
    order = _spellings.order("alphabetical8")
    numbered = {f"p_{name}": f"p_{WITH_CONTEMPT.index(name)}" for name in SEVEN}
    found = read(table().rename(columns=numbered), order=order)
    assert found.probabilities == pytest.approx(read(table()).probabilities)
    with pytest.raises(FerBenchError, match="numbered, known are 0 anger, 1 contempt, 2 disgust"):
        read(table().rename(columns={f"p_{name}": f"p_{place}" for place, name in enumerate(SEVEN)}), order=order)


def test_an_order_that_does_not_know_a_number_is_refused(read):
    numbers = table().assign(true_label=[i % 7 for i in range(14)])
    with pytest.raises(FerBenchError, match=r"true_label holds 0 \(2 rows; first: img_00.jpg\); known are 1 surprise"):
        read(numbers, order=_spellings.order("rafdb"))
    assert read(numbers, order=_spellings.order("ours")).y_true[:3].tolist() == [0, 1, 2]


@pytest.mark.parametrize("order", ["nonsense", "happy", "happy,happy", "happy,bored"])
def test_an_unknown_order_is_refused(order):
    with pytest.raises(FerBenchError, match="no such order"):
        _spellings.order(order)


def test_names_beside_numbers_prove_the_order_of_both_columns(read):
    scores = table()
    predicted = scores.filter(regex="^p_").to_numpy().argmax(axis=1)
    found = read(
        scores.assign(
            true_label=[10 + i % 7 for i in range(14)], true_name=scores["true_label"], pred_label=10 + predicted
        )
    )
    assert found.y_true.tolist() == [i % 7 for i in range(14)]
    assert found.y_pred.tolist() == predicted.tolist()


def test_one_number_beside_two_names_is_refused(read):
    names = table()["true_label"]
    with pytest.raises(FerBenchError, match="0 in true_label stands for neutral and for happiness"):
        read(table().assign(true_label=[0] * 14, true_name=names))


def test_numbered_scores_need_an_order(read):
    numbered = table().rename(columns={f"p_{name}": f"p_{index}" for index, name in enumerate(SEVEN)})
    with pytest.raises(FerBenchError, match="p_0 … p_6 are numbered") as caught:
        read(numbered)
    assert "--label-order" in caught.value.fix
    found = read(numbered, order=_spellings.order("fer2013"))
    assert found.probabilities[:, EXPRESSIONS.index("anger")] == pytest.approx(numbered["p_0"])
    with pytest.raises(FerBenchError, match="numbered, known are 1 surprise"):
        read(numbered, order=_spellings.order("rafdb"))


def test_two_columns_that_could_be_ids_are_asked_back(read):
    two = table().assign(filename="x")
    with pytest.raises(FerBenchError, match="the ids could be in sample_id or filename") as caught:
        read(two)
    assert caught.value.fix == "say which: --column id=sample_id"
    assert read(two, columns={"id": "sample_id"}).sample_ids[0] == "img_00.jpg"


def test_two_columns_that_could_be_true_labels_are_asked_back(read):
    with pytest.raises(FerBenchError, match="the true labels could be in true_label or target"):
        read(table().assign(target=table()["true_label"]))


def test_a_column_of_any_name_can_be_said_to_be_what_it_is(read):
    odd = table().rename(columns={"sample_id": "Bild", "true_label": "Klasse"})
    with pytest.raises(FerBenchError, match="no column of ids"):
        read(odd)
    assert read(odd, columns={"id": "Bild", "true": "Klasse"}).y_true is not None


def test_a_predicted_label_that_is_not_the_largest_score_is_counted_and_named(read):
    predicted = [SEVEN[k] for k in table().filter(regex="^p_").to_numpy().argmax(axis=1)]
    assert read(table().assign(prediction=predicted)).y_pred[0] == SEVEN.index(predicted[0])
    wrong = [SEVEN[(SEVEN.index(name) + 1) % 7] if i in {3, 5} else name for i, name in enumerate(predicted)]
    with pytest.raises(FerBenchError, match=r"not the largest score in 2 of 14 rows; first: img_03.jpg"):
        read(table().assign(prediction=wrong))


def test_a_tie_may_go_either_way(read):
    tied = table(n=2)
    tied.loc[0, [f"p_{name}" for name in SEVEN]] = [0.5, 0.5, 0, 0, 0, 0, 0]
    for name in ("neutral", "happy"):
        largest = SEVEN[tied.filter(regex="^p_").to_numpy()[1].argmax()]
        assert read(tied.assign(pred=[name, largest])).y_pred[0] == EXPRESSIONS.index(_spellings.expression(name))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_counted_and_named(read, value):
    broken = table()
    broken.loc[4, "p_fear"] = value
    with pytest.raises(FerBenchError, match=r"1 of 14 rows have NaN or infinite scores; first: img_04.jpg"):
        read(broken)


def test_a_score_that_is_no_number_is_shown(read):
    with pytest.raises(FerBenchError, match=r"p_fear holds '0,5', which is no number \(sample img_00.jpg\)"):
        read(table().assign(p_fear="0,5"))


def test_percent_is_divided_by_100_and_it_is_said(read):
    percent = table()
    percent[[f"p_{name}" for name in SEVEN]] *= 100
    found = read(percent)
    assert found.probabilities == pytest.approx(read(table()).probabilities)
    assert found.understood[1] == "7 expressions; probabilities from p_neutral … p_fear, in percent, divided by 100"
    percent.loc[3, "p_fear"] += 2  # a row that is no percentages of anything
    with pytest.raises(FerBenchError, match="below 0 or above 1"):
        read(percent)


def test_rows_that_do_not_sum_to_one_are_counted_and_named(read):
    off = table()
    off.loc[6, "p_fear"] += 0.02
    with pytest.raises(
        FerBenchError, match=r"1 of 14 rows of probabilities do not sum to 1 \(within 0.005\); first: img_06"
    ):
        read(off)


def test_rounded_probabilities_pass_and_sum_to_one_afterwards(read):
    found = read(table().round(3))
    assert found.probabilities.sum(axis=1) == pytest.approx(1, abs=1e-12)


def test_logits_named_as_probabilities_are_refused(read):
    with pytest.raises(FerBenchError, match=r"below 0 or above 1; first: img_00.jpg with -3") as caught:
        read(table().assign(p_fear=-3.0))
    assert "logit_happiness" in caught.value.fix


def test_an_unknown_class_is_named(read):
    with pytest.raises(FerBenchError, match="unknown class 'bored'"):
        read(table().assign(true_label=["bored", *table()["true_label"][1:]]))
    with pytest.raises(FerBenchError, match="column p_bored names no expression"):
        read(table().assign(p_bored=0.0))


def test_a_true_label_that_the_scores_do_not_know_is_refused_with_the_way_out(read):
    with pytest.raises(
        FerBenchError, match=r"a true label is contempt in 1 rows, first img_00.jpg; there are 7"
    ) as caught:
        read(table().assign(true_label=["contempt", *table()["true_label"][1:]]))
    assert caught.value.fix.startswith("--classes 8:")
    assert read(table().assign(true_label=["contempt", *table()["true_label"][1:]]), n_classes=8).y_true[0] == 7


def test_a_missing_expression_is_named(read):
    with pytest.raises(FerBenchError, match="no column of anger"):
        read(table().drop(columns="p_anger"))


def test_two_columns_of_one_expression_are_refused(read):
    with pytest.raises(FerBenchError, match="p_happiness and p_joy are both happiness"):
        read(table().assign(p_joy=0.0))


def test_repeated_ids_are_counted_and_named(read):
    repeated = table()
    repeated.loc[5, "sample_id"] = "img_01.jpg"
    with pytest.raises(FerBenchError, match=r"1 ids stand in two rows or more: img_01.jpg"):
        read(repeated)


def test_labels_without_scores_are_of_eight_expressions_where_contempt_stands_among_them(read):
    labels = table()[["sample_id", "true_label"]].assign(pred=table()["true_label"])
    assert read(labels).n_classes == 7
    assert read(labels, n_classes=8).n_classes == 8
    assert read(labels.assign(pred=["contempt"] * 14)).n_classes == 8
    numbered = labels.assign(pred=[7] * 14)
    assert read(numbered, order=_spellings.order("ferplus")).n_classes == 8
    assert not read(labels).told  # so that they join files that tell eight apart
    assert read(labels, n_classes=7).told
    assert read(labels, known=8).n_classes == 8


def test_seven_columns_are_not_taken_for_eight_unless_it_is_said(read):
    with pytest.raises(FerBenchError, match="tells 7 expressions apart, not 8") as caught:
        read(table(), known=8)
    assert caught.value.fix.startswith("--classes 8:")
    found = read(table(), known=8, n_classes=8)
    assert found.probabilities[:, :7] == pytest.approx(read(table()).probabilities)
    assert found.probabilities[:, 7].tolist() == [0] * 14
    assert found.understood[1] == "8 expressions; probabilities from p_neutral … p_fear, contempt 0"


@pytest.mark.parametrize("kind", ["p", "logit"])
def test_eight_outputs_on_seven_expressions_are_asked_back_and_both_ways_work(read, kind):
    eight = table(n=40, n_classes=8).assign(true_label=[SEVEN[i % 7] for i in range(40)])
    scores = eight.filter(regex="^p_").to_numpy()
    if kind == "logit":
        eight = eight.rename(columns=lambda name: name.replace("p_", "logit_"))
        eight[[name for name in eight if name.startswith("logit_")]] = np.log(scores)
    with pytest.raises(FerBenchError, match="tells 8 expressions apart, not 7") as caught:
        read(eight, known=7)
    assert re.findall(r"--classes (\d)", caught.value.fix) == ["7", "8"]
    without = read(eight, known=7, n_classes=7)
    kept = scores[:, :7] / scores[:, :7].sum(axis=1, keepdims=True)
    assert without.probabilities == pytest.approx(kept)
    assert without.y_pred.tolist() == kept.argmax(axis=1).tolist()
    assert without.understood[1].endswith("without contempt's, the others rescaled")
    whole = read(eight, known=7, n_classes=8)
    assert whole.probabilities == pytest.approx(scores)
    assert whole.y_pred.tolist() == scores.argmax(axis=1).tolist()
    assert 7 in whole.y_pred


def test_predicted_labels_follow_where_contempt_is_left_out(read):
    eight = table(n=40, n_classes=8).assign(true_label=[SEVEN[i % 7] for i in range(40)])
    scores = eight.filter(regex="^p_").to_numpy()
    named = eight.assign(pred=[EXPRESSIONS[k] for k in scores.argmax(axis=1)])
    assert read(named, n_classes=7).y_pred.tolist() == scores[:, :7].argmax(axis=1).tolist()


def test_a_row_that_is_all_contempt_cannot_do_without_it(read):
    certain = table(n=8, n_classes=8).assign(true_label="happy")
    certain.loc[3, [f"p_{name}" for name in EXPRESSIONS]] = [0.0] * 7 + [1.0]
    with pytest.raises(FerBenchError, match=r"the whole probability in 1 rows, first img_03.jpg") as caught:
        read(certain, n_classes=7)
    assert caught.value.fix.startswith("--classes 8")
    assert read(certain, n_classes=8).y_pred[3] == 7


def test_a_predicted_label_of_contempt_in_seven_expressions_is_refused_with_a_fix_that_works(read):
    labels = table()[["sample_id", "true_label"]].assign(pred=["contempt"] + ["happy"] * 13)
    with pytest.raises(FerBenchError, match="a predicted label is contempt in 1 rows") as caught:
        read(labels, known=7)
    assert caught.value.fix.startswith("--classes 8")
    assert read(labels, known=7, n_classes=8).y_pred[0] == 7


def test_files_without_rows_or_without_predictions_are_refused(read):
    with pytest.raises(FerBenchError, match="has no rows"):
        read(table().iloc[:0])
    with pytest.raises(FerBenchError, match="neither predicted labels nor scores") as caught:
        read(table()[["sample_id", "true_label"]])
    assert "--column pred=" in caught.value.fix
    with pytest.raises(FerBenchError, match="not a CSV table"):
        read("")


def test_an_empty_true_label_is_counted_and_a_column_of_them_is_none(read):
    gaps = table()
    gaps.loc[2, "true_label"] = None
    with pytest.raises(FerBenchError, match=r"true_label is empty in 1 of 14 rows; first: img_02.jpg"):
        read(gaps)
    assert read(table().assign(true_label=None)).y_true is None


def test_ids_stay_text(read):
    found = read(table().assign(sample_id=[f"{i:04d}" for i in range(14)]))
    assert found.sample_ids[:2].tolist() == ["0000", "0001"]


def test_other_endings_are_refused(tmp_path):
    (tmp_path / "mine.xlsx").write_text("x")
    with pytest.raises(FerBenchError, match=r"predictions are read from \.csv"):
        brought.read(tmp_path / "mine.xlsx", reading.NOTHING_SAID)
    with pytest.raises(FerBenchError, match="no file"):
        brought.read(tmp_path / "none.csv", reading.NOTHING_SAID)


def test_all_formats_hold_the_same(read, tmp_path):
    expected = read(table())
    frame = table()
    frame.to_parquet(tmp_path / "mine.parquet")
    frame.to_csv(tmp_path / "mine.csv.gz", index=False)
    frame.to_json(tmp_path / "mine.jsonl", orient="records", lines=True, double_precision=15)
    nested = [
        {"id": row["sample_id"], "label": row["true_label"], "probabilities": {n: row[f"p_{n}"] for n in SEVEN}}
        for row in frame.to_dict(orient="records")
    ]
    (tmp_path / "nested.ndjson").write_text("\n".join(map(json.dumps, nested)))
    for name in ("mine.parquet", "mine.csv.gz", "mine.jsonl", "nested.ndjson"):
        (found,) = brought.read(tmp_path / name, reading.NOTHING_SAID).values()
        assert found.sample_ids.tolist() == expected.sample_ids.tolist()
        assert found.y_true.tolist() == expected.y_true.tolist()
        assert found.probabilities == pytest.approx(expected.probabilities, abs=1e-12)


def test_broken_files_of_each_format_are_refused(tmp_path):
    for name, content, said in (
        ("a.parquet", b"nothing", "not a parquet file"),
        ("a.jsonl", b'{"id": 1}\nnothing\n', "line 2: not JSON"),
        ("b.jsonl", b"[1, 2]\n", "line 1: expected an object"),
        ("c.jsonl", b'[{"id": 1}, {"id": 2}]\n', "line 1: expected an object, {…}, and found 2 values"),
        ("d.jsonl", b'{"id": 1, "face": [{"x": 1}, {"x": 2}]}\n', "line 1: face holds 2 objects"),
        ("e.jsonl", b'{"id": 1, "a": 1, "a": 2}\n', "line 1: the key a stands twice"),
        ("f.jsonl", b'{"id": 1, "a_b": 1, "a": {"b": 2}}\n', "line 1: two values are called a_b"),
        ("g.jsonl", b"[" * 100_000, "line 1: not "),
        ("h.jsonl", b'{"id": ' + b"9" * 5000 + b"}", "line 1: not read"),
        ("a.csv.gz", b"nothing", "it cannot be read"),
        ("a.csv", b"id,p_happy\n1,2,3\n", "line 2: 3 cells, and the header has 2"),
        ("b.csv", b"sep=;\nid;p_happy\n1;2\n\n1\n", "line 5: 1 cells, and the header has 2"),
        ("c.csv", b'id,p_happy\n"1,2\n', "not a CSV table"),
        ("d.csv", b"id,label,label\na,happy,sad\n", "two columns are called label"),
        ("e.csv", b"id,,label\na,x,sad\n", "column 2 has no name"),
        ("f.csv", b"id;label, pred\na;happy\n", "parted by commas and semicolons: both stand in the header"),
        ("a.npz", b"nothing", "not a file of numpy's, or damaged"),
        ("a.pt", b"nothing", "not a file that torch.save wrote"),
        ("a.json", b"{", "not JSON"),
        ("b.json", b"3", "expected a table, and found '3'"),
        ("c.json", b'{"ids": ["a"], "preds": ["happy", "sad"]}', "columns have other lengths: ids 1, preds 2"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FerBenchError, match=said):
            brought.read(tmp_path / name, reading.NOTHING_SAID)


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    table().to_parquet(tmp_path / "mine.parquet")
    whole = builtins.__import__

    def without(name, *rest, **more):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return whole(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(FerBenchError, match="not installed") as caught:
        brought.read(tmp_path / "mine.parquet", reading.NOTHING_SAID)
    assert "pyarrow" in caught.value.fix


def test_our_own_table_comes_in_by_the_same_door_with_its_selections(tmp_path):
    logits = np.eye(7)[np.arange(14) % 7]
    frames = [
        predictions.frame(name, [f"s{i:02d}" for i in range(14)], np.arange(14) % 7, logits)
        for name in ("last", "best_on_val")
    ]
    predictions.write(pd.concat(frames), tmp_path / "predictions.csv", n_classes=7)
    found = brought.read(tmp_path / "predictions.csv", reading.NOTHING_SAID)
    assert set(found) == {"last", "best_on_val"}
    assert found["last"].y_true.tolist() == found["last"].y_pred.tolist() == [i % 7 for i in range(14)]
    assert found["last"].record is None


def test_our_own_columns_in_another_order_prove_nothing(tmp_path):
    logits = np.eye(7)[np.arange(14) % 7]
    frame = predictions.frame("last", [f"s{i:02d}" for i in range(14)], np.arange(14) % 7, logits)
    frame[[*frame.columns[:4], *frame.columns[:3:-1]]].to_csv(tmp_path / "predictions.csv", index=False)
    with pytest.raises(FerBenchError, match="nothing in the file says"):
        brought.read(tmp_path / "predictions.csv", reading.NOTHING_SAID)


def test_an_unknown_selection_is_refused(read):
    with pytest.raises(FerBenchError, match="unknown selection best"):
        read(table().assign(selection="best"))


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"columns": ["ids=x"]}, "--column ids=x"),
        ({"columns": ["id"]}, "--column id"),
        ({"scores": "scores"}, "--scores scores"),
        ({"label_order": ["x"]}, "--label-order x"),
        ({"label_order": ["ours", "rafdb"]}, "--label-order rafdb: a second order"),
        ({"label_order": ["a.csv=ours"]}, "there is no file a.csv among those named"),
        ({"n_classes": 6}, "--classes 6"),
    ],
)
def test_what_the_user_says_has_to_mean_something(said, problem):
    whole = {"columns": None, "scores": None, "label_order": None, "n_classes": None, **said}
    with pytest.raises(FerBenchError, match=problem):
        reading.said(whole.pop("columns"), **whole)
