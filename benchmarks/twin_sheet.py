"""Show pairs that the audit found side by side, to see how many of them are one photograph.

    fer-bench data prepare ferplus && fer-bench data audit ferplus
    python benchmarks/twin_sheet.py ferplus results/GRID/audits/ferplus_near.csv --n 240 --splits train test

Draws pairs at random and writes ``.fer-bench/twins/DATASET/page1.png`` …, 60 pairs a page, and ``pairs.csv``, which
has an empty column ``right`` to be filled. A pair is right if one photograph, edited or not, underlies both; another
shot of the same session is wrong. Mirrored twins are shown turned back. The folder is ignored by git and has to stay
so: few data sets allow their pictures to be passed on.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from fer_bench.datasets import _store

SIDE, COLUMNS, ROWS = 96, 10, 6  # pixels of a picture, pairs of a page


def chosen(table: pd.DataFrame, args: argparse.Namespace) -> pd.DataFrame:
    """Return a random sample of the pairs asked for, in random order."""
    kept = table[(table["similarity"] >= args.least) & (table["similarity"] < args.below)]
    if args.splits:
        wanted = tuple(sorted(args.splits))
        kept = kept[[tuple(sorted(pair)) == wanted for pair in zip(kept["split_a"], kept["split_b"], strict=True)]]
    drawn: pd.DataFrame = kept.sample(min(args.n, len(kept)), random_state=args.seed).reset_index(drop=True)
    print(f"{len(drawn)} of {len(kept)} pairs")
    return drawn


def page(pairs: pd.DataFrame, pictures: dict[str, np.ndarray]) -> Image.Image:
    """Draw pairs with their number, similarity and overlap."""
    sheet = Image.new("RGB", (COLUMNS * (2 * SIDE + 10), ROWS * (SIDE + 14)), "white")
    draw = ImageDraw.Draw(sheet)
    for place, (number, pair) in enumerate(pairs.iterrows()):
        x, y = place % COLUMNS * (2 * SIDE + 10), place // COLUMNS * (SIDE + 14)
        a, b = pictures[pair["a"]], pictures[pair["b"]]
        for left, picture in ((x, a[:, ::-1] if pair["mirrored"] else a), (x + SIDE, b)):
            sheet.paste(Image.fromarray(np.ascontiguousarray(picture)).resize((SIDE, SIDE)), (left, y))
        draw.text((x, y + SIDE), f"{number}: {pair['similarity']:.2f}, overlap {pair['overlap']:.2f}", fill="black")
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", help="a data set prepared in data/")
    parser.add_argument("near", type=Path, help="the audit's table, DATASET_near.csv")
    parser.add_argument("--n", type=int, default=240, help="pairs")
    parser.add_argument("--splits", nargs=2, help="the two splits of a pair, such as: train test")
    parser.add_argument("--least", type=float, default=0.0, help="similarity from which")
    parser.add_argument("--below", type=float, default=2.0, help="similarity up to which")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    prepared = _store.open_prepared(args.dataset)
    pairs = chosen(pd.read_csv(args.near, dtype={"a": str, "b": str}), args)
    row_of = {sample_id: row for row, sample_id in enumerate(prepared.samples["sample_id"])}
    pictures = {sample_id: prepared.images[row_of[sample_id]] for sample_id in {*pairs["a"], *pairs["b"]}}
    folder = Path(".fer-bench/twins") / args.dataset
    folder.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(pairs), COLUMNS * ROWS):
        path = folder / f"page{start // (COLUMNS * ROWS) + 1}.png"
        page(pairs.iloc[start : start + COLUMNS * ROWS], pictures).save(path)
        print(f"wrote {path}")
    pairs.assign(right="").to_csv(folder / "pairs.csv", index_label="number")
    print(f"wrote {folder / 'pairs.csv'}; fill its column right with yes or no")


if __name__ == "__main__":
    main()
