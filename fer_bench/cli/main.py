"""``fer-bench``: the program. Verbs stand in files of their own; none imports torch or pandas before it runs."""

import io
import sys

import typer

from fer_bench import __version__
from fer_bench.cli import _last_resort
from fer_bench.cli._common import say
from fer_bench.errors import FerBenchError

app = typer.Typer(
    name="fer-bench",
    help="Which claims about facial expression recognition survive when everyone is measured the same way.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["--help", "-h"]},
)


@app.callback(invoke_without_command=True)
def _root(
    *,
    version: bool = typer.Option(False, "--version", help="Print the version."),  # noqa: FBT003 - typer's form
) -> None:
    if version:
        print(f"fer-bench {__version__}")
        raise typer.Exit


def _register() -> None:
    from fer_bench.cli import (
        adjust,
        annotators,
        audit,
        compare,
        data,
        demo,
        describe,
        doctor,
        explain,
        ladder,
        lint,
        list_,
        plan,
        predict,
        report,
        run,
        score,
        selftest,
        sources,
        verdict,
    )

    app.command("demo")(demo.demo)
    app.command("doctor")(doctor.doctor)
    app.command("list")(list_.list_)
    app.command("describe")(describe.describe)
    app.add_typer(data.app, name="data")
    app.command("sources")(sources.sources)
    app.command("run")(run.run)
    app.command("predict")(predict.predict)
    app.add_typer(audit.app, name="audit")
    app.command("score")(score.score)
    app.command("adjust")(adjust.adjust)
    app.command("explain")(explain.explain)
    app.command("ladder")(ladder.ladder)
    app.command("annotators")(annotators.annotators)
    app.command("compare")(compare.compare)
    app.command("plan")(plan.plan)
    app.command("verdict")(verdict.verdict)
    app.command("report")(report.report)
    app.command("lint")(lint.lint)
    app.add_typer(selftest.app, name="selftest")


_register()


def main() -> None:
    """Run the program.

    A user's error is two lines and exit code 2; what nobody foresaw one line, with the place of a full report, and 1.
    """
    for stream in (sys.stdout, sys.stderr):  # a letter that the terminal's encoding lacks is printed as its number
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except FerBenchError as error:
        say(f"error: {error}")
        sys.exit(2)
    except Exception as error:  # noqa: BLE001 - the last resort: nothing ends in a traceback
        said, code = _last_resort.said(error)
        say(said)
        sys.exit(code)
