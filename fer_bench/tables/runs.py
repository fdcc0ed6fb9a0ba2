"""``run.json``, the record that a run leaves, and ``runs.csv``: one row per cell of the grid, failed ones too."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from fer_bench import given, params, provenance, whole
from fer_bench.errors import FerBenchError
from fer_bench.params import Section
from fer_bench.tables._columns import DATASET, LABEL_RULE, METHOD, OLDER, SEED
from fer_bench.tables._schema import Schema, boolean, integer, number, text

_RUN = "fer-bench run METHOD --dataset DATASET --seed SEED"


class RunRecord(Section, frozen=True, kw_only=True):
    """Everything on record about one run.

    Attributes:
        dataset: Data set.
        method: Method.
        seed: The run's seed.
        protocol: Protocol.
        recipe: The recipe's name.
        settings: The recipe, resolved, as plain data.
        n_classes: Expressions told apart.
        label_rule: How votes became labels; ``released`` where labels are as released.
        weights: ``none``, ``timm:<tag>`` or ``file:<name>``.
        weights_digest: SHA-256 of the weights file.
        files: Name of every file that the first weights were read from to its SHA-256, the trunk's first; empty in
            records of version 0.1, which know the trunk's alone.
        couples_batch: Whether logits depend on batch mates, so that samples were predicted one at a time.
        method_file: The file in ``baselines`` that the method is, where its entry in the grid has another name.
        status: ``failed`` where training diverged.
        error: What went wrong.
        train_share: Stratified share of the training part that was used.
        n_train: Samples that train.
        n_select: Samples that select.
        n_report: Samples that are reported.
        epochs: Epochs carried out; None for methods fitted in one go.
        selected: Selection to epoch, 1-based.
        train_s: Wall time of training or fitting.
        predict_s: Wall time of predicting the reported part once.
        peak_memory_mb: Of the process, or of the accelerator where one was used.
        n_parameters: All parameters.
        n_trainable: Trained parameters.
        n_macs: Multiply-accumulates of predicting one picture (:mod:`fer_bench.training.cost`).
        device: As torch names it, or ``cpu``.
        threads: CPU threads.
        precision: ``fp32`` or ``amp``.
        commit: The project's commit.
        dirty: Whether code or parameters differed from it.
        digests: Of the samples table, of the split, and of the code that trained.
        wrote: Name of every other file of the run to its SHA-256; empty in records of before they were written down.
        seal: SHA-256 of the rest of this record; None likewise.
        versions: Of Python and packages.
        machine: System, architecture, processor.
    """

    dataset: str
    method: str
    seed: int
    protocol: str
    recipe: str
    settings: dict[str, Any]
    n_classes: int
    label_rule: str
    weights: str
    weights_digest: str | None = None
    files: dict[str, str] = msgspec.field(default_factory=dict)
    couples_batch: bool = False
    method_file: str | None = None
    status: Literal["ok", "failed"] = "ok"
    error: str | None = None
    train_share: float = 1.0
    n_train: int
    n_select: int
    n_report: int
    epochs: int | None = None
    selected: dict[str, int] = msgspec.field(default_factory=dict)
    train_s: float | None = None
    predict_s: float | None = None
    peak_memory_mb: float | None = None
    n_parameters: int | None = None
    n_trainable: int | None = None
    n_macs: int | None = None
    device: str
    threads: int
    precision: str = "fp32"
    commit: str | None = None
    dirty: bool
    digests: dict[str, str]
    wrote: dict[str, str] = msgspec.field(default_factory=dict)
    seal: str | None = None
    versions: dict[str, str]
    machine: dict[str, str]

    @property
    def brought(self) -> bool:
        """Whether the run's predictions were made elsewhere."""
        return self.recipe == params.BROUGHT

    @property
    def loaded(self) -> dict[str, str]:
        """``files``, of an older record too as far as it knows them."""
        if self.files or self.weights_digest is None:
            return self.files
        return {self.weights.removeprefix("file:"): self.weights_digest}


def weights_of(folder: Path, epoch: int) -> Path:
    """Return the file in a run's folder with the trained weights of a selected epoch (1-based)."""
    return folder / "weights" / f"epoch_{epoch:04d}.pth"


def of_brought(record: RunRecord, files: dict[str, str]) -> RunRecord:
    """Return the record of predictions that were made elsewhere: what made them is not known.

    Args:
        record: Of the cell, as if it had been carried out here.
        files: The file that was brought, by name, with its SHA-256.
    """
    digests = {name: digest for name, digest in record.digests.items() if name != "code"}
    return msgspec.structs.replace(
        record, weights=UNKNOWN, weights_digest=None, files=files, n_train=0, n_select=0, device=UNKNOWN, threads=0,
        precision=UNKNOWN, commit=None, dirty=False, digests=digests, versions={}, machine={}, peak_memory_mb=None,
    )  # fmt: skip


