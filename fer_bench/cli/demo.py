"""``fer-bench demo``: the whole pipeline on drawn faces, in one command and one folder."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from fer_bench.cli._common import say
from fer_bench.errors import FerBenchError
from fer_bench.params import Params

GRID = """\
# Written by fer-bench demo: change it here, then `fer-bench demo` again, or carry the verbs out one by one.
grid: demo
prepare:
  synthetic:
    source: {source}
    options: {{n_train: 900, n_val: 250, n_test: 600, seed: 0}}
methods:
  majority_class: {{recipe: toy}}
  lbp_svm: {{recipe: toy}}
  conv_cut: {{recipe: toy}}
  patt_lite: {{recipe: toy}}
run: {{seeds: [0, 1], threads: 1}}
score: {{metrics: [accuracy, macro_f1, mean_recall]}}
compare: {{metrics: [accuracy, macro_f1]}}
report:
  title: Demo on drawn faces
  scale: >-
    Drawn faces, small networks and random initial weights: these numbers show that the pipeline works
    and say nothing about the methods on photographs.
"""


def demo(
    folder: Annotated[Path, typer.Argument(help="Where everything goes.")] = Path("fer-bench-demo"),
) -> None:
    """Carry the whole pipeline out on drawn faces.

    It needs no data, no GPU and no DVC, and asks nothing.

    Writes params.yaml, data/ and results/demo/ into FOLDER. What is there already is kept: a params.yaml that you
    changed is the one that is carried out.

    \b
    Examples:
      fer-bench demo
      fer-bench demo somewhere/else
    """  # noqa: D301 - click's mark for lines that stay as they are
    from fer_bench import params as params_file
    from fer_bench import provenance

    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / "params.yaml").exists())):
        raise FerBenchError(f"{folder} holds something else", fix="name a folder that is not there yet")
    folder.mkdir(parents=True, exist_ok=True)
    asked = folder / "params.yaml"
    if not asked.exists():
        source = provenance.ROOT / "fer_bench" / "datasets" / "synthetic.py"
        asked.write_text(GRID.format(source=source), encoding="utf-8")
    with _inside(folder):
        grid = params_file.read()
        _carry_out(grid)
        results = grid.results
    made = [folder / results / name for name in ("report.html", "report.md", "tables", "figures")]
    say("the demo's report:")
    for path in made:
        if path.exists():
            print(path)


def _carry_out(grid: Params) -> None:
    """Call the verbs in the order of the pipeline."""
    from fer_bench.cli import (
        adjust,
        annotators,
        audit,
        compare,
        data,
        explain,
        ladder,
        report,
        run,
        score,
        sources,
        verdict,
    )

    for dataset in grid.prepare:
        data.prepare(dataset)
        data.audit(dataset)
    sources.sources()
    cells = [(dataset, method) for dataset in grid.prepare for method in grid.methods]
    for dataset, method in cells:
        for seed in grid.run.seeds:
            run.run(method, dataset=dataset, seed=seed)
        audit.batch(method, dataset=dataset)
        explain.explain(method, dataset=dataset)
    score.score()
    annotators.annotators()
    adjust.adjust()
    ladder.ladder()
    compare.compare()
    verdict.verdict()
    report.report()


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
