"""A paragraph on how the numbers came about, made to be pasted into a paper: one paragraph, true for this grid.

It says what was trained on what, with which seeds and which selection, what the intervals cover and how they were made,
how methods were compared, within which families and with which margin, and with which versions; the signatures at its
end say of which samples the numbers are.
"""

import pandas as pd

from fer_bench import __version__
from fer_bench.report import adjusted, marked, words
from fer_bench.report.blocks import Section, Text
from fer_bench.report.grid import Grid
from fer_bench.stats import signature


def section(grid: Grid) -> Section:
    """Return the paragraph."""
    return Section(title="Methods paragraph", blocks=(Text(paragraph(grid)),))


def paragraph(grid: Grid) -> str:
    """Write the paragraph from what the tables record."""
    said = [
        _trained(grid),
        _parts(grid),
        _reported(grid),
        _tests(grid),
        *adjusted.sentences(grid),
        marked.sentence(grid.marks),
        _versions(grid),
    ]
    return " ".join(filter(None, said))


def _trained(grid: Grid) -> str:
    run = grid.params.run
    share = "" if run.train_share == 1 else f" (a stratified {words.percent(run.train_share)} of it)"
    seeds = f"{words.counted(len(run.seeds), 'seed')} each ({words.listed([str(seed) for seed in run.seeds])})"
    failed = int((grid.runs["status"] == "failed").sum())
    lost = (
        f" {failed} of {words.counted(len(grid.runs), 'run')} failed and {'has' if failed == 1 else 'have'} no score."
        if failed
        else ""
    )
    own = [grid.title(name) for name in grid.params.methods if not grid.brought(name)]
    brought = [name for name in grid.params.methods if grid.brought(name)]
    scored = (
        f" Predictions of {words.listed(brought)} were made elsewhere, brought with {seeds}, and scored on the same "
        "samples; how they were trained and selected is not known."
        if brought
        else ""
    )
    if not own:
        return f"Nothing was trained.{scored}{lost}"
    return (
        f"We trained {words.listed(own)} on {words.listed(grid.datasets)} with {seeds} under the protocol "
        f"{run.protocol}, on the training part{share}.{scored}{lost}"
    )


def _parts(grid: Grid) -> str:
    runs = grid.runs
    if runs.empty:
        return ""
    said = []
    for dataset in grid.datasets:
        rows = runs[runs["dataset"] == dataset]
        if len(rows):
            own = grid.own[grid.own["dataset"] == dataset]
            one = (own if len(own) else rows).iloc[0]
            trained = f"{words.count(one['n_train'])} samples train, {words.count(one['n_select'])} select and "
            reported = f"{words.count(one['n_report'])} {'' if len(own) else 'samples '}are reported"
            rules = words.listed(sorted({words.text(rule) for rule in rows["label_rule"]}))
            of_rule = f"in {grid.n_classes(dataset)} expressions with labels by the rule {rules}"
            said.append(f"On {dataset} {trained * bool(len(own))}{reported}, {of_rule}.")
    weights = sorted(set(grid.own["weights"]))
    return " ".join([*said, *[f"Initial weights: {words.listed(weights)}."] * bool(weights)])


def _reported(grid: Grid) -> str:
    rows = pd.concat(
        [grid.headline_rows(dataset, metric) for dataset in grid.datasets for metric in grid.metrics],
        ignore_index=True,
    )
    titles = words.listed([words.inline(shown.title) for shown in grid.metrics.values()])
    if rows.empty:
        return f"No run ended well, so that no {titles} is reported."
    own = grid.selections(rows[rows["method"].isin(grid.own["method"])])
    selected = f" of the checkpoint {words.listed(own, last='or')}" if own else ""
    averaged = "mean over seeds, " if int(rows["n_seeds"].max()) > 1 else ""
    ways = []
    for (how, over, fixed), of in rows.groupby(["interval_method", "resampled", "held_fixed"], sort=False):
        drawn = sorted({int(number) for number in of["n_resamples"]} - {0})
        counts = f", {words.listed([f'{number:,}' for number in drawn])} resamples" if drawn else ""
        ways.append(f"{how}{counts}; they allow for other {over} and hold {fixed} fixed")
    return f"We report {titles}{selected}, {averaged}with {words.coverage(grid.level)} intervals ({'; '.join(ways)})."


def _tests(grid: Grid) -> str:
    found = [grid.pairs(dataset, metric) for dataset in grid.datasets for metric in grid.compared]
    table = pd.concat(found, ignore_index=True)
    if table.empty:
        return ""
    tests = words.listed(sorted({str(test) for test in table["test"]}))
    families = [
        f"{row['family']} ({words.counted(int(row['family_size']), 'test')})"
        for _, row in table.dropna(subset=["p_holm"]).drop_duplicates("family").iterrows()
    ]
    margins = words.listed([words.points(float(margin)).lstrip("+") for margin in sorted(set(table["margin"]))])
    corrected = f", with Holm's correction within each family ({'; '.join(families)})" if families else ""
    return (
        f"Methods were compared on the same samples ({tests}){corrected}; they count as different where the interval "
        f"leaves out 0 and the corrected p is at most {1 - grid.level:.2g}, and as practically equal where it lies "
        f"within {margins} either way, as decided beforehand."
    )


def _versions(grid: Grid) -> str:
    commits = sorted({str(commit)[:12] for commit in grid.runs["commit"].dropna()})
    trained = f"; runs were trained at commit {words.listed(commits)}" if commits else ""
    trained += " with uncommitted changes" if grid.runs["dirty"].fillna(value=False).any() else ""
    signed = _signatures(grid)
    numbers = f" Signature of the numbers: {words.listed(signed)}." if signed else ""
    return f"Numbers were computed with fer-bench {_computed_with(signed)}{trained}.{numbers}"


def _signatures(grid: Grid) -> list[str]:
    """Return what the headline numbers of each data set have in common; of older tables nothing."""
    found = []
    for dataset in grid.datasets:
        held = [
            signature.parse(str(text))
            for metric in grid.metrics
            for text in grid.headline_rows(dataset, metric)["signature"].dropna()
            if str(text)
        ]
        if held:
            found.append(str(signature.common(held)))
    return found


def _computed_with(signatures: list[str]) -> str:
    versions = sorted({signature.parse(text).v for text in signatures} - {signature.UNKNOWN})
    return words.listed(versions) if versions else __version__
