"""The prepared store: what is written, what is checked, and that nothing half-written is taken for finished."""

import dataclasses
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fer_bench import params, registry
from fer_bench.datasets import Dataset, Loaded, _store
from fer_bench.errors import FerBenchError
from fer_bench.params import Section
from fer_bench.provenance import ROOT
from fer_bench.tables.samples import digest

CHOICE = params.Prepare(source="nowhere")


class Options(Section, frozen=True, kw_only=True):
    allow_part: bool = False


SAMPLES = pd.DataFrame(
    {
        "sample_id": ["c", "a", "d", "b"],
        "split": ["train", "train", "test", "val"],
        "label": [0, 1, 1, -1],
        "position": [0, 1, 2, 3],
        "source": ["row 0", "row 1", "row 2", "row 3"],
        "subject": ["p1", "p2", None, None],
    }
)
IMAGES = np.arange(4 * 6, dtype=np.uint8).reshape(4, 2, 3)
TINY = Dataset(
    title="Tiny",
    about="Four pictures.",
    licence="none",
    citation="none",
    options=Options,
    n_classes=lambda _: 2,
    label_rule=lambda _: "released",
    load=lambda _source, _options: Loaded(SAMPLES.copy(), IMAGES.copy()),
    official_counts=lambda _: {"train": (1, 1), "val": (0, 0), "test": (0, 1)},
)


@pytest.fixture
def register(monkeypatch):
    """Put a data set under the name `tiny`."""

    def put(**changes):
        changed = dataclasses.replace(TINY, **changes)
        monkeypatch.setattr(registry, "load", lambda _kind, _name: changed)
        monkeypatch.setattr(registry, "path_of", lambda _kind, _name: None)

    put()
    return put


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_pictures_follow_the_samples_table_sorted_by_id(register, tmp_path):
    prepared = _store.prepare("tiny", CHOICE, tmp_path)
    assert list(prepared.samples["sample_id"]) == ["a", "b", "c", "d"]
    np.testing.assert_array_equal(prepared.images, IMAGES[[1, 3, 0, 2]])
    assert list(prepared.samples["digest"]) == [digest(image) for image in IMAGES[[1, 3, 0, 2]]]


def test_info_says_what_the_store_is(register, tmp_path):
    info = _store.prepare("tiny", CHOICE, tmp_path).info
    assert info.counts["train"] == {"neutral": 1, "happiness": 1, "dropped": 0}
    assert info.counts["val"] == {"neutral": 0, "happiness": 0, "dropped": 1}
    assert (info.n_images, info.image_shape, info.n_classes) == (4, (2, 3), 2)
    assert (info.official, info.options, info.label_rule) == ("complete", {"allow_part": False}, "released")


def test_the_same_data_give_the_same_bytes(register, tmp_path):
    _store.prepare("tiny", CHOICE, tmp_path / "once")
    _store.prepare("tiny", CHOICE, tmp_path / "twice")
    assert contents(tmp_path / "once" / "tiny") == contents(tmp_path / "twice" / "tiny")


def test_the_order_in_which_a_release_is_read_changes_nothing(register, tmp_path):
    _store.prepare("tiny", CHOICE, tmp_path / "once")
    back = [3, 1, 0, 2]
    register(load=lambda _source, _options: Loaded(SAMPLES.iloc[back].reset_index(drop=True), IMAGES[back]))
    _store.prepare("tiny", CHOICE, tmp_path / "twice")
    assert contents(tmp_path / "once" / "tiny") == contents(tmp_path / "twice" / "tiny")


def test_pictures_cannot_be_written_to(register, tmp_path):
    prepared = _store.prepare("tiny", CHOICE, tmp_path)
    with pytest.raises(ValueError, match="read-only"):
        prepared.images[0, 0, 0] = 1


