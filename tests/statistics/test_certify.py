"""The certificate: its table, its digest, the verb that makes it and the section that prints it."""

from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from typer.testing import CliRunner

from fer_bench.cli.main import app
from fer_bench.report import certified
from fer_bench.stats import certify
from fer_bench.tables.certificate import certificate


def silent(_text):
    pass


@pytest.fixture(scope="module")
def small():
    """A certificate of a few trials: its rates mean nothing."""
    return certify.certify(trials=10, seed=0, say=silent)


@pytest.fixture
def grid():
    return SimpleNamespace(level=0.95, params=SimpleNamespace(report=SimpleNamespace(scale="For tests.")))


def kept(table):
    """The same certificate, every promise kept."""
    middle = (table["allowed_low"] + table["allowed_high"]) / 2
    return table.assign(
        rate=middle.fillna(table["rate"]), passed=table["passed"].where(table["passed"].isna(), other=True)
    )


def test_every_part_that_is_promised_is_counted(small):
    promised = small[small["passed"].notna()]
    assert (promised["what"] == "coverage").sum() == 4 + 2 * 4 * 3
    assert (promised["what"] == "false alarms").sum() == 3 * 2 * 2
    assert (promised["what"] == "false alarms in a family").sum() == 4 * 2
    assert small["trials"].max() == 20  # one run counts twice as many
    assert (small["rate_low"] <= small["rate"]).all()
    assert (small["rate"] <= small["rate_high"]).all()


def test_the_same_seed_counts_the_same_and_another_one_does_not(small):
    parts = certify._parts(10, 0), certify._parts(10, 0), certify._parts(10, 1)
    one, same, other = ([next(part) for _ in range(2)] for part in parts)
    assert one == same
    assert one != other


def test_a_certificate_can_be_written_and_read(small, tmp_path):
    certificate.write(small, tmp_path / "certificate.csv")
    read = certificate.read(tmp_path / "certificate.csv")
    assert (read["rate"] - small["rate"]).abs().max() < 1e-8
    assert list(read["passed"].isna()) == list(small["passed"].isna())


def test_the_digest_is_about_statistics_and_metrics_alone():
    held = {path.split("/")[1] for path in certify.certified_files()}
    assert held == {"stats", "metrics"}
    names = {path.rsplit("/", 1)[1] for path in certify.certified_files()}
    assert {"two_way.py", "pairs.py", "paired.py", "bootstrap.py", "macro_f1.py", "certify.py"} <= names
    assert "ranks.py" not in names  # what it does not run does not make it stale


def test_a_rate_outside_its_range_is_missed_and_one_without_a_range_never_is(small):
    table = kept(small)
    assert certify.missed(table).empty
    first = table.index[table["passed"].notna()][0]
    broken = table.assign(passed=table["passed"].mask(table.index == first, other=False))
    assert list(certify.missed(broken).index) == [first]


@pytest.fixture
def selftest(monkeypatch, tmp_path, small):
    monkeypatch.chdir(tmp_path)

    def run(table, *options):
        monkeypatch.setattr(certify, "certify", lambda **_asked: table)
        return CliRunner().invoke(app, ["selftest", "stats", *options])

    return run


def test_the_program_prints_and_writes_the_certificate(selftest, small):
    done = selftest(kept(small))
    assert done.exit_code == 0, done.output
    assert "promised rates lie in their ranges" in done.output
    assert "wrote results/certificate.csv" in done.output
    assert len(certificate.read(Path("results/certificate.csv"))) == len(small)


def test_a_broken_promise_is_exit_code_1_and_still_written(selftest, small):
    table = kept(small)
    first = table.index[table["passed"].notna()][0]
    done = selftest(table.assign(passed=table["passed"].mask(table.index == first, other=False)), "--output", "c.csv")
    assert done.exit_code == 1
    assert "NO" in done.output
    assert len(certificate.read(Path("c.csv"))) == len(small)


def test_few_trials_are_said_to_prove_little(selftest, small):
    assert "may leave its range by chance" in selftest(kept(small), "--trials", "100").output


def test_the_section_sums_settings_up_and_says_when_the_code_has_changed(small, grid):
    text, table = certified.section(grid, kept(small)).blocks
    assert "other statistics code" not in text.text
    promised = table.cells[table.cells["kept"] != "–"]
    assert list(promised["settings"]) == ["1"] * 4 + ["8"] * 3 + ["2"] * 2 + ["4"] * 2 + ["4"] * 2
    assert promised["kept"].iloc[4] == "8 of 8"
    stale = certified.section(grid, kept(small).assign(code="0" * 12)).blocks[0]
    assert "made with other statistics code: fer-bench selftest stats" in stale.text


def test_without_a_certificate_the_section_says_how_to_make_one(grid):
    (text,) = certified.section(grid, pd.DataFrame()).blocks
    assert "fer-bench selftest stats" in text.text
