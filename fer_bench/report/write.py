"""Writing the report: everything is made first and put in place at the end, all or nothing."""

from functools import partial
from pathlib import Path

from fer_bench import whole
from fer_bench.report import (
    adjusted,
    annotators,
    as_json,
    audit,
    calibrated,
    certified,
    claims,
    compared,
    differences,
    efficiency,
    environment,
    explained,
    figures,
    from_n_alone,
    html,
    ladder,
    latex,
    main_table,
    markdown,
    marked,
    matrix,
    methods_text,
    numbers,
    per_class,
    published,
    ranked,
    recompute,
    run_list,
    style,
    summary,
)
from fer_bench.report.blocks import Section, tables
from fer_bench.report.grid import Grid
from fer_bench.report.latex_layout import COLUMN_PT, PAGE_PT
from fer_bench.tables.digests import Checked


def sections(grid: Grid, figure_folder: Path) -> tuple[Section, ...]:
    """Draw the figures into a folder and return the report's sections in their order, marked where the data are."""
    drawn = {section.title: section for section in figures.sections(grid, figure_folder)}
    made = (
        summary.section(grid),
        main_table.section(grid),
        drawn.pop("Overview", None),
        adjusted.section(grid),
        matrix.section(grid, figure_folder),
        compared.section(grid),
        ranked.section(grid, grid.ranks, figure_folder),
        claims.section(grid),
        published.section(grid),
        from_n_alone.section(grid, grid.published, grid.told_apart) if len(grid.published) else None,
        ladder.section(grid, figure_folder),
        audit.section(grid),
        annotators.section(grid, grid.annotators),
        per_class.section(grid),
        drawn.pop("Confusion matrices", None),
        differences.section(grid, figure_folder),
        calibrated.section(grid, grid.calibration, figure_folder),
        drawn.pop("Training", None),
        explained.section(grid, figure_folder),
        efficiency.section(grid, figure_folder),
        environment.section(grid),
        run_list.section(grid),
        certified.section(grid, grid.certificate),
        recompute.section(grid),
        methods_text.section(grid),
    )
    parts = tuple(part for part in made if part is not None)
    return marked.marked(parts, grid.marks)


def write(grid: Grid, *, asked: str, kept: Path | None = None, checked: Checked | None = None) -> None:
    """Write report.html, .json, .md and .tex, tables/, figures/ and params.yaml into the grid's folder.

    Tables are there for a page's width, and in tables/column/ for a column of two.

    Args:
        grid: The tables.
        asked: Text of the params file, kept beside the report as the record of what was asked for.
        kept: Folder of drawings, from which unchanged figures are taken; None: all are drawn.
        checked: What the tables were held to, which is written down too.
    """
    with whole.together(grid.folder, "report", entire=("figures", "tables")) as made:
        if checked is not None:
            checked.write(made)  # before anything else: what it read goes on record, its own words may be edited
        (made / "figures").mkdir()
        with style.keeping(kept):
            parts = sections(grid, made / "figures")
        head = latex.provenance(grid)
        for place, width in (("tables", PAGE_PT), ("tables/column", COLUMN_PT)):
            (made / place).mkdir()
            for table in tables(parts):
                for name, text in latex.fragments(table, head=head, width=width).items():
                    (made / place / f"{name}.tex").write_text(text, encoding="utf-8")
        (made / "tables" / "numbers.tex").write_text(numbers.macros(grid, head=head), encoding="utf-8")
        title = grid.params.report.title
        said_once = grid.params.report.scale.strip()
        page = html.render(
            title, parts, figures=made / "figures", commands=partial(recompute.lines, grid), said_once=said_once
        )
        (made / "report.html").write_text(page, encoding="utf-8")
        (made / "report.json").write_bytes(as_json.render(grid, parts))
        (made / "report.md").write_text(markdown.render(title, parts), encoding="utf-8")
        (made / "report.tex").write_text(latex.document(title, parts, head=head, said_once=said_once), encoding="utf-8")
        (made / "params.yaml").write_text(asked, encoding="utf-8")
