"""Writes report.html from results.json: a file that opens offline, needs no script, and says every number it draws."""

import statistics
from importlib import resources
from typing import Any

from altair.utils.schemapi import debug_mode
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from tutelage.measure.measures import MEASURES
from tutelage.progress import duration, size
from tutelage.report import charts, details, sections, sentences, text
from tutelage.report.claim import about_leakage, about_teacher, claim, closed
from tutelage.report.results import Results
from tutelage.report.summary import (
    ClassColumn,
    ClassRow,
    Summary,
    classes,
    curves,
    measure_columns,
    presentable,
    recipes,
)
from tutelage.report.theme import TEACHER, Series, series
from tutelage.shares import percent

MOST_CLASSES = 24
"""Drawn; of more classes those that changed most. The table holds all."""


def page(results: Results) -> str:
    """One self-contained HTML page."""
    summary = Summary.of(presentable(results))
    styles = series([row.label for row in summary.rows])
    with debug_mode(arg=False):  # altair would compare every part of every chart with its schema
        parts = _head(summary) | _tables(summary, styles) | _figures(summary, styles) | _by_class(summary, styles)
    return (
        _environment()
        .from_string(_file("page.html"))
        .render(
            style=Markup(_file("style.css")),
            script=Markup(_file("script.js")),
            text=text,
            duration=duration,
            size=size,
            said={
                "cost": sentences.cost(summary.results),
                "openings": sentences.openings(summary.results["test_openings"]),
                "handed_over": sentences.handed_over(summary),
                "microcontroller": sentences.microcontroller(summary),
                "caveats": sentences.caveats(summary.results),
            },
            results=summary.results,
            rows=summary.rows,
            shown=summary.row,
            places=summary.places,
            teacher=summary.results["teacher"],
            series=styles,
            teacher_series=TEACHER,
            every_series=[*styles, TEACHER],
            **parts,
        )
    )


def _head(summary: Summary) -> dict[str, Any]:
    """The claim and the key numbers."""
    gain = summary.row.gain["test"] if summary.row and summary.row.gain else None
    return {
        "title": f"{summary.results['study']}: a report by tutelage",
        "claim": claim(summary.results),
        "about_teacher": about_teacher(summary.results),
        "leakage": about_leakage(summary.results),
        "verdict": gain["verdict"] if gain else "few",
        "few": gain is not None and gain["pairs"] == "few",
        "margin": gain["margin"] if gain else 0.0,
        "cards": _cards(summary),
    }


def _tables(summary: Summary, styles: list[Series]) -> dict[str, Any]:
    """What stands in tables alone."""
    results = summary.results
    columns = measure_columns(summary)
    tested = results["teacher"] and results["teacher"]["test"]
    differing, shared = recipes(results)
    return {
        "measures": [MEASURES[column.name] for column in columns],
        "measured": [
            {"series": style, "cells": cells}
            for style, *cells in zip(
                [TEACHER, *styles] if tested else styles, *(column.cells for column in columns), strict=True
            )
        ],
        "looked_at": any("interval" in seed for row in results["rows"] for seed in row["seeds"]),
        "inherited": sections.inherited(summary),
        "gallery": sections.pictures(results),
        "search": sections.search(results),
        "student_color": f"s{(summary.number or 0) % 8}",
        "differing": differing,
        "shared": shared,
    }


def _figures(summary: Summary, styles: list[Series]) -> dict[str, Any]:
    """The charts of the whole, and which series each of them shows."""
    results = summary.results
    cost_charts, reliability = sections.costs(summary, styles), sections.reliability(summary, styles)
    memory_charts = sections.memories(summary, styles)
    drawings = _charts(summary, styles) | {"costs": Markup("").join(drawing for _, drawing in cost_charts)}
    drawings["memories"] = Markup("").join(drawing for _, drawing in memory_charts)
    if reliability:
        drawings["reliability"] = reliability["chart"]
    return {
        "charts": drawings,
        "drawn_series": {name: _in(drawing, [*styles, TEACHER]) for name, drawing in drawings.items()},
        "costs": cost_charts,
        "memories": memory_charts,
        "losses": [
            (style, charts.loss(points, style))
            for points, style in zip(curves(results, "train_loss"), styles, strict=True)
            if points
        ],
        "reliability": reliability,
        "fewest": details.FEWEST,
        "calibration_chart": None if reliability else charts.calibration(sections.calibration(summary, styles)),
        "confusions": sections.confusions(summary),
    }


