import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from heron_ray.client import Client
from heron_ray.client.event_stream import parse_events
from heron_ray.errors import ConflictError, NotFoundError, ServiceError, SpecError, UnreachableError
from heron_ray.spec import parse_spec
from tests.cli.conftest import SPEC


def test_an_invalid_spec_comes_back_with_its_issues(service) -> None:
    with Client(service.url) as client, pytest.raises(SpecError) as refused:
        client.submit({**SPEC, "roundz": 3})
    assert [(issue.path, issue.suggestion) for issue in refused.value.issues] == [("roundz", "rounds")]


def test_what_is_not_there_is_not_found(service) -> None:
    with Client(service.url) as client:
        for ask in (client.get, client.series, client.cancel, lambda id: list(client.follow(id))):
            with pytest.raises(NotFoundError, match="0123abcd"):
                ask("0123abcd")


@pytest.mark.parametrize("id", ["", "..", "a/b", "a?b", "x" * 200])
def test_an_id_that_cannot_be_one_is_not_found_and_never_part_of_another_path(service, id: str) -> None:
    with Client(service.url) as client, pytest.raises(NotFoundError):
        client.get(id)


def test_cancelling_what_has_ended_is_a_conflict(service) -> None:
    with Client(service.url) as client:
        id = client.submit(SPEC).id
        assert client.cancel(id).state == "CANCELLED"
        with pytest.raises(ConflictError):
            client.cancel(id)


def test_a_refused_tag_is_named(service) -> None:
    with Client(service.url) as client, pytest.raises(ServiceError, match="tags"):
        client.submit(SPEC, ["\x00"])


def test_nothing_at_the_address_is_unreachable_and_says_how_to_start_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with Client(f"http://127.0.0.1:{port}") as client:
        for ask in (client.health, lambda: list(client.follow("0123abcd"))):
            with pytest.raises(UnreachableError, match=str(port)) as refused:
                ask()
            assert "heron serve" in (refused.value.hint or "")


@pytest.mark.parametrize("status", [200, 404, 500])
def test_something_else_at_the_address_is_told_apart_from_heron_ray(status: int) -> None:
    class Stranger(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Stranger)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    with (
        Client(f"http://127.0.0.1:{server.server_port}") as client,
        pytest.raises(UnreachableError, match="is not heron-ray"),
    ):
        client.get("0123abcd")
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_proxy_of_the_environment_does_not_stand_before_this_machine(service, monkeypatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    with Client(service.url) as client:
        assert client.health().status == "ok"


def test_a_stream_outlasts_a_restart_of_the_service_and_repeats_nothing(service, store, dispatcher) -> None:
    id = store.submit(parse_spec(SPEC)).id
    attempt = dispatcher.claim()
    dispatcher.finish_round(attempt, 1, 3)
    with Client(service.url) as client:
        seen = []
        for event in client.follow(id):
            seen.append(event)
            if event.kind == "round_finished" and event.data["round"] == 1:
                service.stop()
                dispatcher.finish_round(attempt, 2, 3)
                service.start()
            if event.kind == "round_finished" and event.data["round"] == 2:
                dispatcher.succeed(attempt)
    assert [event.id for event in seen] == list(range(1, len(seen) + 1))
    assert [event.data["round"] for event in seen if event.kind == "round_finished"] == [1, 2]
    assert (seen[-1].kind, seen[-1].data["state"]) == ("state", "SUCCEEDED")


def test_a_stream_gives_up_when_the_service_stays_away(service, store, dispatcher) -> None:
    id = store.submit(parse_spec(SPEC)).id
    with Client(service.url, patience_s=0.2) as client:
        events = client.follow(id)
        assert next(events).data["state"] == "QUEUED"
        service.stop()
        with pytest.raises(UnreachableError):
            next(events)
        service.start()


def test_a_stream_taken_up_after_the_last_event_ends_at_once(service, store) -> None:
    id = store.submit(parse_spec(SPEC)).id
    store.request_cancel(id)
    with Client(service.url) as client:
        assert [event.data["state"] for event in client.follow(id)] == ["QUEUED", "CANCELLED"]
        assert list(client.follow(id, after=2)) == []


def test_an_event_that_is_cut_off_is_dropped() -> None:
    whole = ["id: 1", "event: state", 'data: {"state": "QUEUED"}', ""]
    assert [event.id for event in parse_events([*whole, "id: 2", "event: started"])] == [1]


def test_comments_and_unknown_fields_of_a_stream_are_passed_over() -> None:
    lines = [": ping", "", "retry: 5", "id:1", "event:state", 'data:{"state": "QUEUED"}', ""]
    assert [event.raw for event in parse_events(lines)] == [{"id": 1, "kind": "state", "data": {"state": "QUEUED"}}]
