"""The pages of studies: the list, a study that runs to its end, its cells in every state, and its cancelling."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import expect

from api.dispatcher.outcome import Outcome
from api.domain.states import State
from api.routes.studies import EXAMPLE
from heron_ray.simulation import LocalExecutor, Simulation
from heron_ray.spec import parse_spec
from heron_ray.studies import parse_study

ATTACK = EXAMPLE["study"]["axes"]["attack"]
RULE = {"kind": "path", "path": "aggregation.kind", "values": ["mean", "krum"]}
PROBES = {"kind": "path", "path": "method.zeroth_order.probes", "values": [2]}
F = {"kind": "path", "path": "aggregation.f?", "values": [1, 9]}
# Krum cannot bear f = 9, and the mean has no f: cells 1 and 2 are one experiment, cell 4 is none.
SMALL = {"axes": {"rule": RULE, "f": F}, "seeds": [0], "figures": [{"kind": "bands", "x": "f", "lines": "rule"}]}
PHONE = {"viewport": {"width": 390, "height": 844}}


@pytest.fixture
def small(service):
    """A study of four cells, in which two share an experiment and one is impossible."""
    return service.study(**SMALL, impossible="skip")


def run_next(service):
    """Run the first in the queue in this process, as a driver does."""
    claimed = service.store.claim(owner="dispatcher-1", lease_s=600)
    assert claimed is not None
    experiment, attempt = claimed
    service.store.running(attempt.id, attempt.token, driver_pid=4711, node="node-a")
    with LocalExecutor() as executor:
        outcome = Outcome.of_result(Simulation(parse_spec(experiment.spec), executor).run())
    service.store.finish(
        attempt.id, attempt.token, state=outcome.state, reason=outcome.reason, message=outcome.message, result=outcome.result
    )


def accuracies(value):
    """What a study's tables need of a result."""
    names = ("test_accuracy", "validation_accuracy", "auxiliary_accuracy", "auxiliary_validation_accuracy")
    return dict.fromkeys(names, value)


def rows(page):
    return page.locator(".trials tbody tr")


