r"""``tables/numbers.tex``: a macro per number, so that a paper never holds a number that nobody renews.

``\fer{ferplus}{patt_lite}{accuracy}`` prints ``74.8 \% [73.1, 76.4]``; ``\ferestimate``, ``\ferlow`` and ``\ferhigh``
print one of the three without the sign, ``\fern`` the samples and ``\ferseeds`` the seeds behind it;
``\ferdifference{ferplus}{lbp_svm}{patt_lite}{accuracy}`` prints a comparison in points. A number that is not there
stops LaTeX with its name. Files of several grids may be input one after the other; a number that two of them give
different values is warned of, and the last one holds. A macro of another package that bears one of these names stops
LaTeX, as ``\newcommand`` does.
"""

import pandas as pd

from fer_bench.card import APPROXIMATION
from fer_bench.report import words
from fer_bench.report.grid import Grid
from fer_bench.report.latex_text import comment, escape

_MACROS = r"""\makeatletter
\@ifundefined{fer@value}{%
\newcommand{\fer@value}[1]{\@ifundefined{fer@#1}{\GenericError{}{fer-bench has no number #1}%
  {Renew numbers.tex with fer-bench report, or mend the name.}{}\textbf{??}}{\csname fer@#1\endcsname}}%
\newcommand{\fer@define}[2]{\def\fer@new{#2}%
  \@ifundefined{fer@#1}{}{\expandafter\ifx\csname fer@#1\endcsname\fer@new\else
    \@latex@warning{fer-bench: two values of #1, the last one holds}\fi}%
  \expandafter\let\csname fer@#1\endcsname\fer@new}%
\newcommand{\fer}[3]{\fer@value{of/#1/#2/#3}}%
\newcommand{\ferestimate}[3]{\fer@value{estimate/#1/#2/#3}}%
\newcommand{\ferlow}[3]{\fer@value{low/#1/#2/#3}}%
\newcommand{\ferhigh}[3]{\fer@value{high/#1/#2/#3}}%
\newcommand{\fern}[3]{\fer@value{n/#1/#2/#3}}%
\newcommand{\ferseeds}[3]{\fer@value{seeds/#1/#2/#3}}%
\newcommand{\ferdifference}[4]{\fer@value{difference/#1/#2/#3/#4}}%
}{}
"""


def macros(grid: Grid, *, head: str) -> str:
    """Return the file's text.

    Args:
        grid: The tables.
        head: Comment lines that say what it was made from.
    """
    lines = [
        line
        for dataset in grid.datasets
        for metric, shown in grid.metrics.items()
        for row in grid.headline_rows(dataset, metric).to_dict("records")
        for line in _of_interval(f"{dataset}/{row['method']}/{metric}", row, share=shown.share)
    ]
    lines += [
        line
        for dataset in grid.datasets
        for metric, shown in grid.metrics.items()
        for row in grid.pairs(dataset, metric).to_dict("records")
        for line in _of_difference(row, share=shown.share)
    ]
    said = [
        comment(f"{method}: an {APPROXIMATION}, without {grid.cards[method].approximation}")
        for method in grid.params.methods
        if grid.approximates(method)
    ]
    return f"{head}{''.join(said)}{_MACROS}{''.join(lines)}\\makeatother\n"


def _of_interval(name: str, row: "dict[object, object] | pd.Series", *, share: bool) -> list[str]:
    estimate, low, high = (float(str(row[key])) for key in ("estimate", "low", "high"))
    plain = [f"{100 * value:.1f}" if share else f"{value:.3f}" for value in (estimate, low, high)]
    whole = words.level_with_interval(estimate, low, high) if share else f"{plain[0]} [{plain[1]}, {plain[2]}]"
    return [
        _define(f"of/{name}", whole),
        *(_define(f"{key}/{name}", value) for key, value in zip(("estimate", "low", "high"), plain, strict=True)),
        _define(f"n/{name}", words.count(row["n_samples"])),
        _define(f"seeds/{name}", words.count(row["n_seeds"])),
    ]


def _of_difference(row: "dict[object, object]", *, share: bool) -> list[str]:
    """Return both directions: A less B, and B less A."""
    lines = []
    for a, b, sign in (("method_a", "method_b", 1), ("method_b", "method_a", -1)):
        difference, low, high = (sign * float(str(row[key])) for key in ("difference", "low", "high"))
        low, high = min(low, high), max(low, high)
        said = (
            words.points_with_interval(difference, low, high)
            if share
            else f"{difference:+.3f} [{low:+.3f}, {high:+.3f}]"
        )
        lines.append(_define(f"difference/{row['dataset']}/{row[a]}/{row[b]}/{row['metric']}", said))
    return lines


def _define(name: str, text: str) -> str:
    return f"\\fer@define{{{name}}}{{{escape(text)}}}\n"
