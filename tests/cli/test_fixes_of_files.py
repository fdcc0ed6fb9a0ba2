"""Every error about a file of predictions is met once, its fix is followed to the letter, and then the file scores.

A case is a call that fails and what its fix says: options are taken out of the fix's text, commands and lines of Python
in it are run as they stand, and what it says in words is done by hand. The last test holds the list to the code: it
fails for an error that no case meets.
"""

import ast
import builtins
import gzip
import json
import re
import shutil
import subprocess
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from fer_bench.cli.main import app
from fer_bench.errors import FerBenchError
from fer_bench.expressions import EXPRESSIONS
from fer_bench.provenance import ROOT
from fer_bench.tables import predicted, predictions, runs, samples

runner = CliRunner()
N, SEVEN = 14, list(EXPRESSIONS[:7])
TRUE = np.arange(N) % 7
IDS = [f"f{place:02d}" for place in range(N)]
LOGITS = 5.0 * np.eye(7)[TRUE]
SHARES = np.round(np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True), 4)
NAMES = [SEVEN[k] for k in TRUE]
WORDS = pd.DataFrame({"file": IDS, "label": NAMES, "pred": NAMES})
SCORES = pd.DataFrame({"file": IDS, "label": NAMES} | {f"p_{name}": SHARES[:, k] for k, name in enumerate(SEVEN)})
CERTAIN = SCORES.assign(**{f"p_{name}": np.equal(TRUE, k) * 1.0 for k, name in enumerate(SEVEN)}).query(
    "label != 'fear'"
)
EIGHT = SCORES.assign(p_contempt=0.0)
NUMBERS = WORDS.assign(label=TRUE, pred=TRUE)
met: set[tuple[str, int]] = set()


def run(*arguments):
    found = runner.invoke(app, [str(each) for each in arguments])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found


