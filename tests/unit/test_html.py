"""The page: escaped, whole in itself, in order for those who hear it, and the same bytes for the same grid."""

import base64
import dataclasses
import hashlib
import importlib.util
import re
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from fer_bench.cli import report as report_verb
from fer_bench.cli.main import app
from fer_bench.report import html, recompute, run_list, write
from fer_bench.report.blocks import Box, Code, Listing, Section, Table, Text
from fer_bench.tables.runs import joined

_SPEC = importlib.util.spec_from_file_location("fake_grid", Path(__file__).parent.parent / "golden" / "fake_grid.py")
fake_grid = importlib.util.module_from_spec(_SPEC)
sys.modules["fake_grid"] = fake_grid
_SPEC.loader.exec_module(fake_grid)

ATTACK = "</td><script>alert(1)</script>"
NASTY = f"""a&b%c_d {ATTACK} "q" 'q' {{{{ 7 * 7 }}}} $x$ \\z 猫"""
LONG = "x" * 40
VOID = {"meta", "link", "img", "input", "br"}

ODD = fake_grid.Fake(
    methods={"good": 0.8, "gone": 0.7, "long": 0.79, "floor": 0.3},
    titles={"good": NASTY, "long": LONG},
    seeds=(0,),
    failed=frozenset({("gone", 0)}),
    one_go=frozenset({"floor", "long"}),
    datasets={"two": (60, 2), "eight": (90, 8)},
    figures=("good",),
    twins=9,
    unofficial=f"class folders {ATTACK}",
    origin="red",
    accepted=True,
    weights=f"file:{ATTACK}_{'v' * 50}.pth",
    made_with={("good", 0): {"machine": joined({"processor": NASTY}), "device": ATTACK}},
    error=f"loss | is <nan>\n& {NASTY}",
    title=f"Odd {NASTY}",
    scale=f"Scale {NASTY}",
)
HOLES = dataclasses.replace(ODD, audited=False, compared=False, twins=None, unofficial="", origin="green")


class Page(HTMLParser):
    """A page as its tags; fails on one that is not closed where it has to be."""

    def __init__(self, text):
        super().__init__()
        self.text, self.open, self.tags, self.said = text, [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs), tuple(self.open)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, (tag, self.getpos())

    def handle_data(self, data):
        if self.open and self.open[-1] not in {"script", "style"}:
            self.said.append(data)

    def all(self, tag):
        return [attrs for name, attrs, _ in self.tags if name == tag]

    @property
    def words(self):
        return " ".join(" ".join(self.said).split())


def made(fake, folder):
    fake_grid.write(fake, folder)
    write.write(fake_grid.read(fake, folder), asked=fake.yaml())
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    folder = tmp_path_factory.mktemp("golden")
    fake_grid.write(fake_grid.GOLDEN, folder)
    return fake_grid.read(fake_grid.GOLDEN, folder)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    fakes = {"golden": fake_grid.GOLDEN, "odd": ODD, "holes": HOLES}
    return {name: Page(made(fake, tmp_path_factory.mktemp(name))) for name, fake in fakes.items()}


@pytest.fixture(params=["golden", "odd", "holes"])
def page(request, pages):
    return pages[request.param]


def shown(*blocks, **options):
    section = Section(title="A section", blocks=blocks)
    options = {"figures": Path("none"), "commands": lambda _: (), **options}
    return Page(html.render("A title", (section,), **options))


def test_nothing_from_data_becomes_a_tag_or_a_template(page):
    assert len(page.all("script")) == 1
    assert "alert(1)</script>" not in page.text
    assert not [name for _, attrs, _ in page.tags for name in attrs if name.startswith("on") or name == "style"]


def test_what_looks_like_a_tag_or_a_template_is_read_as_it_was_written(pages):
    words = pages["odd"].words
    assert words.count(" ".join(NASTY.split())) > 5
    assert f"Odd {NASTY}" in words


def test_the_page_asks_for_nothing(page):
    for tag, attrs, _ in page.tags:
        for name in ("src", "href", "srcset", "action", "poster", "data"):
            value = attrs.get(name)
            if value is not None and tag != "a":
                assert value.startswith("data:"), (tag, value)
    for attrs in page.all("a"):
        assert attrs["href"].startswith(("#", "https://", "http://")), attrs
    assert "url(" not in page.text
    assert "@import" not in page.text
    assert "fetch(" not in page.text