UNKNOWN = "unknown"
"""What a record says where predictions were brought and nothing tells."""


def write_record(record: RunRecord, path: Path) -> None:
    """Write a run's record as JSON."""
    whole.write(path, msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")


def write_sealed(record: RunRecord, folder: Path) -> RunRecord:
    """Write ``run.json`` after all other files of a run, with their digests and its own; return it as written."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / "run.json")
    wrote = {path.relative_to(folder).as_posix(): provenance.sha256_of_file(path) for path in files}
    record = msgspec.structs.replace(record, wrote=wrote, seal=None)
    record = msgspec.structs.replace(record, seal=_seal(msgspec.to_builtins(record)))
    write_record(record, folder / "run.json")
    return record


def check_unchanged(path: Path, *names: str) -> bool:
    """Hold a run to the digests in its record.

    Args:
        path: The record.
        names: Files of the run that are going to be read.

    Returns:
        False where the record is of before digests were written down: it is taken as it is.

    Raises:
        FerBenchError: If the record or one of the files is not as the run left it.
    """
    data = given.json(
        path, dict, what="a run's record", missing=f"no run record at {path}", fix=f"carry it out: {_RUN}"
    )
    wrote, seal = data.get("wrote"), data.get("seal")
    cell = (data.get(name) for name in ("method", "dataset", "seed"))
    again = "fer-bench run {} --dataset {} --seed {}".format(*cell)
    fix = f"bring the run's folder as it was, or carry the run out again: {again}"
    if not wrote and seal is None:
        return False
    if not isinstance(wrote, dict) or seal != _seal(data):
        raise FerBenchError(f"{path} is not as the run left it: its digest is another", fix=fix)
    for name in names:
        file = path.parent / name
        if wrote.get(name) != (provenance.sha256_of_file(file) if file.is_file() else None):
            raise FerBenchError(f"{file} is not as the run left it: {path} has another digest of it", fix=fix)
    return True


def _seal(data: dict[str, Any]) -> str:
    """Return the digest of a record as plain data, without its own."""
    rest = {name: value for name, value in data.items() if name != "seal"}
    return hashlib.sha256(msgspec.json.encode(rest, order="sorted")).hexdigest()


def read_record(path: Path) -> RunRecord:
    """Read a run's record.

    Raises:
        FerBenchError: If it is missing or does not fit.
    """
    fix = f"carry the run out: {_RUN}"
    data = given.json(path, dict, what="a run's record", missing=f"no run record at {path}", fix=fix)
    record: RunRecord = params.convert(data, RunRecord, where=str(path))
    return record


def check_replaceable(folder: Path, cell: tuple[str, str, int]) -> None:
    """Let a run's folder be written, or written anew, where nothing else is lost by it.

    Args:
        folder: Where a run is to be written.
        cell: Its data set, method and seed.

    Raises:
        FerBenchError: If the folder is there and holds anything but a run of the cell.
    """
    fix = "name a folder that does not exist yet (--out), or move away what is there if you do not need it"
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise FerBenchError(f"{folder} is a link or a file; a run is a folder", fix=fix)
    if not folder.exists() or not any(folder.iterdir()):
        return
    foreign = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not _is_ours(path, folder))
    if foreign or not (folder / "run.json").is_file():
        found = foreign[0] if foreign else "no run.json"
        raise FerBenchError(f"{folder} holds {found}, so it is not a run's; it is left as it is", fix=fix)
    record = read_record(folder / "run.json")
    if (record.dataset, record.method, record.seed) != cell:
        said = f"{record.dataset} {record.method} seed {record.seed}"
        raise FerBenchError(f"{folder} holds the run of another cell: {said}; it is left as it is", fix=fix)


def _is_ours(path: Path, folder: Path) -> bool:
    name = path.relative_to(folder).as_posix()
    return name == "weights" if path.is_dir() else _FILES.fullmatch(name) is not None


_FILES = re.compile(r"predictions\.csv|run\.json|history\.csv|sealed\.csv|weights/epoch_\d+\.pth")

_FAILED = "where the run failed"
_UNTIMED = "where the run failed, or predictions were brought"
_IN_ONE_GO = "for methods fitted in one go"
_NO_CHECKPOINT = "where no such checkpoint is kept"
_UNMEASURED = "where it was not measured"
_UNRECORDED = f"where the run's record does not say, and {OLDER}"

_MACHINE = ("architecture", "processor", "system")  # no more of a record: not whose machine it was
_VERSION = re.compile(r"[\w.!+-]+")  # PEP 440; neither a path nor an address

runs = Schema(
    name="runs table",
    columns={
        "dataset": DATASET,
        "method": METHOD,
        "seed": SEED,
        "protocol": text("which part trains, selects and is reported; fer-bench describe protocol NAME"),
        "recipe": text("the recipe's name; brought: predictions that were made elsewhere"),
        "n_classes": integer("expressions told apart", empty=_FAILED),
        "label_rule": LABEL_RULE,
        "weights": text("initial weights: none, timm:TAG, or file:NAME, and the names of further files"),
        "weights_digest": text(
            "SHA-256 of their file, of each where there are several", empty="where there is no file"
        ),
        "batch_mates": text(
            "independent; or coupled: logits depend on the batch, so samples were predicted one at a time; or unknown, "
            "of predictions that were brought"
        ),
        "status": text("ok, or failed: training diverged"),
        "error": text("what went wrong", empty="unless failed"),
        "n_train": integer("samples that train; 0 where predictions were brought"),
        "n_select": integer("samples that select the checkpoint; 0 where predictions were brought"),
        "n_report": integer("samples that are reported"),
        "epochs": integer("epochs carried out", empty=f"{_IN_ONE_GO}, and where predictions were brought"),
        "batch_size": integer("of training", empty=f"{_IN_ONE_GO}, and in tables of version 0.1", added=True),
        "epoch_best_on_val": integer("epoch of best_on_val, from 1", empty=_NO_CHECKPOINT),
        "epoch_best_on_test": integer("epoch of best_on_test, from 1", empty=_NO_CHECKPOINT),
        "train_s": number("wall time of training or fitting, seconds", empty=_UNTIMED),
        "predict_s": number("wall time of predicting the reported part once, seconds", empty=_UNTIMED),
        "peak_memory_mb": number("of the process, or of the accelerator where one was used; MB", empty=_UNMEASURED),
        "n_parameters": integer("all parameters", empty=_UNMEASURED),
        "n_trainable": integer("trained parameters", empty=_UNMEASURED),
        "n_macs": integer(
            "multiply-accumulates of predicting one picture: convolutions and products of matrices",
            empty=f"{_IN_ONE_GO}, and in tables of before it was counted",
            added=True,
        ),
        "device": text("as torch names it, or cpu; unknown where predictions were brought"),
        "threads": integer("CPU threads; 0 where predictions were brought"),
        "precision": text(
            "fp32 or amp (mixed precision); unknown where predictions were brought", empty=OLDER, added=True
        ),
        "machine": text('"architecture=…; processor=…; system=…"', empty=_UNRECORDED, added=True),
        "versions": text('of Python and packages: "name=version; …", by name', empty=_UNRECORDED, added=True),
        "commit": text("the project's commit", empty="where it ran outside a repository", form="[0-9a-f]{7,64}"),
        "dirty": boolean("whether code or parameters differed from that commit"),
    },
    key=("dataset", "method", "seed"),
    remake="fer-bench score",
)


def _beside(record: RunRecord) -> list[str]:
    """Return the names of the files beside the trunk's."""
    return [name for name in record.files if record.weights != f"file:{name}"]


def joined(pairs: Mapping[str, str]) -> str | None:
    """Return pairs as the cell of a table, sorted by name; None where none has a value.

    Examples:
        >>> joined({"torch": "2.13.0+cpu", "numpy": "2.4.1"})
        'numpy=2.4.1; torch=2.13.0+cpu'
    """
    told = {name: " ".join(value.replace(";", ",").split()) for name, value in sorted(pairs.items())}
    return "; ".join(f"{name}={value}" for name, value in told.items() if value) or None


def parsed(cell: object) -> dict[str, str]:
    """Return the pairs of such a cell; none of an empty one.

    Examples:
        >>> parsed("numpy=2.4.1; torch=2.13.0+cpu")
        {'numpy': '2.4.1', 'torch': '2.13.0+cpu'}
    """
    if not isinstance(cell, str):
        return {}
    parts = (part.partition("=") for part in cell.split(";"))
    return {name.strip(): value.strip() for name, _, value in parts if value.strip()}


def row(record: RunRecord) -> dict[str, object]:
    """Return a record's row of the runs table."""
    data = {name: getattr(record, name) for name in runs.columns if hasattr(record, name)}
    return {
        **data,
        "weights": UNKNOWN if record.brought else ", ".join([record.weights, *_beside(record)]),
        "weights_digest": None if record.brought else ", ".join(record.loaded.values()) or None,
        "batch_mates": UNKNOWN if record.brought else "coupled" if record.couples_batch else "independent",
        "batch_size": (record.settings.get("training") or {}).get("batch_size"),
        "epoch_best_on_val": record.selected.get("best_on_val"),
        "epoch_best_on_test": record.selected.get("best_on_test"),
        "machine": joined({name: record.machine[name] for name in _MACHINE if name in record.machine}),
        "versions": joined({name: held for name, held in record.versions.items() if _VERSION.fullmatch(name + held)}),
    }
