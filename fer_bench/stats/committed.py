"""Committed results of a grid, so that anyone's predictions can be set beside them.

``runs.csv`` and ``predicted/<dataset>.csv`` of a folder of results hold what every run predicted, on which samples and
with which true labels; ``audits/<dataset>_reported.csv`` adds persons and votes. Neither runs nor pictures are needed.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from fer_bench import registry
from fer_bench.errors import FerBenchError
from fer_bench.params import BROUGHT
from fer_bench.stats import signature
from fer_bench.stats.alongside import Opened
from fer_bench.stats.signature import Signature
from fer_bench.stats.truth import Truth
from fer_bench.tables import digests, predicted, reported, runs
from fer_bench.tables.brought import Brought


class Committed(NamedTuple):
    """Methods of a folder of results.

    Attributes:
        truth: What the folder knows of its samples.
        selection: The selection that their runs are under.
        methods: A method's place to the places of its runs; the places are names, no files.
        runs: The runs, by place.
    """

    truth: Truth
    selection: str
    methods: dict[Path, list[Path]]
    runs: dict[Path, Opened]


def read(text: str, *, dataset: str | None, selection: str | None) -> Committed:
    """Read methods of committed results.

    Args:
        text: A grid's folder of results, or one of its methods: ``results/ferplus_cpu:patt_lite``.
        dataset: Which data set of the grid; None: the only one.
        selection: The selection; None: the one that the grid's protocol reports.

    Raises:
        FerBenchError: If there are no such results, one of their files is not as it was written, or it is open which.
    """
    folder, method = _parted(text)
    if not (folder / "runs.csv").is_file():
        raise FerBenchError(
            f"--with {text}: {folder} holds no results of a grid (no runs.csv)",
            fix="name a folder of results, or one of its methods: --with results/ferplus_cpu:patt_lite",
        )
    digests.check_folder(folder)
    table = runs.runs.read(folder / "runs.csv")
    name = _one(dataset, sorted(set(table["dataset"])), what="data set", option="--dataset", where=folder)
    here = table[(table["dataset"] == name) & (table["status"] == "ok")]
    methods = sorted(set(here["method"]))
    if method is not None:
        _one(method, methods, what="method with a run that ended well", option=f"--with {folder}:METHOD", where=folder)
        here = here[here["method"] == method]
    wide = predicted.read(folder / "predicted" / f"{name}.csv")
    protocol = str(here["protocol"].iloc[0])
    held = {column.selection for column in predicted.columns(wide)}
    headline = str(registry.load("protocols", protocol).headline)
    chosen = _one(selection or headline, sorted(held), what="selection", option="--selection", where=folder)
    known = _truth(folder, name, here, wide)
    brought = set(here.loc[here["recipe"] == BROUGHT, "method"])
    opened = {}
    places: dict[Path, list[Path]] = {}
    for entry, seed in zip(here["method"], here["seed"].astype(int), strict=True):
        place = folder / str(entry) / f"seed{seed}"
        places.setdefault(place.parent, []).append(place)
        own = headline if entry in brought else chosen  # the only column that predictions that were brought have
        answers = wide[str(predicted.Column(str(entry), seed, own))].to_numpy()
        told = (signature.UNKNOWN, signature.UNKNOWN) if entry in brought else (protocol, chosen)
        opened[place] = _opened(place, known, wide, answers, protocol=told[0], selection=told[1], seed=seed)
    return Committed(known, chosen, places, opened)


def _parted(text: str) -> tuple[Path, str | None]:
    folder, marked, method = text.rpartition(":")
    return (Path(text), None) if not marked or Path(text).is_dir() else (Path(folder), method)


def _one(name: str | None, known: list[str], *, what: str, option: str, where: Path) -> str:
    """Return a name that there is; without one, the only one."""
    if name in known:
        return str(name)
    if name is None and len(known) == 1:
        return known[0]
    said = f"several: which {what}" if name is None else f"no {what} {name}"
    raise FerBenchError(f"{where} holds {said}", fix=f"{option}, one of: {', '.join(known)}")


def _truth(folder: Path, dataset: str, here: pd.DataFrame, wide: pd.DataFrame) -> Truth:
    table = pd.DataFrame({"sample_id": wide["sample_id"].astype(str), "split": "test", "label": wide["y_true"]})
    path = reported.path_of(folder, dataset)
    if path.exists():
        table = table.merge(reported.read(path), on="sample_id", how="left")
    else:
        table["subject"] = pd.NA
    rules = sorted(set(here["label_rule"].astype(str)))
    rule = rules[0] if len(rules) == 1 else signature.UNKNOWN
    return Truth(dataset, table, int(here["n_classes"].iloc[0]), rule, whole=False)


def _opened(
    place: Path, known: Truth, wide: pd.DataFrame, answers: np.ndarray, *, protocol: str, selection: str, seed: int
) -> Opened:
    ids, y_true = wide["sample_id"].to_numpy(dtype=object), wide["y_true"].to_numpy()
    found = Brought(
        place, ids, y_true, answers, None, None, known.n_classes, told=True, selection=selection, numbered=False,
        record=None, understood=(), headers=(),
    )  # fmt: skip
    told = Signature(
        ds=known.dataset,
        n=str(len(ids)),
        ids=signature.digest(list(ids), y_true),
        classes=str(known.n_classes),
        rule=known.label_rule,
        protocol=protocol,
        selection=selection,
        seeds=str(seed),
    )
    names = [str(name) for name in ids]
    return Opened(found, told, reported.votes(known.samples, names), reported.subjects(known.samples, names), ())
