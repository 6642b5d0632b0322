from __future__ import annotations

from html.parser import HTMLParser

import pytest

from heron_ray.reports import Record
from heron_ray.reports.page import POLICY, report_page
from heron_ray.reports.record import Attempt
from heron_ray.reports.twin import TWINS, twin_costs
from heron_ray.simulation import profile
from tests.conftest import spec_from

CURVE = {"rounds": [1, 2], "values": [0.25, 0.75]}
RESULT = {
    "state": "SUCCEEDED",
    "rounds": 2,
    "test_accuracy": 0.75,
    "test_loss": 0.5,
    "wall_seconds": 1.5,
    "trajectory_digest": "d" * 64,
    "spec_hash": "s" * 64,
    "trajectory_hash": "t" * 64,
    "costs": {"client_macs_per_step": 1234567, "client_peak_bytes": 7654321, "bytes_up": 42},
}


def record(**fields) -> Record:
    given = {
        "origin": "0f3a",
        "name": "tiny",
        "state": "SUCCEEDED",
        "series": {"test_accuracy": CURVE, "bytes_up": CURVE, "server_loss": CURVE},
        "spec": spec_from().canonical(),
        "result": RESULT,
        "provenance": {"torch": "9.9.9"},
        "attempts": [Attempt(node="node-a", ended="lease_expired"), Attempt(after_round=50)],
    }
    return Record(**{**given, **fields})


class Reader(HTMLParser):
    """Texts by element, and every attribute that could load something."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.policy = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        named = dict(attrs)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "action", "poster")]
        if named.get("http-equiv") == "Content-Security-Policy":
            self.policy = named["content"] or ""

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] not in ("script", "style") and data.strip():
            self.texts.append(data.strip())


def test_a_report_says_what_was_measured_what_it_cost_and_where_it_comes_from() -> None:
    texts = Reader(report_page([record()])).texts
    for words in ("75.00%", "1,234,567", "7,654,321", "9.9.9", "d" * 64, "on node-a, ended: lease_expired", "from round 51"):
        assert words in texts
    assert any("kind: heron" in text for text in texts)
    assert {"Accuracy", "Losses", "Bytes sent"} <= set(texts)


def test_losses_of_clients_and_looks_at_the_hessian_are_in_a_report() -> None:
    told = {"client_losses": [{"round": 1, "clients": [0], "losses": [2.0]}], "spectra": {"round 1": ([0.0], [1.0])}}
    page = report_page([record(**told)])
    assert {"Training loss of each client", "Hessian spectrum of the clients' loss"} <= set(Reader(page).texts)


def test_a_report_loads_nothing_and_forbids_itself_every_request() -> None:
    reader = Reader(report_page([record(), record(origin="b")]))
    assert reader.loads == []
    assert reader.policy == POLICY
    assert POLICY.startswith("default-src 'none'")
    assert {"link", "iframe", "img", "base"} & set(reader.tags) == set()


def test_text_of_a_run_is_text_and_nothing_else() -> None:
    nasty = "</script><script>alert(1)</script>"
    page = report_page([record(name=nasty, message=nasty), record(name="b")])
    assert "<script>alert" not in page
    assert "\\u003cscript" not in page, "Plotly would read it as HTML"
    assert page.count("</script>") == Reader(page).tags.count("script")


def test_costs_of_the_twin_are_those_of_its_own_profile() -> None:
    spec = spec_from()
    twin = profile(spec_from("method.kind=cse_fsl"))
    assert twin_costs(spec.canonical()) == {
        "client_macs_per_step": twin.client_macs_per_step,
        "client_flops_per_step": twin.client_flops_per_step,
        "client_peak_bytes": twin.client_peak_bytes,
    }
    texts = Reader(report_page([record()])).texts
    assert "tiny, its first-order twin (cse_fsl, counted, not run)" in texts
    assert f"{twin.client_peak_bytes:,}" in texts


@pytest.mark.parametrize("kind", ["cse_fsl", "sflv2", "frozen_client"])
def test_a_method_without_a_twin_has_none(kind) -> None:
    assert kind not in TWINS
    assert twin_costs(spec_from(f"method.kind={kind}").canonical()) is None


def test_a_run_of_which_little_is_known_has_a_report_all_the_same() -> None:
    page = report_page([Record(origin="a.jsonl", name="a", state="UNFINISHED")], title="Night & day")
    texts = Reader(page).texts
    assert "UNFINISHED" in texts
    assert "Night & day" in texts
    assert "Not one point was measured: there is nothing to draw." in texts
