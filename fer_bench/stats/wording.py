"""A comparisons table for people: what they read of it, and two sentences in plain words."""

import pandas as pd

from fer_bench import registry
from fer_bench.stats import signature
from fer_bench.tables.comparisons import comparisons

_POINTS = (0.0, 1.0)  # the range of metrics whose differences are printed in points


def title(name: str) -> str:
    """Return how a metric is printed.

    Examples:
        >>> title("macro_f1")
        'Macro-F1'
    """
    file, expression = registry.metric_of(name)
    said = str(registry.load("metrics", file).title)
    return said if expression is None else f"{said}, {expression}"


def in_points(name: str) -> bool:
    """Say whether a metric is a share, so that its differences are points; a divergence from 0 to 1 is none."""
    file, _ = registry.metric_of(name)
    metric = registry.load("metrics", file)
    return tuple(metric.range) == _POINTS and not getattr(metric, "needs_votes", False)


def printable(table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that people read; differences of shares in points."""
    table = _of_comparisons(table)
    shares = [in_points(name) for name in table["metric"]]
    values = {
        name: [_number(value, points=share) for value, share in zip(table[name].astype(float), shares, strict=True)]
        for name in ("difference", "low", "high")
    }
    detectable = [
        "" if pd.isna(value) else _number(float(value), points=share).lstrip("+")
        for value, share in zip(table["detectable"], shares, strict=True)
    ]
    levels = sorted({f"{100 * level:g} %" for level in table["level"].astype(float)})
    shown = pd.DataFrame(
        {
            "data set": table["dataset"],
            "metric": [title(name) for name in table["metric"]],
            "A": table["method_a"],
            "B": table["method_b"],
            "A - B, points" if all(shares) else "A - B": values["difference"],
            f"{levels[0]} interval" if len(levels) == 1 else "interval": [
                f"{low} to {high}" for low, high in zip(values["low"], values["high"], strict=True)
            ],
            "p (Holm)": [_p(p) for p in table["p_holm"]],
            "A is": table["verdict"],
            "detectable": detectable,
            "n": [f"{n:,}" for n in table["n_samples"]],
            "seeds": table["n_seeds"],
        }
    )
    return _without_constant(shown)


def heading(table: pd.DataFrame) -> str:
    """Return in one line what all comparisons have in common."""
    if not len(table):
        return ""
    said = []
    for name, words in (("dataset", "data set {}"), ("selection", "selection {}"), ("n_samples", "{:,} pictures")):
        values = table[name].unique()
        if len(values) == 1 and values[0] not in {"files", "?"}:
            oracle = " (oracle: chosen on these pictures)" if values[0] == "best_on_test" else ""
            said.append(words.format(values[0]) + oracle)
    seeds = table["n_seeds"].unique()
    if len(seeds) == 1:
        said.append("one run of each method" if seeds[0] == 1 else f"{seeds[0]} seeds of each method")
    return ", ".join(said)


def _without_constant(shown: pd.DataFrame) -> pd.DataFrame:
    """Return the table without what :func:`heading` says of all its rows."""
    constant = [name for name in ("data set", "n", "seeds") if name in shown and len(set(shown[name])) == 1]
    return shown.drop(columns=constant)


def standing(ranks: pd.DataFrame) -> pd.DataFrame:
    """Return what people read of a ranks table: each method's value, its rank, and how often it is the best one."""
    shares = [in_points(name) for name in ranks["metric"]]
    shown = pd.DataFrame(
        {
            "data set": ranks["dataset"],
            "metric": [title(name) for name in ranks["metric"]],
            "method": ranks["method"],
            "value": [
                f"{100 * value:.1f} %" if share else f"{value:.3f}"
                for value, share in zip(ranks["estimate"].astype(float), shares, strict=True)
            ],
            "rank": [f"{rank:g}" for rank in ranks["rank"].astype(float)],
            "rank may be": [
                f"{low:g} to {high:g}"
                for low, high in ranks[["rank_low", "rank_high"]].astype(float).itertuples(index=False)
            ],
            "best in": [f"{100 * share:.0f} %" for share in ranks["p_best"].astype(float)],
            "seeds": ranks["n_seeds"],
        }
    )
    return _without_constant(shown)


def in_words(table: pd.DataFrame) -> str:
    """Return two sentences on a comparisons table that need no statistics to be read."""
    table = _of_comparisons(table)
    if not len(table):
        return "There is nothing to compare: fewer than two methods have runs on the same samples. Nothing is claimed."
    if len(table) == 1:
        return f"{_sentence(table.iloc[0])}. {_scope(table)}"
    counts = table["verdict"].value_counts()
    decided = int(counts.get("better", 0) + counts.get("worse", 0))
    text = (
        f"Of {len(table)} comparisons, {decided} {'shows' if decided == 1 else 'show'} that one method is better, "
        f"{int(counts.get('equivalent', 0))} that both are practically equal, and "
        f"{int(counts.get('undecided', 0))} cannot tell"
    )
    if decided:
        shown = table[table["verdict"].isin(["better", "worse"])]
        # differences of unlike metrics have no common measure
        shown = shown[shown["metric"] == shown["metric"].iloc[0]]
        text += f"; the largest: {_sentence(shown.iloc[int(shown['difference'].abs().to_numpy(dtype=float).argmax())])}"
    return f"{text}. {_scope(table)}"


def signatures(table: pd.DataFrame) -> list[str]:
    """Return the signatures of a table, each once; of those that differ in resamples alone, that with the most."""
    found: dict[signature.Signature, int] = {}
    for text in table["signature"].dropna().unique():
        told = signature.parse(str(text))
        n_resamples = int(told.b) if told.b.isdecimal() else 0
        found[told._replace(b="")] = max(n_resamples, found.get(told._replace(b=""), 0))
    return [str(told._replace(b=str(n_resamples))) for told, n_resamples in found.items()]


def _of_comparisons(table: pd.DataFrame) -> pd.DataFrame:
    return table[[name for name in comparisons.columns if name in table.columns]]


def _sentence(row: pd.Series) -> str:
    """Say what one comparison found, without a full stop."""
    share, name = in_points(row["metric"]), title(row["metric"])
    name = name if len(name) < 2 or name[1].isupper() else name[0].lower() + name[1:]
    unit = " points" if share else ""
    a, b, low, high, difference = (
        row["method_a"], row["method_b"], float(row["low"]), float(row["high"]), float(row["difference"])
    )  # fmt: skip
    if row["verdict"] == "worse":  # the better one is named first
        a, b, low, high, difference = b, a, -high, -low, -difference
    where = "" if row["dataset"] == "files" else f" on {row['dataset']}"
    interval = (
        f"({100 * float(row['level']):g} % interval {_number(low, points=share)} to "
        f"{_number(high, points=share)}{unit}, p = {_p(row['p_holm'])})"
    ).replace("p = <", "p <")
    apart = _number(abs(difference), points=share).lstrip("+")
    if row["verdict"] in {"better", "worse"}:
        return f"{a} is better than {b}{where} by {apart}{unit} of {name} {interval}"
    if row["verdict"] == "equivalent":
        return f"{a} and {b} are practically equal{where}: {apart}{unit} of {name} apart {interval}"
    ahead = "" if not difference else f" in favour of {a if difference > 0 else b}"
    return (
        f"Whether {a} or {b} is better{where} cannot be told from these {int(row['n_samples']):,} pictures: they are "
        f"{apart}{unit} of {name} apart{ahead} {interval}"
    )


def _scope(table: pd.DataFrame) -> str:
    margin = 100 * float(table["margin"].iloc[0])
    if (table["n_seeds"] > 1).all():
        scope = "The intervals say how far a difference may move with other seeds and other pictures of the same kind"
    else:
        scope = (
            "This is conditional on these checkpoints: the intervals say how far a difference may move with other "
            "pictures of the same kind, and not what training again with another seed would do"
        )
    return f"{scope}; a difference that stays below {margin:g} points either way counts as equivalent."


def _number(value: float, *, points: bool) -> str:
    text = f"{100 * value:+.1f}" if points else f"{value:+.3f}"
    return text if value else text.lstrip("+-")  # +0.0 is above 0


def _p(value: object) -> str:
    if value is None or value is pd.NA or pd.isna(float(str(value))):
        return ""
    p = float(str(value))
    return "< 0.001" if p < 0.001 else "1" if p == 1 else f"{p:.3f}"
