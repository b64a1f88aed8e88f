"""The documentation site: built strictly, every page has a parent, and each is legible on a desk and on a phone."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import site_in_a_browser as browser
import tutelage

ROOT = Path(__file__).parent.parent.parent
CONFIGURATION = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]
PARTS = "_notes.md"
"""What generated pages end with: they are parts of pages, and none themselves."""


def leaves(nav) -> list[str]:
    """The pages of a navigation."""
    values = nav.values() if isinstance(nav, dict) else nav
    return [leaf for value in values for leaf in ([value] if isinstance(value, str) else leaves(value))]


def test_every_page_has_one_parent():
    pages = {str(file.relative_to(ROOT / "docs")) for file in (ROOT / "docs").rglob("*.md")}
    named = leaves(CONFIGURATION["nav"])
    assert sorted(named) == sorted(page for page in pages if not page.endswith(PARTS))


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The site, built from a copy."""
    pytest.importorskip("zensical", reason="pip install 'tutelage[dev]'")
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "docs", folder / "docs")
    shutil.copytree(ROOT / "src", folder / "src")
    shutil.copy(ROOT / "zensical.toml", folder)
    built = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"], cwd=folder, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder / "site"


def test_pages_are_those_of_the_navigation(site):
    named = {page.removesuffix(".md").removesuffix("index") or "." for page in leaves(CONFIGURATION["nav"])}
    assert set(browser.pages(site)) == named


def test_nothing_is_loaded_from_elsewhere(site):
    for path in browser.pages(site):
        text = (site / path / "index.html").read_text()
        loaded = re.findall(r'<(?:script|img|iframe)[^>]* src="(https?:[^"]+)"', text)
        loaded += re.findall(r'<link[^>]* rel="(?:stylesheet|preconnect|icon)"[^>]* href="(https?:[^"]+)"', text)
        assert loaded == [], path


def test_every_public_name_is_on_the_page_of_python(site):
    text = (site / "reference" / "python" / "index.html").read_text()
    for name in set(tutelage.__all__) - {"__version__", "methods"}:
        assert f'id="{getattr(tutelage, name).__module__}.{name}"' in text, name


@pytest.mark.parametrize(("name", "width"), browser.WIDTHS.items())
def test_every_page_fits_its_window(site, name, width, tmp_path):
    if shutil.which("chromium") is None:
        pytest.skip("chromium is not installed")
    with browser.browsed(site, width) as (page, address):
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        for path in browser.pages(site):
            page.goto(f"{address}{path}/", wait_until="load")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
            broken = "[...document.images].filter(i => i.loading != 'lazy' && !i.naturalWidth).map(i => i.src)"
            assert page.evaluate(broken) == [], path
        page.goto(address)
        page.screenshot(path=tmp_path / f"{name}.png")
        assert errors == []
