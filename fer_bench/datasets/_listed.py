"""The pictures that a description lists, by class folders or by a table."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from fer_bench import given
from fer_bench.datasets import SPLITS, _files
from fer_bench.datasets._class_folders import class_folders
from fer_bench.datasets._description import Csv, Labels, Split, not_understood
from fer_bench.datasets._files import first_of
from fer_bench.errors import FerBenchError

VOTES = "votes_"
_AS_CSV = "save it as CSV: UTF-8, commas between the columns, their names in the first line"


class Listed(NamedTuple):
    """One picture as folders or a table list it.

    Attributes:
        path: Relative to the description's folder.
        split: train, val or test.
        label: Index of the expression; -1 for none.
        position: In the order of the folders or the table.
        sample_id: The path, or what the table's column of ids says.
        subject: The person; None: not known.
        votes: In the order of the table's columns of votes.
    """

    path: str
    split: str
    label: int
    position: int
    sample_id: str
    subject: str | None = None
    votes: tuple[int, ...] = ()


class _Row(NamedTuple):
    """One line of a table: where it stands, for errors, its number, and its cells by column."""

    where: str
    line: int
    cells: Mapping[str, str]


def in_folders(file: Path, folders: Mapping[Split, str], files: _files.Folder, labels: Labels) -> list[Listed]:
    """List the pictures of class folders, in torchvision's order.

    Args:
        file: The description.
        folders: Folder of each split.
        files: All files below the description's folder.
        labels: From names of class folders to expressions.

    Raises:
        FerBenchError: For folders without class folders, names that are not understood, and what
            :func:`~fer_bench.datasets._class_folders.class_folders` refuses.
    """
    by_split: dict[Split, tuple[str, dict[str, list[str]]]] = {}
    for split, folder in folders.items():
        path = _relative(f"{file}, folders.{split}", folder)
        prefix = f"{path}/" if path else ""
        inside = [name.removeprefix(prefix) for name in files.names if name.startswith(prefix)]
        classes = class_folders(inside, str(file.parent / path))
        if not classes:
            raise FerBenchError(
                f"{file}: folders.{split} is {folder}, where there are no class folders with pictures",
                fix=f"name the folder that holds one folder per expression, below {file.parent}",
            )
        by_split[split] = (prefix, classes)
    strange = sorted({name for _, classes in by_split.values() for name in classes if not labels.knows(name)})
    if strange:
        raise not_understood(str(file), strange)
    listed = []
    for split, (prefix, classes) in by_split.items():
        paths = [(f"{prefix}{path}", labels.of(name)) for name, inside in classes.items() for path in inside]
        listed += [Listed(path, split, label, place, path) for place, (path, label) in enumerate(paths)]
    return listed


def in_tables(file: Path, table: Csv, files: _files.Folder, labels: Labels) -> tuple[list[Listed], tuple[str, ...]]:
    """List the pictures of a table, or of one per split.

    Returns:
        The pictures, and the names of the columns of votes.

    Raises:
        FerBenchError: With file and line, for missing columns, cells that are missing or not understood, and pictures
            that are not there.
    """
    given = {"": table.file} if isinstance(table.file, str) else dict(table.file)
    rows = [
        (row, split or row.cells[table.split])
        for split, name in given.items()
        for row in _rows(
            file.parent / _relative(f"{file}, csv.file", name), _columns(table, with_split=not split), {table.subject}
        )
    ]
    if not rows:
        raise FerBenchError(f"{file}: no rows in {', '.join(given.values())}", fix=_AS_CSV)
    votes = tuple(name for name in rows[0][0].cells if name.startswith(VOTES))
    odd = next((row for row, _ in rows if tuple(name for name in row.cells if name.startswith(VOTES)) != votes), None)
    if odd:
        raise FerBenchError(
            f"{odd.where}: other columns of votes than in the first table", fix="give all tables the same"
        )
    _check_cells(rows, table, labels)
    listed = [_listed(row, split, table, votes, labels) for row, split in rows]
    missing = [one.path for one in listed if one.path not in files.paths]
    if missing:
        raise FerBenchError(
            f"{file}: {len(missing)} of {len(listed)} pictures of the table are not there: {first_of(missing)}",
            fix=f"paths are relative to {file.parent}; capital letters count",
        )
    return listed, votes


def _columns(table: Csv, *, with_split: bool) -> list[str]:
    return [
        table.path,
        table.label,
        *([table.split] if with_split else []),
        *(name for name in (table.subject, table.id) if name is not None),
    ]


def _rows(path: Path, needed: list[str], may_be_empty: set[str | None]) -> Iterator[_Row]:
    """Yield a table's lines. Blanks around names and cells do not count, nor do empty lines or a byte-order mark."""
    given.check(path, missing=f"no file {path}", fix="name the table in the description's csv.file")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            header = [name.strip() for name in next(reader, [])]
            _check_header(path, header, needed)
            for record in reader:
                if not any(cell.strip() for cell in record):
                    continue
                where = f"{path}, line {reader.line_num}"
                if len(record) != len(header):
                    raise FerBenchError(f"{where}: {len(record)} columns, expected {len(header)}", fix=_AS_CSV)
                cells = {name: cell.strip() for name, cell in zip(header, record, strict=True)}
                empty = [name for name in needed if not cells[name] and name not in may_be_empty]
                if empty:
                    raise FerBenchError(
                        f"{where}: nothing under {', '.join(empty)}", fix="fill the cell, or take out the line"
                    )
                yield _Row(where, reader.line_num, cells)
    except (UnicodeDecodeError, csv.Error) as error:
        raise FerBenchError(f"{path}: not a CSV table: {error}", fix=_AS_CSV) from None


