"""Files as people have them, each written the way its program writes it, read to the same predictions."""

import json
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch

from fer_bench.errors import FerBenchError
from fer_bench.expressions import EXPRESSIONS
from fer_bench.tables import _spellings, brought, reading

N = 42
NAMES = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
INDEX = np.array([EXPRESSIONS.index(_spellings.expression(name)) for name in NAMES])
TRUE = np.arange(N) % 7
LOGITS = np.random.default_rng(0).normal(0, 1, (N, 7)) + 2 * np.eye(7)[TRUE]
SHARES = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
IDS = [f"test/{place:03d}.jpg" for place in range(N)]
LABELS = [NAMES[k] for k in TRUE]
ANSWERS = [NAMES[k] for k in LOGITS.argmax(axis=1)]
ORDER = _spellings.order(",".join(NAMES))

WORDS = pd.DataFrame({"file": IDS, "label": LABELS, "pred": ANSWERS})
SCORES = pd.DataFrame({"file": IDS, "label": LABELS} | {f"p_{name}": SHARES[:, k] for k, name in enumerate(NAMES)})
PERCENT = [dict(zip(NAMES, (100 * row).tolist(), strict=True)) for row in SHARES]


def faces(rows=PERCENT):
    """What DeepFace.analyze returns of each picture, with its label."""
    return [
        {"img_path": name, "label": label, "emotion": row, "dominant_emotion": max(row, key=row.get),
         "region": {"x": 3, "y": 4, "w": 90, "h": 90}, "face_confidence": 0.9}
        for name, label, row in zip(IDS, LABELS, rows, strict=True)
    ]  # fmt: skip


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def tensors(path, **more):
    torch.save({"logits": torch.tensor(LOGITS), "targets": torch.tensor(TRUE), "paths": IDS, **more}, path)


