"""``fer-bench plan``: which difference can be found, with how many images and seeds."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fer_bench.cli._common import AsJson, paragraph, say
from fer_bench.errors import FerBenchError

if TYPE_CHECKING:
    from fer_bench.stats import planning


def plan(
    *,
    difference: Annotated[
        float | None, typer.Option(help="Accuracy difference to find, in points: 1.0 is one percentage point.")
    ] = None,
    n: Annotated[int | None, typer.Option("--n", help="Test images.")] = None,
    disagreement: Annotated[
        float | None,
        typer.Option(help="Share of images (8 % is 0.08) on which exactly one of two single runs is right."),
    ] = None,
    own_disagreement: Annotated[
        float | None, typer.Option(help="The same share for two seeds of one method; default: 0, the careful case.")
    ] = None,
    accuracy: Annotated[
        float | None, typer.Option(help="Of the better method, a share; without --disagreement it gives an upper one.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="Seeds of each method; default: 1.")] = None,
    seed_sd: Annotated[
        float | None, typer.Option(help="Standard deviation of a method's accuracy over seeds, in points; default: 0.")
    ] = None,
    power: Annotated[float, typer.Option(help="Probability of finding the difference.")] = 0.8,
    level: Annotated[float, typer.Option(help="1 - alpha of a single comparison.")] = 0.95,
    methods: Annotated[int, typer.Option(help="Methods compared in all pairs, corrected as Holm does.")] = 2,
    from_: Annotated[
        Path | None, typer.Option("--from", help="A grid's folder of results: take what is not given from it.")
    ] = None,
    a: Annotated[str | None, typer.Option(help="Of --from, a method.")] = None,
    b: Annotated[str | None, typer.Option(help="Of --from, another one.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Of --from, the data set, where it has several.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say which difference can be found, and what one needs.

    Prints the smallest difference that is found, the floor that no number of seeds goes below, and for --difference
    the images and seeds needed. Points are percentage points; shares are fractions.

    \b
    Examples:
      fer-bench plan --n 3068 --disagreement 0.08 --difference 1.0 --seeds 5
      fer-bench plan --from results/ferplus_cpu --a patt_lite --b lbp_svm --difference 1.0
    """  # noqa: D301 - click's mark for lines that stay as they are
    from fer_bench.stats import planning

    if from_ is None and (a or b or dataset):
        raise FerBenchError("--a, --b and --dataset name what --from holds", fix="give --from results/GRID")
    held: dict[str, float] = {} if from_ is None else _measured(from_, a, b, dataset)
    asked = None if difference is None else difference / 100
    n_images = n if n is not None else held.get("n")
    if n_images is None:
        raise FerBenchError("no number of images", fix="give --n (RAF-DB's test set has 3068), or --from results/GRID")
    shares = _shares(held, disagreement, accuracy, asked)
    planned = planning.Plan(
        n=int(n_images),
        seeds=seeds if seeds is not None else int(held.get("seeds", 1)),
        disagreement=shares,
        own=own_disagreement if own_disagreement is not None else held.get("own", 0.0),
        seed_sd=seed_sd / 100 if seed_sd is not None else held.get("seed_sd", 0.0),
        power=power,
        level=level,
        methods=methods,
    )
    found = planning.answer(planned, asked)
    if as_json:
        print(json.dumps({"difference": asked, "assumed": asdict(planned), "found": asdict(found)}, indent=1))
        return
    _show(planned, found)
    print()
    for sentence in planning.sentences(planned, found, asked):
        paragraph(sentence)


def _shares(held: dict[str, float], disagreement: float | None, accuracy: float | None, asked: float | None) -> float:
    """Return the disagreement: as given, as measured, or at most what the accuracy leaves."""
    from fer_bench.stats import planning

    if accuracy is not None:
        careful = planning.from_accuracy(accuracy, asked or 0.0)
        if disagreement is None and not held:
            say(
                f"disagreement {careful:.3f}: errors that have nothing in common; methods mostly share many, and then "
                "smaller differences are found"
            )
            return careful
        most = planning.most_disagreement(accuracy, asked or 0.0)
        if disagreement is not None and most < disagreement <= 1:
            raise FerBenchError(
                f"--disagreement {disagreement:g} is impossible at --accuracy {accuracy:g}: at most {most:.3g}",
                fix="leave one of the two out",
            )
    if disagreement is not None:
        return disagreement
    if held:
        return held["disagreement"]
    raise FerBenchError(
        "how often do the two methods disagree?",
        fix="give --disagreement (on RAF-DB, 0.04 to 0.10 between good methods), --accuracy, or --from results/GRID",
    )


def _measured(folder: Path, a: str | None, b: str | None, dataset: str | None) -> dict[str, float]:
    """Estimate what a plan assumes from a grid's stored predictions."""
    from fer_bench import params as params_file
    from fer_bench import registry
    from fer_bench.stats import planning, scoring
    from fer_bench.tables import digests, predicted

    grid = params_file.read(folder / "params.yaml")
    digests.check_folder(folder)
    name = dataset or next(iter(grid.prepare))
    if name not in grid.prepare or (dataset is None and len(grid.prepare) > 1):
        raise FerBenchError(f"which data set of {folder}?", fix=f"--dataset, one of: {', '.join(grid.prepare)}")
    table = predicted.read(folder / "predicted" / f"{name}.csv")
    headline = str(registry.load("protocols", grid.run.protocol).headline)
    found = {method: runs for (method, selection), runs in scoring.groups(table).items() if selection == headline}
    chosen = [one for one in (a, b) if one is not None]
    if len(set(chosen)) != 2 or not set(chosen) <= set(found):
        raise FerBenchError(
            f"{folder}: two methods are needed, not {', '.join(chosen) or 'none'}",
            fix=f"give --a and --b, two of: {', '.join(sorted(found))}",
        )
    y_pred = {one: found[one][1] for one in chosen}
    n_seeds = min(len(runs) for runs in y_pred.values())
    held = planning.measured(table["y_true"].to_numpy(dtype=int), y_pred)
    say(
        f"{folder}, {name}, {headline}, {n_seeds} seeds: {chosen[0]} less {chosen[1]} is "
        f"{100 * held['difference']:+.2f} points"
    )
    if n_seeds < 2:
        say("one seed of a method: how far its own runs differ is not known and taken as 0")
    return {**held, "n": len(table), "seeds": n_seeds}


def _show(planned: "planning.Plan", found: "planning.Answer") -> None:
    rows = [
        ("images", f"{planned.n:,}"),
        ("seeds of each method", f"{planned.seeds}"),
        ("disagreement of two runs", f"{100 * planned.disagreement:.2f} %"),
        ("of it, between seeds of one method", f"{100 * planned.own:.2f} %"),
        ("seed sd", f"{100 * planned.seed_sd:.2f} points"),
        ("level, power", f"{100 * planned.strict_level:.4g} %, {100 * planned.power:g} %"),
        ("smallest difference found", f"{100 * found.detectable:.2f} points"),
        ("floor with any number of seeds", f"{100 * found.floor:.2f} points"),
    ]
    for name, value in rows:
        print(f"{name:<36}{value}")
