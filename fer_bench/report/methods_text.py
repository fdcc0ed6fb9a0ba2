"""A paragraph on how the numbers came about, made to be pasted into a paper."""

import pandas as pd

from fer_bench.report import adjusted, marked, words
from fer_bench.report.blocks import Section, Text
from fer_bench.report.grid import Grid


def section(grid: Grid) -> Section:
    """Return the paragraph."""
    return Section(title="Methods paragraph", blocks=(Text(paragraph(grid)),))


def paragraph(grid: Grid) -> str:
    """Write the paragraph from what the tables record."""
    run, score = grid.params.run, grid.params.score
    titles = [grid.title(name) for name in grid.params.methods]
    metrics = [shown.title for shown in grid.metrics.values()]
    share = "" if run.train_share == 1 else f" (a stratified {words.percent(run.train_share)} of it)"
    trained = (
        f"We trained {words.listed(titles)} on {words.listed(grid.datasets)} with "
        f"{words.counted(len(run.seeds), 'seed')} each under the protocol {run.protocol}, on the training part{share}."
    )
    reported = (
        f"We report {words.listed([words.inline(name) for name in metrics])} of the checkpoint "
        f"{words.selection(grid.headline)}, mean over seeds, with {words.coverage(score.level)} "
        f"intervals{_covered(grid)}."
    )
    margin = (
        f"Differences within {words.points(grid.params.compare.margin).lstrip('+')} count as practically equal, as "
        "decided beforehand."
    )
    said = [
        trained,
        _parts(grid),
        reported,
        _tests(grid),
        margin,
        *adjusted.sentences(grid),
        marked.sentence(grid.marks),
    ]
    return " ".join(filter(None, said))


def _parts(grid: Grid) -> str:
    runs = grid.runs
    if runs.empty:
        return ""
    said = []
    for dataset in grid.datasets:
        rows = runs[runs["dataset"] == dataset]
        if len(rows):
            one = rows.iloc[0]
            rules = words.listed(sorted({words.text(rule) for rule in rows["label_rule"]}))
            said.append(
                f"{dataset}: {words.count(one['n_train'])} samples train, {words.count(one['n_select'])} select, "
                f"{words.count(one['n_report'])} are reported; {grid.n_classes(dataset)} expressions, labels by {rules}"
            )
    weights = words.listed(sorted(set(runs["weights"])))
    return f"({'; '.join(said)}.) Initial weights: {weights}."


def _covered(grid: Grid) -> str:
    rows = pd.concat(
        [grid.headline_rows(dataset, metric) for dataset in grid.datasets for metric in grid.metrics],
        ignore_index=True,
    )
    if rows.empty:
        return ""
    over = words.listed(sorted(set(rows["resampled"])), last="or")
    how = words.listed(sorted(set(rows["interval_method"])), last="or")
    resamples = sorted({int(number) for number in rows["n_resamples"]} - {0})
    drawn = f"; {words.listed([f'{number:,}' for number in resamples])} resamples" if resamples else ""
    return f" over {over} ({how}{drawn})"


def _tests(grid: Grid) -> str:
    table = grid.tables["comparisons"]
    if table.empty:
        return ""
    tests = words.listed(sorted({str(test) for test in table["test"]}))
    return f"Methods were compared on the same samples ({tests}) with Holm's correction within each family."