def _check_header(path: Path, header: list[str], needed: list[str]) -> None:
    missing = [name for name in needed if name not in header]
    if missing:
        separator = next((mark for mark in (";", "\t", "|") if len(header) == 1 and mark in header[0]), None)
        raise FerBenchError(
            f"{path}: no column {', '.join(missing)}; found: {', '.join(header) or 'none'}",
            fix=_AS_CSV if separator else "name the columns in the description's csv section",
        )
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise FerBenchError(f"{path}: two columns are named {', '.join(twice)}", fix="rename or remove one")


def _check_cells(rows: list[tuple[_Row, str]], table: Csv, labels: Labels) -> None:
    for row, split in rows:
        if split not in SPLITS:
            raise FerBenchError(
                f"{row.where}: the split is {split!r}", fix=f"write {', '.join(SPLITS)}, all in lower case"
            )
    strange = sorted({row.cells[table.label] for row, _ in rows if not labels.knows(row.cells[table.label])})
    if strange:
        first = next(row for row, _ in rows if row.cells[table.label] in strange)
        raise not_understood(first.where, strange)


def _listed(row: _Row, split: str, table: Csv, votes: tuple[str, ...], labels: Labels) -> Listed:
    path = _relative(row.where, row.cells[table.path])
    counts = [row.cells[name] for name in votes]
    if votes and not (all(count.isdecimal() for count in counts) and any(int(count) for count in counts)):
        raise FerBenchError(
            f"{row.where}: {', '.join(counts)} are not the votes of anyone",
            fix=f"write a count, 0 or more, under every column {VOTES}…, not all of them 0",
        )
    return Listed(
        path=path,
        split=split,
        label=labels.of(row.cells[table.label]),
        position=row.line,
        sample_id=path if table.id is None else row.cells[table.id],
        subject=(row.cells[table.subject] or None) if table.subject else None,
        votes=tuple(map(int, counts)),
    )


def _relative(where: str, path: str) -> str:
    if _files.leads_out(path):
        raise FerBenchError(
            f"{where}: {path} leads out of the description's folder",
            fix="give paths relative to it; pictures that lie elsewhere can be linked to from there",
        )
    return _files.tidy(path)
