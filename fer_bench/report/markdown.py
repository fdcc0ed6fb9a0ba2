"""The report as Markdown, for repositories and issues."""

import re

from tabulate import tabulate

from fer_bench.report.blocks import Block, Box, Code, Figure, Listing, Section, Table, Text, noted

_SPECIAL = re.compile(
    r"[\\`*|~$]"  # always
    r"|(?<!\w)_|_(?!\w)"  # an underscore inside a word emphasises nothing
    r"|\](?=[(\[:])|!(?=\[)"  # a bracket is a link only with one of these behind it
    r"|<(?=[A-Za-z/!?])|&(?=#?\w+;)"  # HTML
    r"|^[#>]|^[+\-=](?=\s)"  # headings, quotes, lists
)


def escape(text: str) -> str:
    r"""Return text that Markdown shows as it is, in table cells too; what needs no escape stays readable.

    Examples:
        >>> print(escape("conv_cut <b> 86.3 % [85.1, 87.4]"))
        conv_cut \<b> 86.3 % [85.1, 87.4]
    """
    return _SPECIAL.sub(r"\\\g<0>", text)


def render(title: str, sections: tuple[Section, ...]) -> str:
    """Return the whole report."""
    parts = [f"# {escape(title)}"]
    for section in sections:
        parts.append(f"## {escape(section.title)}")
        parts += [_block(block) for block in section.blocks]
    return "\n\n".join(parts) + "\n"


def _block(block: Block) -> str:
    match block:
        case Text():
            return escape(block.text)
        case Box():
            return "\n>\n".join(f"> {escape(sentence)}" for sentence in block.sentences)
        case Listing():
            return "\n".join([f"{escape(block.lead)}\n", *(f"- {escape(item)}" for item in block.items)])
        case Code():
            return "\n".join(["```", *block.lines, "```"])
        case Table():
            return table(block)
        case Figure():
            return f"![{escape(block.alt)}](figures/{block.name}.png)\n\n{escape(block.caption)}"


def table(block: Table) -> str:
    """Return a table in GitHub's form, with its caption and note under it."""
    if block.cells.empty:
        return escape(f"{block.empty} {block.mark}".strip())
    cells, notes = noted(block)
    columns = [str(name) for name in cells.columns]
    headers = [_strong(escape(name), bold=name in block.bold_headers) for name in columns]
    rows = [
        [_strong(escape(str(cell)), bold=(number, name) in block.bold) for name, cell in zip(columns, row, strict=True)]
        for number, row in enumerate(cells.itertuples(index=False))
    ]
    aligned = ["right" if name in block.right else "left" for name in columns]
    printed = tabulate(rows, headers=headers, tablefmt="pipe", colalign=aligned, disable_numparse=True)
    said = "\n".join(f"{number}. {escape(text)}" for number, text in notes.items())
    under = escape(" ".join(filter(None, [block.caption, block.note, block.mark])))
    return "\n\n".join(filter(None, [printed, said, under]))


def _strong(text: str, *, bold: bool) -> str:
    return f"**{text}**" if bold else text