def test_a_study_is_followed_from_the_list_to_its_end_and_on_to_an_experiment(service, open_page):
    page = open_page(f"{service.url}/studies").page
    expect(page.get_by_text("No studies yet")).to_be_visible()
    id = service.study(
        name="rules",
        given={"rounds": 2},
        axes={"attack": ATTACK, "rule": {**RULE, "values": ["mean", "median"]}, "probes": PROBES},
        seeds=[0],
        figures=[*EXAMPLE["study"]["figures"], {"kind": "bands", "x": "attack", "lines": "rule"}],
    )
    expect(page.locator("tbody tr .number")).to_have_text(["0 / 4", "4"])
    expect(page.locator("tbody tr .badge")).to_have_text("queued")
    page.get_by_role("link", name="Studies").focus()
    page.get_by_role("link", name="rules").press("Enter")
    expect(page.locator(".heading .badge")).to_have_text("queued")
    expect(page.locator(".plot").first).to_have_attribute("data-empty", "No cell has come to its end yet")
    page.evaluate("window.same = true")
    run_next(service)
    expect(page.locator(".heading .badge")).to_have_text("running")
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "1")
    for _ in range(3):
        run_next(service)
    expect(page.locator(".heading .badge")).to_have_text("succeeded")
    expect(page.get_by_text("4 / 4")).to_be_visible()
    expect(page.get_by_text("4 succeeded")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel")).to_be_hidden()
    cells = httpx.get(f"{service.url}/v1/studies/{id}", trust_env=False).json()["results"]
    worst = [min(cell["test_accuracy"] for cell in cells if cell["labels"]["rule"] == rule) for rule in ("mean", "median")]
    heat = page.get_by_role("img", name=re.compile("Lowest mean test accuracy over attack"))
    expect(heat.locator(".heatmaplayer image")).to_have_count(2)
    expect(heat.locator(".heatmap-label").first).to_contain_text(f"{worst[0]:.1%}")
    assert page.evaluate("document.querySelector('.plot').data[0].z") == [[value] for value in worst]
    lines = page.get_by_role("img", name=re.compile("Test accuracy, mean and range"))
    # Two rules in two panels, each a mean between two edges.
    expect(lines.locator(".scatterlayer .js-line")).to_have_count(12)
    expect(rows(page)).to_have_count(4)
    expect(rows(page).nth(3).locator("td")).to_contain_text(["4", "sign_flip", "median", "2", "0", "succeeded"])
    assert page.evaluate("window.same")
    rows(page).nth(3).get_by_role("link").click()
    expect(page).to_have_url(f"{service.url}/experiments/{cells[3]['experiment_id']}")
    expect(page.get_by_role("heading", level=1)).to_contain_text("rules: attack=sign_flip, rule=median")
    page.get_by_role("link", name="Studies").click()
    expect(page.locator("tbody tr .badge")).to_have_text("succeeded")
    expect(page.locator("tbody tr .number").first).to_have_text("4 / 4")


def test_cells_say_what_they_share_why_they_diverged_and_why_they_are_impossible(service, open_page, small):
    page = open_page(f"{service.url}/studies/{small}").page
    expect(page.locator(".standing .number")).to_have_text("0 / 3")
    service.end(service.start_cell(small, 0), **accuracies(0.5))
    service.end(service.start_cell(small, 2), state=State.FAILED, reason="diverged")
    expect(page.locator(".heading .badge")).to_have_text("succeeded")
    expect(page.locator(".standing .number")).to_have_text("3 / 3")
    expect(page.get_by_text("2 succeeded, 1 diverged, 1 impossible")).to_be_visible()
    expect(page.locator(".trials .badge")).to_have_text(["succeeded", "succeeded", "diverged", "impossible"])
    expect(page.get_by_text("shared by 2 cells")).to_have_count(2)
    expect(page.locator(".trials .why")).to_contain_text(["", "", "it stopped being finite", "f=9"])
    expect(rows(page).nth(2)).to_contain_text("10.0 %")
    expect(rows(page).nth(3).get_by_role("link")).to_have_count(0)


def test_cells_that_failed_or_were_deleted_are_shown_as_such(service, open_page, small):
    service.end(service.start_cell(small, 0), state=State.FAILED, reason="internal_error")
    gone = service.store.studies.cells(small)[2].experiment.id
    service.store.request_cancel(gone)
    service.store.delete(gone)
    page = open_page(f"{service.url}/studies/{small}").page
    expect(page.locator(".heading .badge")).to_have_text("failed")
    expect(page.locator(".trials .badge")).to_have_text(["failed", "failed", "deleted", "impossible"])
    expect(rows(page).nth(2)).to_contain_text("its experiment was deleted")


def test_order_and_filter_of_the_cells_are_in_the_address(service, open_page, small):
    service.end(service.start_cell(small, 0), **accuracies(0.5))
    service.end(service.start_cell(small, 2), **accuracies(0.75))
    page = open_page(f"{service.url}/studies/{small}").page
    numbers = page.locator(".trials tbody td:first-child")
    page.get_by_role("button", name="Server, test").press("Enter")
    expect(numbers).to_have_text(["3", "1", "2", "4"])
    expect(page.get_by_role("button", name="Server, test")).to_be_focused()
    page.get_by_role("combobox", name="State").select_option("SUCCEEDED")
    expect(numbers).to_have_text(["3", "1", "2"])
    expect(page).to_have_url(f"{service.url}/studies/{small}?sort=-test_accuracy&state=SUCCEEDED")
    page.reload()
    expect(numbers).to_have_text(["3", "1", "2"])
    page.get_by_role("combobox", name="State").select_option("IMPOSSIBLE")
    page.get_by_role("button", name="f", exact=True).click()
    expect(numbers).to_have_text(["4"])
    page.goto(f"{service.url}/studies/{small}?state=RUNNING&sort=nonsense")
    expect(page.get_by_text("No cell is in this state.")).to_be_visible()


def test_a_study_is_cancelled_from_its_page(service, open_page, small):
    attempt = service.start_cell(small, 0)
    page = open_page(f"{service.url}/studies/{small}").page
    page.get_by_role("button", name="Cancel").click()
    page.keyboard.press("Escape")
    expect(page.locator(".heading .badge")).to_have_text("running")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Cancel study").click()
    expect(page.locator(".heading .badge")).to_have_text("cancelling")
    expect(page.get_by_role("button", name="Cancel")).to_be_hidden()
    service.end(attempt, state=State.CANCELLED)
    expect(page.locator(".heading .badge")).to_have_text("cancelled")
    states = {cell.experiment.state for cell in service.store.studies.cells(small) if cell.experiment is not None}
    assert states == {State.CANCELLED}


def test_an_unknown_study_says_so_and_leads_back(service, open_page):
    watched = open_page(f"{service.url}/studies/nonsense")
    watched.expected.append("404")
    expect(watched.page.get_by_role("alert")).to_contain_text("there is no study 'nonsense'")
    watched.page.get_by_role("link", name="Back to the list").click()
    expect(watched.page.get_by_text("No studies yet")).to_be_visible()


def test_a_lost_connection_is_told_and_the_study_is_followed_again(service, open_page, small):
    watched = open_page(f"{service.url}/studies/{small}")
    watched.expected.append("ERR_INTERNET_DISCONNECTED")
    page = watched.page
    expect(page.locator(".plot .main-svg").first).to_be_attached()
    page.context.set_offline(True)
    expect(page.get_by_text("Not connected to the service")).to_be_visible()
    expect(rows(page)).to_have_count(4)
    service.end(service.start_cell(small, 0), **accuracies(0.5))
    page.context.set_offline(False)
    expect(page.locator(".heading .badge")).to_have_text("running")
    expect(page.get_by_text("Not connected to the service")).to_have_count(0)


def test_the_list_is_paged_newest_first(service, open_page):
    study = parse_study({**EXAMPLE["study"], "axes": {"attack": ATTACK, "rule": RULE, "probes": PROBES}})
    for number in range(52):
        service.store.studies.submit(study.model_copy(update={"name": f"s{number}"}), ["impossible"] * 4)
    page = open_page(f"{service.url}/studies").page
    expect(page.locator("tbody tr .name")).to_have_count(50)
    page.get_by_role("link", name="Older").click()
    expect(page.locator("tbody tr .name")).to_have_text(["s1", "s0"])
    page.get_by_role("link", name="Newest").click()
    expect(page.locator("tbody tr .name").first).to_have_text("s51")


def test_both_pages_fit_a_phone(service, open_page, small):
    service.end(service.start_cell(small, 0), **accuracies(0.5))
    page = open_page(f"{service.url}/studies", **PHONE).page
    expect(page.get_by_role("link", name="Studies")).to_be_in_viewport()
    expect(page.locator("tbody tr")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["viewport"]["width"]
    page.goto(f"{service.url}/studies/{small}")
    expect(page.locator(".plot .main-svg").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["viewport"]["width"]
    for name in ("Plot: Test accuracy", "Cells"):
        region = page.get_by_role("region", name=name)
        region.focus()
        assert region.evaluate("(element) => element.scrollWidth > element.clientWidth"), name
