"""The list of experiments: filters, order, columns, what is done to many, views with names."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from api.domain.states import State


@pytest.fixture
def listed(service, open_page):
    """Opens the list with a query."""
    return lambda query="": open_page(f"{service.url}/experiments{query}")


def names(page):
    return page.locator("tbody tr .name")


def test_a_field_of_the_spec_filters_and_what_cannot_be_asked_is_said_with_the_form_still_there(service, listed):
    service.queue("ten")
    service.queue("five", clients={"count": 5})
    watched = listed()
    page = watched.page
    page.get_by_label("Spec").fill("clients.count<10; method.kind=heron")
    page.get_by_label("Spec").press("Enter")
    expect(names(page)).to_have_text(["five"])
    page.get_by_label("Spec").fill("clients.cuont=5")
    page.get_by_label("Spec").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("cuont")
    expect(page.get_by_label("Spec")).to_have_value("clients.cuont=5")
    assert [text for text in watched.complaints if "422" not in text] == []
    watched.complaints.clear()


def test_headings_sort_and_the_address_says_how(service, listed):
    for name, accuracy in (("low", 0.2), ("high", 0.9), ("middle", 0.5)):
        _, attempt = service.start(name)
        service.end(attempt, validation_accuracy=accuracy)
    page = listed().page
    page.get_by_role("link", name="Validation").click()
    expect(names(page)).to_have_text(["high", "middle", "low"])
    expect(page.locator("th[aria-sort=descending]")).to_contain_text("Validation")
    page.get_by_role("link", name="Validation").click()
    expect(names(page)).to_have_text(["low", "middle", "high"])
    assert "sort=validation_accuracy" in page.url


def test_a_line_has_curve_accuracy_bytes_and_memory(service, listed):
    _, attempt = service.start("ended", rounds=40)
    service.end(attempt, test_accuracy=0.75, validation_accuracy=0.5)
    service.start("live", rounds=10)
    page = listed().page
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(2)
    live, ended = rows.all()
    expect(ended.locator(".test")).to_have_text("75.0 %")
    expect(ended.locator(".sent")).to_have_text("58.6 KiB")
    expect(ended.locator(".memory")).to_have_text("3.0 MiB")
    expect(live.locator(".test")).to_have_text("63.2 %")
    expect(live.get_by_role("img", name="from 9.5 % to 63.2 %")).to_be_visible()


def test_many_are_cancelled_at_once_and_what_is_refused_is_named(service, listed):
    over, attempt = service.start("over")
    service.end(attempt)
    ids = [service.queue(name) for name in ("a", "b")]
    page = listed().page
    page.get_by_label("Select all on this page").check()
    bar = page.get_by_role("region", name="Selected experiments")
    expect(bar).to_contain_text("3 selected")
    bar.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Cancel 3 experiments").click()
    expect(page.get_by_text("2 done, 1 refused")).to_be_visible()
    expect(page.locator("li").filter(has_text="over:")).to_contain_text("SUCCEEDED")
    assert [service.store.get(id).state for id in ids] == [State.CANCELLED] * 2
    expect(bar).to_be_hidden()
    assert service.store.get(over).state == State.SUCCEEDED


def test_what_is_archived_leaves_the_list_and_comes_back(service, listed):
    _, attempt = service.start("old")
    service.end(attempt)
    service.queue("new")
    page = listed().page
    page.get_by_label("Select old").check()
    page.get_by_role("button", name="Archive", exact=True).click()
    page.get_by_role("button", name="Archive one experiment").click()
    expect(names(page)).to_have_text(["new"])
    page.locator("select[name=archived]").select_option("alone")
    expect(names(page)).to_have_text(["old"])


def test_ticked_experiments_are_compared(service, listed):
    ids = [service.queue(name) for name in ("a", "b")]
    page = listed().page
    page.get_by_label("Select b").check()
    expect(page.locator(".selection a")).to_be_hidden()
    page.get_by_label("Select a", exact=True).check()
    page.locator(".selection a").click()
    expect(page).to_have_url(f"{service.url}/compare?ids={ids[1]},{ids[0]}")


def test_a_view_is_saved_found_again_and_forgotten(service, listed):
    service.queue("a", "night")
    service.queue("b")
    page = listed("?tag=night&sort=name").page
    page.get_by_role("button", name="Save view").click()
    page.get_by_label("What shall this view be called?").last.fill("nights")
    page.get_by_role("dialog").get_by_role("button", name="Save view").click()
    expect(page.get_by_role("combobox", name="View")).to_have_value("nights")
    page.goto(f"{service.url}/experiments")
    expect(names(page)).to_have_text(["b", "a"])
    page.get_by_role("combobox", name="View").select_option("nights")
    expect(names(page)).to_have_text(["a"])
    page.get_by_role("button", name="Forget view").click()
    expect(page.get_by_role("combobox", name="View").locator("option")).to_have_text(["unnamed"])
