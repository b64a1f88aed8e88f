"""Writes report.html from results.json: a file that opens offline, needs no script, and says every number it draws."""

import statistics
from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from tutelage.progress import duration, size
from tutelage.report import charts, details, sections, text
from tutelage.report.claim import about_teacher, claim, closed, verdict
from tutelage.report.summary import classes, curves, methods, presentable, recipes, shown
from tutelage.report.theme import TEACHER, Series, series

MOST_CLASSES = 24
"""Drawn; of more classes those that changed most. The table holds all."""


def page(results: dict[str, Any]) -> str:
    """One self-contained HTML page.

    Args:
        results: What `Study.results` returns.
    """
    results = presentable(results)
    rows = methods(results)
    lines = series([row["label"] for row in rows])
    row = shown(rows)
    places = {split: text.decimals(results["rows"][0]["seeds"][0][split]["images"]) for split in ("val", "test")}
    differing, shared = recipes(results)
    number = next((i for i, one in enumerate(rows) if one is row), None)
    drawings = _charts(results, rows, lines, places)
    cost_charts = _costs(results, rows, lines)
    reliability = sections.reliability(results, rows, lines, row)
    drawings["costs"] = Markup("").join(drawing for _, drawing in cost_charts)
    if reliability:
        drawings["reliability"] = reliability["chart"]
    calibrated = _calibration(results, rows, lines)
    per_class = classes(results, row)
    drawn = _most_changed(per_class)
    return (
        _environment()
        .from_string(_file("page.html"))
        .render(
            style=Markup(_file("style.css")),
            script=Markup(_file("script.js")),
            text=text,
            duration=duration,
            size=size,
            verdict_of=verdict,
            results=results,
            title=f"{results['study']}: a report by tutelage",
            claim=claim(results),
            about_teacher=about_teacher(results),
            verdict=verdict(row["gain"]["test"]) if row else "few",
            cards=_cards(results, rows, row, places),
            rows=rows,
            places=places,
            series=lines,
            every_series=[*lines, TEACHER],
            drawn_series={name: _in(drawing, [*lines, TEACHER]) for name, drawing in drawings.items()},
            teacher=results["teacher"],
            teacher_series=TEACHER,
            charts=drawings,
            costs=cost_charts,
            reliability=reliability,
            confusions=sections.confusions(results, number),
            inherited=sections.inherited(results, number),
            gallery=sections.pictures(results),
            search=sections.search(results),
            looked_at=any("interval" in seed for of_row in results["rows"] for seed in of_row["seeds"]),
            few=sections.few(rows),
            fewest=details.FEWEST,
            corrected=any("p_adjusted" in one["gain"]["test"] for one in rows[1:]),
            margin=next((one["gain"]["test"].get("margin", 0.0) for one in rows[1:]), 0.0),
            student_color=f"s{(number or 0) % 8}",
            losses=[
                (one, charts.loss(points, one))
                for points, one in zip(curves(results, "train_loss"), lines, strict=True)
                if points
            ],
            calibration=calibrated,
            calibration_chart=charts.calibration(calibrated, [one["series"] for one in calibrated]),
            classes=per_class,
            classes_drawn=drawn,
            classes_legend=list(_of_classes(rows, lines, row, results).values()),
            classes_chart=_both(lambda width: charts.by_class(drawn, _of_classes(rows, lines, row, results), width)),
            shown=row,
            differing=differing,
            shared=shared,
        )
    )


