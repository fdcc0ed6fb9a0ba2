"""The verdict box: what is best, what cannot be told apart, how the claims stand, at what scale."""

from fer_bench.report import adjusted, annotators, marked, words
from fer_bench.report.best_set import best_set, told_apart
from fer_bench.report.blocks import Box, Section, Text
from fer_bench.report.grid import Grid
from fer_bench.report.main_table import metric_with_interval
from fer_bench.tables.verdicts import VERDICTS


def section(grid: Grid) -> Section:
    """Return the verdict box with the line that identifies the grid."""
    sentences = [
        *filter(None, [marked.sentence(grid.marks)]),
        *(sentence for dataset in grid.datasets for sentence in _dataset(grid, dataset)),
        *adjusted.sentences(grid),
        *annotators.sentences(grid, grid.annotators),
        *_claims(grid),
        *_failures(grid),
        grid.params.report.scale.strip(),
    ]
    return Section(title="In short", blocks=(Box(tuple(sentences)), Text(signature(grid))))


def signature(grid: Grid) -> str:
    """Say in one line what was run."""
    run = grid.params.run
    share = "" if run.train_share == 1 else f"; {words.percent(run.train_share)} of the training part"
    commits = sorted({words.text(commit)[:7] for commit in grid.runs["commit"].dropna()})
    dirty = " with uncommitted changes" if grid.runs["dirty"].any() else ""
    trained = f"trained at commit {words.listed(commits)}{dirty}" if len(grid.own) else "nothing was trained"
    return (
        f"Grid {grid.params.grid}: {words.counted(len(grid.datasets), 'data set')}, "
        f"{words.counted(len(grid.params.methods), 'method')}, seeds {words.listed(list(map(str, run.seeds)))}; "
        f"protocol {run.protocol}{share}; headline selection {words.selection(grid.headline)}; "
        f"{trained}."
    )


def _dataset(grid: Grid, dataset: str) -> list[str]:
    said = []
    for number, metric in enumerate(grid.compared):
        shown = grid.metrics[metric]
        found = best_set(grid, dataset, metric)
        if found is None:
            return [f"On {dataset} no method has a score."]
        rows = grid.headline_rows(dataset, metric)
        top = rows[rows["method"] == found.best].iloc[0]
        basis = (
            f" (n = {words.count(int(top['n_samples']))}, {words.counted(int(top['n_seeds']), 'seed')}, "
            f"{grid.under(rows[rows['method'] == found.best])}, {words.coverage(float(top['level']))} interval)"
        ) * (number == 0)
        measure = f"the {'highest' if shown.higher_is_better else 'lowest'} {words.inline(shown.title)}"
        said.append(
            f"On {dataset}, {grid.title(found.best)} has {measure}: {metric_with_interval(top, share=shown.share)}"
            f"{basis}. {_against(grid, found.best, found.others, found.uncompared, len(rows) - 1)}"
        )
    return [*said, *_pairs(grid, dataset)]


def _against(grid: Grid, best: str, others: tuple[str, ...], uncompared: tuple[str, ...], n_rivals: int) -> str:
    if not n_rivals:
        return "No other method has a score to set against it."
    if len(uncompared) == n_rivals:
        return "It was compared with no other method, so that nothing can be said of the differences."
    said = (
        f"It cannot be told from {words.listed([grid.title(name) for name in others])}."
        if others
        else f"Every other method compared with {grid.title(best)} is told from it."
    )
    if uncompared:
        said += f" It was not compared with {words.listed([grid.title(name) for name in uncompared])}."
    return said


def _pairs(grid: Grid, dataset: str) -> list[str]:
    """Name the pairs that cannot be told apart, under the primary metric; beyond six, count them."""
    primary = grid.compared[0]
    table = grid.tables["comparisons"]
    rows = table[(table["dataset"] == dataset) & (table["metric"] == primary) & (table["selection"] == grid.headline)]
    open_pairs = [
        f"{grid.title(str(row['method_a']))} against {grid.title(str(row['method_b']))}"
        for _, row in rows.iterrows()
        if not told_apart(row)
    ]
    if rows.empty:
        return []
    title = words.inline(grid.metrics[primary].title)
    if not open_pairs:
        return [f"All {len(rows)} pairs compared on {dataset} are told apart by {title}."]
    named = f": {'; '.join(open_pairs)}" if len(open_pairs) <= 6 else ""
    return [f"{len(open_pairs)} of {len(rows)} pairs cannot be told apart by {title} on {dataset}{named}."]


def _claims(grid: Grid) -> list[str]:
    table = grid.tables["verdicts"]
    if table.empty:
        return ["No published claim is on record for these methods and data sets."]
    parts = []
    for verdict in VERDICTS:
        rows = table[table["verdict"] == verdict]
        if len(rows):
            names = sorted({grid.title(str(name)) for name in rows["method"]})
            named = f" ({words.listed(names)})" if len(names) <= 4 else ""
            parts.append(f"{len(rows)} {verdict}{named}")
    return [f"Published claims: {words.counted(len(table), 'claim')} on record, of which {words.listed(parts)}."]


def _failures(grid: Grid) -> list[str]:
    failed = grid.runs[grid.runs["status"] == "failed"]
    if failed.empty:
        return []
    cells = [f"{row['method']} on {row['dataset']} seed {row['seed']}" for _, row in failed.iterrows()]
    named = f": {'; '.join(cells)}" if len(cells) <= 6 else ""
    return [f"{len(failed)} of {words.counted(len(grid.runs), 'run')} failed{named}."]
