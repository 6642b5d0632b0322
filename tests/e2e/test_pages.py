"""The pages in a real browser, over a real API and a real database."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import expect

from api.domain.states import State
from heron_ray.simulation.events import Event

PHONE = {"viewport": {"width": 390, "height": 844}}
LINE_POINTS = "(document.querySelector('.plot').data ?? [{x: []}]).map((trace) => trace.x.length)"


def until(page, expression):
    """Wait until an expression is true; the page's policy forbids what Playwright's own waiting does."""
    for _ in range(600):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"never became true: {expression}")


def drawn(page):
    """Wait until the figures are there."""
    expect(page.locator(".plot .main-svg").first).to_be_visible()


def test_the_root_leads_to_the_list_which_shows_every_experiment_newest_first(service, open_page):
    _, attempt = service.start("first", rounds=3)
    service.end(attempt)
    service.queue("second", "example")
    page = open_page(f"{service.url}/").page
    expect(page).to_have_url(f"{service.url}/experiments")
    expect(page.locator("tbody tr .name")).to_have_text(["second", "first"])
    expect(page.locator("tbody tr .badge")).to_have_text(["queued", "succeeded"])
    expect(page.locator("tbody tr .progress .number")).to_have_text(["0 / 40", "3 / 40"])


def test_a_new_experiment_and_a_new_state_appear_in_the_list_without_reload(service, open_page):
    page = open_page(f"{service.url}/experiments").page
    expect(page.get_by_text("No experiments yet")).to_be_visible()
    page.evaluate("window.same = true")
    id = service.queue("late")
    expect(page.locator("tbody tr .badge")).to_have_text(["queued"])
    service.store.request_cancel(id)
    expect(page.locator("tbody tr .badge")).to_have_text(["cancelled"])
    assert page.evaluate("window.same")


def test_the_list_is_filtered_by_state_and_by_tag(service, open_page):
    service.store.request_cancel(service.queue("gone", "a"))
    service.queue("waiting", "a")
    service.queue("other", "b")
    page = open_page(f"{service.url}/experiments").page
    page.get_by_role("combobox", name="State").select_option("queued")
    expect(page.locator("tbody tr .name")).to_have_text(["other", "waiting"])
    page.get_by_label("Tag").fill("a")
    page.get_by_label("Tag").press("Enter")
    expect(page.locator("tbody tr .name")).to_have_text(["waiting"])
    page.get_by_label("Tag").fill("nothing")
    page.get_by_label("Tag").press("Enter")
    expect(page.get_by_text("No experiment matches.")).to_be_visible()


def test_a_long_list_is_paged_and_no_experiment_is_lost_between_pages(service, open_page):
    for number in range(53):
        service.queue(f"e{number}")
    page = open_page(f"{service.url}/experiments").page
    expect(page.locator("tbody tr")).to_have_count(50)
    page.get_by_role("link", name="Next page").click()
    expect(page.locator("tbody tr .name")).to_have_text(["e2", "e1", "e0"])
    page.get_by_role("link", name="First page").click()
    expect(page.locator("tbody tr .name").first).to_have_text("e52")


def test_an_experiment_shows_its_curves_costs_events_and_spec(service, open_page):
    id, attempt = service.start("digits", "example", rounds=40)
    service.end(attempt)
    page = open_page(f"{service.url}/experiments/{id}").page
    drawn(page)
    assert page.locator(".plot").count() == 5
    assert page.evaluate(LINE_POINTS) == [40, 40]
    expect(page.locator(".tiles dd").first).to_have_text("98.2 %")
    expect(page.locator(".facts dd").first).to_have_text("12,345")
    expect(page.locator(".events .kind").first).to_have_text("state")
    expect(page.locator(".spec")).to_contain_text("front: [32, 16]")
    expect(page.locator(".spec")).to_contain_text("mu: 0.001")


def test_a_running_experiment_grows_without_reload_until_it_has_ended(service, open_page):
    id, attempt = service.start("digits", rounds=2)
    page = open_page(f"{service.url}/experiments/{id}").page
    drawn(page)
    page.evaluate("window.same = true")
    for round in range(3, 41):
        service.finish_rounds(attempt, round)
    expect(page.locator(".standing .number")).to_have_text("40 / 40")
    until(page, f"{LINE_POINTS}.every((count) => count === 40)")
    service.end(attempt)
    expect(page.locator(".heading .badge")).to_have_text("succeeded")
    expect(page.locator(".facts dd").first).to_have_text("12,345")
    expect(page.get_by_role("button", name="Retry")).to_be_visible()
    totals = page.evaluate("document.querySelectorAll('.plot')[2].data.map((trace) => trace.y.at(-1))")
    assert totals == [40_000, 20_000]
    assert page.evaluate("window.same")


def test_an_experiment_that_begins_later_gets_its_curves(service, open_page):
    id = service.queue("digits")
    page = open_page(f"{service.url}/experiments/{id}").page
    expect(page.locator(".plot").first).to_have_attribute("data-empty", "Nothing measured yet")
    claimed = service.store.claim(owner="dispatcher-1", lease_s=600)
    assert claimed is not None
    attempt = claimed[1]
    service.store.running(attempt.id, attempt.token, driver_pid=1, node="node-a")
    service.finish_rounds(attempt, 1, 2)
    until(page, f"{LINE_POINTS}.join() === '2,2'")
    expect(page.locator(".heading .badge")).to_have_text("running")


def test_one_tab_holds_one_event_stream(service, open_page):
    id, _ = service.start("digits", rounds=2)
    watched = open_page(f"{service.url}/experiments/{id}")
    expect(watched.page.locator(".events li.other")).not_to_have_count(0)
    assert len([url for url in watched.requests if "/events" in url]) == 1


def test_a_running_experiment_is_cancelled_by_keyboard_alone(service, open_page):
    id, _ = service.start("digits", rounds=1)
    page = open_page(f"{service.url}/experiments").page
    expect(page.locator("tbody tr")).to_have_count(1)
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(40):
        if page.evaluate("document.activeElement.matches('tbody .name')"):
            break
        page.keyboard.press("Tab")
    expect(page.locator("tbody .name")).to_be_focused()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    drawn(page)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Cancel experiment")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".heading .badge")).to_have_text("cancelling")
    assert service.store.get(id).state == State.CANCELLING


def test_going_back_in_the_question_cancels_nothing(service, open_page):
    id = service.queue("digits")
    page = open_page(f"{service.url}/experiments/{id}").page
    page.get_by_role("button", name="Cancel").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert service.store.get(id).state == State.QUEUED


def test_an_ended_experiment_is_retried_and_deleted(service, open_page):
    id = service.queue("digits")
    service.store.request_cancel(id)
    page = open_page(f"{service.url}/experiments/{id}").page
    page.get_by_role("button", name="Retry").click()
    expect(page.locator(".heading .badge")).to_have_text("queued")
    expect(page.get_by_role("link", name=id)).to_be_visible()
    page.get_by_role("link", name=id).click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete experiment").click()
    expect(page).to_have_url(f"{service.url}/experiments")
    expect(page.locator("tbody tr")).to_have_count(1)
    assert id not in [experiment.id for experiment in service.store.list(limit=9)]


def test_an_unknown_experiment_says_so_and_leads_back(service, open_page):
    watched = open_page(f"{service.url}/experiments/nonsense")
    expect(watched.page.get_by_role("alert")).to_contain_text("there is no experiment 'nonsense'")
    expect(watched.page.get_by_role("link", name="Back to the list")).to_be_visible()
    assert [text for text in watched.complaints if "404" not in text] == []
    watched.complaints.clear()


def test_a_service_that_is_gone_is_told_and_one_that_is_back_too(service, open_page):
    service.queue("digits")
    watched = open_page(f"{service.url}/experiments")
    expect(watched.page.locator("tbody tr")).to_have_count(1)
    watched.page.context.set_offline(True)
    expect(watched.page.get_by_text("Not connected to the service")).to_be_visible()
    expect(watched.page.locator("tbody tr")).to_have_count(1)
    watched.page.context.set_offline(False)
    expect(watched.page.get_by_text("Not connected to the service")).to_have_count(0)
    assert [text for text in watched.complaints if "ERR_INTERNET_DISCONNECTED" not in text] == []
    watched.complaints.clear()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_follows_the_system_and_the_figures_follow_the_theme(service, open_page, scheme):
    id, _ = service.start("digits", rounds=2)
    page = open_page(f"{service.url}/experiments/{id}", color_scheme=scheme).page
    drawn(page)
    text_of_plot = "getComputedStyle(document.querySelector('.plot .xtick text')).fill"
    before = page.evaluate(text_of_plot)
    expect(page.locator("html")).to_have_attribute("data-theme", scheme)
    other = "light" if scheme == "dark" else "dark"
    for _ in range(1 if other == "light" else 2):
        page.get_by_role("button", name="Theme").click()
    expect(page.locator("html")).to_have_attribute("data-theme", other)
    until(page, f"{text_of_plot} !== '{before}'")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", other)


def test_a_sweep_is_drawn_as_parallel_coordinates_with_the_best_trial_marked(service, open_page):
    id = service.sweep({1e-4: 0.5, 1e-3: 0.9, 1e-2: 0.7})
    page = open_page(f"{service.url}/sweeps").page
    page.get_by_role("link", name="digits").click()
    drawn(page)
    parallel = page.locator(".plot").first
    labels = parallel.locator(".xtick text")
    expect(labels).to_have_count(3)
    assert [label for label in labels.all_text_contents() if "mu" in label]
    lines = parallel.locator(".scatterlayer path.js-line")
    expect(lines).to_have_count(3)
    expect(page.locator(".trials tbody tr")).to_have_count(3)
    best = page.locator(".trials tr.best")
    expect(best).to_have_count(1)
    expect(best).to_contain_text("90.0 %")
    best.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("trial 2")
    assert service.store.sweeps.get(id).state == State.RUNNING


def test_a_sweep_is_cancelled_from_its_page(service, open_page):
    id = service.sweep({1e-3: 0.9})
    page = open_page(f"{service.url}/sweeps/{id}").page
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Cancel sweep").click()
    expect(page.locator(".heading .badge")).to_have_text("cancelling")
    assert service.store.sweeps.get(id).state == State.CANCELLING


def test_every_page_fits_a_phone(service, open_page):
    experiment, attempt = service.start("a-name-" * 8 + "that-is-long", "example", rounds=5)
    service.end(attempt, state=State.FAILED)
    sweep = service.sweep({1e-4: 0.5, 1e-3: 0.9})
    page = open_page(f"{service.url}/experiments", **PHONE).page
    other = service.queue("other")
    compare = f"/compare?ids={experiment},{other}"
    for path in ("/experiments", f"/experiments/{experiment}", "/sweeps", f"/sweeps/{sweep}", compare, "/compare", "/submit"):
        page.goto(f"{service.url}{path}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        if path.count("/") == 2 or "ids" in path:
            drawn(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["viewport"]["width"], path


def test_nothing_moves_while_an_experiment_page_fills(service, open_page):
    id, attempt = service.start("digits", rounds=2)
    page = open_page(f"{service.url}/experiments/{id}").page
    shift = """() => new Promise((resolve) => { let sum = 0; new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) sum += entry.value; }).observe({type: 'layout-shift', buffered: true});
        requestAnimationFrame(() => requestAnimationFrame(() => resolve(sum))); })"""
    drawn(page)
    service.finish_rounds(attempt, *range(3, 41))
    expect(page.locator(".standing .number")).to_have_text("40 / 40")
    assert page.evaluate(shift) < 0.02


def test_pages_and_assets_come_with_a_strict_policy_and_are_asked_for_anew(service):
    for path in ("/experiments", "/assets/main.js", "/assets/plotly.min.js"):
        response = httpx.get(f"{service.url}{path}", trust_env=False)
        assert response.status_code == 200
        policy = response.headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "unsafe-eval" not in policy
        assert response.headers["cache-control"] == "no-cache"
    again = httpx.get(
        f"{service.url}/assets/plotly.min.js", headers={"If-None-Match": response.headers["etag"]}, trust_env=False
    )
    assert again.status_code == 304


def test_an_asset_outside_the_folder_is_not_served(service):
    assert httpx.get(f"{service.url}/assets/..%2f..%2fpyproject.toml", trust_env=False).status_code == 404


def test_the_page_listens_to_every_kind_of_event_that_the_engine_has(service):
    script = httpx.get(f"{service.url}/assets/feed.js", trust_env=False).text
    listed = set(re.findall(r'"(\w+)"', re.search(r"KINDS = \[(.*?)\]", script, re.DOTALL).group(1)))
    assert listed == {"state", *(kind.kind for kind in Event.__subclasses__())}
