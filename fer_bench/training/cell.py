"""One cell of the grid, resolved: one data set, one method, one seed, and everything they bring with them.

This module needs no torch, so methods that are fitted in one go neither need nor load it.
"""

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import numpy as np

from fer_bench import expressions, provenance, registry
from fer_bench.datasets import _store
from fer_bench.errors import FerBenchError
from fer_bench.method import Augmentation, Method, Recipe, Sampling, Schedule, Weights
from fer_bench.params import BROUGHT, Params, Run
from fer_bench.protocols import Parts, Protocol
from fer_bench.tables import gate, runs
from fer_bench.tables import samples as samples_table
from fer_bench.training import elsewhere

WORK = Path(".fer-bench/work")
UNSURE = "the record is from before records said which of several kinds a change is"
_CODE = ("fer_bench.training", "fer_bench.protocols", "fer_bench.metrics", "fer_bench.seeds", "baselines")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cell:
    """What a run is made of.

    Attributes:
        dataset: The prepared data set.
        method_name: The method's entry in the grid.
        method_file: The file in ``baselines`` that it is.
        method: The method.
        recipe_name: Name of the recipe.
        recipe: The recipe.
        weights: Initial weights of the trunk.
        weights_name: As the runs table spells them.
        protocol: The protocol.
        parts: Rows that train, select, report.
        seed: The run's seed.
        asked: The ``run`` section of ``params.yaml``.
        grid: The grid's name.
    """

    dataset: _store.Prepared
    method_name: str
    method_file: str
    method: Method
    recipe_name: str
    recipe: Recipe
    weights: Weights
    weights_name: str
    protocol: Protocol
    parts: Parts
    seed: int
    asked: Run
    grid: str

    @property
    def work(self) -> Path:
        """Where checkpoints lie until the cell's result is written: a folder per content of the run."""
        return WORK / self.grid / self.dataset.name / self.method_name / f"seed{self.seed}"

    @property
    def labels(self) -> np.ndarray:
        """Labels of the whole image store, (n,)."""
        return self.dataset.samples["label"].to_numpy(dtype=np.int64)

    @property
    def n_classes(self) -> int:
        """Number of expressions."""
        return self.dataset.info.n_classes

    def vote_shares(self, rows: np.ndarray) -> np.ndarray:
        """Return the shares of annotators' votes over the expressions of some rows of the image store.

        Returns:
            (m, K) float32; each row adds up to 1.

        Raises:
            FerBenchError: If annotators are not known, or a sample has no vote for an expression.
        """
        samples = self.dataset.samples
        columns = list(samples_table.vote_columns(list(samples.columns)))
        fix = "choose a recipe whose targets are labels; `fer-bench describe method` shows them"
        if not columns:
            problem = f"recipe {self.recipe_name} trains on annotators' votes, which {self.dataset.name} does not have"
            raise FerBenchError(problem, fix=fix)
        shares, voted = expressions.vote_shares(samples[columns].to_numpy()[rows], self.n_classes)
        if not voted.all():
            at = samples["sample_id"].iloc[rows[~voted][0]]
            raise FerBenchError(f"{self.dataset.name}: no annotator of sample {at} chose an expression", fix=fix)
        return shares.astype(np.float32)

    @property
    def couples_batch(self) -> bool:
        """Whether logits depend on batch mates."""
        return self.method.couples_batch(self.recipe.options)

    @property
    def selections(self) -> list[str]:
        """The selections that the run leaves; without a part that selects there is no ``best_on_val``."""
        return ["last", *(["best_on_val"] if self.parts.select is not None else []), "best_on_test"]

    @property
    def brought(self) -> bool:
        """Whether the predictions were made elsewhere."""
        return self.method_file == BROUGHT

    @property
    def settings(self) -> dict[str, Any]:
        """The recipe as plain data."""
        found: dict[str, Any] = plain(self.recipe)
        return found

    @property
    def weights_digest(self) -> str | None:
        """SHA-256 of the weights file."""
        return None if self.weights.path is None else self.files[self.weights.path.name]

    @cached_property
    def files(self) -> dict[str, str]:
        """Name of every file that the network's first weights are read from to its SHA-256, the trunk's first."""
        return {path.name: provenance.sha256_of_file(path) for path in loaded(self.method, self.recipe, self.weights)}

    def digests(self) -> dict[str, str]:
        """Return digests of what the run is computed from: samples, pixels, split, code."""
        split = hashlib.sha256()
        for rows in self.parts:
            split.update(b"/" if rows is None else np.ascontiguousarray(rows, dtype=np.int64).tobytes() + b"/")
        return {
            "samples": self.dataset.info.samples_digest,
            "pixels": self.dataset.info.pixels_digest,
            "split": split.hexdigest(),
            "code": provenance.code_digest(_CODE),
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run found.

    Attributes:
        logits: Selection to logits (n, k) of the reported part; empty for a failed run.
        facts: Fields of the run record that only training knows.
        history: Rows of the history table, without the run's key.
        sealed: Rows of the sealed table, likewise.
        weights: Selected epoch to the file of its trained weights; none for methods that are fitted in one go.
    """

    logits: dict[str, np.ndarray]
    facts: dict[str, Any]
    history: list[dict[str, float]] = dataclasses.field(default_factory=list)
    sealed: list[dict[str, float]] = dataclasses.field(default_factory=list)
    weights: dict[int, bytes] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """An entry of a grid's methods, resolved; attributes as a :class:`Cell`'s."""

    method_name: str
    method_file: str
    method: Method
    recipe_name: str
    recipe: Recipe
    weights: Weights
    weights_name: str


def entry_of(params: Params, name: str) -> Entry:
    """Look up what an entry asks for.

    Raises:
        FerBenchError: For a method, recipe or option that is not there, or weights that cannot be had as asked.
    """
    choice, file = params.methods[name], params.method_of(name)
    if choice.predictions is not None:
        return _brought(params, name)
    method: Method = registry.load("methods", file)
    if choice.recipe not in method.recipes:
        raise FerBenchError(
            f"methods.{name}.recipe: unknown recipe '{choice.recipe}'; there are: {', '.join(method.recipes)}",
            fix=f"one of these; `fer-bench describe method {file}` says what they are",
        )
    recipe = with_options(method.recipes[choice.recipe], choice.options, where=f"methods.{name}.options")
    weights, weights_name = weights_of(name, method, recipe, choice.weights)
    return Entry(
        method_name=name,
        method_file=file,
        method=method,
        recipe_name=choice.recipe,
        recipe=recipe,
        weights=weights,
        weights_name=weights_name,
    )


def _brought(params: Params, name: str) -> Entry:
    method = elsewhere.method_of(params, name)
    return Entry(
        method_name=name,
        method_file=BROUGHT,
        method=method,
        recipe_name=BROUGHT,
        recipe=method.recipes[BROUGHT],
        weights=Weights("none"),
        weights_name=runs.UNKNOWN,
    )


def files_of(params: Params, name: str) -> dict[Path, str]:
    """Return the files of weights that an entry reads, each with its SHA-256, the trunk's first.

    Raises:
        FerBenchError: As :func:`entry_of` and :func:`loaded`.
    """
    found = entry_of(params, name)
    return {path: provenance.sha256_of_file(path) for path in loaded(found.method, found.recipe, found.weights)}


def resolve(params: Params, *, dataset: str, method: str, seed: int) -> Cell:
    """Look everything up that a run needs, and check that it fits together.

    Raises:
        FerBenchError: For a data set, method or recipe that is not there, weights that cannot be had as asked, data
            that were not audited or are red, or parts that the data set does not have.
    """
    _check_in_grid("datasets", dataset, "prepare", list(params.prepare))
    _check_in_grid("methods", method, "methods", list(params.methods))
    entry = entry_of(params, method)
    hold_to_digests(params, method)
    prepared = _store.open_prepared(dataset)
    gate.check(
        gate.path_of(params.results, dataset),
        dataset=dataset,
        samples_digest=prepared.info.samples_digest,
        pixels_digest=prepared.info.pixels_digest,
        accepted=params.prepare[dataset].accept == "contaminated",
    )
    protocol: Protocol = registry.load("protocols", params.run.protocol)
    return Cell(
        dataset=prepared,
        **vars(entry),
        protocol=protocol,
        parts=protocol.parts(prepared.samples, params.run.train_share),
        seed=seed,
        asked=params.run,
        grid=params.grid,
    )


def loaded(method: Method, recipe: Recipe, weights: Weights) -> tuple[Path, ...]:
    """Return every file that the network's first weights are read from, the trunk's first.

    Raises:
        FerBenchError: If one of them is missing, or two bear one name.
    """
    own = () if weights.path is None else (weights.path,)
    paths = tuple(dict.fromkeys((*own, *method.files(recipe.options, weights))))
    for path in paths:
        if not path.is_file():
            raise FerBenchError(
                f"no file {path}, which {method.title} reads beside its weights",
                fix="put it there, or name another one, or none, in params.yaml (methods.<method>.options)",
            )
    names = [path.name for path in paths]
    shared = sorted({name for name in names if names.count(name) > 1})
    if shared:
        raise FerBenchError(f"two files of weights are called {shared[0]}", fix="rename one: records name files")
    return paths


def hold_to_digests(params: Params, name: str) -> None:
    """Hold the files that an entry reads to the digests that ``params.yaml`` gives; without any, nothing is read.

    Raises:
        FerBenchError: If a digest is of a file that the entry does not read, or of other bytes; and as
            :func:`files_of`.
    """
    expected = params.methods[name].digests
    files = files_of(params, name) if expected else {}
    for asked, digest in expected.items():
        where = f"methods.{name}.digests"
        found = [path for path in files if asked == path.name or Path(asked) == path]
        if not found:
            there = ", ".join(path.name for path in files)
            raise FerBenchError(
                f"{where} names {asked}, which this run does not load",
                fix=f"name one that it loads: {there}" if there else f"remove {where}: it loads no file",
            )
        if files[found[0]] != digest:
            raise FerBenchError(
                f"{found[0]}: its SHA-256 is {files[found[0]]}, {where} expects {digest}",
                fix="bring the file that was meant, or, if this one is, give its SHA-256 there",
            )


def record_of(cell: Cell, folder: Path) -> runs.RunRecord:
    """Read a run's record and hold it to the grid, the data and the method as they are now.

    Args:
        cell: The cell.
        folder: The run's folder.

    Raises:
        FerBenchError: If there is none, or it is of something else.
    """
    record = runs.read_record(folder / "run.json")
    kept = {runs.weights_of(folder, epoch) for epoch in record.selected.values()}  # who loads them says what is missing
    here = sorted(path.relative_to(folder).as_posix() for path in kept if path.exists())
    runs.check_unchanged(folder / "run.json", *here)
    now = cell.digests()
    pairs: dict[str, tuple[object, object]] = {
        "method": (record.method_file or record.method, cell.method_file),
        "protocol": (record.protocol, cell.asked.protocol),
        "recipe": (record.recipe, cell.recipe_name),
        "initial weights": ((record.weights, record.loaded), (cell.weights_name, cell.files)),
    }
    changed = [name for name, (then, today) in pairs.items() if then != today]
    for name in ("options", "training"):
        changed += changed_settings(record.settings.get(name), getattr(cell.recipe, name), name)
    if changed:
        raise FerBenchError(f"{folder}: the run was made with another {', another '.join(changed)}", fix=again(cell))
    changed = [name for name in ("samples", "pixels", "split") if record.digests.get(name) != now[name]]
    if changed:
        raise FerBenchError(
            f"{folder}: the data were prepared differently since the run: other {', '.join(changed)}", fix=again(cell)
        )
    return record


def plain(settings: object) -> Any:  # noqa: ANN401 - JSON
    """Return settings as plain data; each dataclass has its ``type``: that alone tells ``Mirror`` from ``Grey``."""
    if dataclasses.is_dataclass(settings):
        fields = {field.name: plain(getattr(settings, field.name)) for field in dataclasses.fields(settings)}
        return {"type": type(settings).__name__, **fields}
    if isinstance(settings, list | tuple):
        return [plain(one) for one in settings]
    if isinstance(settings, dict):
        return {str(name): plain(value) for name, value in settings.items()}
    return settings if isinstance(settings, str | int | float | None) else str(settings)


def changed_settings(then: object, today: object, where: str) -> Iterator[str]:
    """Name the settings in which a record and a recipe differ, and those of which an older record does not say enough.

    Args:
        then: As a record has them: plain data. What it lacks since it is older was what now is the default.
        today: The recipe's: dataclasses.
        where: What is compared, for the names: ``training`` gives ``training.phases[0].lr``.
    """
    if dataclasses.is_dataclass(today) and isinstance(then, dict):
        given = {name: value for name, value in then.items() if name != "type"}
        if "type" not in then and any(given.keys() == others for others in _fields_of_others(today)):
            yield f"{where}, or the same: {UNSURE}"
        elif then.get("type", type(today).__name__) != type(today).__name__:
            yield where
        else:
            yield from _changed_fields(given, today, where)
    elif isinstance(today, tuple) and isinstance(then, list) and len(then) == len(today):
        for index, pair in enumerate(zip(then, today, strict=True)):
            yield from changed_settings(*pair, f"{where}[{index}]")
    elif then != plain(today):
        yield where


def _changed_fields(then: dict[str, object], today: Any, where: str) -> Iterator[str]:  # noqa: ANN401 - a dataclass
    fields = {field.name: field for field in dataclasses.fields(today)}
    yield from (f"{where}.{name}" for name in then if name not in fields)
    for name, field in fields.items():
        found = getattr(today, name)
        if name in then:
            yield from changed_settings(then[name], found, f"{where}.{name}")
        elif found != field.default:
            yield f"{where}.{name}"


def _fields_of_others(today: object) -> Iterator[set[str]]:
    """Yield the names of the fields of every kind that may stand where this one does."""
    for kinds in map(get_args, (Augmentation, Schedule, Sampling)):
        if type(today) in kinds:
            others = (kind for kind in kinds if dataclasses.is_dataclass(kind) and kind is not type(today))
            yield from ({field.name for field in dataclasses.fields(kind)} for kind in others)


def again(cell: Cell) -> str:
    """Say which command carries a cell's run out again."""
    command = f"fer-bench run {cell.method_name} --dataset {cell.dataset.name} --seed {cell.seed}"
    return f"carry the run out again: {command}"


def with_options(recipe: Recipe, asked: Mapping[str, Any], *, where: str) -> Recipe:
    """Return a recipe with other options of the method; they stand among its departures.

    Args:
        recipe: One of the method's.
        asked: Name of an option to its value, as ``params.yaml`` has them.
        where: Where they stand, for errors.

    Raises:
        FerBenchError: If there is no such option, or it takes no such value.
    """
    if not asked:
        return recipe
    types = get_type_hints(type(recipe.options))
    for name in asked:
        if name not in types:
            raise FerBenchError(f"{where}: no option '{name}'", fix=f"one of: {', '.join(types)}")
    try:
        options = {name: msgspec.convert(value, types[name]) for name, value in asked.items()}
    except msgspec.ValidationError as error:
        raise FerBenchError(f"{where}: {error}", fix="give a value of the type that the option has") from None
    said = ", ".join(f"{name} {value}" for name, value in asked.items())
    return dataclasses.replace(
        recipe,
        options=dataclasses.replace(recipe.options, **options),
        departures=(*recipe.departures, f"options changed in params.yaml: {said}"),
    )


def _check_in_grid(kind: str, name: str, section: str, there: list[str]) -> None:
    if name not in there:
        registry.path_of(kind, name)
        raise FerBenchError(
            f"'{name}' is not in this grid; its section {section} has: {', '.join(there)}",
            fix=f"add {section}.{name} to params.yaml",
        )


def weights_of(name: str, method: Method, recipe: Recipe, asked: str | None) -> tuple[Weights, str]:
    """Return an entry's initial weights, and how the runs table spells them.

    Raises:
        FerBenchError: If they cannot be had as asked, or the method has no use for any.
    """
    if method.build is None:
        if asked not in (None, "none"):
            raise FerBenchError(
                f"methods.{name}.weights is {asked}, but {name} has no trunk that weights could initialise",
                fix=f"remove methods.{name}.weights",
            )
        return Weights("none"), "none"
    from fer_bench.training import weights

    chosen = weights.resolve(asked, recipe.weights)
    return chosen, weights.describe(chosen, getattr(recipe.options, "backbone", None))