# file name → how it is written, what has to be said of it, whether it has scores
FILES = {
    "commas.csv": (lambda path: SCORES.to_csv(path, index=False), {}, True),
    "numbered_rows.csv": (SCORES.to_csv, {}, True),
    "mark.csv": (lambda path: SCORES.to_csv(path, index=False, encoding="utf-8-sig"), {}, True),
    "excel_german.csv": (
        lambda path: SCORES.to_csv(path, index=False, sep=";", decimal=",", encoding="utf-8-sig"), {}, True,
    ),
    "semicolons.csv": (lambda path: SCORES.to_csv(path, index=False, sep=";"), {}, True),
    "sep_line.csv": (lambda path: path.write_text("sep=,\n" + SCORES.to_csv(index=False)), {}, True),
    "sep_semicolon.csv": (lambda path: path.write_text("sep=;\r\n" + SCORES.to_csv(index=False, sep=";")), {}, True),
    "windows.csv": (lambda path: SCORES.to_csv(path, index=False, lineterminator="\r\n"), {}, True),
    "excel_unicode.csv": (lambda path: SCORES.to_csv(path, index=False, sep="\t", encoding="utf-16"), {}, True),
    "big_endian.csv": (
        lambda path: path.write_bytes(b"\xfe\xff" + SCORES.to_csv(index=False).encode("utf-16-be")), {}, True,
    ),
    "tabs.tsv": (lambda path: SCORES.to_csv(path, index=False, sep="\t"), {}, True),
    "tabs.tsv.gz": (lambda path: SCORES.to_csv(path, index=False, sep="\t"), {}, True),
    "percent.csv": (lambda path: SCORES.set_index(["file", "label"]).mul(100).reset_index().to_csv(path), {}, True),
    "bare_names.csv": (
        lambda path: SCORES.rename(columns=lambda name: name.removeprefix("p_")).to_csv(path),
        {"scores": "probabilities"}, True,
    ),
    "bare_numbers.csv": (
        lambda path: pd.DataFrame(LOGITS).assign(file=IDS, label=LABELS).to_csv(path, index=False),
        {"scores": "logits", "order": ORDER}, True,
    ),
    "words.csv": (lambda path: WORDS.to_csv(path, index=False), {}, False),
    "plurals.csv": (
        lambda path: WORDS.rename(columns={"file": "paths", "label": "labels", "pred": "preds"}).to_csv(path),
        {}, False,
    ),
    "numbers.csv": (
        lambda path: WORDS.assign(label=TRUE, pred=LOGITS.argmax(axis=1)).to_csv(path), {"order": ORDER}, False,
    ),
    "lists.parquet": (
        lambda path: pd.DataFrame({"file": IDS, "label": LABELS, "probs": list(SHARES)}).to_parquet(path),
        {"order": ORDER}, True,
    ),
    "objects.parquet": (
        lambda path: pd.DataFrame({"file": IDS, "label": LABELS, "probs": PERCENT}).to_parquet(path), {}, True,
    ),
    "lists.jsonl": (
        lambda path: path.write_text(
            lines({"image": i, "label": k, "logits": z.tolist()} for i, k, z in zip(IDS, LABELS, LOGITS, strict=True))
        ),
        {"order": ORDER}, True,
    ),
    "deepface.jsonl": (lambda path: path.write_text(lines(faces())), {}, True),
    "deepface_as_returned.jsonl": (lambda path: path.write_text(lines([row] for row in faces())), {}, True),
    "deepface.json": (lambda path: path.write_text(json.dumps([[row] for row in faces()])), {}, True),
    "deepface_by_file.json": (
        lambda path: path.write_text(
            json.dumps({row.pop("img_path"): [row] for row in faces()}, indent=1)
        ),
        {}, True,
    ),
    "deepface_utf16.json": (
        lambda path: path.write_text(json.dumps(faces(), ensure_ascii=False), encoding="utf-16"), {}, True,
    ),
    "flattened.csv": (lambda path: pd.json_normalize(faces()).to_csv(path, index=False), {}, True),
    "pipeline.json": (
        lambda path: path.write_text(
            json.dumps([
                {"image": i, "label": k, "outputs": [{"label": n, "score": v / 100} for n, v in row.items()]}
                for i, k, row in zip(IDS, LABELS, PERCENT, strict=True)
            ])
        ),
        {"scores": "probabilities"}, True,
    ),
    "records.json": (lambda path: SCORES.to_json(path, orient="records", double_precision=15), {}, True),
    "pandas.json": (lambda path: SCORES.to_json(path, double_precision=15), {}, True),
    "columns.json": (lambda path: path.write_text(json.dumps(SCORES.to_dict(orient="list"))), {}, True),
    "lines.json": (lambda path: SCORES.to_json(path, orient="records", lines=True, double_precision=15), {}, True),
    "wrapped.json": (
        lambda path: path.write_text(json.dumps({"results": WORDS.to_dict(orient="records")})), {}, False,
    ),
    "arrays.npz": (
        lambda path: np.savez(path, logits=LOGITS, labels=TRUE, paths=np.array(IDS)), {"order": ORDER}, True,
    ),
    "arrays_with_classes.npz": (
        lambda path: np.savez_compressed(
            path, probs=SHARES, y_true=TRUE, ids=np.array(IDS), classes=np.array(NAMES), epoch=3,
            features=np.zeros((N, 99)),
        ),
        {}, True,
    ),
    "structured.npy": (
        lambda path: np.save(
            path,
            np.array([*zip(IDS, LABELS, ANSWERS, strict=True)], dtype=[("id", "U20"), ("true", "U9"), ("pred", "S9")]),
        ),
        {}, False,
    ),
    "tensors.pt": (tensors, {"order": ORDER}, True),
    "tensors_with_classes.pth": (
        lambda path: tensors(path, class_to_idx={name: k for k, name in enumerate(NAMES)}, epoch=7), {}, True,
    ),
    "views.pt": (
        lambda path: tensors(path, logits=torch.tensor(np.asfortranarray(np.c_[LOGITS, LOGITS]))[:, 7:]),
        {"order": ORDER}, True,
    ),
}  # fmt: skip


def read(path, **said):
    (one,) = brought.read(path, reading.Reading(**said)).values()
    return one


@pytest.mark.parametrize("name", FILES)
def test_a_file_as_its_program_writes_it_is_read(tmp_path, name):
    write, said, scored = FILES[name]
    write(tmp_path / name)
    found = read(tmp_path / name, **said)
    assert found.sample_ids.tolist() == IDS
    assert found.y_true.tolist() == INDEX[TRUE].tolist()
    assert found.y_pred.tolist() == INDEX[LOGITS.argmax(axis=1)].tolist()
    if scored:
        assert found.probabilities[:, INDEX] == pytest.approx(SHARES, abs=1e-9)
    else:
        assert found.probabilities is None