def write(content, name="mine.csv"):
    """Write a table, text, bytes or what a function writes, here."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, pd.DataFrame):
        content.to_csv(path, index=False)
    elif callable(content):
        content(path)
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def option(name, value=None):
    """Follow a fix that names an option: as it stands there, or with a value that it asks for."""

    def follow(fix, arguments):
        said = re.search(rf"{name} ?([^\s,;:)]*)", fix)
        assert said, f"{name} in: {fix}"
        return [*arguments, name, value or said[1]]

    return follow


def flag(name):
    """Follow a fix that names an option without a value."""

    def follow(fix, arguments):
        assert name in fix, f"{name} in: {fix}"
        return [*arguments, name]

    return follow


def both(*steps):
    def follow(fix, arguments):
        for step in steps:
            arguments = step(fix, arguments)
        return arguments

    return follow


def instead(name, of):
    """Follow a fix that names another value of an option that was given."""

    def follow(fix, arguments):
        assert name in fix, f"{name} in: {fix}"
        return [name if each == of else each for each in arguments]

    return follow


def without(*given):
    def follow(_fix, arguments):
        return [each for each in arguments if each not in given]

    return follow


def written(content, name="mine.csv", *, says):
    """Follow a fix that asks for another file."""

    def follow(fix, arguments):
        assert says in fix, f"{says} in: {fix}"
        write(content, name)
        return [name if place == 1 else each for place, each in enumerate(arguments)]

    return follow


def command(name):
    """Follow a fix that ends with a command of the shell, which makes a file."""

    def follow(fix, arguments):
        line = re.search(r"(?:iconv|gzip) .*", fix)
        assert line, fix
        subprocess.run(line[0], shell=True, check=True)  # noqa: S602 - that is what the fix says
        return [arguments[0], name, *arguments[2:]]

    return follow


def python(name):
    """Follow a fix that holds a line of Python, which saves a file."""

    def follow(fix, arguments):
        import torch

        line = re.search(r"(?:torch\.save|numpy\.savez)\(.*\)", fix)
        assert line, fix
        known = {"torch": torch, "numpy": np, "np": np, "ids": IDS, "labels": TRUE, "logits": LOGITS}
        if "torch" in line[0]:
            known |= {"labels": torch.tensor(TRUE), "logits": torch.tensor(LOGITS)}
        exec(line[0], known)  # noqa: S102 - that is what the fix says
        return [arguments[0], name, *arguments[2:], "--label-order", "ours"]

    return follow


def saved(held):
    return lambda path: np.savez(path, **held)


def damaged(path):
    """A file of tensors whose pickle ends too early."""
    tensors(path)
    with zipfile.ZipFile(path) as whole:
        held = {name: whole.read(name) for name in whole.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, raw in held.items():
            archive.writestr(name, raw[:30] if name.endswith("data.pkl") else raw)


def tensors(path):
    import torch

    torch.save({"logits": torch.tensor(LOGITS), "labels": torch.tensor(TRUE)}, path)


def own(n_classes, path):
    write_to = np.eye(n_classes)[TRUE % n_classes]
    predictions.write(predictions.frame("last", IDS, TRUE % n_classes, write_to), path, n_classes=n_classes)


def rows(change=None):
    found = [{"image": i, "label": k, "probs": dict(zip(SEVEN, p.tolist(), strict=True))} for i, k, p in
             zip(IDS, NAMES, SHARES, strict=True)]  # fmt: skip
    for row in found if change else []:
        change(row)
    return found


def lines(found):
    return "".join(json.dumps(row) + "\n" for row in found)


def twice(row):
    row["probs_fear"] = row["probs"]["fear"]


def faces(row):
    row["face"] = [{"x": 1}, {"x": 2}]


SCORE = ["score", "mine.csv", "--metric", "accuracy"]
ON_FACES = [*SCORE, "--dataset", "faces"]


def on(name, *more):
    return ["score", name, "--metric", "accuracy", *more]


def module(path):
    import torch

    torch.save(torch.nn.Linear(2, 2), path)


def failed(path):
    """The predictions of a run of ours that failed."""
    predictions.write(predictions.frame("last", [], np.zeros(0, int), np.zeros((0, 7))), path, n_classes=7)


def own_run(path, **changes):
    """A run of ours with its record."""
    own(7, path)
    (path.parent / "run.json").write_text(json.dumps(RECORD | changes))


RECORD = {
    "dataset": "faces", "method": "finetune", "seed": 0, "protocol": "honest", "recipe": "toy", "settings": {},
    "n_classes": 7, "label_rule": "majority", "weights": "none", "status": "ok", "error": None, "n_train": 5,
    "n_select": 5, "n_report": N, "epochs": 1, "selected": {"last": 1}, "device": "cpu", "threads": 1,
    "dirty": False, "digests": {}, "versions": {}, "machine": {},
}  # fmt: skip


def two_protocols(_path):
    for folder, protocol in (("mine", "honest"), ("b", "published")):
        write(partial(own_run, protocol=protocol), f"{folder}/predictions.csv")


def deep_folder(_path):
    Path("mine/deep/seed0").mkdir(parents=True)


def mended(fix, arguments):
    assert fix == "fer-bench data prepare broken"  # which writes both files anew
    shutil.copy("data/faces/info.json", "data/broken/info.json")
    return arguments


def call(*arguments):
    """Follow a fix that says in words how to call."""
    return lambda *_: list(arguments)


# name → what lies there, the call, a part of the error, how its fix is followed
CASES = {
    # text
    "utf-16 without mark": (
        WORDS.to_csv(index=False).encode("utf-16-le"),
        SCORE,
        "zero bytes",
        command("utf8_mine.csv"),
    ),
    "cp1252": (
        WORDS.assign(file=[f"Köln {name}" for name in IDS]).to_csv(index=False).encode("cp1252"),
        SCORE,
        "not UTF-8: byte 0xf6 in line 2",
        command("utf8_mine.csv"),
    ),
    "cp1252, packed": (
        (
            gzip.compress(WORDS.assign(file=[f"Köln {name}" for name in IDS]).to_csv(index=False).encode("cp1252")),
            "mine.csv.gz",
        ),
        on("mine.csv.gz"),
        "not UTF-8",
        command("utf8_mine.csv"),
    ),
    "empty": (b"", SCORE, "it is empty", written(WORDS, says="as CSV with a header line")),
    "open quotes": (b'a,b\n"1,2\n', SCORE, "not a CSV table", written(WORDS, says="as CSV with a header line")),
    "two separators": (
        "file;label, true;pred\n" + WORDS.to_csv(index=False, sep=";", header=False),
        SCORE,
        "both stand in the header",
        written("sep=;\nfile;label, true;pred\n" + WORDS.to_csv(index=False, sep=";", header=False), says="sep=;"),
    ),
    "not gzip": (
        (b"x", "mine.csv.gz"),
        on("mine.csv.gz"),
        "cannot be read",
        written(WORDS, "mine.csv.gz", says="write it anew"),
    ),
    "decimal commas among commas": (
        SCORES.to_csv(index=False, sep=";", decimal=",").replace(";", ","),
        SCORE,
        "line 2: 16 cells, and the header has 9",
        written(SCORES.to_csv(index=False, sep=";", decimal=","), says="part columns by semicolons"),
    ),
    # objects, arrays, tensors
    "a number": (
        ("3", "mine.json"),
        on("mine.json"),
        "expected a table, and found '3'",
        written(json.dumps(WORDS.to_dict(orient="records")), "mine.json", says="a row per sample with names"),
    ),
    "a bare array": (
        (lambda to: np.save(to, TRUE), "mine.npy"),
        on("mine.npy"),
        "found an array of shape (14,)",
        python("mine.npz"),
    ),
    "two faces": (
        (lines([rows(), *rows()]), "mine.jsonl"),
        on("mine.jsonl"),
        "found 14 values",
        written(lines(rows()), "mine.jsonl", says="one object per picture"),
    ),
    "two faces inside": (
        (lines(rows(faces)), "mine.jsonl"),
        on("mine.jsonl"),
        "face holds 2 objects",
        written(lines(rows()), "mine.jsonl", says="keep the one that is meant"),
    ),
    "one name twice": (
        (lines(rows(twice)), "mine.jsonl"),
        on("mine.jsonl"),
        "two values are called probs_fear",
        written(lines(rows()), "mine.jsonl", says="remove one"),
    ),
    "other lengths": (
        (saved({"ids": np.array(IDS), "y_true": np.array(NAMES), "pred": np.array(NAMES[1:])}), "a.npz"),
        on("a.npz"),
        "ids 14, y_true 14, pred 13",
        written(
            saved({"ids": np.array(IDS), "y_true": np.array(NAMES), "pred": np.array(NAMES)}),
            "a.npz",
            says="an entry per sample",
        ),
    ),
    "no torch file": ((b"x", "mine.pt"), on("mine.pt"), "not a file that torch.save", python("mine.pt")),
    "a module": ((module, "mine.pt"), on("mine.pt"), "holds an object of torch.nn", python("mine.pt")),
    "damaged tensors": (
        (damaged, "mine.pt"),
        on("mine.pt", "--label-order", "ours"),
        "damaged",
        written(tensors, "mine.pt", says="save it again"),
    ),
    "objects in arrays": (
        (saved({"ids": np.array(IDS, dtype=object), "pred": np.array(NAMES)}), "mine.npz"),
        on("mine.npz"),
        "an array holds objects",
        python("mine.npz"),
    ),
    "damaged arrays": (
        (b"PK\x03\x04", "mine.npz"),
        on("mine.npz"),
        "or damaged",
        written(saved({"y_true": np.array(NAMES), "pred": np.array(NAMES)}), "mine.npz", says="save it again"),
    ),
    # formats
    "another ending": (
        (WORDS, "mine.xls"),
        on("mine.xls"),
        "predictions are read from .csv",
        written(WORDS, says="write it as CSV"),
    ),
    "no file": ((WORDS, "there.csv"), SCORE, "no file mine.csv", written(WORDS, "there.csv", says="the path")),
    "no name": (
        WORDS.to_csv(index=False).replace("pred", ""),
        SCORE,
        "column 3 has no name",
        written(WORDS, says="give it a name in the header"),
    ),
    "a column twice": (
        WORDS.to_csv(index=False).replace("pred", "label"),
        SCORE,
        "two columns are called label",
        written(WORDS, says="rename"),
    ),
    "no pyarrow": (
        (WORDS.to_parquet, "mine.parquet"),
        on("mine.parquet"),
        "pyarrow, which is not installed",
        written(WORDS, says="write the table as CSV"),
    ),
    "no parquet": (
        (b"x", "mine.parquet"),
        on("mine.parquet"),
        "not a parquet file",
        written(WORDS.to_parquet, "mine.parquet", says="write it anew"),
    ),
    "a key twice": (
        (lines(rows()).replace('"label"', '"label": "sad", "label"'), "mine.jsonl"),
        on("mine.jsonl"),
        "the key label stands twice",
        written(lines(rows()), "mine.jsonl", says="remove one of the two"),
    ),
    "no JSON": (
        ("{", "mine.json"),
        on("mine.json"),
        "not JSON",
        written(json.dumps(rows()), "mine.json", says="with a JSON library"),
    ),
    "deep": (
        ('{"a": ' + "9" * 5000 + "}\n", "mine.jsonl"),
        on("mine.jsonl"),
        "not read",
        written(lines(rows()), "mine.jsonl", says="a row's values, not more"),
    ),
    # scores
    "two sets": (
        SCORES.assign(**{f"logit_{name}": LOGITS[:, k] for k, name in enumerate(SEVEN)}),
        SCORE,
        "several sets of scores",
        option("--scores"),
    ),
    "either kind": (
        SCORES.rename(columns=lambda name: name.removeprefix("p_")),
        SCORE,
        "could be probabilities or logits",
        option("--scores"),
    ),
    "either kind, numbered": (
        pd.DataFrame(LOGITS).assign(file=IDS, label=NAMES),
        SCORE,
        "and nothing says which expression each is",
        both(option("--scores", "logits"), option("--label-order", ",".join(SEVEN))),
    ),
    "no such kind": (SCORES, [*SCORE, "--scores", "logits"], "no columns of logits", without("--scores", "logits")),
    "numbered": (
        SCORES.rename(columns={f"p_{name}": f"p_{k}" for k, name in enumerate(SEVEN)}),
        SCORE,
        "are numbered",
        option("--label-order", "ferplus"),
    ),
    "no expression": (SCORES.assign(p_bored=0.0), SCORE, "column p_bored names no", written(SCORES, says="remove")),
    "an expression twice": (SCORES.assign(p_joy=0.0), SCORE, "are both happiness", written(SCORES, says="remove one")),
    "an expression lacks": (
        CERTAIN.drop(columns="p_fear"),
        SCORE,
        "no column of fear",
        written(CERTAIN, says="p_fear"),
    ),
    "no answer": (
        SCORES.assign(p_fear=[np.nan, *SCORES["p_fear"][1:]]),
        SCORE,
        "1 of 14 rows have NaN",
        written(SCORES, says="a sample without an answer needs one"),
    ),
    "no number": (
        SCORES.assign(p_fear=[f"{value} %" for value in SCORES["p_fear"]]),
        SCORE,
        "which is no number",
        written(SCORES, says="without units"),
    ),
    "logits called p": (
        SCORES.assign(**{f"p_{name}": LOGITS[:, k] for k, name in enumerate(SEVEN)}),
        SCORE,
        "below 0 or above 1",
        written(
            pd.DataFrame({"file": IDS, "label": NAMES} | {f"logit_{n}": LOGITS[:, k] for k, n in enumerate(SEVEN)}),
            says="logit_happiness",
        ),
    ),
    "contempt taken out": (
        EIGHT.assign(**{name: 0.9 * EIGHT[name] for name in EIGHT if name.startswith("p_")}).drop(columns="p_contempt"),
        SCORE,
        "do not sum to 1",
        both(
            written(
                EIGHT.assign(**{f"p_{n}": 0.9 * EIGHT[f"p_{n}"] for n in SEVEN}, p_contempt=0.1), says="is put back"
            ),
            option("--classes"),
        ),
    ),
    "all contempt": (
        pd.concat(
            [
                EIGHT,
                pd.DataFrame(
                    [{"file": "x", "label": "happiness"} | dict.fromkeys(EIGHT.columns[2:], 0.0) | {"p_contempt": 1.0}]
                ),
            ]
        ),
        [*SCORE, "--classes", "7"],
        "contempt has the whole probability in 1 rows",
        instead("8", "7"),
    ),
    "not the largest": (
        SCORES.assign(pred="fear"),
        SCORE,
        "not the largest score in 12 of 14",
        written(SCORES, says="remove it"),
    ),
    # labels
    "true labels in two": (WORDS.assign(target=NAMES), SCORE, "could be in label or target", option("--column")),
    "a number with two names": (
        WORDS.rename(columns={"label": "true_name"}).assign(true_label=0),
        SCORE,
        "stands for",
        option("--column"),
    ),
    "a predicted number with two names": (
        WORDS.rename(columns={"pred": "pred_name"}).assign(pred_label=0),
        SCORE,
        "stands for",
        option("--column"),
    ),
    "two numbers with a name": (
        WORDS.rename(columns={"label": "true_name"}).assign(true_label=range(N)),
        SCORE,
        "several numbers stand for",
        option("--column"),
    ),
    "no label": (
        WORDS.assign(label=[None, *NAMES[1:]]),
        SCORE,
        "label is empty in 1 of 14",
        written(WORDS[1:], says="take those rows out"),
    ),
    "numbers": (NUMBERS, SCORE, "nothing in the file says", option("--label-order", "ours")),
    "other numbers": (NUMBERS, [*SCORE, "--label-order", "rafdb"], "label holds 0", instead("ours", "rafdb")),
    "no class": (
        WORDS.assign(label=["bored", *NAMES[1:]]),
        SCORE,
        "unknown class 'bored'",
        written(WORDS[1:], says="take rows"),
    ),
    # orders
    "alphabetical": (
        NUMBERS.assign(label=0, pred=0),
        [*SCORE, "--label-order", "alphabetical"],
        "contempt stands second",
        instead("alphabetical7", "alphabetical"),
    ),
    "no order": (NUMBERS, [*SCORE, "--label-order", "mine"], "no such order", instead("ours", "mine")),
    "another file's order": (
        NUMBERS,
        [*SCORE, "--label-order", "x.csv=ours"],
        "no file x.csv",
        instead("mine.csv=ours", "x.csv=ours"),
    ),
    "two orders": (
        NUMBERS,
        [*SCORE, "--label-order", "rafdb", "--label-order", "ours"],
        "a second order",
        call(*SCORE, "--label-order", "mine.csv=ours"),
    ),
    # columns
    "no rows": (WORDS[:0], SCORE, "has no rows", written(WORDS, says="a row per sample")),
    "no id in a row": (
        WORDS.assign(file=[None, *IDS[1:]]),
        SCORE,
        "file is empty in 1 of 14",
        written(WORDS, says="its id"),
    ),
    "ids in two": (WORDS.assign(name="x"), SCORE, "ids could be in file or name", option("--column")),
    "no ids": (WORDS.rename(columns={"file": "Bild"}), ON_FACES, "no column of ids", option("--column", "id=Bild")),
    "no ids at all": (WORDS.drop(columns="file"), ON_FACES, "no column of ids", flag("--rows")),
    "no predictions": (
        WORDS.rename(columns={"pred": "says"}),
        SCORE,
        "neither predicted labels nor scores",
        option("--column", "pred=says"),
    ),
    "another column": (
        WORDS.rename(columns={"label": "gold"}),
        [*SCORE, "--column", "true=golden"],
        "no file has it",
        instead("true=gold", "true=golden"),
    ),
    "eight on seven": (EIGHT, ON_FACES, "tells 8 expressions apart, not 7", option("--classes", "7")),
    "eight on seven, the other way": (EIGHT, ON_FACES, "tells 8 expressions apart, not 7", option("--classes", "8")),
    "contempt answered": (
        WORDS.assign(pred=["contempt", *NAMES[1:]]),
        ON_FACES,
        "is contempt in 1 rows",
        option("--classes"),
    ),
    "few classes": (
        partial(own, 3),
        [*SCORE, "--classes", "7"],
        "tells 3 expressions apart, not 7",
        without("--classes", "7"),
    ),
    "no selection": (
        WORDS.assign(selection="best"),
        SCORE,
        "unknown selection best",
        written(WORDS.assign(selection="last"), says="last"),
    ),
    "an id twice": (
        WORDS.assign(file=["f01", *IDS[1:]]),
        SCORE,
        "1 ids stand in two rows",
        written(WORDS, says="one row"),
    ),
    # what is said
    "no kind": (SCORES, [*SCORE, "--scores", "percent"], "--scores percent", instead("probabilities", "percent")),
    "six classes": (WORDS, [*SCORE, "--classes", "6"], "--classes 6", instead("7", "6")),
    "no role": (WORDS, [*SCORE, "--column", "ids=file"], "expected ROLE=NAME", call(*SCORE, "--column", "id=file")),
    # the data set
    "seven on eight": (
        SCORES,
        [*SCORE, "--dataset", "eight", "--classes", "7"],
        "has 8 expressions, not 7",
        call(*SCORE, "--dataset", "eight", "--classes", "8"),
    ),
    "no true labels": (WORDS[["file", "pred"]], SCORE, "has no true labels", option("--dataset", "faces")),
    "rows too few": (
        WORDS.drop(columns="file")[1:],
        [*ON_FACES, "--rows"],
        "13 rows, and faces has 14 test samples",
        written(WORDS.drop(columns="file"), says="predict every test sample in the order of"),
    ),
    "rows without labels": (
        WORDS[["pred"]],
        [*ON_FACES, "--rows"],
        "neither ids nor true labels",
        written(WORDS[["label", "pred"]], says="true_label"),
    ),
    "two splits": (
        pd.concat([WORDS, WORDS.assign(file="v" + WORDS["file"])]),
        ON_FACES,
        "samples of several splits",
        written(WORDS, says="of one split"),
    ),
    "samples lack": (WORDS[1:], ON_FACES, "13 of 14 samples", without("--dataset", "faces")),
    "labels disagree": (
        WORDS.assign(label="fear", pred="fear"),
        ON_FACES,
        "disagree about the true label",
        without("--dataset", "faces"),
    ),
    "foreign ids": (
        pd.concat([WORDS, WORDS.assign(file="x" + WORDS["file"])]),
        ON_FACES,
        "14 of 28 ids are not in faces",
        written(WORDS, says="samples of the same data set"),
    ),
    "no id is there": (
        WORDS.assign(file=[f"x{name}" for name in IDS], key=IDS),
        ON_FACES,
        "no id is in faces",
        option("--column", "id=key"),
    ),
    "a broken store": (WORDS, [*SCORE, "--dataset", "broken"], "info.json", mended),
    # several files
    "a folder": (
        (WORDS, "mine/seed0.csv"),
        on("mine"),
        "mine is a folder",
        written(WORDS, "mine/seed0.csv", says="name one file"),
    ),
    "a failed run": (
        (failed, "mine/predictions.csv"),
        on("mine/predictions.csv"),
        "its run failed",
        written(partial(own, 7), "mine/predictions.csv", says="runs that ended well"),
    ),
    "one file alone": (WORDS, ["compare", "mine.csv"], "one file alone", call("score", "mine.csv")),
    "a file twice": (
        WORDS,
        ["compare", "mine.csv", "mine.csv"],
        "is named twice",
        call("compare", "mine.csv", "also.csv"),
    ),
    "an empty folder": (
        deep_folder,
        ["compare", "mine", "also.csv"],
        "holds no predictions; it has the folders deep",
        both(written(WORDS, "mine/seed0.csv", says="one per seed"), call("compare", "mine", "also.csv")),
    ),
    "failed runs": (
        (failed, "mine/predictions.csv"),
        ["compare", "mine", "also.csv"],
        "its run failed",
        both(
            written(partial(own, 7), "mine/predictions.csv", says="runs that ended well"),
            call("compare", "mine", "also.csv"),
        ),
    ),
    "no common selection": (
        WORDS.assign(selection="last"),
        ["compare", "mine.csv", "val.csv"],
        "no common selection",
        flag("--force"),
    ),
    "no such selection": (
        WORDS.assign(selection="last"),
        [*SCORE, "--selection", "best_on_val"],
        "no selection best_on_val",
        instead("last", "best_on_val"),
    ),
    "another data set": (
        (own_run, "mine/predictions.csv"),
        on("mine/predictions.csv", "--dataset", "rafdb"),
        "is of a run on faces",
        instead("faces", "rafdb"),
    ),
    "seven beside eight": (
        EIGHT,
        ["compare", "mine.csv", "scores.csv"],
        "tells 8 expressions apart, scores.csv 7",
        option("--classes", "7"),
    ),
    "no labels anywhere": (
        WORDS[["file", "pred"]],
        ["compare", "mine.csv", "bare.csv"],
        "has no true labels",
        option("--dataset", "faces"),
    ),
    "rows beside rows": (
        WORDS[["pred"]],
        ["compare", "mine.csv", "rows.csv", "--rows"],
        "neither ids nor true labels",
        written(WORDS[["label", "pred"]], says="true_label"),
    ),
    "other samples": (
        WORDS[1:],
        ["compare", "mine.csv", "also.csv"],
        "not about the same samples",
        written(WORDS, says="the same part"),
    ),
    "other labels": (
        WORDS.assign(label="fear"),
        ["compare", "mine.csv", "also.csv"],
        "disagree about the true label",
        written(WORDS, says="the same labels"),
    ),
    "another protocol": (two_protocols, ["compare", "mine", "b"], "numbers of different things", flag("--force")),
    "no results": (
        WORDS,
        ["compare", "mine.csv", "--with", "data"],
        "holds no results of a grid",
        instead("results/ferplus_cpu:patt_lite", "data"),
    ),
    "results without a file": (
        WORDS,
        ["compare", "--with", "results/tiny"],
        "--with is of files",
        call("compare", "mine.csv", "--with", "results/tiny", "--dataset", "faces"),
    ),
    "results of two data sets": (
        WORDS,
        ["compare", "mine.csv", "--with", "results/tiny"],
        "several: which data set",
        option("--dataset", "faces"),
    ),
    "no such method": (
        WORDS,
        ["compare", "mine.csv", "--with", "results/tiny:dan", "--dataset", "faces"],
        "no method with a run that ended well dan",
        call("compare", "mine.csv", "--with", "results/tiny:eac", "--dataset", "faces"),
    ),
    "no such selection of results": (
        WORDS,
        ["compare", "mine.csv", "--with", "results/tiny", "--dataset", "faces", "--selection", "last"],
        "no selection last",
        instead("best_on_val", "last"),
    ),
}


def prepare(name, n_classes=7):
    folder = Path("data") / name
    folder.mkdir(parents=True)
    table = pd.DataFrame(
        {"sample_id": [*IDS, *(f"v{name}" for name in IDS)], "split": ["test"] * N + ["val"] * N,
         "label": [*TRUE, *TRUE], "position": range(2 * N), "source": "s", "subject": pd.NA, "digest": "d"}
    )  # fmt: skip
    samples.schema(()).write(table, folder / "samples.csv")
    (folder / "info.json").write_text(json.dumps({"n_classes": n_classes, "label_rule": "majority", "name": name}))


def results(name, datasets, methods):
    """Committed results: what each seed of each method predicted, all right."""
    folder = Path("results") / name
    columns = {f"{m}/seed{k}/best_on_val": TRUE for m, n_seeds in methods.items() for k in range(n_seeds)}
    for dataset in datasets:
        table = pd.DataFrame({"sample_id": IDS, "y_true": TRUE, **columns})
        predicted.write(table, folder / "predicted" / f"{dataset}.csv")
    held = [(dataset, method, seed) for dataset in datasets for method in methods for seed in range(methods[method])]
    records = [
        runs.RunRecord(**RECORD | {"dataset": dataset, "method": method, "seed": seed})
        for dataset, method, seed in held
    ]
    runs.runs.write(runs.runs.frame([runs.row(record) for record in records]), folder / "runs.csv")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with data sets and a few files to compare with."""
    monkeypatch.chdir(tmp_path)
    prepare("faces")
    prepare("eight", n_classes=8)
    prepare("broken")
    Path("data/broken/info.json").write_text("{")
    write(WORDS, "also.csv")
    write(SCORES, "scores.csv")
    write(WORDS[["file", "pred"]], "bare.csv")
    write(WORDS[["label", "pred"]], "rows.csv")
    write(WORDS.assign(selection="best_on_val"), "val.csv")
    results("tiny", ["faces", "eight"], {"eac": 2, "scn": 3})
    results("ferplus_cpu", ["faces"], {"patt_lite": 3})
    return tmp_path


