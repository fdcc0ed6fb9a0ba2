"""The report of a stored grid, byte for byte."""

import importlib.util
from pathlib import Path

import pytest

_SPEC = importlib.util.spec_from_file_location("renew", Path(__file__).parent / "renew.py")
renew = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(renew)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("golden")
    renew.render(folder)
    return folder


def test_the_report_and_its_tables_have_the_stored_bytes(made):
    found, expected = renew.texts(made), renew.texts(renew.EXPECTED)
    differing = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
    assert not differing, f"{', '.join(differing)} differ: run `make golden`, then read `git diff tests/golden`"


def test_every_picture_of_the_report_is_there_and_none_besides(made):
    text = (made / "report.md").read_text(encoding="utf-8")
    named = {part.partition(".png)")[0] for part in text.split("(figures/")[1:]}
    assert named == {path.stem for path in (made / "figures").glob("*.png")}
    assert named == {path.stem for path in (made / "figures").glob("*.pdf")}


def test_what_was_asked_for_is_kept_beside_the_report(made):
    assert (made / "params.yaml").read_bytes() == (renew.GRID / "params.yaml").read_bytes()
