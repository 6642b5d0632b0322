"""The page that submits: a form and its YAML in step, judged by the service."""

from __future__ import annotations

import json
import re
from urllib.parse import unquote

import pytest
from playwright.sync_api import expect

from api.routes.examples import example_spec
from heron_ray.spec import parse_spec


@pytest.fixture
def opened(service, open_page):
    """The page, begun with the digits experiment."""
    page = open_page(f"{service.url}/submit").page
    expect(page.get_by_text("Valid.")).to_be_visible()
    return page


def yaml(page):
    return page.get_by_label("Spec as YAML")


def submitted(page, service):
    page.get_by_role("button", name="Submit", exact=True).click()
    page.wait_for_url(f"{service.url}/experiments/*")
    return service.store.get(page.url.rpartition("/")[2])


def test_a_ready_spec_is_changed_in_the_form_and_submitted_with_tags(service, opened):
    opened.get_by_label("rounds", exact=True).fill("7")
    opened.get_by_label("method zeroth_order mu").fill("1e-4")
    opened.get_by_label("Tags").fill("night, second")
    expect(yaml(opened)).to_have_value(re.compile(r"rounds: 7\n[\s\S]*mu: 0.0001"))
    expect(opened.get_by_text("Valid.")).to_be_visible()
    record = submitted(opened, service)
    assert (record.rounds, record.tags, record.spec["method"]["zeroth_order"]["mu"]) == (7, ("night", "second"), 1e-4)
    expect(opened.get_by_role("heading", level=1)).to_have_text("digits-heron")


def test_another_kind_swaps_the_fields_and_keeps_those_it_also_has(service, opened):
    opened.get_by_label("method client_optimizer lr").fill("0.5")
    opened.get_by_label("method kind", exact=True).select_option("cse_fsl")
    expect(opened.get_by_label("method zeroth_order mu")).to_have_count(0)
    expect(opened.get_by_label("method client_optimizer lr")).to_have_value("0.5")
    opened.locator("details[data-path=attack] > summary").click()
    opened.get_by_label("attack kind").select_option("sign_flip")
    opened.get_by_label("attack byzantine").fill("2")
    expect(opened.get_by_text("Valid.")).to_be_visible()
    spec = submitted(opened, service).spec
    assert (spec["method"]["kind"], spec["method"]["client_optimizer"]["lr"]) == ("cse_fsl", 0.5)
    assert (spec["attack"]["kind"], spec["attack"]["byzantine"]) == ("sign_flip", 2)


def test_what_is_typed_as_yaml_is_in_the_form_at_once(service, opened):
    yaml(opened).fill(yaml(opened).input_value().replace("rounds: 600", "rounds: 12").replace("digits-heron", "typed"))
    expect(opened.get_by_label("rounds", exact=True)).to_have_value("12")
    expect(opened.get_by_label("name", exact=True)).to_have_value("typed")
    yaml(opened).fill("rounds: [")
    expect(opened.locator("#faults")).to_contain_text("not valid YAML")
    expect(opened.get_by_label("rounds", exact=True)).to_have_value("12")


def test_what_was_just_typed_is_what_is_submitted(service, opened):
    yaml(opened).fill(yaml(opened).input_value().replace("rounds: 600", "rounds: 12"))
    assert submitted(opened, service).rounds == 12


def test_what_was_just_typed_is_not_submitted_with_faults(opened):
    yaml(opened).fill("rounds: [")
    opened.get_by_role("button", name="Submit", exact=True).click()
    expect(opened.locator("#faults")).to_contain_text("not valid YAML")
    assert opened.url.partition("#")[0].endswith("/submit")


def test_a_fault_is_said_beside_its_field_and_goes_when_it_is_mended(opened):
    field = opened.get_by_label("clients count", exact=True)
    field.fill("many")
    expect(field).to_have_attribute("aria-invalid", "true")
    row = opened.locator(".field").filter(has=field)
    expect(row.locator(".fault")).to_contain_text("valid integer")
    field.fill("5")
    expect(opened.get_by_text("Valid.")).to_be_visible()
    assert field.get_attribute("aria-invalid") is None


def test_sections_in_lists_are_added_filled_in_and_removed(service, opened):
    opened.get_by_label("aggregation kind", exact=True).select_option("krum")
    opened.get_by_label("aggregation f", exact=True).fill("1")
    opened.get_by_label("aggregation before items").click()
    opened.get_by_label("aggregation before 0 kind").select_option("nnm")
    opened.get_by_label("aggregation before 0 f").fill("1")
    expect(opened.get_by_text("Valid.")).to_be_visible()
    opened.get_by_label("aggregation before items").click()
    opened.get_by_role("button", name="Remove before 2").click()
    expect(opened.get_by_text("Valid.")).to_be_visible()
    assert submitted(opened, service).spec["aggregation"]["before"] == [{"kind": "nnm", "f": 1}]


def test_the_address_keeps_the_draft_over_a_reload(opened):
    opened.get_by_label("rounds", exact=True).fill("9")
    expect(opened.get_by_text("Valid.")).to_be_visible()
    opened.wait_for_timeout(600)
    assert json.loads(unquote(opened.url.partition("#")[2]))["spec"]["rounds"] == 9
    opened.reload()
    expect(opened.get_by_label("rounds", exact=True)).to_have_value("9")


def test_the_start_is_chosen_among_ready_specs_or_is_nothing(service, opened):
    opened.get_by_label("Start from").select_option("digits-cse_fsl")
    expect(opened.get_by_label("name", exact=True)).to_have_value("digits-cse_fsl")
    opened.get_by_label("Start from").select_option("nothing")
    expect(opened.get_by_label("rounds", exact=True)).to_have_value("")
    expect(opened.locator("#verdict")).to_contain_text("faults")


def test_an_experiment_is_copied_with_changes_from_its_page(service, open_page):
    id = service.queue("parent", "night")
    page = open_page(f"{service.url}/experiments/{id}").page
    page.get_by_role("link", name="Copy with changes").click()
    expect(page.get_by_label("Tags")).to_have_value("night")
    expect(page.get_by_label("Begin")).to_have_count(0)
    page.get_by_label("seed", exact=True).fill("5")
    expect(page.get_by_text("Valid.")).to_be_visible()
    record = submitted(page, service)
    assert record.spec == parse_spec({**example_spec(), "name": "parent", "rounds": 40, "seed": 5}).canonical()
    assert record.forked_from is None


def test_an_ended_experiment_is_forked_from_its_checkpoint_and_a_fork_may_not_change_all(service, open_page):
    id, attempt = service.start("parent", rounds=40)
    service.leave(attempt)
    service.end(attempt)
    watched = open_page(f"{service.url}/experiments/{id}")
    watched.expected.append("422")
    page = watched.page
    page.get_by_role("link", name="Fork or copy").click()
    page.get_by_label("after round 40").check()
    page.get_by_label("rounds", exact=True).fill("80")
    page.get_by_label("seed", exact=True).fill("5")
    page.get_by_role("button", name="Submit", exact=True).click()
    seed = page.locator(".field").filter(has=page.get_by_label("seed", exact=True))
    expect(seed.locator(".fault")).to_contain_text("a fork cannot change it")
    page.get_by_label("seed", exact=True).fill("0")
    expect(page.get_by_text("Valid.")).to_be_visible()
    record = submitted(page, service)
    assert (record.forked_from, record.forked_round, record.rounds) == (id, 40, 80)