def test_the_policy_lets_only_the_pages_own_style_and_script_in(page):
    policy = next(one["content"] for one in page.all("meta") if "http-equiv" in one)
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        body = re.search(rf"<{tag}>(.*?)</{tag}>", page.text, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_headings_are_one_of_the_first_rank_and_go_down_step_by_step(page):
    ranks = [int(tag[1]) for tag, _, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert ranks.count(1) == 1
    assert ranks[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(ranks))


def test_anchors_are_unique_and_everything_that_points_at_one_finds_it(page):
    ids = [attrs["id"] for _, attrs, _ in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    named = [attrs[key] for _, attrs, _ in page.tags for key in ("aria-labelledby", "aria-describedby") if key in attrs]
    named += [attrs["href"][1:] for attrs in page.all("a") if attrs["href"].startswith("#")]
    assert set(named) <= set(ids)
    contents = [attrs["href"] for tag, attrs, above in page.tags if tag == "a" and "nav" in above]
    assert contents == [f"#{attrs['id']}" for attrs in page.all("h2")]


def test_every_table_has_a_caption_and_says_what_its_headers_are_for(page):
    assert len(page.all("table")) == len(page.all("caption")) > 5
    assert all(attrs.get("scope") in {"col", "row"} for attrs in page.all("th"))
    boxes = [attrs for attrs in page.all("div") if attrs.get("class") == "scroll"]
    assert len(boxes) == len(page.all("table"))
    assert all(attrs["tabindex"] == "0" and attrs["aria-labelledby"] for attrs in boxes)


def test_every_figure_says_in_words_what_it_shows(page):
    assert page.all("img")
    for attrs in page.all("img"):
        assert re.search(r"\d", attrs["alt"]), attrs["alt"]
        assert len(attrs["alt"]) > 40
        assert int(attrs["width"]) in {326, 672}


def test_the_verdict_stands_before_the_main_table_and_that_before_the_forest(page):
    places = [page.text.index(f'id="{name}"') for name in ("in-short", "table-main", "figure-eight_forest")
              if f'id="{name}"' in page.text]  # fmt: skip
    places += [page.text.index(f'id="{name}"') for name in ("table-claims", "table-per_class", "table-runs")]
    assert places == sorted(places)


@pytest.mark.slow
def test_equal_grids_give_equal_bytes(pages, tmp_path):
    assert made(fake_grid.GOLDEN, tmp_path) == pages["golden"].text


def test_a_grid_full_of_holes_says_what_is_missing(pages):
    words = pages["holes"].words
    for said in ("No published claim is on record", "No two methods were compared.", "not audited", "0 of 1", LONG):
        assert said in words
    assert "loss | is <nan> &" in words


def test_the_mark_of_the_data_stands_at_every_table_and_figure(pages):
    page = pages["odd"]
    n = len(page.all("table")) + len(page.all("figure"))
    assert page.words.count("unofficial copy, never compared") >= n


def test_what_notes_repeat_is_said_once_and_linked_to():
    one, other = (
        Table(name=name, cells=pd.DataFrame({"a": ["1"]}), caption="C.", note="Own words. Small scale.")
        for name in ("one", "other")
    )
    page = shown(Box(("Small scale.",)), one, other, said_once="Small scale.")
    assert page.words.count("Small scale.") == 1
    assert page.words.count("Own words.") == 2
    assert [attrs["href"] for attrs in page.all("a")].count("#a-section") == 3


def test_a_number_is_sorted_by_its_estimate():
    cells = pd.DataFrame({"x": ["9.5 % [1.0, 2.0]", "−10.0 points", "1,000", "< 0.001", "2 of 3", "–", "failed"]})
    page = shown(Table(name="t", cells=cells, caption="C.", right=frozenset({"x"})))
    keys = [attrs["data-key"] for attrs in [*page.all("th"), *page.all("td")] if "data-key" in attrs]
    assert keys == ["9.5", "-10", "1000", "0.0005", "2", "", ""]


def test_a_long_table_can_be_searched_and_a_short_one_needs_it_not():
    def searched(n):
        cells = pd.DataFrame({"x": ["y"] * n})
        return "data-searched" in shown(Table(name="t", cells=cells, caption="C.")).text

    assert searched(html.SEARCHED_FROM)
    assert not searched(html.SEARCHED_FROM - 1)


def test_the_verdict_of_a_row_stands_behind_what_the_row_is_about():
    cells = pd.DataFrame({"method": ["m", "k"], "published": ["1 %", "2 %"], "verdict": ["below", "reproduced"]})
    page = shown(Table(name="t", cells=cells, caption="C.", right=frozenset({"published"})))
    assert page.words.index("verdict") < page.words.index("published")
    assert [attrs["class"] for attrs in page.all("span") if "stated" in attrs.get("class", "")] == [
        "stated down",
        "stated good",
    ]


@pytest.mark.parametrize("n", [1, 30])
def test_a_table_has_as_many_columns_as_its_data_set_has_expressions(n):
    names = [f"expression {index}" for index in range(n)]
    cells = pd.DataFrame([["m", *["1,234"] * n], ["k", *["–"] * n]], columns=["method", *names])
    page = shown(Table(name="t", cells=cells, caption="C.", right=frozenset(names)))
    assert len(page.all("td")) == 2 * n
    assert len(page.all("th")) == n + 3


def test_an_empty_table_says_why_instead():
    page = shown(Table(name="t", cells=pd.DataFrame({"x": []}), caption="C.", empty=f"Nothing {ATTACK}."))
    assert not page.all("table")
    assert f"Nothing {ATTACK}." in page.words


def test_an_address_becomes_a_link_that_takes_no_more_than_it():
    page = shown(Text(f"See (https://example.org/a_b?c=d&e=f); javascript:alert(1) {ATTACK}"), Listing("L:", ("i",)))
    (link,) = [attrs for attrs in page.all("a") if attrs["href"].startswith("http")]
    assert link["href"] == "https://example.org/a_b?c=d&e=f"


def test_commands_stand_as_they_are_typed():
    page = shown(Code(("cp a b", "dvc repro  # <now>")))
    assert "cp a b\ndvc repro  # &lt;now&gt;" in page.text


def test_every_table_and_figure_of_a_grid_has_commands_that_exist(grid, tmp_path):
    (tmp_path / "figures").mkdir()
    verbs = {command.name or command.callback.__name__ for command in app.registered_commands}
    verbs |= {group.name for group in app.registered_groups}
    blocks = [block for section in write.sections(grid, tmp_path / "figures") for block in section.blocks]
    for block in [one for one in blocks if hasattr(one, "caption") and one.name != "recompute"]:
        lines = recompute.lines(grid, block)
        assert lines, block.name
        assert "dvc repro" not in lines, f"{block.name}: add what makes it to recompute._MADE_BY"
        assert {line.split()[1] for line in lines} <= verbs, (block.name, lines)


def test_of_a_table_that_is_not_known_the_whole_pipeline_is_said(grid):
    block = Table(name="new", cells=pd.DataFrame({"x": ["y"]}), caption="C.")
    assert recompute.lines(grid, block) == ("cp results/simulated/params.yaml params.yaml", "dvc repro")


def test_failed_runs_and_no_others_are_run_again_for_the_table_of_failures(grid):
    lines = recompute.lines(grid, run_list.failures(grid))
    (only,) = [line for line in lines if line.startswith("fer-bench run ")]
    assert only.startswith(
        "fer-bench run patt_lite --dataset synthetic --seed 1 --params results/simulated/params.yaml "
    )


@pytest.mark.parametrize("case", [(True, True, True), (True, False, True), (False, True, False)])
def test_the_page_is_opened_where_there_is_a_screen_and_named_elsewhere(tmp_path, monkeypatch, capsys, case):
    screen, browser, opened = case
    asked = []
    monkeypatch.setattr(report_verb, "has_screen", lambda: screen)
    monkeypatch.setattr(report_verb.webbrowser, "open", lambda address: asked.append(address) or browser)
    report_verb.show_page(tmp_path / "report.html")
    assert bool(asked) == opened
    assert (str(tmp_path / "report.html") in capsys.readouterr().out) == (not (opened and browser))


def test_help_tells_of_the_page():
    text = CliRunner().invoke(app, ["report", "--help"]).output
    assert "--open" in text
    assert "report.html" in text
