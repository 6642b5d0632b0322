"""Experiments beside one another."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from playwright.sync_api import expect

LINES = "(document.querySelector('.plot').data ?? []).map((trace) => trace.name).filter(Boolean)"


@pytest.fixture
def ids(service):
    """Two seeds of one spec and one spec of another rate; all ended."""
    found = []
    for name, fields, accuracy in (
        ("a", {"seed": 0}, 0.5),
        ("b", {"seed": 1}, 0.7),
        ("_other", {"partition": {"kind": "dirichlet", "alpha": 0.1}}, 0.9),
    ):
        id, attempt = service.start(name, rounds=20, **fields)
        service.end(attempt, test_accuracy=accuracy, wall_seconds=2.0)
        found.append(id)
    return found


@pytest.fixture
def compared(service, open_page, ids):
    page = open_page(f"{service.url}/compare?ids={','.join(ids)}").page
    expect(page.locator(".plot .main-svg").first).to_be_visible()
    return page


def table(page):
    return [row.locator("th, td").all_text_contents() for row in page.locator(".trials tr").all()]


def test_seeds_are_a_band_and_a_line_of_the_table_with_mean_and_deviation(compared):
    assert compared.evaluate(LINES) == ["alpha 0.5 (mean of 2)", "alpha 0.1"]
    head, seeds, other = table(compared)
    assert head[:3] == ["Group", "Runs", "partition.alpha"]
    assert seeds[:3] == ["alpha 0.5", "2", "0.5"]
    assert seeds[head.index("Test accuracy")] == "60.0 % ± 14.1 %"
    assert other[head.index("Test accuracy")] == "90.0 %"


def test_every_choice_is_in_the_address_and_survives_a_reload(compared, ids):
    compared.get_by_role("combobox", name="Series").select_option("client loss")
    compared.get_by_role("combobox", name="Against").select_option("bytes sent")
    compared.get_by_label("Smoothing").select_option("much (0.9)")
    compared.get_by_label("log up").check()
    compared.get_by_label("seeds as a band").uncheck()
    expect(compared.locator(".trials tbody tr")).to_have_count(3)
    compared.reload()
    expect(compared.locator(".plot .main-svg").first).to_be_visible()
    layout = compared.evaluate(
        "[document.querySelector('.plot').layout].map((l) => [l.yaxis.type, l.yaxis.title.text, l.xaxis.title.text])[0]"
    )
    assert layout == ["log", "client loss", "bytes sent so far, both ways"]
    assert compared.evaluate(LINES) == ["a", "b", "_other"]
    assert all(id in compared.url for id in ids)
    assert "%2C" not in compared.url


def test_the_last_choice_is_drawn_though_an_earlier_one_is_answered_after_it(compared):
    held = []
    compared.route("**/compare/figure?*log_y=true&grouped=true*", lambda route: held.append(route))
    compared.get_by_label("log up").check()
    compared.get_by_label("seeds as a band").uncheck()
    compared.wait_for_timeout(500)
    (early,) = held
    early.continue_()
    expect(compared.locator(".trials tbody tr")).to_have_count(3)
    compared.wait_for_timeout(500)
    assert compared.evaluate(LINES) == ["a", "b", "_other"]


def test_the_table_is_saved_as_csv_and_as_latex(compared):
    with compared.expect_download() as saved:
        compared.get_by_role("button", name="CSV").click()
    head, seeds, other = csv.reader(io.StringIO(Path(saved.value.path()).read_text(), newline=""))
    assert float(seeds[head.index("Test accuracy")]) == pytest.approx(0.6)
    assert float(seeds[head.index("Test accuracy, standard deviation")]) == pytest.approx(0.1414, abs=1e-4)
    assert float(other[head.index("Test accuracy")]) == 0.9
    with compared.expect_download() as saved:
        compared.get_by_role("button", name="LaTeX").click()
    text = Path(saved.value.path()).read_text()
    assert r"60.0 \% $\pm$ 14.1 \%" in text
    assert r"\_other" in text
    assert text.count(r"\\") == 3


def test_one_is_left_out_and_a_running_one_goes_on(service, open_page, ids):
    live, attempt = service.start("live", rounds=5)
    page = open_page(f"{service.url}/compare?ids={','.join([*ids, live])}&grouped=false").page
    page.get_by_label("Leave out _other").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Compare 3 experiments")
    service.finish_rounds(attempt, 6, 7)
    for _ in range(400):
        if page.evaluate("document.querySelector('.plot')?.data?.at(-1).x.length") == 7:
            return
        page.wait_for_timeout(50)
    pytest.fail("the running experiment did not grow")


def test_without_ids_it_asks_for_some(service, open_page, ids):
    page = open_page(f"{service.url}/compare").page
    page.get_by_label("Experiments").fill(f"{ids[0]} {ids[2]}")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Compare 2 experiments")
