"""axe-core finds nothing serious on any page, in either theme."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from api.domain.admission import Resources
from api.domain.cluster import Node
from api.domain.states import State

# What a theme changes; the rest is judged once.
OF_THEMES = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
GRAVE = {"serious", "critical"}


@pytest.fixture
def paths(service):
    """Every page, with something on it."""
    experiment, attempt = service.start("ended", "example", rounds=5)
    service.load(attempt)
    service.leave(attempt)
    service.end(attempt, validation_accuracy=0.5, test_accuracy=0.5)
    sweep = service.sweep({1e-4: 0.5, 1e-3: 0.9})
    study = service.study(seeds=[0])
    service.end(service.start_cell(study, 0), state=State.FAILED, reason="diverged")
    queued = service.queue("queued")
    has = Resources(cpus=2.0, gpus=0.0, memory_bytes=4 << 30)
    node = Node(id="node-a", name="a", address="10.0.0.1", is_alive=True, is_head=True, has=has)
    service.store.dispatchers.note("dispatcher-1", slots=2, nodes=[node])
    return [
        "/experiments",
        f"/experiments/{experiment}",
        f"/experiments/{queued}",
        "/experiments/nonesuch",
        "/submit",
        f"/submit?from={experiment}",
        "/compare",
        f"/compare?ids={experiment},{queued}",
        "/sweeps",
        f"/sweeps/{sweep}",
        "/studies",
        f"/studies/{study}",
        "/cluster",
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_serious_fault(service, open_page, paths, scheme):
    watched = open_page(f"{service.url}/experiments", color_scheme=scheme)
    watched.expected.append("404")
    page = watched.page
    for path in paths:
        page.goto(f"{service.url}{path}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        found = Axe().run(page, options=OF_THEMES if scheme == "dark" else None).response["violations"]
        grave = {
            fault["id"]: [node["html"][:200] for node in fault["nodes"]][:3] for fault in found if fault["impact"] in GRAVE
        }
        assert grave == {}, path
