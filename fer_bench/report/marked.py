"""Marks of data sets, put on every table and figure of a report, so that none can be shown without them."""

from collections.abc import Mapping
from dataclasses import replace

from fer_bench.report.blocks import Block, Figure, Section, Table


def sentence(marks: Mapping[str, str]) -> str:
    """Join the marks of a grid's data sets; empty where there are none.

    Examples:
        >>> sentence({"rafdb": "rafdb: part of the release"})
        'Data: rafdb: part of the release.'
    """
    return f"Data: {'. '.join(marks.values())}." if marks else ""


def marked(sections: tuple[Section, ...], marks: Mapping[str, str]) -> tuple[Section, ...]:
    """Put the marks on every table and figure of these sections."""
    said = sentence(marks)
    return tuple(replace(one, blocks=tuple(_block(block, said) for block in one.blocks)) for one in sections)


def _block(block: Block, said: str) -> Block:
    match block:
        case Table():
            return replace(block, mark=said)
        case Figure() if said:
            return replace(block, caption=f"{block.caption} {said}")
        case _:
            return block
