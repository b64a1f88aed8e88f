"""report.html: whole, self-contained, safe."""

import json
import re
from xml.etree import ElementTree

import pytest

from pages import SECTIONS, Reader
from studies import GAIN, LOSS, NEITHER, TOO_FEW, study
from tutelage.report import write_report
from tutelage.report.page import page

LOADING = ("src", "href", "xlink:href", "srcset", "data", "action", "poster", "background")


@pytest.fixture(scope="module")
def html() -> str:
    return page(study())


@pytest.fixture(scope="module")
def read(html) -> Reader:
    return Reader(html)


def test_every_section_is_there_and_reachable(read):
    ids = [attributes["id"] for tag, attributes in read.tags if tag == "section"]
    assert ids == SECTIONS
    links = [attributes["href"] for tag, attributes in read.tags if tag == "a"]
    assert links[: len(SECTIONS)] == [f"#{section}" for section in SECTIONS]


def test_the_claim_is_the_heading(read, html):
    heading = html.split("<h1", 1)[1].split("</h1>")[0]
    assert "kd lifts small from 72.0\N{NO-BREAK SPACE}% to 77.0\N{NO-BREAK SPACE}% on the test split" in heading
    assert "+5.0 points" in heading
    assert "That closes 25" in read.text


def test_what_leaked_is_said_below_the_claim():
    leaked = {"images": 100, "copies": 1, "near": 4}
    header = page(study() | {"leakage": {"val": leaked, "test": leaked, "not_compared": ["<b>"]}}).split("</header>")[0]
    assert "5 of 100 test images" in header.replace("\N{NO-BREAK SPACE}", " ")
    assert "<b>:" not in header