def test_more_pictures_than_a_chunk_keep_their_order(register, tmp_path, monkeypatch, rng):
    monkeypatch.setattr(_store, "_CHUNK_BYTES", 3 * 12)
    images = rng.integers(0, 256, (10, 2, 2, 3), dtype=np.uint8)
    samples = pd.DataFrame(
        {
            "sample_id": [f"{9 - i}" for i in range(10)],
            "split": "train",
            "label": 0,
            "position": range(10),
            "source": "x",
            "subject": None,
        }
    )
    register(load=lambda _source, _options: Loaded(samples, images), official_counts=lambda _: None)
    prepared = _store.prepare("tiny", CHOICE, tmp_path)
    np.testing.assert_array_equal(prepared.images, images[::-1])
    assert prepared.info.official == "none"


def test_a_failure_leaves_the_earlier_store_and_nothing_else(register, tmp_path):
    _store.prepare("tiny", CHOICE, tmp_path)
    before = contents(tmp_path / "tiny")
    register(official_counts=lambda _: {"train": (2, 1), "val": (0, 0), "test": (0, 1)})
    with pytest.raises(FerBenchError, match="train has neutral 1 of 2"):
        _store.prepare("tiny", CHOICE, tmp_path)
    assert contents(tmp_path / "tiny") == before
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_a_failure_while_writing_leaves_the_earlier_store_and_nothing_else(register, tmp_path, monkeypatch):
    _store.prepare("tiny", CHOICE, tmp_path)
    before = contents(tmp_path / "tiny")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_store.provenance, "sha256_of_file", full)
    with pytest.raises(OSError, match="No space left"):
        _store.prepare("tiny", CHOICE, tmp_path)
    assert contents(tmp_path / "tiny") == before
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_a_failure_while_swapping_brings_the_earlier_store_back(register, tmp_path, monkeypatch):
    _store.prepare("tiny", CHOICE, tmp_path)
    before = contents(tmp_path / "tiny")
    rename = Path.rename

    def refuse_the_new_one(path, target):
        if path.name.endswith("-new"):
            raise PermissionError(13, "Permission denied")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse_the_new_one)
    with pytest.raises(PermissionError):
        _store.prepare("tiny", CHOICE, tmp_path)
    assert contents(tmp_path / "tiny") == before
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np, pandas as pd
from fer_bench import params, registry
from fer_bench.datasets import Dataset, Loaded, _store
from fer_bench.params import Section

class Options(Section, frozen=True, kw_only=True):
    pass

class Pictures:
    shape, dtype = (4, 2, 3), np.dtype(np.uint8)

    def __getitem__(self, rows):
        if 2 in rows and sys.argv[2] == "pictures":  # the second chunk
            os.kill(os.getpid(), signal.SIGKILL)
        return np.full((len(rows), 2, 3), 9, dtype=np.uint8)

def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)

samples = pd.DataFrame({"sample_id": list("abcd"), "split": ["train", "train", "test", "test"], "label": [0, 1, 0, 1],
                        "position": range(4), "source": "x", "subject": None})
registry.load = lambda *_: Dataset(
    title="Tiny", about="Four pictures.", licence="none", citation="none", options=Options, n_classes=lambda _: 2,
    label_rule=lambda _: "released", load=lambda *_: Loaded(samples, Pictures()), official_counts=lambda _: None)
_store._CHUNK_BYTES = 2 * 6
if sys.argv[2] == "info":
    _store.msgspec.json.encode = kill
if sys.argv[2] == "swap":
    rename = Path.rename
    Path.rename = lambda path, target: kill() if path.name.endswith("-new") else rename(path, target)
