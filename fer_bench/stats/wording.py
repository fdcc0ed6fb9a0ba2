"""A comparisons table for people: columns in points, and two sentences in plain words."""

import pandas as pd


def printable(table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that people read, differences in points."""
    points = {
        name: [f"{100 * value:+.1f}" for value in table[name].astype(float)] for name in ("difference", "low", "high")
    }
    detectable = ["" if pd.isna(value) else f"{100 * float(value):.1f}" for value in table["detectable"]]
    return pd.DataFrame(
        {
            "data set": table["dataset"],
            "metric": table["metric"],
            "A": table["method_a"],
            "B": table["method_b"],
            "A - B, points": points["difference"],
            "interval": [f"{low} to {high}" for low, high in zip(points["low"], points["high"], strict=True)],
            "p (Holm)": [f"{p:.2g}" for p in table["p_holm"].astype(float)],
            "A is": table["verdict"],
            "detectable": detectable,
        }
    )


def in_words(table: pd.DataFrame) -> str:
    """Return two sentences on a comparisons table that need no statistics to be read."""
    if not len(table):
        return "There is nothing to compare: fewer than two methods have runs on the same samples. Nothing is claimed."
    first = table.iloc[0]
    percent, margin = f"{100 * float(first['level']):g} %", f"{100 * float(first['margin']):g}"
    if (table["n_seeds"] > 1).all():
        scope = f"the {percent} intervals cover other seeds and other pictures of the same kind"
    else:
        scope = (
            f"this is conditional on these checkpoints: the {percent} intervals cover other pictures, not other seeds"
        )
    scope = f"{scope[0].upper()}{scope[1:]}; differences within ±{margin} points count as equivalent."
    if len(table) == 1:
        return f"{_sentence(first)} {scope}"
    counts = table["verdict"].value_counts()
    decided = int(counts.get("better", 0) + counts.get("worse", 0))
    text = (
        f"Of {len(table)} comparisons {decided} show a better method, {int(counts.get('equivalent', 0))} show "
        f"practical equality and {int(counts.get('undecided', 0))} are undecided"
    )
    if decided:
        shown = table[table["verdict"].isin(["better", "worse"])]
        largest = _sentence(shown.iloc[int(shown["difference"].abs().to_numpy(dtype=float).argmax())])
        text += f"; the largest: {largest.removesuffix('.')}"
    return f"{text}. {scope}"


def _sentence(row: pd.Series) -> str:
    low, high = sorted((100 * float(row["low"]), 100 * float(row["high"])))
    said = f"{100 * abs(float(row['difference'])):.1f} points of {row['metric']}"
    if row["verdict"] == "worse":
        low, high = -high, -low
    interval = f"(interval {low:+.1f} to {high:+.1f})"
    where = "" if row["dataset"] == "files" else f" on {row['dataset']}"
    if row["verdict"] in {"better", "worse"}:
        return f"{row['method_a']} is {row['verdict']} than {row['method_b']}{where} by {said} {interval}."
    if row["verdict"] == "equivalent":
        return f"{row['method_a']} and {row['method_b']} are practically equal{where}: {said} apart {interval}."
    return f"Whether {row['method_a']} or {row['method_b']} is better{where} is undecided: {said} apart {interval}."
