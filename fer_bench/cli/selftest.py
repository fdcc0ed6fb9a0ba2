"""``fer-bench selftest``: the program's own promises, counted here and now."""

from pathlib import Path
from typing import Annotated

import typer

from fer_bench.cli._common import AsJson, say, show, wrote

app = typer.Typer(help="Check the program's own promises on this machine.", no_args_is_help=True, rich_markup_mode=None)

ENOUGH = 2000


@app.callback()
def _group() -> None:
    """Check the program's own promises on this machine."""


@app.command("stats")
def stats(
    *,
    trials: Annotated[int, typer.Option(min=10, help="Simulated worlds per setting.")] = ENOUGH,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the simulation.")] = 0,
    as_json: AsJson = False,
    output: Annotated[Path, typer.Option("--output", "-o", help="Write the certificate here.")] = Path(
        "results/certificate.csv"
    ),
) -> None:
    """Count how often intervals cover a truth that is known.

    On simulated runs; likewise how often tests raise false alarms.

    Takes minutes, on one core. Exit code 1 where a rate lies outside the range that is promised. Rows that begin with
    "customary" promise nothing: they show what common practice gives under the same models.

    \b
    Examples:
      fer-bench selftest stats
      fer-bench selftest stats --trials 200 --output quick.csv
    """  # noqa: D301 - click's mark for lines that stay as they are
    from fer_bench.stats import certify
    from fer_bench.tables.certificate import certificate

    if trials < ENOUGH:
        say(f"{trials} trials: a rate may leave its range by chance alone; the promise is about {ENOUGH} or more")
    table = certify.certify(trials=trials, seed=seed, say=say)
    show(table if as_json else certify.printable(table), as_json=as_json)
    missed = certify.missed(table)
    if not as_json:
        print(f"\n{certify.in_words(table)}")
    certificate.write(table, output)
    wrote(output, then="fer-bench report")
    if len(missed):
        raise typer.Exit(1)
