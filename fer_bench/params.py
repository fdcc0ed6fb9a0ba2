"""``params.yaml``, typed: the one place where choices that are numbers or lists are read.

A misspelt key, a wrong type or a name that does not exist is an error that says where it stands. Other grids are
whole files of the same form in ``grids/``; copying one over ``params.yaml`` makes it the active grid.
"""

import difflib
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from fer_bench import given, registry, whole, yaml12
from fer_bench.errors import FerBenchError

PARAMS = Path("params.yaml")
NAME = "[a-z][a-z0-9_]{0,63}"
"""Form of a name of ours, which stands in paths, columns and macros."""

Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Seed = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]  # what a column of whole numbers holds
Threads = Annotated[int, msgspec.Meta(ge=1, le=1024)]  # of a hundred thousand, libraries die without a word
Name = Annotated[str, msgspec.Meta(pattern=rf"\A{NAME}\Z")]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of ``params.yaml``: immutable, every key known."""


class Prepare(Section, frozen=True, kw_only=True):
    """How one data set is made ready.

    Attributes:
        source: Where the data set lies as released (a file or a folder); for an embedded one, the file that draws it.
        options: The data set's own choices, checked by its file.
        reader: The file in ``fer_bench/datasets`` that reads it; absent: the one that bears the data set's name. So a
            grid can hold several data sets of one's own, each read by ``folder``.
        accept: ``contaminated``: train and report although an audit is red; every table then says so.
    """

    source: str
    options: dict[str, Any] = msgspec.field(default_factory=dict)
    reader: Name | None = None
    accept: Literal["contaminated"] | None = None


class MethodChoice(Section, frozen=True, kw_only=True):
    """How one method takes part.

    Attributes:
        method: The file in ``baselines`` that it is; absent: the one that bears the entry's name. So a grid can hold
            one method several times, each entry with a recipe of its own.
        recipe: Name of one of the method's recipes.
        predictions: Instead of a recipe: the folder under ``predictions/`` that holds predictions made elsewhere, a
            file per seed; ``options`` then say what their files leave open.
        weights: ``none`` (random initialisation), ``timm`` (downloaded by timm) or a path; absent: what the recipe
        asks for.
        options: Options of the method that differ from the recipe's, e.g. ``{backbone: resnet34.tv_in1k}``.
        digests: Name or path of a file that the run loads to the SHA-256 that it must have; a run with another file is
            refused.
    """

    method: Name | None = None
    recipe: str = ""
    predictions: str | None = None
    weights: str | None = None
    options: dict[str, Any] = msgspec.field(default_factory=dict)
    digests: dict[str, Sha256] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Hold an entry to one of the two ways in which it takes part.

        Raises:
            ValueError: If it has neither recipe nor predictions, or both.
        """
        if self.predictions is None and not self.recipe:
            message = "Object missing required field `recipe` (or `predictions`)"
            raise ValueError(message)
        if self.predictions is not None:
            if self.recipe not in {"", BROUGHT} or self.method or self.weights or self.digests:
                message = "`predictions` goes with `options` alone"
                raise ValueError(message)
            msgspec.structs.force_setattr(self, "recipe", BROUGHT)


BROUGHT = "brought"
"""Stands for the method and the recipe of an entry whose predictions were made elsewhere."""


class Run(Section, frozen=True, kw_only=True):
    """Which cells are carried out, and under which protocol.

    Attributes:
        seeds: One run per seed, data set and method.
        protocol: A name in ``fer_bench/protocols``.
        train_share: Stratified share of the training part that is used; 1 is all of it.
        device: ``auto`` takes the accelerator where there is one.
        precision: ``amp`` is mixed precision, for accelerators only; ``auto`` takes it where the device has it.
        threads: CPU threads of torch. Other counts give other rounding, so it is fixed and recorded.
    """

    seeds: list[Seed]
    protocol: Name = "honest"
    train_share: Share = 1.0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "amp"] = "auto"
    threads: Threads = 1


class Score(Section, frozen=True, kw_only=True):
    """How scores and their intervals are computed.

    Attributes:
        metrics: Names in ``fer_bench/metrics``; the first is the primary one. Of a metric with one value per
            expression, ``recall`` means all of them and ``recall_fear`` one.
        level: Coverage that intervals aim at.
        n_resamples: Bootstrap resamples.
        seed: Seed of the resampling.
        one_run: Bootstrap interval of one run; proportions have Wilson's whatever stands here.
        over_seeds: Interval over seeds and samples of two or more seeds.
    """

    metrics: list[Name]
    level: Annotated[float, msgspec.Meta(gt=0.5, lt=1)] = 0.95
    n_resamples: Annotated[int, msgspec.Meta(ge=100, le=1_000_000)] = 10_000
    seed: Seed = 0
    one_run: Literal["percentile", "bca"] = "percentile"
    over_seeds: Literal["two_way", "crossed"] = "two_way"


class Compare(Section, frozen=True, kw_only=True):
    """How methods are compared.

    Attributes:
        margin: Differences within ± this fraction count as practically equal; decided before looking.
        metrics: Metrics that are compared.
        baseline: Compare every method with this one; absent: all pairs.
    """

    metrics: list[Name]
    margin: Annotated[float, msgspec.Meta(ge=0, le=0.2)] = 0.005
    baseline: Name | None = None


class Verdict(Section, frozen=True, kw_only=True):
    """How published numbers are judged.

    Attributes:
        tolerance: A prediction interval that reaches further than this fraction from our estimate is too wide to
            reproduce a claim; decided before looking.
    """

    tolerance: Annotated[float, msgspec.Meta(gt=0, le=0.2)] = 0.02


