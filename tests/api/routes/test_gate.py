"""Who comes in: over real sockets, from this machine's loopback address and from its other one."""

from __future__ import annotations

import asyncio
import http.client
import logging
import socket
import time
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import text

from api.domain.access import Scope
from api.routes import create_app
from api.routes.examples import example_submission
from api.settings import Settings

ELSEWHERE = ("203.0.113.9", 1234)
QUICK = Settings(key_memory_s=0.0)


def own_address():
    """An address of this machine that is not loopback; None where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.254", 9))  # sends nothing
        except OSError:
            return None
        address = probe.getsockname()[0]
    return None if address.startswith("127.") else address


class Remote:
    """Sends single requests to an application as if from another machine."""

    def __init__(self, store, settings=QUICK, client=ELSEWHERE):
        self._transport = httpx.ASGITransport(create_app(settings, store), client=client)

    def send(self, method, path, *, key=None, **options):
        headers = {**options.pop("headers", {}), **({"Authorization": f"Bearer {key}"} if key is not None else {})}

        async def ask():
            async with httpx.AsyncClient(transport=self._transport, base_url="http://heron.example") as client:
                answer = await client.request(method, path, headers=headers, **options)
            # What the application goes on with, for which no request waits.
            await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))
            return answer

        return asyncio.run(ask())

    def get(self, path, **options):
        return self.send("GET", path, **options)


@pytest.fixture
def remote(store):
    return Remote(store)


@pytest.fixture
def make_key(store):
    return lambda scope=Scope.READ: store.keys.create(name="test", scope=scope)


def problem(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code
    return answer.json()


@pytest.mark.parametrize(
    "path",
    ["/v1/experiments", "/v1/cluster", "/v1/specs/schema", "/metrics", "/docs", "/openapi.json", "/assets/../v1/experiments"],
)
def test_whoever_comes_from_elsewhere_needs_a_key_for_whatever_the_service_knows(remote, path):
    answer = remote.get(path)
    assert "heron key create" in problem(answer, 401, "unauthenticated")["hint"]
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_whether_the_service_answers_is_told_to_everybody(remote):
    assert remote.get("/healthz").json()["status"] == "ok"


@pytest.mark.parametrize("path", ["/", "/experiments", "/sweeps/x", "/assets/main.js"])
@pytest.mark.parametrize("cookie", [None, "heron_key=heron_revoked"])
def test_a_page_that_can_sign_in_is_there_for_everybody(remote, path, cookie):
    answer = remote.get(path, headers={"Cookie": cookie} if cookie else {})
    assert answer.status_code in (200, 307)


def sign_in(remote, key, **options):
    return remote.send("POST", "/v1/session", json={"key": key}, **options)


def test_a_browser_signs_in_with_a_key_that_no_script_can_read(remote, make_key):
    record, key = make_key(Scope.SUBMIT)
    answer = sign_in(remote, key)
    assert answer.status_code == 204
    secret, mark = answer.headers.get_list("set-cookie")
    assert secret.startswith(f"heron_key={key};")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(secret.split("; "))
    assert key not in mark
    cookie = {"Cookie": f"heron_key={key}"}
    assert remote.get("/v1/experiments", headers=cookie).status_code == 200
    id = remote.send("POST", "/v1/experiments", headers=cookie, json=example_submission()).json()["id"]
    assert remote.get(f"/v1/experiments/{id}", headers=cookie).json()["submitted_by"] == record.id
    problem(remote.send("DELETE", f"/v1/experiments/{id}", headers=cookie), 403, "forbidden")
    signed_out = remote.send("DELETE", "/v1/session", headers=cookie)
    assert [cookie.split(";")[0] for cookie in signed_out.headers.get_list("set-cookie")] == [
        'heron_key=""',
        'heron_signed_in=""',
    ]


def test_over_tls_the_cookie_is_sent_over_tls_only(store, make_key):
    _, key = make_key()

    async def ask():
        transport = httpx.ASGITransport(create_app(QUICK, store), client=ELSEWHERE)
        async with httpx.AsyncClient(transport=transport, base_url="https://heron.example") as client:
            return await client.post("/v1/session", json={"key": key})

    assert all("Secure" in cookie for cookie in asyncio.run(ask()).headers.get_list("set-cookie"))


@pytest.mark.parametrize("key", ["heron_wrong", "a b", "", "x; Path=/"])
def test_a_browser_does_not_sign_in_with_what_is_no_key(remote, key):
    answer = sign_in(remote, key)
    assert answer.status_code in (401, 422)
    assert "set-cookie" not in answer.headers


def test_a_cookie_of_a_revoked_key_lets_nobody_in_and_says_so(store, remote, make_key):
    record, key = make_key()
    store.keys.revoke(record.id)
    told = problem(remote.get("/v1/experiments", headers={"Cookie": f"heron_key={key}"}), 401, "unauthenticated")
    assert "not valid any more" in told["detail"]


def test_a_page_of_another_origin_changes_nothing_with_a_browsers_key(remote, make_key):
    _, key = make_key(Scope.ADMIN)
    headers = {"Cookie": f"heron_key={key}", "Origin": "http://evil.example"}
    problem(remote.send("POST", "/v1/experiments", headers=headers, json=example_submission()), 403, "forbidden")
    problem(sign_in(remote, key, headers={"Origin": "http://evil.example"}), 403, "forbidden")


@pytest.mark.parametrize("path", ["/v1/experiments", "/metrics", "/docs", "/openapi.json", "/experiments"])
def test_a_key_lets_somebody_from_elsewhere_in(remote, make_key, path):
    _, key = make_key()
    assert remote.get(path, key=key).status_code == 200


@pytest.mark.parametrize(
    "header", ["Bearer heron_wrong", "Bearer", "Bearer ", "bearer\theron_wrong", "Basic aGVyb246aGVyb24=", "", "heron_wrong"]
)
@pytest.mark.parametrize("client", [ELSEWHERE, ("127.0.0.1", 1)])
def test_a_wrong_key_is_refused_wherever_it_comes_from(store, header, client):
    answer = Remote(store, client=client).get("/v1/experiments", headers={"Authorization": header, "Host": "localhost"})
    problem(answer, 401, "unauthenticated")


def test_a_key_among_others_is_no_key(store, make_key):
    _, key = make_key()

    async def ask():
        transport = httpx.ASGITransport(create_app(QUICK, store), client=ELSEWHERE)
        async with httpx.AsyncClient(transport=transport, base_url="http://heron.example") as client:
            headers = [("Authorization", "Bearer heron_wrong"), ("Authorization", f"Bearer {key}")]
            return await client.get("/v1/experiments", headers=headers)

    problem(asyncio.run(ask()), 401, "unauthenticated")


def test_what_a_key_may_do_grows_with_its_scope(store, remote, make_key, make_spec):
    read, submit, admin = (make_key(scope) for scope in Scope)
    id = store.submit(make_spec()).id
    asked = [("GET", f"/v1/experiments/{id}"), ("POST", f"/v1/experiments/{id}/cancel"), ("DELETE", f"/v1/experiments/{id}")]
    found = [[remote.send(*one, key=key).status_code for one in asked] for _, key in (read, submit, admin)]
    assert found == [[200, 403, 403], [200, 200, 403], [200, 409, 204]]


def test_a_scope_that_is_too_small_is_named_with_the_one_that_is_needed(remote, make_key):
    record, key = make_key()
    told = problem(remote.send("POST", "/v1/experiments", key=key, json=example_submission()), 403, "forbidden")
    assert record.id in told["detail"]
    assert "submit" in told["detail"]
    assert key not in str(told)


def test_an_experiment_says_which_key_it_came_with(store, remote, make_key):
    record, key = make_key(Scope.SUBMIT)
    id = remote.send("POST", "/v1/experiments", key=key, json=example_submission()).json()["id"]
    assert remote.get(f"/v1/experiments/{id}", key=key).json()["submitted_by"] == record.id
    assert store.get(id).submitted_by == record.id


def test_a_fork_needs_a_key_that_may_submit_and_says_which_it_was(store, remote, make_key, leave_artifacts, tmp_path):
    parent = leave_artifacts(store, tmp_path)
    (_, reading), (record, submitting) = make_key(), make_key(Scope.SUBMIT)
    problem(remote.send("POST", f"/v1/experiments/{parent}/fork", key=reading, json={}), 403, "forbidden")
    id = remote.send("POST", f"/v1/experiments/{parent}/fork", key=submitting, json={"overrides": {"rounds": 40}}).json()["id"]
    assert store.get(id).submitted_by == record.id


def test_a_revoked_key_is_refused_once_it_is_not_remembered_any_more(store, make_key):
    remote = Remote(store, Settings(key_memory_s=0.0))
    record, key = make_key()
    assert remote.get("/v1/experiments", key=key).status_code == 200
    store.keys.revoke(record.id)
    problem(remote.get("/v1/experiments", key=key), 401, "unauthenticated")


def test_a_key_is_looked_up_once_while_it_is_remembered(store, make_key):
    remote = Remote(store, Settings(key_memory_s=3600.0))
    record, key = make_key()
    assert remote.get("/v1/experiments", key=key).status_code == 200
    store.keys.revoke(record.id)
    assert remote.get("/v1/experiments", key=key).status_code == 200


def test_the_use_of_a_key_is_noted(serve, store, make_key):
    _, key = make_key()
    httpx.get(f"{serve(store)}/v1/experiments", headers={"Authorization": f"Bearer {key}"}, trust_env=False).raise_for_status()
    deadline = time.monotonic() + 60
    while store.keys.list()[0].last_used_at is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.skipif(own_address() is None, reason="this machine has only its loopback address")
def test_over_the_network_a_served_api_asks_for_a_key(serve, sqlite_store):
    url = serve(sqlite_store, host=own_address())
    _, key = sqlite_store.keys.create(name="test", scope=Scope.READ)
    problem(httpx.get(f"{url}/v1/experiments", trust_env=False), 401, "unauthenticated")
    problem(httpx.get(f"{url}/v1/experiments", headers={"Host": "localhost"}, trust_env=False), 401, "unauthenticated")
    claim = {"X-Forwarded-For": "127.0.0.1"}
    problem(httpx.get(f"{url}/v1/experiments", headers=claim, trust_env=False), 401, "unauthenticated")
    assert httpx.get(f"{url}/v1/experiments", headers={"Authorization": f"Bearer {key}"}, trust_env=False).status_code == 200


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via", "X-Forwarded-Host", "X-Forwarded-Proto"]
)
def test_what_is_forwarded_is_not_from_this_machine_whatever_it_claims(serve, sqlite_store, header):
    answer = httpx.get(f"{serve(sqlite_store)}/v1/experiments", headers={header: "127.0.0.1"}, trust_env=False)
    problem(answer, 401, "unauthenticated")


@pytest.mark.parametrize("client", [("127.0.0.1", 1), ("127.8.8.8", 1), ("::1", 1), ("::ffff:127.0.0.1", 1)])
def test_loopback_has_many_addresses(sqlite_store, client):
    assert Remote(sqlite_store, client=client).get("/v1/experiments", headers={"Host": "localhost:8000"}).status_code == 200


@pytest.mark.parametrize(
    "client", [None, ("", 0), ("testclient", 1), ("::ffff:203.0.113.9", 1), ("10.0.0.1", 1), ("fe80::1%lo", 1)]
)
def test_what_has_no_loopback_address_is_not_this_machine(sqlite_store, client):
    answer = Remote(sqlite_store, client=client).get("/v1/experiments", headers={"Host": "localhost"})
    problem(answer, 401, "unauthenticated")


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "", "[", "0.0.0.0"],
)
def test_a_name_that_was_bound_to_this_machine_by_a_stranger_opens_nothing(serve, sqlite_store, host):
    answer = httpx.get(f"{serve(sqlite_store)}/v1/experiments", headers={"Host": host}, trust_env=False)
    assert "127.0.0.1" in problem(answer, 403, "forbidden")["hint"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.1.2.3:80", "[::1]", "[::1]:8000"])
def test_this_machine_has_several_names(serve, sqlite_store, host):
    answer = httpx.get(f"{serve(sqlite_store)}/v1/experiments", headers={"Host": host}, trust_env=False)
    assert answer.status_code == 200


def test_a_request_without_a_host_is_refused(serve, sqlite_store):
    parts = urlsplit(serve(sqlite_store))
    connection = http.client.HTTPConnection(parts.hostname, parts.port)
    connection.putrequest("GET", "/v1/experiments", skip_host=True)
    connection.endheaders()
    assert connection.getresponse().status in (400, 403)
    connection.close()


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1", "file://", "http://127.0.0.1:port", ""]
)
def test_a_page_of_another_origin_changes_nothing(serve, sqlite_store, origin):
    url = serve(sqlite_store)
    answer = httpx.post(f"{url}/v1/experiments", json=example_submission(), headers={"Origin": origin}, trust_env=False)
    problem(answer, 403, "forbidden")
    assert sqlite_store.list(limit=1) == []


def test_a_page_of_the_service_itself_may_change_things(serve, sqlite_store):
    url = serve(sqlite_store)
    answer = httpx.post(f"{url}/v1/experiments", json=example_submission(), headers={"Origin": url}, trust_env=False)
    assert answer.status_code == 201


def test_a_page_behind_a_proxy_that_speaks_tls_is_of_the_same_origin(sqlite_store):
    _, key = sqlite_store.keys.create(name="test", scope=Scope.SUBMIT)
    headers = {"Origin": "https://heron.example", "X-Forwarded-Proto": "https"}
    answer = Remote(sqlite_store).send("POST", "/v1/experiments", key=key, json=example_submission(), headers=headers)
    assert answer.status_code == 201


def test_where_it_was_set_this_machine_needs_a_key_too(serve, sqlite_store):
    _, key = sqlite_store.keys.create(name="test", scope=Scope.READ)
    url = serve(sqlite_store, Settings(require_key=True))
    problem(httpx.get(f"{url}/v1/experiments", trust_env=False), 401, "unauthenticated")
    assert httpx.get(f"{url}/v1/experiments", headers={"Authorization": f"Bearer {key}"}, trust_env=False).status_code == 200
    assert httpx.get(f"{url}/healthz", trust_env=False).status_code == 200


def test_a_key_that_asks_too_often_is_told_when_to_come_back(store, make_key):
    remote = Remote(store, Settings(rate_limit=0.001, key_memory_s=60.0))
    (_, first), (_, second) = make_key(), make_key()
    assert remote.get("/v1/experiments", key=first).status_code == 200
    answer = remote.get("/v1/experiments", key=first)
    problem(answer, 429, "too_many_requests")
    assert 900 < int(answer.headers["retry-after"]) <= 1000
    assert remote.get("/v1/experiments", key=second).status_code == 200


def test_whoever_guesses_keys_is_soon_told_to_wait_and_keeps_no_valid_key_out(store, make_key):
    remote = Remote(store, Settings(rate_limit=0.001))
    _, key = make_key()
    problem(remote.get("/v1/experiments", key="heron_guess"), 401, "unauthenticated")
    problem(remote.get("/v1/experiments", key="heron_another"), 429, "too_many_requests")
    assert remote.get("/v1/experiments", key=key).status_code == 200


def test_an_address_without_a_key_is_limited_as_a_network_of_ipv6(sqlite_store):
    app = create_app(Settings(rate_limit=0.001), sqlite_store)
    codes = []
    for client in (("2001:db8::1", 1), ("2001:db8::2", 1), ("2001:db8:1::1", 1)):
        remote = Remote(sqlite_store, client=client)
        remote._transport.app = app
        codes.append(remote.get("/healthz").status_code)
    assert codes == [200, 429, 200]


def test_this_machine_without_a_key_is_never_told_to_wait(serve, sqlite_store):
    with httpx.Client(base_url=serve(sqlite_store, Settings(rate_limit=0.001)), trust_env=False) as client:
        assert [client.get("/v1/experiments").status_code for _ in range(5)] == [200] * 5


def test_a_database_that_is_away_lets_nobody_in_and_says_so(store, make_key):
    _, key = make_key()
    with store._engine.begin() as connection:
        connection.execute(text("ALTER TABLE api_key RENAME TO elsewhere"))
    problem(Remote(store).get("/v1/experiments", key=key), 503, "database_error")


def test_no_key_is_in_any_log(store, make_key, caplog):
    caplog.set_level(logging.DEBUG)
    remote = Remote(store)
    record, key = make_key()
    for sent in (key, "heron_mistyped-secret"):
        for path in ("/v1/experiments", "/v1/experiments/nonesuch"):
            answer = remote.get(path, key=sent)
            assert sent not in answer.text + str(answer.headers)
    store.keys.revoke(record.id)
    assert key not in caplog.text
    assert "mistyped-secret" not in caplog.text