def test_nothing_is_loaded(read, html):
    for tag, attributes in read.tags:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base")
        for name in LOADING:
            assert (attributes.get(name) or "#").startswith("#"), (tag, attributes)
    assert "url(" not in html
    assert "@import" not in html
    assert "://" not in html.replace('"http://www.w3.org/2000/svg"', "").replace('"http://www.w3.org/1999/xlink"', "")
    policies = [a["content"] for tag, a in read.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"]


def test_it_is_small(html):
    assert len(html.encode()) < 3_000_000


def test_every_chart_is_a_described_svg_in_the_page_itself(html, read):
    described = [a for tag, a in read.tags if tag == "svg" and a.get("role") == "img"]
    # gains, learning and classes for two widths; two losses; three costs; calibration
    assert len(described) == 3 * 2 + 2 + 3 + 1
    assert all(attributes["aria-label"] for attributes in described)
    for part in html.split("<svg")[1:]:
        ElementTree.fromstring("<svg" + part.split("</svg>")[0] + "</svg>")


def test_numbers_that_are_drawn_are_also_written(read):
    for number in (
        "77.0 \N{PLUS-MINUS SIGN} 2.6",
        "0.032",
        "0.654",
        "88.0 %",
        "10,352",
        "76,800",
        "33.6 kB",
        "0.123",
        "400,000",
    ):
        assert number in read.text, number


def test_every_box_of_a_legend_hides_marks_of_its_figure():
    results = study()
    results["teacher"]["val_held_out"] = False
    html = page(results)
    found = 0
    for figure in html.split("<figure>")[1:]:
        figure = figure.split("</figure>")[0]
        for key in re.findall('type="checkbox" class="show-([a-z0-9]+)"', figure):
            found += 1
            assert f'figure:has(.show-{key}:not(:checked)) [class*=" {key}_"]' in html
            assert re.search(f'class="[^"]* {key}_[a-z]+_marks"', figure), key
    # learning without the teacher; size and classes with it
    assert found == 2 + 3 + 3


def test_how_to_reproduce(read):
    for told in ("$ tutelage distill cats.toml --seeds 0 1 2", "$ tutelage train runs/cats-kd-small-s2-0", "abc1234"):
        assert told in read.text
    assert "torch 2.14.1" in read.text


def test_openings_are_listed(read):
    assert "final evaluation" in read.text
    assert "Test split opened once by this study, 4 times in all until 2026-01-02 03:30:00+00:00" in read.text


def test_data_cannot_become_markup():
    evil = '"><b id=evil>'
    results = study(classes=("<script>", evil, "</figure>"), gains={evil: GAIN})
    results["student"]["name"] = results["teacher"]["name"] = evil
    results["environment"]["command"] = evil
    results["test_openings"]["study"][0]["reason"] = evil
    read = Reader(page(results))
    assert [attributes["id"] for tag, attributes in read.tags if tag == "section"] == SECTIONS
    assert "evil" not in [attributes.get("id") for _, attributes in read.tags]
    assert read.count("script") == 1
    assert read.text.count(evil) > 5
    # in the chart, and in the table
    assert read.text.count("<script>") >= 3


@pytest.mark.parametrize(
    ("noted", "shown"),
    [
        ("tutelage distill digits", "$ tutelage distill digits"),
        ("__main__.py distill digits", "$ python -m tutelage distill digits"),
        ("study.py --short", "$ python study.py --short"),
        ("ipykernel_launcher.py -f /home/me/kernel.json", "A notebook made this study"),
    ],
)
def test_how_to_reproduce_is_what_was_typed(noted, shown):
    results = study(gains={"kd": GAIN})
    results["environment"]["command"] = noted
    read = Reader(page(results))
    assert shown in read.text
    assert "ipykernel" not in read.text


def test_one_seed():
    told = Reader(page(study(gains={"kd": TOO_FEW}, seeds=1))).text
    assert "Nothing can be claimed from 1 seed" in told
    assert "no interval" in told
    assert "None" not in told


def test_a_loss():
    results = study(gains={"kd": LOSS})
    read = Reader(page(results))
    assert "kd makes small worse" in read.text
    assert "\N{MINUS SIGN}7.5 to \N{MINUS SIGN}2.5" in read.text
    assert any(tag == "td" and attributes.get("class") == "loss" for tag, attributes in read.tags)


def test_a_teacher_without_test_numbers():
    results = study()
    results["teacher"]["test"] = None
    html = page(results)
    assert "not measured" in html
    assert "trained on these images" not in html
    assert "None" not in Reader(html).text
    assert html.count("teacher_point_marks") == 3  # of accuracy and cost, on val
    results["teacher"]["val_held_out"] = False
    html = page(results)
    assert "trained on these images" in html
    assert "teacher_point_marks" not in html


def test_what_a_teacher_reaches_on_its_own_training_images_is_no_mark_to_reach():
    results = study()
    assert "teacher_line_marks" in page(results)
    results["teacher"]["val_held_out"] = False
    html = page(results)
    assert "teacher_line_marks" not in html
    assert "teacher_point_marks" in html


def test_without_teacher_and_export():
    results = study(gains={"label_smoothing": NEITHER})
    results["teacher"] = results["export"]["onnx"] = None
    told = Reader(page(results)).text
    assert "No gain of label_smoothing could be shown" in told
    assert "teacher passes" not in told.split("What it cost")[1].split("Recipes")[0]


def test_a_baseline_alone():
    read = Reader(page(study(gains={})))
    assert "no method was compared with it" in read.text
    assert "gains" not in [attributes.get("id") for _, attributes in read.tags]


def test_of_many_classes_those_that_changed_most_are_drawn():
    results = study(classes=tuple(f"class{i}" for i in range(100)))
    for seed in results["rows"][1]["seeds"]:
        seed["test"] = seed["test"] | {"per_class": [37 * i % 100 / 100 for i in range(100)]}
    html = page(results)
    drawn = html.split('<section id="classes">')[1].split("<details>")[0]
    assert "The 24 of 100 classes that changed most" in drawn
    assert "class27," in drawn  # 37 * 27 % 100 = 99
    assert "class50," not in drawn
    assert html.count('<th scope="row">class50</th>') == 1


def test_a_big_study_stays_below_three_megabytes():
    names = tuple(f"a class of a long name {i}" for i in range(1000))
    results = study(classes=names, gains={f"method{i}": GAIN for i in range(8)})
    for row in results["rows"]:
        for seed in row["seeds"]:
            seed["curves"] = {
                "val_top1": [[float(epoch), 0.5] for epoch in range(1, 301)],
                "train_loss": [[step / 100, 1.0] for step in range(3_000)],
            }
    assert len(page(results).encode()) < 3_000_000


def test_the_same_results_give_the_same_page(html):
    assert page(study()) == html


def test_write_report_reads_the_folder(tmp_path):
    (tmp_path / "results.json").write_text(json.dumps(study()), encoding="utf-8")
    path = write_report(tmp_path)
    assert path == tmp_path / "report.html"
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html", "results.json"]