def places(error):
    """Return where an error came from: file and line of every frame."""
    trace = error.__traceback__
    while trace is not None:
        yield Path(trace.tb_frame.f_code.co_filename).name, trace.tb_lineno
        trace = trace.tb_next


def without_pyarrow(whole, wanted, *rest, **more):
    if wanted.startswith("pyarrow"):
        raise ImportError(wanted)
    return whole(wanted, *rest, **more)


@pytest.mark.parametrize("name", CASES)
def test_a_fix_that_is_followed_works(folder, monkeypatch, name):
    content, arguments, problem, follow = CASES[name]
    write(*content) if isinstance(content, tuple) else write(content)
    with monkeypatch.context() as patch:
        if name == "no pyarrow":
            patch.setattr(builtins, "__import__", partial(without_pyarrow, builtins.__import__))
        with pytest.raises(FerBenchError) as caught:
            run(*arguments)
    assert problem in caught.value.problem
    met.update(places(caught.value))
    done = run(*follow(caught.value.fix, list(arguments)))
    assert done.exit_code == 0, done.stderr


READERS = ["_text", "_nested", "_tensors", "_raw", "_scores", "_labels", "_spellings", "brought", "reading"]
FILES = [ROOT / "fer_bench" / "tables" / f"{name}.py" for name in READERS]
FILES += [ROOT / "fer_bench" / "stats" / f"{name}.py" for name in ("files", "alongside", "truth", "committed")]


def test_no_error_about_a_file_is_without_a_case(request):
    """Runs last of this file; alone it has nothing to compare."""
    if not met:
        pytest.skip("runs after the cases of this file")
    lacking = []
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Raise) or not isinstance(node.exc, ast.Call):
                continue
            said = ast.unparse(node.exc.func)
            if said in {"ValueError", "pickle.UnpicklingError"}:  # never reach a user as they are
                continue
            if not any(name == file.name and node.lineno <= line <= node.end_lineno for name, line in met):
                lacking.append(f"{file.name}:{node.lineno} {ast.unparse(node.exc)[:90]}")
    assert not lacking, "\n".join(lacking)
