"""What tables say of their columns, and the page that prints it."""

import fnmatch
import importlib
import importlib.util
import pkgutil
import re
import sys

import pandas as pd
import pytest

from fer_bench import tables, yaml12
from fer_bench.datasets import _difference, _fingerprint
from fer_bench.provenance import ROOT
from fer_bench.tables import orders, pictures, predicted, predictions, reported, samples
from fer_bench.tables._schema import Schema, text

_SPEC = importlib.util.spec_from_file_location("renew", ROOT / "docs" / "renew.py")
renew = importlib.util.module_from_spec(_SPEC)
sys.modules["renew"] = renew
_SPEC.loader.exec_module(renew)

FIXED = {
    one.name: one
    for module in pkgutil.iter_modules(tables.__path__)
    for one in vars(importlib.import_module(f"fer_bench.tables.{module.name}")).values()
    if isinstance(one, Schema)
}
MADE = {
    one.name: one
    for one in (
        _fingerprint._SCHEMA,
        orders.schema(["label/majority"], [orders.Column(0, "last", order) for order in ("single", "listed_b8")]),
        predicted.schema([predicted.Column("dan", 0, "last")]),
        predictions.schema(8),
        reported.schema(("votes_fear",)),
        samples.schema(("votes_fear",)),
    )
}
SCHEMAS = {**FIXED, **MADE}
NOT_IN_A_GRID = {"samples table", "fingerprint"}
README = (ROOT / "results" / "README.md").read_text()


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_column_says_what_it_holds(name):
    for column in SCHEMAS[name].columns.values():
        assert len(column.about) > 1
        assert not column.about.endswith(".")
        assert column.empty is None or column.empty
        assert column.empty is not None or not column.added, "older tables lack it, so it is empty there"


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_key_names_columns(name):
    assert set(SCHEMAS[name].key) <= set(SCHEMAS[name].columns)


def test_a_column_that_older_tables_lack_is_read_as_empty():
    table = Schema(
        name="a table",
        columns={"a": text("an id"), "b": text("new", empty="before", added=True)},
        key=("a",),
        remake="make it",
    )
    assert table.check(pd.DataFrame({"a": ["x"]}), where="here")["b"].isna().all()


def test_the_page_on_results_is_the_one_that_is_made():
    assert renew.readme() == README, "renew it: make docs"


def test_the_page_on_bad_input_is_the_one_that_is_made():
    assert renew.bad_input() == renew.BAD.read_text(encoding="utf-8"), "renew it: make docs"


@pytest.mark.parametrize("name", sorted(SCHEMAS.keys() - NOT_IN_A_GRID))
def test_the_page_has_every_table(name):
    assert name in {file.table.name for file in renew.FILES if file.table is not None}


def test_the_page_has_every_file_that_a_stage_leaves():
    stages = yaml12.load((ROOT / "dvc.yaml").read_text(), where="dvc.yaml")["stages"]
    held = [file.name for file in renew.FILES]
    for stage in stages.values():
        body = stage.get("do", stage)
        for out in [*body.get("outs", []), *body.get("metrics", [])]:
            path = next(iter(out)) if isinstance(out, dict) else out
            if not path.startswith("results/${grid}/"):
                continue
            name = path.removeprefix("results/${grid}/")
            for placeholder, word in (
                ("${item.dataset}", "DATASET"),
                ("${item.method}", "METHOD"),
                ("seed${item.seed}", "seedK"),
                ("${key}", "METHOD" if path.startswith("results/${grid}/sources") else "DATASET"),
            ):
                name = name.replace(placeholder, word)
            assert any(fnmatch.fnmatch(name, file) or file.startswith(f"{name}/") for file in held), (
                f"add {name} to docs/renew.py"
            )


def test_a_link_of_the_page_leads_to_a_heading():
    headings = {renew.anchor(heading) for heading in re.findall(r"^#+ (.*)$", README, re.MULTILINE)}
    links = re.findall(r"\]\(#([^)]*)\)", README)
    assert len(links) > 30
    assert not set(links) - headings


def test_a_file_that_a_link_names_is_there():
    for link in re.findall(r"\]\((\.\./[^)#]*)", README):
        assert (ROOT / "results" / link).exists(), link


def test_every_field_of_a_record_is_explained():
    for record in {record for file in renew.FILES for record in file.records}:
        fields = getattr(record, "__struct_fields__", None) or record._fields
        assert [name for name, _ in renew.attributes(record)] == list(fields)


def test_committed_tables_have_the_columns_of_the_page(committed_files):
    compared = 0
    for file in renew.FILES:
        # columns that stand for several are checked where the table is read
        if file.table is None or not file.name.endswith(".csv") or re.search(r"[A-Z]", "".join(file.table.columns)):
            continue
        pattern = re.sub(r"DATASET_METHOD|DATASET|METHOD", "*", file.name.replace("seedK", "seed*"))
        for path in [path for path in committed_files if path.match(f"results/*/{pattern}")]:
            header = list(pd.read_csv(path, nrows=0).columns)
            held = [name for name, column in file.table.columns.items() if name in header or not column.added]
            assert header == held, path
            compared += 1
    assert compared > 30


def test_the_list_of_differences_has_the_columns_of_its_audit():
    assert tuple(pictures.difference.columns) == _difference.COLUMNS
