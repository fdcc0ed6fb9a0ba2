"""The page in a real browser: sorted and searched by hand, in light and dark, on a phone, on paper, without scripts."""

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

from fer_bench.report import write

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
PHONE, DESK, WIDE = 390, 1280, 1920

_SPEC = importlib.util.spec_from_file_location("fake_grid", Path(__file__).parent.parent / "golden" / "fake_grid.py")
fake_grid = importlib.util.module_from_spec(_SPEC)
sys.modules["fake_grid"] = fake_grid
_SPEC.loader.exec_module(fake_grid)

ODD = fake_grid.Fake(
    methods={"good": 0.8, "gone": 0.7, "long": 0.79, "floor": 0.3},
    titles={"good": "</td><script>alert(1)</script> a&b%c_d", "long": "x" * 40},
    seeds=(0,),
    failed=frozenset({("gone", 0)}),
    one_go=frozenset({"floor"}),
    datasets={"two": (60, 2), "eight": (90, 8)},
    figures=("good",),
    twins=9,
    compared=False,
    unofficial="class folders",
    origin="red",
    accepted=True,
    weights=f"file:{'v' * 60}.pth",
    title="Odd & <b>odd</b> " + "y" * 60,
)
FAKES = {"golden": fake_grid.GOLDEN, "odd": ODD}


