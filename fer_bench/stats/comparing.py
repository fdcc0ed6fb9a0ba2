"""Comparisons of a grid's methods, or of the runs in a few files."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from fer_bench import params as params_file
from fer_bench import registry
from fer_bench.errors import FerBenchError
from fer_bench.params import Params
from fer_bench.stats import files, ranks, stored
from fer_bench.stats.pairs import Predicted, Settings, compare_methods, compare_sets
from fer_bench.stats.stored import runs_of
from fer_bench.tables.comparisons import comparisons
from fer_bench.tables.ranks import ranks as ranks_schema
from fer_bench.tables.reading import NOTHING_SAID, Reading

Say = Callable[[str], None]


def settings_of(params: Params) -> Settings:
    """Return the settings that a grid's file asks for."""
    choice, scored = params.compare, params.score
    return Settings(
        tuple(choice.metrics), scored.level, choice.margin, scored.n_resamples, scored.seed, choice.baseline
    )


def compare_grid(
    params: Params, *, metrics: list[str] | None, baseline: str | None, dataset: str | None, say: Say
) -> pd.DataFrame:
    """Compare the methods of a grid under its protocol's headline selection.

    Args:
        params: The grid.
        metrics: Metrics instead of the grid's.
        baseline: Baseline instead of the grid's.
        dataset: Only this data set.
        say: Where methods that cannot be compared are reported.

    Returns:
        The comparisons table; without rows where no two methods have a run.

    Raises:
        FerBenchError: If the grid has no such data set or method, was not scored since it changed, or a metric needs
            what is not known.
    """
    settings = _asked(params, metrics=metrics, baseline=baseline)
    return comparisons.frame(compare_sets(_sets(params, settings, dataset=dataset, say=say), settings))


def ranks_grid(params: Params, *, metrics: list[str] | None, dataset: str | None, say: Say) -> pd.DataFrame:
    """Rank the methods of a grid under its protocol's headline selection, data set by data set.

    Args:
        params: The grid.
        metrics: Metrics instead of the grid's.
        dataset: Only this data set.
        say: Where methods that cannot be ranked are reported.

    Returns:
        The ranks table.

    Raises:
        FerBenchError: As :func:`compare_grid`.
    """
    settings = _asked(params, metrics=metrics, baseline=None)
    sets = _sets(params, settings, dataset=dataset, say=say)
    return ranks_schema.frame(ranks.rank_sets(sets, settings))


def compare_and_rank(
    params: Params, *, metrics: list[str] | None, baseline: str | None, dataset: str | None, say: Say
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return :func:`compare_grid` and :func:`ranks_grid` of a grid that is read once."""
    settings = _asked(params, metrics=metrics, baseline=baseline)
    sets = _sets(params, settings, dataset=dataset, say=say)
    return comparisons.frame(compare_sets(sets, settings)), ranks_schema.frame(ranks.rank_sets(sets, settings))


def _asked(params: Params, *, metrics: list[str] | None, baseline: str | None) -> Settings:
    settings = settings_of(params)
    if metrics:
        settings = settings._replace(metrics=tuple(dict.fromkeys(metrics)))
    if baseline is not None:
        settings = settings._replace(baseline=_one_of(baseline, list(params.methods), what="method"))
    return settings


def _sets(params: Params, settings: Settings, *, dataset: str | None, say: Say) -> list[Predicted]:
    chosen = list(params.prepare) if dataset is None else [_one_of(dataset, list(params.prepare), what="data set")]
    headline = str(registry.load("protocols", params.run.protocol).headline)
    table = runs_of(params)
    found = [
        stored.read(params, table, dataset=name, selection=headline, asked=settings.metrics, say=say) for name in chosen
    ]
    return [each for each in found if each is not None]


def settings_of_file(path: Path, *, say: Say) -> Settings:
    """Return the settings for comparing files: those of a grid's file where there is one, else the defaults.

    Args:
        path: The grid's file.
        say: Where the settings are reported.
    """
    if path.exists():
        settings = settings_of(params_file.read(path))._replace(baseline=None)
    else:
        both = ["accuracy", "macro_f1"]
        score, compare = params_file.Score(metrics=both), params_file.Compare(metrics=both)
        settings = Settings(tuple(both), score.level, compare.margin, score.n_resamples, score.seed, None)
    say(
        f"level {100 * settings.level:g} %, margin {100 * settings.margin:g} points, {settings.n_resamples} resamples, "
        f"seed {settings.seed} ({path if path.exists() else 'defaults'})"
    )
    return settings


class Compared(NamedTuple):
    """A comparison of files.

    Attributes:
        table: The comparisons table.
        ranks: The ranks table.
        notes: What its reader has to know, line by line.
    """

    table: pd.DataFrame
    ranks: pd.DataFrame
    notes: tuple[str, ...]


def compare_files(
    paths: list[Path],
    *,
    beside: Sequence[str] = (),
    settings: Settings,
    metrics: list[str] | None,
    baseline: str | None,
    selection: str | None,
    reading: Reading = NOTHING_SAID,
    dataset: str | None = None,
    force: bool = False,
    say: Say,
) -> Compared:
    """Compare files of predictions, or folders that hold one per seed, without a grid.

    Args:
        paths: Files or folders, two or more with ``beside``; a method's name is the end of its path.
        beside: Committed results, as :func:`fer_bench.stats.committed.read`; one file alone is then the baseline.
        settings: How.
        metrics: Metrics instead of the settings'.
        baseline: Name of the method that all others are compared with.
        selection: The selection; None: the first of best_on_val, last and best_on_test that all files have.
        reading: What the user says about the files.
        dataset: The data set that they are about; where that is prepared here, true labels are its.
        force: Go on where signatures differ in what changes the meaning.
        say: Where what was understood is reported.

    Raises:
        FerBenchError: As :func:`fer_bench.stats.files.gather`, and for an unknown metric or baseline.
    """
    found, notes = files.gather(
        paths, beside=beside, reading=reading, dataset=dataset, selection=selection, force=force, say=say
    )
    if beside and len(paths) == 1 and baseline is None:
        settings = settings._replace(baseline=list(found.y_pred)[-1])
    if metrics:
        settings = settings._replace(metrics=tuple(dict.fromkeys(metrics)))
    if baseline is not None:
        settings = settings._replace(baseline=_one_of(baseline, list(found.y_pred), what="run"))
    ranked = ranks_schema.frame(ranks.rank_sets([found], settings))
    return Compared(comparisons.frame(compare_methods(found, settings)), ranked, notes)


def _one_of(name: str, known: list[str], *, what: str) -> str:
    if name not in known:
        raise FerBenchError(f"there is no {what} '{name}' here", fix=f"one of: {', '.join(known)}")
    return name
