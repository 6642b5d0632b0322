"""What a person waits for: the list of a large service in a real browser, and a stored point until it is on the screen."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.service.filling import fill
from benchmarks.service.measuring import Measure
from benchmarks.service.served import Served
from heron_ray.figures.image import find_browser

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")
TARGET_S = 1.0
# Notes when the first line of the list is there.
WATCH = """new MutationObserver((_, observer) => {
    if (!document.querySelector('tbody a[href^="/experiments/"]')) return;
    window.filledAt = performance.now();
    observer.disconnect();
}).observe(document, {childList: true, subtree: true})"""


def browsing(
    served: Served,
    kind: str,
    seconds: float,
    *,
    experiments: int = 100_000,
    points: int = 1_000_000,
    loads: int = 20,
    rounds: int = 40,
) -> Iterator[Measure]:
    """Loads of the list, each in a browser context of its own, then rounds of a running experiment on its page."""
    fill(served.database, experiments=experiments, points=points)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(find_browser()), args=list(FLAGS))
        painted, filled = zip(*(_load(browser, served) for _ in range(loads)), strict=True)
        yield _slowest(f"list of {experiments:,}: first paint", painted)
        yield _slowest(f"list of {experiments:,}: its first line", filled)
        yield _slowest("a stored point until it is drawn", _delivery(browser, served, rounds))
        browser.close()


def _load(browser: Browser, served: Served) -> tuple[float, float]:
    """Open the list in a fresh context: seconds to its first paint, and to its first line."""
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script(WATCH)
    page.goto(f"{served.url}/experiments")
    _until(page, "window.filledAt !== undefined")
    painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    filled = page.evaluate("window.filledAt")
    context.close()
    return painted / 1000, filled / 1000


def _delivery(browser: Browser, served: Served, rounds: int) -> list[float]:
    """Seconds from `Store.record` to the point in a figure, round after round; the page has drawn one before."""
    id, attempt = served.start_run(0)
    page = browser.new_page()
    page.goto(f"{served.url}/experiments/{id}")
    waits = []
    for round in range(rounds + 1):
        metrics = {"test_accuracy": round / 100, "validation_accuracy": round / 100}
        key = f"round_finished:{round + 1}"
        event = {"kind": "round_finished", "key": key, "round": round + 1, "rounds": rounds + 1, "metrics": metrics}
        began = time.perf_counter()
        served.store.record(attempt.id, attempt.token, events=[event])
        _until(page, f"document.querySelector('.plot')?.data?.some((trace) => trace.x?.at(-1) === {round + 1})")
        waits.append(time.perf_counter() - began)
    return waits[1:]


def _until(page: Page, expression: str) -> None:
    """Ask again and again: the page's own policy forbids what Playwright waits with."""
    while not page.evaluate(expression):
        time.sleep(0.005)


def _slowest(name: str, values: Sequence[float]) -> Measure:
    details = {"median": round(float(np.median(values)), 3), "of": len(values)}
    return Measure(name=f"{name}, slowest", value=round(max(values), 3), unit="s", at_most=TARGET_S, details=details)