class Report(Section, frozen=True, kw_only=True):
    """What the report says about itself.

    Attributes:
        title: Its heading.
        scale: One sentence on what the grid's scale allows to say; printed under every table.
        figures: Methods whose confusion matrices are drawn; empty: all.
    """

    title: str
    scale: str
    figures: list[Name] = msgspec.field(default_factory=list)


class Params(Section, frozen=True, kw_only=True):
    """All of ``params.yaml``: the data sets are the keys of ``prepare``, the entries those of ``methods``."""

    grid: Name
    prepare: dict[Name, Prepare]
    run: Run
    methods: dict[Name, MethodChoice]
    score: Score
    compare: Compare
    verdict: Verdict = Verdict()
    report: Report

    @property
    def results(self) -> Path:
        """The folder that the grid's results go to."""
        return Path("results") / self.grid

    def method_of(self, entry: str) -> str:
        """Return the file in ``baselines`` that an entry of ``methods`` is; :data:`BROUGHT` of one that has none."""
        chosen = self.methods[entry]
        return BROUGHT if chosen.predictions is not None else chosen.method or entry

    def entries_of(self, method: str) -> list[str]:
        """Return the entries of ``methods`` that are one method, in their order."""
        return [entry for entry in self.methods if self.method_of(entry) == method]

    def cell(self, dataset: str, method: str, seed: int) -> Path:
        """Return the folder of one run; ``method`` is an entry of ``methods``."""
        return self.results / "runs" / dataset / method / f"seed{seed}"


def read(path: Path = PARAMS) -> Params:
    """Read and check a params file.

    Raises:
        FerBenchError: If it is missing, is not YAML, has a misspelt key or one twice, a wrong type, a name that does
            not exist, or an empty list or one with a repeated entry.
    """
    fix = "run fer-bench in the project's folder, or name a grid's file with --params"
    text = given.text(path, missing=f"no file {path} here", fix=fix)
    params: Params = from_yaml(text, Params, where=str(path))
    _check_names(params, path)
    whole.finish(params.results)  # so that no verb reads a mixture of what another one replaced and was to write
    return params


def from_yaml(text: str, kind: type[Any], *, where: str) -> Any:  # noqa: ANN401 - an instance of `kind`
    """Parse YAML into a typed structure.

    Args:
        text: The file's text.
        kind: A ``msgspec.Struct``.
        where: The file's name, for errors.

    Raises:
        FerBenchError: If the text is not YAML, has a key twice, or does not fit ``kind``.
    """
    return convert(yaml12.load(text, where=where), kind, where=where)


def convert(data: object, kind: type[Any], *, where: str) -> Any:  # noqa: ANN401 - an instance of `kind`
    """Convert plain data into a typed structure.

    Raises:
        FerBenchError: With the path of the value that does not fit, and for an unknown key the nearest known one.
    """
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise FerBenchError(f"{where}: {_place(str(error))}", fix=_fix(str(error), kind)) from None


def _place(message: str) -> str:
    """Turn msgspec's ``… - at `$.run.seeds[0]``` into ``run.seeds[0]: …``."""
    found = re.fullmatch(r"(.*) - at `(?:key in )?\$\.?(.*)`", message)
    return f"{found[2]}: {found[1]}" if found and found[2] else message.removesuffix(" - at `$`")


def _fix(message: str, kind: type[Any]) -> str:
    unknown = re.search(r"unknown field `(\w+)`", message)
    if not unknown:
        return "give the value the type and range that the message names"
    fields = sorted(_all_fields(kind))
    near = difflib.get_close_matches(unknown[1], fields, n=1)
    return f"did you mean {near[0]}?" if near else f"remove it; known keys: {', '.join(fields)}"


def _all_fields(kind: type[Any]) -> set[str]:
    found: set[str] = set()
    for field in msgspec.structs.fields(kind):
        found.add(field.name)
        for inner in (field.type, *getattr(field.type, "__args__", ())):
            if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
                found |= _all_fields(inner)
    return found


def _check_names(params: Params, path: Path) -> None:
    _check_lists(params, path)
    for kind, chosen in (
        ("datasets", [choice.reader or name for name, choice in params.prepare.items()]),
        ("methods", [params.method_of(name) for name, one in params.methods.items() if one.predictions is None]),
        ("protocols", [params.run.protocol]),
    ):
        for name in chosen:
            registry.path_of(kind, name)
    for name in (*params.score.metrics, *params.compare.metrics):
        registry.metric_of(name)
    scored = set(params.score.metrics)
    missing = {name for name in params.compare.metrics if scored.isdisjoint({name, registry.metric_of(name)[0]})}
    if missing:
        raise FerBenchError(
            f"{path}: compare.metrics has {', '.join(sorted(missing))}, which score.metrics lacks",
            fix="add it to score.metrics",
        )
    baseline = [] if params.compare.baseline is None else [params.compare.baseline]
    for place, names in (("compare.baseline", baseline), ("report.figures", params.report.figures)):
        for name in names:
            if name not in params.methods:
                raise FerBenchError(
                    f"{path}: {place} names '{name}', which methods lacks", fix=f"one of: {', '.join(params.methods)}"
                )


def _check_lists(params: Params, path: Path) -> None:
    lists: dict[str, list[Any]] = {
        "prepare": list(params.prepare),
        "methods": list(params.methods),
        "run.seeds": list(params.run.seeds),
        "score.metrics": list(params.score.metrics),
        "compare.metrics": list(params.compare.metrics),
    }
    for place, values in lists.items():
        if not values:
            raise FerBenchError(f"{path}: {place} is empty", fix=f"name at least one in {place}")
        repeated = sorted({str(value) for value in values if values.count(value) > 1})
        if repeated:
            raise FerBenchError(f"{path}: {place} repeats {', '.join(repeated)}", fix="each may stand there once")