@pytest.mark.parametrize(
    ("name", "said"),
    [("excel_german.csv", "columns parted by semicolons; decimal commas"), ("tabs.tsv", "columns parted by tabs"),
     ("semicolons.csv", "largest score; columns parted by semicolons")],
)  # fmt: skip
def test_what_was_understood_of_a_files_form_is_said(tmp_path, name, said):
    FILES[name][0](tmp_path / name)
    assert read(tmp_path / name).understood[0].endswith(said)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_tensors_of_every_precision_are_read(tmp_path, dtype):
    exact = torch.tensor(LOGITS).to(dtype)
    torch.save({"logits": exact, "targets": torch.tensor(TRUE, dtype=torch.int32), "ids": IDS}, tmp_path / "a.pt")
    found = read(tmp_path / "a.pt", order=ORDER)
    assert found.logits[:, INDEX].tolist() == exact.double().tolist()


def test_objects_in_a_file_of_tensors_are_named_and_never_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "run"), "w"))

    for name, held in (
        ("trap.pt", {"logits": torch.tensor(LOGITS), "x": Trap()}),
        ("module.pt", torch.nn.Linear(2, 2)),
    ):
        torch.save(held, tmp_path / name)
        with pytest.raises(
            FerBenchError, match=r"holds an object of (io|_io|builtins|torch\.nn)\..*; only tensors"
        ) as caught:
            read(tmp_path / name)
        assert "torch.save({'logits': logits.cpu()" in caught.value.fix
    assert not (tmp_path / "run").exists()


def test_a_tensor_that_reaches_beyond_its_bytes_is_refused(tmp_path):
    tensors(tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as whole, zipfile.ZipFile(tmp_path / "b.pt", "w") as cut:
        for name in whole.namelist():
            cut.writestr(name, whole.read(name)[:40] if name.endswith("data/0") else whole.read(name))
    with pytest.raises(FerBenchError, match="damaged") as caught:
        read(tmp_path / "b.pt")
    assert caught.value.fix == "save it again"


def test_an_archive_that_claims_more_rows_than_it_has_is_refused(tmp_path):
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 7)}".ljust(117) + "\n"
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("logits.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode())
    with pytest.raises(FerBenchError, match="not a file of numpy's, or damaged"):
        read(tmp_path / "a.npz")


def test_decimal_commas_are_read_only_where_commas_part_nothing(tmp_path):
    german = SCORES.assign(p_happy=[str(value).replace(".", ",") for value in SCORES["p_happy"]])
    german.to_csv(tmp_path / "commas.csv", index=False)
    with pytest.raises(FerBenchError, match=r"p_happy holds '0,.*', which is no number"):
        read(tmp_path / "commas.csv")
    german.to_csv(tmp_path / "semicolons.csv", index=False, sep=";")
    assert read(tmp_path / "semicolons.csv").probabilities[:, INDEX] == pytest.approx(SHARES)


def test_ids_with_a_comma_stay_as_they_are(tmp_path):
    SCORES.assign(file=[f"{place},5" for place in range(10, 10 + N)]).to_csv(tmp_path / "a.csv", index=False, sep=";")
    assert read(tmp_path / "a.csv").sample_ids[0] == "10,5"


def test_several_faces_of_one_picture_are_asked_back(tmp_path):
    first, second, *_ = faces()
    (tmp_path / "a.jsonl").write_text(lines([[first, second]]))
    with pytest.raises(FerBenchError, match=r"line 1: expected an object, {…}, and found 2 values") as caught:
        read(tmp_path / "a.jsonl")
    assert "of several faces keep the one that is meant" in caught.value.fix


def test_rows_without_ids_are_numbered_where_that_is_said(tmp_path):
    SCORES.drop(columns="file").to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(FerBenchError, match="no column of ids among label, p_angry") as caught:
        read(tmp_path / "a.csv")
    assert "or --rows" in caught.value.fix
    found = read(tmp_path / "a.csv", rows=True)
    assert found.numbered
    assert found.sample_ids[[0, 41]].tolist() == ["row 01", "row 42"]
    assert found.y_true.tolist() == INDEX[TRUE].tolist()
