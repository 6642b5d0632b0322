"""A report is opened from a file, by a browser without a network."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from heron_ray.reports import Record
from heron_ray.reports.page import report_page

CURVE = {"rounds": [1, 2, 3], "values": [0.25, 0.5, 0.75]}


def test_a_report_draws_its_figures_without_a_network_and_asks_for_nothing(browser: Browser, tmp_path) -> None:
    series = {"test_accuracy": CURVE, "test_loss": CURVE, "bytes_up": CURVE, "bytes_down": CURVE}
    records = [Record(origin=name, name=name, state="SUCCEEDED", series=series) for name in ("one", "two")]
    file = tmp_path / "report.html"
    file.write_text(report_page(records), encoding="utf-8")
    context = browser.new_context(offline=True)
    page = context.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(file.as_uri())
    expect(page.locator(".figure .main-svg .scatterlayer .trace")).to_have_count(6)
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [file.as_uri()]
    assert complaints == []
    context.close()