def _by_class(summary: Summary, styles: list[Series]) -> dict[str, Any]:
    """Accuracy class by class."""
    rows = classes(summary.results, summary.row)
    drawn, legend = _most_changed(rows), _of_classes(summary, styles)
    return {
        "classes": rows,
        "classes_drawn": drawn,
        "classes_legend": list(legend.values()),
        "classes_chart": _both(lambda width: charts.by_class(drawn, legend, width)),
    }


def _environment() -> Environment:
    """Everything that comes from data is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    # Escaped first: typeset gets and gives plain text.
    environment.filters["n"] = lambda value: Markup(text.typeset(str(escape(value))))
    return environment


def _charts(summary: Summary, styles: list[Series]) -> dict[str, Markup]:
    teacher, learnt = summary.results["teacher"], curves(summary.results, "val_top1")
    # What a network reaches on images that it was trained on is no mark to reach.
    on_val = teacher["val"]["top1"] if teacher and teacher["val_held_out"] else None
    drawn = {"learning": _both(lambda width: charts.learning(learnt, styles, on_val, width))}
    if summary.row:
        drawn["gains"] = _both(lambda width: charts.gains(summary.rows, styles, summary.places, width))
    return drawn


def _in(drawing: Markup, styles: list[Series]) -> list[Series]:
    """The series that have marks in a drawing."""
    return [style for style in styles if f" {style.key}_" in drawing]


def _both(draw: Any) -> Markup:
    """A chart for a desk and for a phone; the style sheet shows the one that fits."""
    wide, narrow = draw(charts.WIDE), draw(charts.NARROW)
    return Markup('<div class="wide">{}</div><div class="narrow">{}</div>').format(wide, narrow)


def _cards(summary: Summary) -> list[dict[str, str]]:
    """The key numbers: `name`, `number`, `more`."""
    results, rows, places = summary.results, summary.rows, summary.places
    best, cost = summary.row or rows[0], results["cost"]
    alone = f"baseline {text.spread(rows[0].top1['test'], places['test'])}"
    cards = [_card(f"{best.label} on test", text.percent(statistics.mean(best.top1["test"]), places["test"]), alone)]
    if best.gain:
        gain = best.gain["test"]
        within = text.interval(gain, places["test"])
        more = f"95 % interval {within}, n = {gain['n']}" if within else f"n = {gain['n']}: too few for an interval"
        cards.insert(0, _card("gain on test", f"{text.points(gain['mean'], places['test'])} points", more))
    cards += _teacher_cards(summary)
    if onnx := results["export"]["onnx"]:
        more = f"exported; {onnx['latency_ms']['p50']:.3g} ms an image on one thread"
        cards.append(_card("file", size(onnx["bytes"]), more))
    if cost["teacher_passes_saved"]:
        paid = f"{text.count(cost['teacher_passes_paid'])} paid once and kept"
        cards.append(_card("teacher passes saved", text.count(cost["teacher_passes_saved"]), paid))
    return cards


def _teacher_cards(summary: Summary) -> list[dict[str, str]]:
    teacher, student = summary.results["teacher"], summary.results["student"]
    if teacher is None:
        return []
    of_gap = closed(summary.results)
    gap = "that the gap shrank is not shown" if of_gap is None else f"{percent(of_gap, 0)} of the gap closed"
    if not teacher["test"] and not teacher["val_held_out"]:
        gap = "trained on these images, not measured on test"
    split, measured = ("test", teacher["test"]) if teacher["test"] else ("val", teacher["val"])
    ratio = text.share_of(student["macs"], teacher["macs"])
    weights = text.share_of(student["parameters"], teacher["parameters"])
    return [
        _card(f"teacher on {split}", text.percent(measured["top1"], text.decimals(measured["images"])), gap),
        _card("student's cost", ratio, f"of the teacher's multiply-adds, {weights} of its parameters"),
    ]


def _card(name: str, number: str, more: str) -> dict[str, str]:
    return {"name": name, "number": number, "more": more}


def _of_classes(summary: Summary, styles: list[Series]) -> dict[ClassColumn, Series]:
    """What the chart of classes draws, by column of its table."""
    drawn: dict[ClassColumn, Series] = {"baseline": styles[0]}
    if summary.number is not None:
        drawn["student"] = styles[summary.number]
    if summary.results["teacher"] and summary.results["teacher"]["test"]:
        drawn["teacher"] = TEACHER
    return drawn


def _most_changed(rows: list[ClassRow]) -> list[ClassRow]:
    if len(rows) <= MOST_CLASSES:
        return rows
    changed = sorted(rows, key=lambda row: (row["student"] or 0) - (row["baseline"] or 0), reverse=True)
    return changed[: MOST_CLASSES // 2] + changed[-MOST_CLASSES // 2 :]


def _file(name: str) -> str:
    return resources.files("tutelage.report").joinpath(name).read_text(encoding="utf-8")
