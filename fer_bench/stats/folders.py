"""Which files of a folder are the runs of a method, and of which seeds.

A folder holds a method's runs, one per seed: ``seed*/predictions.csv`` as in
``results/<grid>/runs/<dataset>/<method>``, else ``predictions.csv``, else every file of predictions in it.
"""

import re
from pathlib import Path

from fer_bench.errors import FerBenchError
from fer_bench.tables import _raw


def runs_of(path: Path) -> list[Path]:
    """Return the files of a method's runs: the file itself, or those of a folder.

    Raises:
        FerBenchError: If the folder holds none.
    """
    if not path.is_dir():
        return [path]
    seeds = [found for folder in sorted(path.glob("seed*")) if folder.is_dir() for found in _tables(folder)[:1]]
    found = seeds or _tables(path)
    if not found:
        inner = sorted(each.name for each in path.iterdir() if each.is_dir())
        raise FerBenchError(
            f"{path} holds no predictions" + (f"; it has the folders {', '.join(inner[:3])}" if inner else ""),
            fix=f"name a folder with files {', '.join(_raw.ENDINGS)}, one per seed, or with seed0/predictions.csv …",
        )
    return found


def seed_of(file: Path) -> int | None:
    """Return the seed that a file, or else its folder, is named after.

    Examples:
        >>> seed_of(Path("mine_seed-03.csv")), seed_of(Path("seed4/predictions.csv")), seed_of(Path("seeds/a.csv"))
        (3, 4, None)
    """
    said = re.search(r"seed[_-]?(\d+)", file.name) or re.fullmatch(r"seed[_-]?(\d+)", file.parent.name)
    return int(said[1]) if said else None


def _tables(folder: Path) -> list[Path]:
    """Return a folder's files of predictions: one that is called so, else its tables, else archives and JSON."""
    found = sorted(path for path in folder.iterdir() if path.is_file() and _raw.ending(path) is not None)
    named = [path for path in found if _raw.stem(path) == "predictions"][:1]
    return named or [path for path in found if _raw.ending(path) in _raw.TABLES] or found
