import asyncio
import logging
import re

import httpx
import pytest

from api.routes.frame import Frame

EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


@pytest.fixture
def api(serve, sqlite_store):
    def fail() -> None:
        raise RuntimeError("the secret inside")

    url = serve(sqlite_store, prepare=lambda app: app.add_api_route("/fail", fail))
    with httpx.Client(base_url=url, trust_env=False) as client:
        yield client


ANSWERS = {
    "/healthz": 200,
    "/v1/experiments": 200,
    "/v1/experiments/nonesuch": 404,
    "/nowhere": 404,
    "/fail": 500,
    "/metrics": 200,
    "/docs": 200,
    "/openapi.json": 200,
    "/experiments": 200,
    "/assets/main.js": 200,
    "/assets/nonesuch.js": 404,
    "/assets/plotly.min.js": 200,
    "/": 307,
}


@pytest.mark.parametrize("path", ANSWERS)
def test_every_answer_has_a_request_id_and_the_headers_that_browsers_obey(api, path):
    answer = api.get(path)
    assert answer.status_code == ANSWERS[path]
    assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["x-request-id"])
    assert {name: answer.headers[name] for name in EVERYWHERE} == EVERYWHERE
    policy = answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "script-src 'unsafe-inline'" not in policy


@pytest.mark.parametrize("path", ["/v1/experiments", "/v1/experiments/nonesuch", "/fail", "/metrics", "/openapi.json"])
def test_what_changes_is_kept_by_no_cache(api, path):
    answer = api.get(path)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_pages_may_be_kept_and_asked_for_anew(api):
    assert api.get("/experiments").headers["cache-control"] == "no-cache"
    first = api.get("/assets/main.js")
    again = api.get("/assets/main.js", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("given", ["night-7.trial:3", "A" * 100, "0"])
def test_a_sane_name_that_a_client_gives_its_request_is_kept(api, given):
    answer = api.get("/v1/experiments/nonesuch", headers={"X-Request-Id": given})
    assert answer.headers["x-request-id"] == given
    assert answer.json()["request_id"] == given


@pytest.mark.parametrize("given", ["", "A" * 101, "two words", "<script>", "a\tb", "\xe9"])
def test_another_name_is_replaced(api, given):
    answer = api.get("/v1/experiments/nonesuch", headers={"X-Request-Id": given.encode("latin-1")})
    assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["x-request-id"])
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_a_failure_is_found_in_the_log_by_its_request_id(api, caplog):
    with caplog.at_level(logging.ERROR):
        answer = api.get("/fail")
    assert answer.json()["code"] == "internal_error"
    assert "secret" not in answer.text
    (record,) = [record for record in caplog.records if answer.headers["x-request-id"] in record.getMessage()]
    assert "/fail" in record.getMessage()
    assert record.exc_info is not None


def test_a_failure_after_the_answer_began_breaks_it_off():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("too late")

    sent = []

    async def send(message):
        sent.append(message["type"])

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    with pytest.raises(RuntimeError, match="too late"):
        asyncio.run(Frame(app)(scope, None, send))
    assert sent == ["http.response.start"]