@pytest.fixture(scope="module")
def addresses(tmp_path_factory):
    found = {}
    for name, fake in FAKES.items():
        folder = tmp_path_factory.mktemp(name)
        fake_grid.write(fake, folder)
        write.write(fake_grid.read(fake, folder), asked=fake.yaml())
        found[name] = (folder / "report.html").as_uri()
    return found


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium: install it (Debian: apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install -e '.[dev]'")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM)
        yield started
        started.close()


@pytest.fixture
def show(browser, addresses):
    """Open a page; at the end nothing may have been asked for or complained of."""
    contexts, complaints = [], []

    def opened(name="golden", *, width=DESK, colours="light", **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=colours, **options)
        contexts.append(context)
        context.set_default_timeout(10_000)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on("request", lambda request: complaints.append(request.url) if _is_foreign(request, addresses) else None)
        page.goto(addresses[name])
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not complaints


def _is_foreign(request, addresses):
    return not request.url.startswith("data:") and request.url.partition("#")[0] not in addresses.values()


def column(page, number, table="#table-main"):
    return page.locator(f"{table} tbody tr:visible > :nth-child({number})").all_inner_texts()


def header(page, name, table="#table-main"):
    return page.locator(f"{table} thead").get_by_role("button", name=name, exact=True)


def estimates(page):
    return [float(text.split(" %")[0]) for text in column(page, 2) if "%" in text]


@pytest.mark.parametrize("name", FAKES)
@pytest.mark.parametrize("width", [PHONE, DESK, WIDE])
def test_the_page_is_no_wider_than_the_screen(show, name, width):
    page = show(name, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    outside = page.evaluate(
        """() => [...document.querySelectorAll("main *")].filter((one) =>
            one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".scroll, .picture, pre, .unseen")
        ).map((one) => one.outerHTML.slice(0, 80))"""
    )
    assert not outside


def test_clicks_sort_by_the_estimate_down_up_and_back(show):
    page = show()
    first = column(page, 1)
    button = header(page, "Accuracy")
    sorting = button.locator("..")
    button.click()
    assert sorting.get_attribute("aria-sort") == "descending"
    assert estimates(page) == sorted(estimates(page), reverse=True)
    assert page.locator("#table-main [role=status]").inner_text() == "Sorted by Accuracy, descending"
    button.click()
    assert sorting.get_attribute("aria-sort") == "ascending"
    assert estimates(page) == sorted(estimates(page))
    button.click()
    assert sorting.get_attribute("aria-sort") == "none"
    assert column(page, 1) == first


def test_numbers_are_not_sorted_as_words_and_rows_without_one_come_last(show):
    page = show("odd")
    header(page, "Accuracy").click()
    for _ in range(2):
        texts = column(page, 3)
        found = [float(text.split(" %")[0]) for text in texts if "%" in text]
        assert len(found) == 6
        assert found in (sorted(found), sorted(found, reverse=True))
        assert texts[len(found) :] == ["failed", "failed"]
        header(page, "Accuracy").click()


def test_only_one_column_is_said_to_be_sorted(show):
    page = show()
    for name in ("method", "Accuracy", "Macro-F1"):
        header(page, name).click()
    states = [one.get_attribute("aria-sort") for one in page.locator("#table-main thead th").all()]
    assert [state for state in states if state != "none"] == ["descending"]


def test_the_keyboard_reaches_and_sorts(show):
    page = show()
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('#table-main thead th')?.innerText.trim()") == "Accuracy":
            break
    else:
        pytest.fail("the tabulator never comes to the header Accuracy")
    page.keyboard.press("Enter")
    down = estimates(page)
    page.keyboard.press("Space")
    assert down == sorted(down, reverse=True)
    assert estimates(page) == sorted(down)


def test_a_search_leaves_the_rows_that_have_all_words(show):
    page = show()
    n = len(column(page, 1))
    field = page.locator("#table-main").get_by_label("Search in this table")
    field.click()
    page.keyboard.type("CONV")
    assert column(page, 1) == ["Conv-cut"]
    assert page.locator("#table-main .search").get_by_text(f"1 of {n} rows").is_visible()
    header(page, "Accuracy").click()
    assert column(page, 1) == ["Conv-cut"]
    field.fill("conv nothing")
    assert column(page, 1) == []
    field.fill("")
    assert len(column(page, 1)) == n


@pytest.mark.parametrize("name", FAKES)
@pytest.mark.parametrize(("colours", "switched"), [("light", False), ("dark", False), ("light", True), ("dark", True)])
def test_axe_finds_nothing(show, name, colours, switched):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe: pip install -e '.[dev]'")
    page = show(name, colours=colours)
    if switched:
        page.get_by_role("button", name="colours").click()
    for summary in page.locator("summary").all():
        summary.click()
    assert _found_by(axe, page) == []


def test_axe_finds_nothing_on_a_phone(show):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe: pip install -e '.[dev]'")
    assert _found_by(axe, show(width=PHONE)) == []


def _found_by(axe, page):
    found = axe.Axe().run(page).response["violations"]
    return [(one["id"], one["impact"], [node["html"][:120] for node in one["nodes"]]) for one in found]


def test_axe_would_find_something(show):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe: pip install -e '.[dev]'")
    page = show()
    page.evaluate("document.querySelector('img').removeAttribute('alt')")
    assert [name for name, _, _ in _found_by(axe, page)] == ["image-alt"]


def test_colours_follow_the_system_until_switched_and_are_forgotten_with_the_page(show):
    ground = "getComputedStyle(document.body).backgroundColor"
    page = show(colours="dark")
    dark = page.evaluate(ground)
    page.get_by_role("button", name="Light colours").click()
    light = page.evaluate(ground)
    assert light == "rgb(255, 255, 255)" != dark
    assert page.get_by_role("button", name="Dark colours").is_visible()
    page.reload()
    assert page.evaluate(ground) == dark
    assert page.evaluate("document.cookie") == ""


def test_without_scripts_everything_is_there_and_nothing_that_would_not_work(show):
    page = show(java_script_enabled=False)
    assert page.locator("button").count() == 0
    assert page.locator("input").count() == 0
    assert page.get_by_text("Conv-cut has the highest accuracy").is_visible()
    assert all(one.is_visible() for one in page.locator("table").all())
    page.locator("#table-main summary").click()
    assert page.locator("#table-main code").inner_text().startswith("fer-bench score --params results/simulated/")


def test_on_paper_stands_all_of_it_and_nothing_to_press(show):
    page = show(colours="dark")
    page.locator("#table-main").get_by_label("Search in this table").fill("conv")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for gone in ("nav", "header button", ".code button", ".search"):
        assert not any(one.is_visible() for one in page.locator(gone).all())
    assert len(column(page, 1)) == 3
    assert page.locator("#table-main code").bounding_box()["height"] > 0
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_the_first_thing_that_the_keyboard_reaches_skips_the_contents(show):
    page = show(width=PHONE)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the report"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "report"


def test_a_command_is_copied(show):
    page = show(permissions=["clipboard-read", "clipboard-write"])
    page.locator("#table-main summary").click()
    page.locator("#table-main").get_by_role("button", name="Copy").click()
    page.locator("#table-main").get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("#table-main code").inner_text()


def test_the_browser_would_stop_a_request_a_script_and_a_style(browser, addresses):
    page = browser.new_page()
    page.goto(addresses["golden"])
    stopped = page.evaluate(
        """async () => {
            const stopped = [];
            addEventListener("securitypolicyviolation", (event) => stopped.push(event.effectiveDirective));
            await fetch("http://127.0.0.1:9/").catch(() => {});
            for (const tag of ["script", "style"]) {
                const element = document.createElement(tag);
                element.textContent = "";
                element.append(" ");
                document.head.append(element);
            }
            document.body.append(Object.assign(new Image(), { src: "http://127.0.0.1:9/a.png" }));
            await new Promise((done) => setTimeout(done, 300));
            return stopped;
        }"""
    )
    assert {"connect-src", "img-src"} <= set(stopped)
    assert any(one.startswith("script-src") for one in stopped)
    assert any(one.startswith("style-src") for one in stopped)
    page.close()
