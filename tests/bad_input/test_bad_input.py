"""Bad inputs, from ``cases.yaml``: each ends in an error that says what is wrong and what to do, and changes nothing.

``docs/bad-input.md`` lists them. To add one, add it there; a case that a newer version of the program takes does not
go, it says what is done with it.
"""

import io
import lzma
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_bench import yaml12
from fer_bench.cli.main import main
from fer_bench.provenance import ROOT

CASES = {
    f"{group['about']}: {case['name']}": case
    for group in yaml12.load((Path(__file__).parent / "cases.yaml").read_text(encoding="utf-8"), where="cases.yaml")
    for case in group["cases"]
}
LIMIT_S = 120
PREDICTIONS = "file,label,pred\n" + "".join(f"f{n},{name},{name}\n" for n, name in enumerate(["anger", "fear"] * 20))


def head(shape):
    found = io.BytesIO()
    np.lib.format.write_array_header_1_0(found, {"descr": "<i8", "fortran_order": False, "shape": tuple(shape)})
    return found.getvalue()


def archive(shape):
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w") as opened:
        opened.writestr("y_pred.npy", head(shape))
    return found.getvalue()


CONTENT = {
    "text": lambda text, _path: text.encode(),
    "latin1": lambda text, _path: text.encode("latin-1"),
    "utf16": lambda text, _path: text.encode("utf-16"),
    "hex": lambda digits, _path: bytes.fromhex(digits),
    "repeat": lambda what, _path: what[1] * what[0].encode(),
    "zeros": lambda size, _path: bytes(size),
    "xz_zeros": lambda size, _path: lzma.compress(bytes(size), preset=0),
    "npz": lambda shape, _path: archive(shape),
    "npy": lambda shape, _path: head(shape),
    "replace": lambda what, path: replaced(path, *what),
    "flip": lambda place, path: flipped(path.read_bytes(), place),
    "cut": lambda size, path: path.read_bytes()[:size],
}
"""What a file of the corpus holds, by the word that says how."""


def flipped(raw, place):
    return raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]


def replaced(path, old, new):
    text = path.read_text(encoding="utf-8")
    if old == "COMMIT":
        old = re.search(r"[0-9a-f]{40}", text)[0]
    assert old in text
    return text.replace(old, new).encode()


def put(made, folder):
    kind = next(iter(made))
    path = folder / made[kind]
    if kind == "file":
        (how,) = made.keys() - {"file"}
        found = CONTENT[how](made[how], path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(found)
        return
    if path.is_file() or path.is_symlink():
        path.unlink()
    path.parent.mkdir(parents=True, exist_ok=True)
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "link":
            path.symlink_to(made["to"])


def files(folder):
    for name in ("mine.csv", "theirs.csv"):
        (folder / name).write_text(PREDICTIONS)
    return folder


def results(folder):
    own = folder / "results" / "ferplus_cpu"
    shutil.copytree(ROOT / "results" / own.name, own, ignore=shutil.ignore_patterns("runs", "figures", "report.*"))
    return own


def older_results(folder):
    own = results(folder)
    shutil.rmtree(own / "digests")
    return own


def package(folder):
    shutil.copytree(ROOT / "baselines", folder / "baselines", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def pictures(folder):
    own = "  mine: {source: pictures, reader: folder, options: {size_px: 16, colour: grey}}\n"
    text = (folder / "params.yaml").read_text()
    (folder / "params.yaml").write_text(re.sub(r"prepare:\n(.*\n){3}", f"prepare:\n{own}", text))
    for split in ("train", "test"):
        for name in ("anger", "fear"):
            file = folder / "pictures" / split / name / "a.png"
            file.parent.mkdir(parents=True)
            Image.fromarray(np.full((16, 16), len(name), dtype=np.uint8)).save(file)
    (folder / "pictures" / "dataset.yaml").write_text(
        "{title: Mine, licence: mine, citation: none, faces_may_be_shown: false, folders: {train: train, test: test}}"
    )
    return folder


PLACES = {  # a fixture to start from, and what is added
    "empty": ("tmp_path", lambda folder: folder),
    "grid": ("grid_folder", lambda folder: folder),
    "prepared": ("prepared_folder", lambda folder: folder),
    "files": ("tmp_path", files),
    "results": ("tmp_path", results),
    "older_results": ("tmp_path", older_results),
    "package": ("tmp_path", package),
    "pictures": ("grid_folder", pictures),
}


@pytest.fixture
def place(request, monkeypatch):
    """Make the working folder that a case asks for; returns where its files are put."""

    def make(kind):
        fixture, add = PLACES[kind]
        folder = request.getfixturevalue(fixture)
        monkeypatch.chdir(folder)
        return add(folder)

    return make


def held(folder):
    """Return what a folder holds, but for what libraries leave."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if "__pycache__" not in path.parts and not path.is_symlink() and path.is_file()
    }


def here(words, monkeypatch, capfd):
    """Run the program in this process; one that hangs is interrupted."""
    monkeypatch.setattr(sys, "argv", ["fer-bench", *words])

    def late(*_of_signal):
        message = "it hangs"
        raise TimeoutError(message)

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(LIMIT_S)
    try:
        with pytest.raises(SystemExit) as caught:
            main()
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    found = capfd.readouterr()
    return caught.value.code, found.out + found.err


def apart(words, folder):
    """Run the program in a process of its own, which may die; packages in the folder come before ours."""
    path = os.pathsep.join(str(one) for one in (folder, ROOT))
    done = subprocess.run(
        [sys.executable, "-m", "fer_bench", *words],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", CASES)
def test_a_bad_input_is_named_with_its_fix_and_changes_nothing(name, place, monkeypatch, capfd):
    case = CASES[name]
    folder = place(case.get("in", "grid"))
    for made in case.get("make", []):
        put(made, folder)
    words = [str(folder / "params.yaml") if word == "params.yaml" else word for word in case["run"]]
    before = held(folder)
    code, said = apart(words, folder) if case.get("apart") else here(words, monkeypatch, capfd)
    assert "Traceback" not in said
    assert "did not expect" not in said
    assert code == case.get("code", 2), said
    assert re.search(case["says"], said), said
    if not case.get("usage"):
        assert re.search(r"^error: .*\n(.*\n)*  fix: .", said, re.MULTILINE), said
    assert held(folder) == before
