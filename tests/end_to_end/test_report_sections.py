"""The parts of the page that need more than accuracies: shown where they were measured, absent elsewhere."""

import re

import pytest

from pages import SECTIONS, Reader
from studies import PNG, rich, study
from tutelage.report.charts import Point, unbeaten
from tutelage.report.claim import claim
from tutelage.report.page import page
from tutelage.report.theme import TEACHER


@pytest.fixture(scope="module")
def html() -> str:
    return page(rich())


@pytest.fixture(scope="module")
def read(html) -> Reader:
    return Reader(html)


def test_every_part_has_its_section_and_link(read):
    ids = [attributes["id"] for tag, attributes in read.tags if tag == "section"]
    assert ids == [*SECTIONS[:6], "knowledge", "tuning", *SECTIONS[6:]]
    links = [attributes["href"] for tag, attributes in read.tags if tag == "a"]
    assert links[: len(ids)] == [f"#{section}" for section in ids]


def test_results_of_an_older_version_have_none_of_it():
    old = Reader(page(study())).text
    for told in ("Dark knowledge", "Tuning", "taken for which", "McNemar", "Holm"):
        assert told not in old, told


def test_images_are_in_the_page_and_their_answers_are_written(read):
    images = [attributes for tag, attributes in read.tags if tag == "img"]
    assert [image["alt"] for image in images] == [f"validation image {n}" for n in (11, 12, 13)]
    assert {image["src"] for image in images} == {f"data:image/png;base64,{PNG}"}
    titles = [attributes["title"] for tag, attributes in read.tags if tag == "span" and "title" in attributes]
    assert titles[:3] == ["teacher: 62.0 %", "baseline: 40.0 %", "student: 55.0 %"]


def test_mistakes_handed_down(read):
    words = " ".join(read.text.split())
    assert "Of the 80 test images that the teacher gets wrong, the baseline alone gets 31.7 right; on 7.3 of" in words
    assert "417" in words


def test_a_teacher_without_mistakes():
    results = rich()
    for row in results["rows"][1:]:
        row["fidelity"]["test"]["inherited"]["teacher_wrong"] = 0
    told = page(results)
    assert "there is no mistake of its that could be handed down" in told
    assert "Mistakes handed down" not in told


def test_a_bin_with_few_answers_is_not_drawn(html):
    drawn = re.findall('aria-label="kd: confidence ([^"]*)"', html)
    assert drawn == ["97.0 %, accuracy 88.0 %, 900 answers"]
    assert 'aria-label="teacher: confidence 96.0 %' in html


def test_confusions_are_signed_and_said(html, read):
    assert html.count('aria-label="cat taken for dog: \N{MINUS SIGN}12.0 images"') == 2, "desk and phone"
    assert html.count('aria-label="dog right: +4.3 images"') == 2
    assert "\N{MINUS SIGN}4.3" in read.text


def test_every_trial_is_drawn_and_listed(html, read):
    assert html.count('aria-label="trial 3: temperature 12, alpha 0.95: 74.00 %"') == 2
    assert html.count('aria-label="trial 4: temperature 18, alpha 0.1: pruned"') == 2
    words = " ".join(read.text.split())
    assert "4 settings tried on val" in words
    assert "its difference to the defaults on val is +5.0 points" in words


def test_a_search_that_found_nothing_better():
    results = rich()
    results["tuning"]["best"] = 0
    told = page(results)
    assert "None was better than the defaults" in told
    assert "difference to the defaults on val" not in told


def test_verdicts_are_the_studys_own(html, read):
    words = " ".join(read.text.split())
    assert "p = 0.026" in words
    assert "not beyond 0.3 points" in words
    assert "91 : 41" in words
    assert "68.10 to 73.90" in words
    assert "corrected by Holm for comparing 2 methods" in words
    assert "These rest on 3 pairs, which is few" in words


def test_an_equivalence_and_a_gain_lost_to_holm_are_claimed_as_such():
    results = rich()
    results["rows"] = [results["rows"][0], results["rows"][2]]
    results["recipes"] = [results["recipes"][0], results["recipes"][2]]
    assert claim(results).endswith("A difference beyond 0.3 points is ruled out.")
    results = rich()
    results["rows"][1]["gain"]["test"] |= {"verdict": "none", "p_adjusted": 0.06}
    told = claim(results)
    assert "No gain of kd could be shown" in told
    assert told.endswith("Its interval alone would show one; corrected for 2 methods p = 0.06.")


def test_no_folder_of_the_machine_is_told(html, read):
    assert "/home/ann" not in html
    assert "/tmp/a b" not in html
    assert "$ tutelage distill my.toml --teacher=t.pth --runs runs" in read.text


def test_what_nothing_beats():
    points = [Point(TEACHER, cost, top1, 0.0) for cost, top1 in ((10, 0.9), (1, 0.7), (1, 0.8), (5, 0.8), (20, 0.9))]
    assert [(point.cost, point.top1) for point in unbeaten(points)] == [(1, 0.8), (10, 0.9)]


def test_the_latency_is_drawn_where_the_teachers_is_known():
    results = rich()
    for one in (*results["rows"], results["teacher"]):
        one["latency_ms"] = {"p50": 2.5, "p90": 3.0}
    assert 'aria-label="teacher: 92.0 % at 2.5 ms"' in page(results)


def test_what_stands_against_a_student_is_named_once():
    results = study()
    results["export"]["doubt"] = "it is right on 3 of 14 validation images"
    found = page(results)
    assert f"<dt>warning</dt><dd>{results['export']['run']}: it is right" in found
    assert "Warning: " not in found
