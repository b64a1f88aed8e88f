"""report.html as a person meets it: in Chromium, wide and narrow, light, dark, on paper, with and without scripts."""

import shutil

import pytest

from studies import rich
from tutelage.report.page import page as written

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
CHARTS = {"gains": 1, "learning": 4, "size": 3, "calibration": 1, "classes": 2, "tuning": 1}
"""Charts that are seen in each section; of those drawn twice the one that fits."""


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install playwright")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"needs a browser of the system: {', '.join(BROWSERS)}")
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=found, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(written(rich()), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def visit(browser, report):
    """Opens the report; afterwards nothing may have been complained of or asked from elsewhere."""
    complaints, requests, contexts = [], [], []

    def opened(width: int = 1100, **settings):
        contexts.append(browser.new_context(viewport={"width": width, "height": 800}, **settings))
        page = contexts[-1].new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(report)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
    assert {url for url in requests if not url.startswith("data:")} == {report}


def seen(page, section: str):
    return page.locator(f"#{section} figure svg[role=img]:visible")


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_every_chart_is_seen_and_nothing_runs_over_the_edge(visit, width):
    page = visit(width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for table in page.locator(".scroll:visible").all() if width > 700 else ():
        name = table.get_attribute("aria-label")
        assert table.evaluate("one => one.scrollWidth <= one.clientWidth"), f"all columns at once: {name}"
    for section, number in CHARTS.items():
        charts = seen(page, section)
        assert charts.count() == number, section
        for chart in charts.all():
            box = chart.bounding_box()
            assert box["width"] > 200
            assert box["height"] > 60
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
    assert seen(page, "classes").first.locator(".role-mark").count() > 0
    assert page.locator("img:visible").count() == 3
    assert all(page.locator("img").evaluate_all("all => all.map(one => one.naturalWidth > 0)"))


def test_a_box_hides_and_shows_a_series(visit):
    page = visit()
    marks = page.locator("#learning figure").first.locator('.wide [class*=" s1_line"] path')
    box = page.locator("#learning .show-s1").first
    assert marks.first.is_visible()
    box.focus()
    page.keyboard.press("Space")
    assert not marks.first.is_visible()
    assert page.locator('#size [class*=" s1_point"] path').first.is_visible(), "each figure for itself"
    page.keyboard.press("Space")
    assert marks.first.is_visible()


def test_a_mark_under_the_pointer_is_named(visit):
    page = visit()
    mark = page.locator('#size [class*=" s1_point"] path').first
    mark.scroll_into_view_if_needed()
    mark.hover(force=True)
    tip = page.locator("#tip")
    assert tip.inner_text().startswith("kd: 77.0")
    page.mouse.move(2, 2)
    assert not tip.is_visible()


def test_without_scripts_everything_is_there(visit):
    page = visit(java_script_enabled=False)
    assert seen(page, "gains").count() == 1
    assert "kd lifts small" in page.locator("h1").inner_text()
    page.locator("summary", has_text="Every seed").click()
    assert page.locator("text=cats-kd-small-s2-0").first.is_visible()


def test_dark_and_paper(visit):
    def colours(page):
        of = "getComputedStyle(document.body)"
        return page.evaluate(f"[{of}.backgroundColor, {of}.color].map(c => c.match(/\\d+/g).reduce((a, b) => +a + +b))")

    light, dark = (colours(visit(color_scheme=scheme)) for scheme in ("light", "dark"))
    assert light[0] > light[1]
    assert dark[0] < dark[1]
    page = visit(color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert colours(page) == [255 * 3, 0]
    assert not page.locator("nav").is_visible()


def test_the_keyboard_reaches_what_can_be_used(visit):
    page = visit(360)
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.tagName + '.' + document.activeElement.className"))
    assert {"A.", "DIV.scroll", "SUMMARY.", "INPUT.show-s1"} <= reached
