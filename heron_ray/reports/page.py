"""A report as one HTML page that loads nothing: figures, costs, spec and provenance of runs.

The page carries plotly.js and a content security policy that forbids every request, so it opens without a network and cannot
tell anyone that it was opened.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.metadata import version
from typing import Any

import yaml

from heron_ray.figures import themes
from heron_ray.reports.drawing import draw, labelled
from heron_ray.reports.record import Record
from heron_ray.reports.twin import TWINS, twin_costs

POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1, h2, h3 { line-height: 1.2 } h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc }
table { border-collapse: collapse; margin: 1rem 0 } th, td { padding: .2rem .8rem; border-bottom: 1px solid #e3e6e9 }
th { text-align: left; font-weight: 600 } td { text-align: right; font-variant-numeric: tabular-nums }
td.text { text-align: left; overflow-wrap: anywhere } pre { background: #f5f7f9; padding: 1rem; overflow: auto }
.figure { height: 22rem } .failed { color: #a40000 } pre, code { font-size: 13px } code { overflow-wrap: anywhere }
"""
FIGURES = {
    "accuracy": "Accuracy",
    "losses": "Losses",
    "bytes": "Bytes sent",
    "clients": "Training loss of each client",
    "spectrum": "Hessian spectrum of the clients' loss",
    "accuracy_by_bytes": "Accuracy against bytes sent",
    "accuracy_by_time": "Accuracy against simulated time",
}
_MEASURED = (
    ("test accuracy, main server", "test_accuracy", "share"),
    ("test accuracy, auxiliary head", "auxiliary_accuracy", "share"),
    ("validation accuracy, main server", "validation_accuracy", "share"),
    ("test loss (nats)", "test_loss", "number"),
    ("rounds", "rounds", "count"),
    ("wall time (s)", "wall_seconds", "number"),
)
_COSTS = (
    ("client MACs per local step", "client_macs_per_step", "count"),
    ("client FLOPs per local step", "client_flops_per_step", "count"),
    ("client peak memory (bytes)", "client_peak_bytes", "count"),
    ("sent by clients (bytes)", "bytes_up", "count"),
    ("sent to clients (bytes)", "bytes_down", "count"),
)
_EDGE = (("simulated time (s)", "simulated_time_s", "number"), ("energy of clients (J)", "energy_j", "number"))
_FORMATS = {"share": "{:.2%}", "number": "{:,.4g}", "count": "{:,}"}


def report_page(records: Sequence[Record], *, title: str | None = None) -> str:
    """The page.

    Args:
        records: The runs, in order; figures show them side by side.
        title: Heading; None: the names of the runs.

    Returns:
        HTML text.
    """
    # Only who writes a page waits for the script.
    from plotly.offline import get_plotlyjs

    runs = labelled(records)
    heading = title or ", ".join(runs)
    parts = [
        f"<h1>{escape(heading)}</h1>",
        *_figures(records),
        "<h2>Results and costs</h2>",
        *_table(runs),
        *(part for label, record in runs.items() for part in _run(label, record)),
        f"<p>Written by heron-ray {escape(version('heron-ray'))}.</p>",
    ]
    body = "\n".join(parts)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f"<title>{escape(heading)}</title>\n<style>{STYLE}</style>\n<script>{get_plotlyjs()}</script>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _figures(records: Sequence[Record]) -> Iterator[str]:
    figures = draw(records)
    if not figures:
        yield "<p>Not one point was measured: there is nothing to draw.</p>"
    for number, (name, figure) in enumerate(figures.items()):
        layout = {**figure["layout"], "template": themes()["light"], "title": None}
        arguments = json.dumps([figure["data"], layout, {"displaylogo": False, "responsive": True}])
        # No text of a run may end the script.
        safe = arguments.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
        yield f'<h2>{escape(FIGURES[name])}</h2>\n<div class="figure" id="figure-{number}"></div>'
        yield f'<script>Plotly.newPlot("figure-{number}", ...{safe})</script>'


def _table(runs: Mapping[str, Record]) -> Iterator[str]:
    """A column for every run, and one for its twin where it has one."""
    columns: list[tuple[str, Mapping[str, Any]]] = []
    for label, record in runs.items():
        columns.append((label, _values(record)))
        twin = twin_costs(record.spec) if record.spec is not None else None
        if twin is not None and record.spec is not None:
            kind = TWINS[record.spec["method"]["kind"]]
            columns.append((f"{label}, its first-order twin ({kind}, counted, not run)", twin))
    rows = [row for row in (*_MEASURED, *_COSTS, *_EDGE) if any(values.get(row[1]) is not None for _, values in columns)]
    heads = "".join(f"<th>{escape(label)}</th>" for label, _ in columns)
    yield f"<table><thead><tr><th></th>{heads}</tr></thead><tbody>"
    for words, key, form in rows:
        cells = "".join(f"<td>{_cell(values.get(key), form)}</td>" for _, values in columns)
        yield f"<tr><th>{escape(words)}</th>{cells}</tr>"
    yield "</tbody></table>"


def _values(record: Record) -> dict[str, Any]:
    result = dict(record.result or {})
    return {**result, **(result.get("costs") or {}), **(result.get("edge") or {})}


def _cell(value: object, form: str) -> str:
    return "" if value is None else escape(_FORMATS[form].format(value))


def _run(label: str, record: Record) -> Iterator[str]:
    result = record.result or {}
    spec = record.spec or {}
    yield f"<h2>{escape(label)}</h2>"
    if record.message:
        yield f'<p class="failed">{escape(record.message)}</p>'
    facts = {
        "state": record.state,
        "from": record.origin,
        "method": spec.get("method", {}).get("kind"),
        "seed": spec.get("seed"),
        "trajectory digest": result.get("trajectory_digest"),
        "trajectory hash": result.get("trajectory_hash"),
        "spec hash": result.get("spec_hash"),
        **{f"software: {name}": value for name, value in (record.provenance or {}).items()},
        **{f"attempt {number}": _attempt(attempt) for number, attempt in enumerate(record.attempts, start=1)},
    }
    yield "<table><tbody>"
    for name, value in facts.items():
        if value is not None:
            yield f'<tr><th>{escape(name)}</th><td class="text"><code>{escape(str(value))}</code></td></tr>'
    yield "</tbody></table>"
    if record.spec is not None:
        text = yaml.safe_dump(dict(record.spec), sort_keys=False, allow_unicode=True)
        yield f"<details open><summary>Spec</summary><pre>{escape(text)}</pre></details>"


def _attempt(attempt: Any) -> str:
    began = None if attempt.after_round is None else f"from round {attempt.after_round + 1}"
    where = None if attempt.node is None else f"on {attempt.node}"
    ended = None if attempt.ended is None else f"ended: {attempt.ended}"
    return ", ".join(part for part in (began, where, ended) if part is not None) or "begun"