def _environment() -> Environment:
    """Everything that comes from data is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    # Escaped first: typeset gets and gives plain text.
    environment.filters["n"] = lambda value: Markup(text.typeset(str(escape(value))))
    return environment


def _charts(
    results: dict[str, Any], rows: list[dict[str, Any]], lines: list[Series], places: dict[str, int]
) -> dict[str, Markup]:
    teacher = results["teacher"]
    learnt = curves(results, "val_top1")
    # What a network reaches on images that it was trained on is no mark to reach.
    on_val = teacher["val"]["top1"] if teacher and teacher["val_held_out"] else None
    drawn = {"learning": _both(lambda width: charts.learning(learnt, lines, on_val, width))}
    if len(rows) > 1:
        drawn["gains"] = _both(lambda width: charts.gains(rows, lines, places, width))
    return drawn


def _costs(results: dict[str, Any], rows: list[dict[str, Any]], lines: list[Series]) -> list[tuple[str, Markup]]:
    teacher = results["teacher"]
    beside = teacher if teacher and (teacher["test"] or teacher["val_held_out"]) else None
    split = "val" if beside and not beside["test"] else "test"
    return sections.costs(results, rows, lines, beside, split)


def _in(drawing: Markup, of: list[Series]) -> list[Series]:
    """The series that have marks in a drawing."""
    return [one for one in of if f" {one.key}_" in drawing]


def _both(draw: Any) -> Markup:
    """A chart for a desk and for a phone; the style sheet shows the one that fits."""
    wide, narrow = draw(charts.WIDE), draw(charts.NARROW)
    return Markup('<div class="wide">{}</div><div class="narrow">{}</div>').format(wide, narrow)


def _cards(
    results: dict[str, Any], rows: list[dict[str, Any]], row: dict[str, Any] | None, places: dict[str, int]
) -> list[dict[str, str]]:
    """The key numbers: `name`, `number`, `more`."""
    best, teacher, cost = row or rows[0], results["teacher"], results["cost"]
    alone = f"baseline {text.spread(rows[0]['top1']['test'], places['test'])}"
    cards = [
        _card(f"{best['label']} on test", text.percent(statistics.mean(best["top1"]["test"]), places["test"]), alone)
    ]
    if row:
        gain = row["gain"]["test"]
        within = text.interval(gain, places["test"])
        more = f"95 % interval {within}, n = {gain['n']}" if within else f"n = {gain['n']}: too few for an interval"
        cards.insert(0, _card("gain on test", f"{text.points(gain['mean'], places['test'])} points", more))
    if teacher:
        of_gap = closed(results)
        on = "test" if teacher["test"] else "val"
        gap = "that the gap shrank is not shown" if of_gap is None else f"{100 * of_gap:.0f} % of the gap closed"
        if on == "val" and not teacher["val_held_out"]:
            gap = "trained on these images, not measured on test"
        cards.append(_card(f"teacher on {on}", text.percent(teacher[on]["top1"], places[on]), gap))
        ratio = text.share_of(results["student"]["macs"], teacher["macs"])
        weights = text.share_of(results["student"]["parameters"], teacher["parameters"])
        cards.append(_card("student's cost", ratio, f"of the teacher's multiply-adds, {weights} of its parameters"))
    if onnx := results["export"]["onnx"]:
        more = f"exported; {onnx['latency_ms']['p50']:.3g} ms an image on one thread"
        cards.append(_card("file", size(onnx["bytes"]), more))
    if cost["teacher_passes_saved"]:
        paid = f"{text.count(cost['teacher_passes_paid'])} paid once and kept"
        cards.append(_card("teacher passes saved", text.count(cost["teacher_passes_saved"]), paid))
    return cards


def _card(name: str, number: str, more: str) -> dict[str, str]:
    return {"name": name, "number": number, "more": more}


def _calibration(results: dict[str, Any], rows: list[dict[str, Any]], lines: list[Series]) -> list[dict[str, Any]]:
    """Teacher, where measured on test, and rows: `label`, `series`, `top1`, `confidence`, `ece`, `nll`."""
    table = [
        {"label": row["label"], "series": one, "top1": statistics.mean(row["top1"]["test"])}
        | {name: row[name] for name in ("confidence", "ece", "nll")}
        for row, one in zip(rows, lines, strict=True)
    ]
    tested = results["teacher"] and results["teacher"]["test"]
    if tested:
        measured = {name: tested[name] for name in ("top1", "confidence", "ece", "nll")}
        table.insert(0, {"label": TEACHER.label, "series": TEACHER} | measured)
    return table


def _of_classes(
    rows: list[dict[str, Any]], lines: list[Series], row: dict[str, Any] | None, results: dict[str, Any]
) -> dict[str, Series]:
    """What the chart of classes draws, by column of its table."""
    drawn = {"baseline": lines[0]}
    if row:
        drawn["student"] = lines[rows.index(row)]
    if results["teacher"] and results["teacher"]["test"]:
        drawn["teacher"] = TEACHER
    return drawn


def _most_changed(per_class: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if len(per_class) <= MOST_CLASSES:
        return per_class
    changed = sorted(per_class, key=lambda one: (one["student"] or 0) - (one["baseline"] or 0), reverse=True)
    return changed[: MOST_CLASSES // 2] + changed[-MOST_CLASSES // 2 :]


def _file(name: str) -> str:
    return resources.files("tutelage.report").joinpath(name).read_text(encoding="utf-8")