_store.prepare("tiny", params.Prepare(source="x"), Path(sys.argv[1]))
"""


@pytest.mark.parametrize("moment", ["pictures", "info", "swap"])
@pytest.mark.parametrize("earlier", [False, True])
def test_a_process_killed_while_writing_leaves_no_store_or_the_earlier_one(register, tmp_path, moment, earlier):
    if earlier:
        _store.prepare("tiny", CHOICE, tmp_path)
        before = contents(tmp_path / "tiny")
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), moment], check=False, cwd=ROOT)
    assert done.returncode == -signal.SIGKILL
    if earlier and moment != "swap":
        assert contents(tmp_path / "tiny") == before
        assert _store.open_prepared("tiny", tmp_path).info.n_images == 4
    else:  # between the two moves there is none: the earlier one is out of the way already
        with pytest.raises(FerBenchError, match="tiny is not prepared"):
            _store.open_prepared("tiny", tmp_path)
    assert _store.prepare("tiny", CHOICE, tmp_path).info.n_images == 4


def test_preparing_again_replaces_the_store(register, tmp_path):
    _store.prepare("tiny", CHOICE, tmp_path)
    (tmp_path / "tiny" / "stale.txt").write_text("x")
    register(label_rule=lambda _: "another")
    assert _store.prepare("tiny", CHOICE, tmp_path).info.label_rule == "another"
    assert sorted(contents(tmp_path / "tiny")) == ["images.npy", "info.json", "samples.csv"]


def test_fewer_samples_than_released_are_a_part_where_the_options_allow_it(register, tmp_path):
    register(official_counts=lambda _: {"train": (2, 1), "val": (0, 0), "test": (0, 1)})
    choice = params.Prepare(source="nowhere", options={"allow_part": True})
    assert _store.prepare("tiny", choice, tmp_path).info.official == "part"


def test_more_samples_than_released_are_never_a_part(register, tmp_path):
    register(official_counts=lambda _: {"train": (0, 1), "val": (0, 0), "test": (0, 1)})
    choice = params.Prepare(source="nowhere", options={"allow_part": True})
    with pytest.raises(FerBenchError, match="neutral 1 of 0"):
        _store.prepare("tiny", choice, tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sample_id": ["a", "a", "b", "c"]}, "sample_id repeats"),
        ({"position": [0, 0, 1, 2]}, "position repeats within a split"),
        ({"label": [0, 1, 2, 0]}, "labels outside -1 to 1"),
        ({"split": ["train", "train", "private", "val"]}, "splits are"),
    ],
)
def test_a_data_set_that_breaks_the_contract_is_a_bug(register, tmp_path, changes, said):
    register(load=lambda _source, _options: Loaded(SAMPLES.assign(**changes), IMAGES), official_counts=lambda _: None)
    with pytest.raises(ValueError, match=said):
        _store.prepare("tiny", CHOICE, tmp_path)


def test_an_unprepared_data_set_is_an_error_with_the_command(tmp_path):
    with pytest.raises(FerBenchError) as caught:
        _store.open_prepared("ferplus", tmp_path)
    assert caught.value.fix == "fer-bench data prepare ferplus"


def shorten_images(place):
    np.save(place / "images.npy", IMAGES[:3])


def truncate_images(place):
    content = (place / "images.npy").read_bytes()
    (place / "images.npy").write_bytes(content[:-5])


def reorder_samples(place):
    head, first, second, *rest = (place / "samples.csv").read_text().splitlines()
    (place / "samples.csv").write_text("\n".join([head, second, first, *rest, ""]))


def relabel_sample(place):
    text = (place / "samples.csv").read_text()
    (place / "samples.csv").write_text(text.replace("a,train,1", "a,train,0"))


def remove_info(place):
    (place / "info.json").unlink()


def spoil_info(place):
    (place / "info.json").write_text("{")


def age_info(place):
    info = json.loads((place / "info.json").read_text())
    (place / "info.json").write_text(json.dumps({**info, "version": 0}))


def rename_info(place):
    info = json.loads((place / "info.json").read_text())
    (place / "info.json").write_text(json.dumps({**info, "name": "other"}))


@pytest.mark.parametrize(
    "damage",
    [
        shorten_images, truncate_images, reorder_samples, relabel_sample,
        remove_info, spoil_info, age_info, rename_info,
    ],
)  # fmt: skip
def test_a_store_whose_files_do_not_belong_together_is_refused(register, tmp_path, damage):
    _store.prepare("tiny", CHOICE, tmp_path)
    before = contents(tmp_path / "tiny")
    damage(tmp_path / "tiny")
    assert contents(tmp_path / "tiny") != before
    with pytest.raises(FerBenchError) as caught:
        _store.open_prepared("tiny", tmp_path)
    assert caught.value.fix == "fer-bench data prepare tiny"
