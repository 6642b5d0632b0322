"""A browser where nobody comes in without a key: it signs in, is told when the key is not valid any more, and signs out."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from api.domain.access import Scope
from api.settings import Settings


@pytest.fixture
def settings() -> Settings:
    """Of a service to which this machine is like any other."""
    return Settings(event_poll_s=0.05, require_key=True, key_memory_s=0.0)


def sign_in(page, key):
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()


def test_a_browser_signs_in_follows_an_experiment_is_shut_out_and_comes_in_with_another_key(service, open_page):
    id, attempt = service.start("digits", rounds=3)
    first, key = service.store.keys.create(name="first", scope=Scope.READ)
    watched = open_page(f"{service.url}/experiments/{id}")
    watched.expected.append("401")
    page = watched.page
    expect(page.get_by_role("heading", name="An API key is needed")).to_be_visible()
    assert [fault["id"] for fault in Axe().run(page).response["violations"] if fault["impact"] in ("serious", "critical")] == []
    sign_in(page, "heron_wrong")
    expect(page.get_by_role("alert")).to_contain_text("not known here")
    sign_in(page, key)
    expect(page.get_by_role("heading", level=1)).to_have_text("digits")
    assert key not in page.evaluate("document.cookie")
    service.finish_rounds(attempt, 4)
    expect(page.locator(".standing .number")).to_have_text("4 / 40")
    service.store.keys.revoke(first.id)
    service.end(attempt)  # the page asks for what the end left behind
    expect(page.get_by_role("heading", name="An API key is needed")).to_be_visible()
    expect(page.get_by_text("is not valid any more")).to_be_visible()
    _, other = service.store.keys.create(name="second", scope=Scope.READ)
    sign_in(page, other)
    expect(page.locator(".heading .badge")).to_have_text("succeeded")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="An API key is needed")).to_be_visible()
    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()


def test_a_list_left_open_says_that_its_key_is_not_valid_any_more(service, open_page):
    record, key = service.store.keys.create(name="first", scope=Scope.READ)
    watched = open_page(f"{service.url}/experiments")
    watched.expected.append("401")
    sign_in(watched.page, key)
    expect(watched.page.get_by_text("No experiments yet")).to_be_visible()
    service.store.keys.revoke(record.id)
    expect(watched.page.get_by_text("is not valid any more")).to_be_visible()
