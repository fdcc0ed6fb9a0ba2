"""Tables of claims for people: 120 columns wide, long cells broken."""

import textwrap
from collections.abc import Mapping
from types import MappingProxyType

import pandas as pd

from fer_bench.stats.wording import title
from fer_bench.tables.told_apart import WORDS

WIDTH = 120


def without_link(reason: str, link: object) -> str:
    """Return a reason without the link that stands in it."""
    return reason if pd.isna(link) else reason.replace(f" ({link})", "")  # type: ignore[call-overload]


def verdicts(table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of a verdicts table that people read, shares in percent."""
    predicted = [
        "" if pd.isna(low) else f"{100 * low:.1f} to {100 * high:.1f}"
        for low, high in zip(table["predicted_low"], table["predicted_high"], strict=True)
    ]
    reasons = [without_link(str(row["reason"]), row["link"]) for _, row in table.iterrows()]
    return _broken(
        pd.DataFrame(
            {
                "method": table["method"],
                "data set": table["dataset"],
                "metric": [title(name) for name in table["metric"]],
                "claim, %": _percents(table["claim"], 2),
                "ours, %": _percents(table["estimate"], 1),
                "one run": predicted,
                "verdict": table["verdict"],
                "reason": reasons,
            }
        ),
        {"method": 14, "metric": 8, "verdict": 18, "reason": 35},
    )


def links(table: pd.DataFrame) -> list[str]:
    """Return where the defects that void claims can be read, each once."""
    void = table[table["reason"].str.contains("void") | (table["verdict"] == "void")].dropna(subset="link")
    return [f"{row['method']}: {row['link']}" for _, row in void.drop_duplicates(["method", "link"]).iterrows()]


def published(table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of a table of published numbers that people read."""
    counts = [
        "" if pd.isna(row["count"]) else f"{row['count']} of {row['n']}{' ?' * (row['n_from'] == 'known')}"
        for _, row in table.iterrows()
    ]
    intervals = [
        "" if pd.isna(low) else f"{100 * low:.1f} to {100 * high:.1f}"
        for low, high in zip(table["low"], table["high"], strict=True)
    ]
    return _broken(
        pd.DataFrame(
            {
                "data set": table["dataset"],
                "method": table["method"],
                "%": _percents(table["value"], 2),
                "nearest": counts,
                "interval": intervals,
                "whole count": table["whole_count"],
                "fits n": table["fits"].fillna("").str.replace(";", " "),
                "where": table["where"],
            }
        ),
        {"whole count": 12, "fits n": 14, "where": 24},
    )


def told_apart(table: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs that are not told apart whatever holds, as people read them: nearest first."""
    shown = table[table["verdict"] != WORDS[2]].sort_values(["dataset", "pictures"], kind="stable")
    most = ["never" if pd.isna(share) else f"{100 * share:.1f} %" for share in shown["most_told_apart"]]
    return _broken(
        pd.DataFrame(
            {
                "data set": shown["dataset"],
                "A": shown["method_a"],
                "B": shown["method_b"],
                "A, %": _percents(shown["value_a"], 2),
                "B, %": _percents(shown["value_b"], 2),
                "pictures": shown["pictures"].astype(str),
                "best p": [f"{p:.2g}" for p in shown["p_best"]],
                "apart up to": most,
                "unpaired (Holm)": [
                    f"{p:.2g} ({holm:.2g})"
                    for p, holm in zip(shown["p_unpaired"], shown["p_unpaired_holm"], strict=True)
                ],
                "but": shown["caveat"].fillna(""),
            }
        ),
        {"but": 12},
    )


def in_words(numbers: pd.DataFrame, pairs: pd.DataFrame, titles: Mapping[str, str] = MappingProxyType({})) -> list[str]:
    """Return two sentences on the published numbers that need no statistics to be read.

    Args:
        numbers: Of ``published.csv``.
        pairs: Of ``told_apart.csv``.
        titles: Method to its printed title; those without one are named as their cards are.
    """
    odd = numbers[numbers["whole_count"].isin(["no", "only if cut off"])]
    named = [
        f"{100 * row['value']:.2f} % ({titles.get(row['method'], row['method'])}, {row['dataset']})"
        for _, row in odd.iterrows()
    ]
    first = (
        f"Of {len(numbers)} published accuracies on the cards, {len(odd)} are no whole count of the test set as printed"
    )
    first += f": {', '.join(named)}; each may be a mean, or of another test set." if named else "."
    parts = []
    for dataset, rows in pairs.groupby("dataset"):
        counts = rows["verdict"].value_counts()
        never, depends, always = (int(counts.get(word, 0)) for word in WORDS)
        parts.append(
            f"on {dataset}, of {len(rows)} pairs {never} cannot be told apart whatever else holds, {depends} only if "
            f"few pictures are answered differently, and {always} are told apart in any case"
        )
    second = f"Taking each number as one run on the same pictures: {'; '.join(parts) or 'there are no pairs'}."
    return [first, second]


def _percents(values: pd.Series, decimals: int) -> list[str]:
    return ["" if pd.isna(value) else f"{100 * float(value):.{decimals}f}" for value in values]


def _broken(table: pd.DataFrame, widths: dict[str, int]) -> pd.DataFrame:
    return table.assign(
        **{
            name: [textwrap.fill(str(text), width, break_long_words=False) for text in table[name]]
            for name, width in widths.items()
        }
    )
