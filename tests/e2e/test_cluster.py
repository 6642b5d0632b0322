"""The page of the cluster: slots, nodes, the queue, and a dispatcher that falls silent, all followed without reload."""

from __future__ import annotations

from datetime import timedelta

from playwright.sync_api import expect
from sqlalchemy import update

from api.domain.admission import Resources
from api.domain.cluster import SILENT_AFTER, Node
from api.store.dispatchers import DispatcherRow
from tests.e2e.test_pages import PHONE

OWNER = "dispatcher-1"


def node(name, *, is_alive=True):
    has = Resources(cpus=4.0, gpus=1.0, memory_bytes=8 << 30)
    return Node(id=f"node-{name}", name=name, address="10.0.0.7", is_alive=is_alive, is_head=name == "a", has=has)


def rows(page, name):
    return page.get_by_role("region", name=name).locator("tbody tr")


def test_slots_nodes_and_queue_are_followed(service, open_page):
    page = open_page(f"{service.url}/cluster").page
    expect(page.get_by_text("No dispatcher has reported yet")).to_be_visible()
    expect(page.get_by_text("Queue: empty")).to_be_visible()
    page.evaluate("window.same = true")

    service.store.dispatchers.note(OWNER, slots=2, nodes=[node("a"), node("b", is_alive=False)])
    running, attempt = service.start("runs")
    waits = service.queue("waits")
    service.store.note_waiting({waits: "waits for a free slot"})
    expect(page.locator(".tiles dd")).to_have_text(["1 / 2", "0 / 4", "0 / 1", "0 B / 8.0 GiB"])
    expect(rows(page, f"Nodes of {OWNER}").nth(0).locator("td")).to_have_text(
        ["a", "10.0.0.7", "head", "4", "1", "8.0 GiB", "runs"]
    )
    expect(rows(page, f"Nodes of {OWNER}").nth(1).locator("td").nth(2)).to_have_text("has left")
    expect(rows(page, "Queue").locator("td")).to_contain_text(["waits", "just now", "waits for a free slot"])
    expect(page.get_by_text("No dispatcher has reported yet")).to_be_hidden()

    service.end(attempt)
    service.store.request_cancel(waits)
    expect(page.locator(".tiles dd").first).to_have_text("0 / 2")
    expect(rows(page, f"Nodes of {OWNER}").nth(0).get_by_role("link")).to_have_count(0)
    expect(page.get_by_text("Queue: empty")).to_be_visible()
    assert page.evaluate("window.same")
    page.goto(f"{service.url}/experiments/{running}")
    page.get_by_role("link", name="Cluster").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Cluster")


def test_a_dispatcher_that_fell_silent_is_not_believed(service, open_page):
    service.store.dispatchers.note(OWNER, slots=1, nodes=[node("a")])
    page = open_page(f"{service.url}/cluster").page
    expect(page.locator(".tiles dd").first).to_have_text("0 / 1")
    expect(page.get_by_text("It has fallen silent")).to_be_hidden()
    with service.store.dispatchers._writing() as session:
        seen_at = session.get(DispatcherRow, OWNER).seen_at
        session.execute(update(DispatcherRow).values(seen_at=seen_at - SILENT_AFTER - timedelta(seconds=60)))
    expect(page.get_by_text("It has fallen silent")).to_be_visible()
    expect(page.locator(".card h2 .aside").first).to_contain_text("min ago")


def test_a_long_queue_is_cut_and_leads_to_the_whole_of_it(service, open_page):
    for number in range(22):
        service.queue(f"q{number}")
    page = open_page(f"{service.url}/cluster", **PHONE).page
    expect(page.get_by_text("Queue: 22")).to_be_visible()
    expect(rows(page, "Queue")).to_have_count(20)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["viewport"]["width"]
    page.get_by_role("link", name="All of them").click()
    expect(page.locator("tbody tr .name")).to_have_count(22)
