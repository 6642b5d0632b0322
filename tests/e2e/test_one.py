"""One experiment and one sweep: axes, what is left behind, the end of a page's subject or of its service."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import expect

from api.domain.states import State

X_OF_FIRST = "(document.querySelector('.plot').data ?? [{x: []}])[0]?.x"


def until(page, expression):
    for _ in range(600):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"never became true: {expression}")


def test_curves_stand_against_bytes_or_wall_time_and_grow_there_too(service, open_page):
    id, attempt = service.start("digits", rounds=5)
    page = open_page(f"{service.url}/experiments/{id}").page
    page.get_by_role("combobox", name="Against").select_option("bytes sent")
    until(page, f"{X_OF_FIRST}.join() === '1500,3000,4500,6000,7500'")
    service.finish_rounds(attempt, 6)
    until(page, f"{X_OF_FIRST}.at(-1) === 9000")
    assert "x=bytes" in page.url
    page.get_by_role("combobox", name="Against").select_option("wall time")
    until(page, f"{X_OF_FIRST}.length === 6 && {X_OF_FIRST}[0] < 1500")
    assert page.get_by_role("combobox", name="Against").locator("option", has_text="simulated").is_disabled()


def test_any_series_can_be_seen(service, open_page):
    id, _ = service.start("digits", rounds=5)
    page = open_page(f"{service.url}/experiments/{id}").page
    expect(page.get_by_label("Another series")).to_have_value("messages")
    until(page, "[...document.querySelectorAll('.plot')].some((plot) => plot.data?.[0]?.y.join() === '20,20,20,20,20')")


def test_a_stretch_that_is_zoomed_into_has_all_its_points(service, open_page):
    rounds = 12_000
    id, _ = service.start("digits", rounds=rounds)
    page = open_page(f"{service.url}/experiments/{id}").page
    expect(page.locator(".plot .main-svg").first).to_be_visible()
    until(page, f"({X_OF_FIRST}?.at(-1) ?? 0) === {rounds}")
    assert page.evaluate(f"{X_OF_FIRST}.length") < rounds / 4
    box = page.locator(".plot").first.locator(".nsewdrag").bounding_box()
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.45 * box["width"], box["y"] + 42, steps=4)
    page.mouse.up()
    seen = "((range) => ((x) => [x.length, x.at(-1) - x[0]])({x}.filter((round) => round >= range[0] && round <= range[1])))"
    seen = seen.replace("{x}", X_OF_FIRST) + "(document.querySelector('.plot').layout.xaxis.range)"
    until(page, f"(([points, apart]) => points > 400 && points === apart + 1)({seen})")
    assert page.evaluate(f"{X_OF_FIRST}.at(-1)") == rounds
    assert page.evaluate(f"{X_OF_FIRST}.every((round, index, all) => index === 0 || round > all[index - 1])")


def test_files_traffic_builds_log_and_partition_are_shown(service, open_page):
    id, attempt = service.start("digits")
    service.load(attempt)
    service.finish_rounds(attempt, 1)
    service.leave(attempt, log="all went <b>well</b>\n")
    service.end(attempt)
    page = open_page(f"{service.url}/experiments/{id}").page
    expect(page.get_by_role("link", name="checkpoint/state.safetensors")).to_be_visible()
    expect(page.get_by_role("row", name="smashed 2.0 KiB")).to_be_visible()
    expect(page.get_by_text("9.9.9")).to_be_visible()
    expect(page.get_by_text("mean total variation from all samples: 0.250")).to_be_visible()
    until(page, "[...document.querySelectorAll('.plot')].some((plot) => plot.data?.[0]?.type === 'heatmap')")
    page.locator("summary", has_text="Log").click()
    expect(page.get_by_label("Log", exact=True)).to_have_text("all went <b>well</b>\n")
    with page.expect_download() as saved:
        page.get_by_role("link", name="checkpoint/state.safetensors").click()
    assert saved.value.suggested_filename.endswith("state.safetensors")


def told(kind, round, **values):
    """What the engine says beside the series of a round."""
    return {"kind": kind, "key": f"{kind}:{round}", "round": round, **values}


def test_losses_of_single_clients_are_a_heat_map_that_grows(service, open_page):
    of_clients = {"clients": [0, 1], "losses": [2.0, 1.0]}
    id, attempt = service.start("digits", evaluation={"client_losses": 1})
    service.load(attempt)
    service.store.record(attempt.id, attempt.token, events=[told("client_losses", 1, **of_clients)])
    page = open_page(f"{service.url}/experiments/{id}").page
    drawn = "document.querySelector('section[aria-label=Clients] .plot')?.data?.[0]?.x?.join()"
    until(page, f"{drawn} === '1'")
    service.store.record(attempt.id, attempt.token, events=[told("client_losses", 2, **of_clients)])
    service.finish_rounds(attempt, 1, 2)
    until(page, f"{drawn} === '1,2'")


def test_looks_at_the_hessian_are_drawn_as_they_come_and_only_where_asked_for(service, open_page):
    look = {"nodes": [-1.0, 0.0, 4.0], "weights": [0.25, 0.5, 0.25]}
    id, attempt = service.start("digits", evaluation={"every": 1, "spectrum": {"every": 1}})
    service.load(attempt)
    service.store.record(attempt.id, attempt.token, events=[told("spectrum", 1, **look)])
    page = open_page(f"{service.url}/experiments/{id}").page
    drawn = "document.querySelector('section[aria-label=Spectrum] .plot')?.data?.map((trace) => trace.name).join()"
    until(page, f"{drawn} === 'round 1'")
    service.store.record(attempt.id, attempt.token, events=[told("spectrum", 2, **look)])
    service.finish_rounds(attempt, 1, 2)
    until(page, f"{drawn} === 'round 1,round 2'")
    page.get_by_label("show rounds").check()
    expect(page.get_by_text("of the Hessian after round 2")).to_be_visible()
    expect(page.get_by_role("region", name="Clients")).to_have_count(0)
    service.end(attempt)
    other, _ = service.start("plain", rounds=1)
    page = open_page(f"{service.url}/experiments/{other}").page
    expect(page.get_by_role("region", name="Accuracy")).to_be_visible()
    expect(page.get_by_role("region", name="Spectrum")).to_have_count(0)


def test_a_lost_attempt_is_told_from_one_that_ended_in_order(service, open_page):
    id, attempt = service.start("digits", rounds=2)
    service.store.interrupt(attempt.id, attempt.token, reason="driver_lost", message="gone", max_attempts=5)
    again = service.store.claim(owner="dispatcher-1", lease_s=600)[1]
    service.store.running(again.id, again.token, driver_pid=1, node="node-b")
    service.end(again)
    page = open_page(f"{service.url}/experiments/{id}").page
    expect(page.locator(".timeline span")).to_have_count(2)
    expect(page.locator(".timeline .lost")).to_have_attribute("aria-label", re.compile("attempt 1: .*driver_lost"))
    expect(page.locator(".timeline .done")).to_have_count(1)


def test_a_queued_experiment_says_why_it_waits(service, open_page):
    service.queue("first")
    id = service.queue("second")
    page = open_page(f"{service.url}/experiments/{id}").page
    expect(page.locator(".standing .why")).to_have_text("waits for its turn; ahead of it: 1 experiment")


def test_a_running_experiment_is_killed(service, open_page):
    id, _ = service.start("digits", rounds=1)
    page = open_page(f"{service.url}/experiments/{id}").page
    page.get_by_role("button", name="Kill", exact=True).click()
    page.get_by_role("button", name="Kill experiment").click()
    expect(page.locator(".heading .badge")).to_have_text("cancelling")
    assert service.store.get(id).reason == "kill_requested"


def test_an_experiment_deleted_under_the_page_is_said_to_be_gone(service, open_page):
    id = service.queue("digits")
    watched = open_page(f"{service.url}/experiments/{id}")
    expect(watched.page.locator(".heading .badge")).to_have_text("queued")
    # One for each request under way; the last may come after the page has said so.
    watched.expected.append("404")
    service.store.request_cancel(id)
    service.store.delete(id)
    expect(watched.page.get_by_role("heading", name="Not found")).to_be_visible()
    expect(watched.page.get_by_text("It was deleted, or never was.")).to_be_visible()


def test_a_sweep_shows_its_search_and_its_trials_sort(service, open_page):
    id = service.sweep({1e-4: 0.5, 1e-3: 0.9, 1e-2: 0.7})
    page = open_page(f"{service.url}/sweeps/{id}").page
    expect(page.get_by_role("heading", name="Slice: method.zeroth_order.mu")).to_be_visible()
    expect(page.get_by_role("heading", name="Importance of the axes")).to_be_visible()
    until(page, "[...document.querySelectorAll('.plot')].filter((plot) => plot.data?.length > 0).length >= 3")
    page.get_by_role("button", name="Validation").click()
    expect(page.locator(".trials tbody tr td:first-child")).to_have_text(["2 best", "3 best", "1 best"])
    expect(page.locator(".trials tbody tr").first).to_have_class("best")
    assert "sort=-validation_accuracy" in page.url
    page.get_by_role("link", name="Compare the best").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Compare 3 experiments")


def drag(page, axis, low, high):
    """Along an axis of the parallel coordinates, from one height to another, both from 0 to 1."""
    box = page.locator(".plot").first.locator(".nsewdrag").bounding_box()
    left, right = page.evaluate("document.querySelector('.plot').layout.xaxis.range")
    x = box["x"] + box["width"] * (axis - left) / (right - left)
    places = [box["y"] + box["height"] * (1.05 - height) / 1.1 for height in (low, high)]
    page.mouse.move(x, places[0])
    page.mouse.down()
    page.mouse.move(x, sum(places) / 2)
    page.mouse.move(x, places[1])
    page.mouse.up()


def test_a_sweep_is_brushed_along_its_axes_and_the_address_says_how(service, open_page):
    id = service.sweep({1e-4: 0.5, 1e-3: 0.9, 1e-2: 0.7})
    page = open_page(f"{service.url}/sweeps/{id}").page
    numbers = page.locator(".trials tbody tr td:first-child")
    expect(page.get_by_text("Drag along an axis to keep trials")).to_be_visible()
    expect(page.locator(".plot").first.locator(".scatterlayer path.js-line")).to_have_count(3)
    drag(page, 1, 0.4, 1.02)  # validation accuracy: 0.5 lies at 0, 0.7 at 0.5, 0.9 at 1
    expect(numbers).to_have_text(["2 best", "3"], use_inner_text=True)
    expect(page.get_by_text("2 of 3 measured trials")).to_be_visible()
    dimmed = "document.querySelector('.plot').data.filter((trace) => trace.opacity < 1).flatMap((trace) => trace.customdata)"
    assert page.evaluate(f"{dimmed}.filter((number) => number !== null)[0]") == 1
    drag(page, 0, 1.02, 0.8)  # and of these the largest mu
    expect(numbers).to_have_text(["3"], use_inner_text=True)
    page.reload()
    expect(numbers).to_have_text(["3"], use_inner_text=True)
    drag(page, 0, 0.5, 0.5)  # a click lets go of the axis
    expect(numbers).to_have_text(["2 best", "3"], use_inner_text=True)
    page.get_by_role("button", name="Show all").click()
    expect(numbers).to_have_text(["1", "2 best", "3"], use_inner_text=True)
    assert "brush" not in page.url


def test_a_sweep_is_paused_and_resumed(service, open_page):
    id = service.sweep({1e-3: 0.9})
    page = open_page(f"{service.url}/sweeps/{id}").page
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    assert service.store.sweeps.get(id).state != State.CANCELLED


def test_three_tabs_at_once_each_follow_their_experiment_over_one_stream(service, open_page):
    started = [service.start(name, rounds=2) for name in ("first", "second", "third")]
    watched = open_page(f"{service.url}/experiments/{started[0][0]}")
    pages = [watched.page]
    for id, _ in started[1:]:
        page = watched.page.context.new_page()
        page.goto(f"{service.url}/experiments/{id}")
        pages.append(page)
    listed = watched.page.context.new_page()
    listed.goto(f"{service.url}/experiments")
    for number, (_, attempt) in enumerate(started):
        service.finish_rounds(attempt, *range(3, 4 + number))
    for number, (page, name) in enumerate(zip(pages, ("first", "second", "third"), strict=True)):
        page.bring_to_front()
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
        expect(page.locator(".standing .number")).to_have_text(f"{3 + number} / 40")
        until(page, f"{X_OF_FIRST}.at(-1) === {3 + number}")
    listed.bring_to_front()
    expect(listed.locator("tbody tr .progress .number")).to_have_text(["5 / 40", "4 / 40", "3 / 40"])
    metrics = httpx.get(f"{service.url}/metrics", trust_env=False, timeout=30).text
    assert 0 < float(re.search(r"^heron_event_streams (\S+)", metrics, re.MULTILINE)[1]) <= 3
    for page in pages:
        page.close()


def test_where_streams_do_not_come_through_pages_of_events_do(service, open_page):
    id, attempt = service.start("digits", rounds=2)
    watched = open_page("about:blank")
    watched.expected.append("ERR_FAILED")
    page = watched.page

    def refuse(route):
        if "text/event-stream" in route.request.headers.get("accept", ""):
            route.abort()
        else:
            route.continue_()

    page.route("**/events?*", refuse)
    with page.expect_request("**/events?*wait_s=20"):
        page.goto(f"{service.url}/experiments/{id}")
    for number in (3, 4):
        # What waits is answered, and the next is asked.
        with page.expect_request("**/events?*wait_s=20"):
            service.finish_rounds(attempt, number)
        until(page, f"{X_OF_FIRST}.at(-1) === {number}")
    service.end(attempt)
    expect(page.locator(".heading .badge")).to_have_text("succeeded")


def test_a_page_that_finds_no_service_comes_back_by_itself(service, open_page):
    service.queue("digits")
    watched = open_page(f"{service.url}/sweeps")
    watched.expected.append("ERR_FAILED")
    page = watched.page
    page.route("**/v1/**", lambda route: route.abort())
    page.route("**/healthz", lambda route: route.abort())
    page.goto(f"{service.url}/experiments")
    expect(page.get_by_role("heading", name="The service does not answer")).to_be_visible()
    page.unroute("**/v1/**")
    page.unroute("**/healthz")
    expect(page.locator("tbody tr")).to_have_count(1)
