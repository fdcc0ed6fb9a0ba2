"""``fer-bench verdict``: published numbers beside ours, and what they say on their own."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from fer_bench import params as params_file
from fer_bench import whole
from fer_bench.cli._common import AsJson, ParamsFile, paragraph, say, show, tell, wrote

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.95


def verdict(
    *,
    params: ParamsFile = params_file.PARAMS,
    published: Annotated[
        bool, typer.Option("--published", help="Only what published numbers say on their own; needs no grid.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Set every claim beside where one more run would land.

    Reads the cards and results/GRID/intervals.csv, runs.csv, predicted and audits; writes results/GRID/verdicts.csv,
    published.csv and told_apart.csv. With --published: Wilson intervals of the published numbers, whether each can be
    a count of its test set, and which of a published table cannot be told apart; nothing is read but the cards, and
    nothing is written.

    \b
    Examples:
      fer-bench verdict
      fer-bench verdict --published
    """  # noqa: D301 - click's mark for lines that stay as they are
    from fer_bench.stats import judging, saying
    from fer_bench.stats import published as alone
    from fer_bench.tables import digests
    from fer_bench.tables.published import published as published_schema
    from fer_bench.tables.told_apart import told_apart as told_apart_schema
    from fer_bench.tables.verdicts import verdicts

    cards = alone.cards()
    if published:
        _show_published(alone.from_n_alone(cards, level=LEVEL), alone.pairs(cards, level=LEVEL), as_json=as_json)
        return
    grid = params_file.read(params)
    checked = digests.check(grid, "verdict", file=params)
    tell(checked)
    table = judging.judge(grid)
    show(table if as_json else saying.verdicts(table), as_json=as_json)
    for link in () if as_json else saying.links(table):
        print(f"  defect, {link}")
    level = grid.score.level
    with whole.together(grid.results, "verdict") as new:
        verdicts.write(table, new / "verdicts.csv")
        published_schema.write(alone.from_n_alone(cards, level=level), new / "published.csv")
        told_apart_schema.write(alone.pairs(cards, level=level), new / "told_apart.csv")
        checked.write(new)
    wrote(grid.results / "verdicts.csv", then="fer-bench report")


def _show_published(numbers: "pd.DataFrame", pairs: "pd.DataFrame", *, as_json: bool) -> None:
    from fer_bench.stats import saying

    if as_json:
        held = {"published": numbers, "told_apart": pairs}
        print(json.dumps({name: json.loads(table.to_json(orient="records")) for name, table in held.items()}, indent=1))
        return
    show(saying.published(numbers), as_json=False)
    print()
    show(saying.told_apart(pairs), as_json=False)
    print()
    for sentence in saying.in_words(numbers, pairs):
        paragraph(sentence)
    say(
        "`?`: the size of the test set is not published; the first known one that fits is taken. `apart up to`: the "
        "share of pictures answered differently up to which McNemar's test tells A from B; pairs that it tells apart "
        "in any case are left out (--json has them)."
    )
