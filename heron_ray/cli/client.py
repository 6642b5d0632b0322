"""The service's REST API, as the command line uses it: problem documents become the errors of `heron_ray.errors`."""

from __future__ import annotations

import builtins
import ipaddress
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx

from api.domain.states import TERMINAL
from heron_ray.cli.event_stream import ServiceEvent, parse_events
from heron_ray.errors import ConflictError, HeronError, NotFoundError, ServiceError, SpecError, SpecIssue, UnreachableError

# A silent stream sends a comment every 15 s, so three in a row must have been lost.
STREAM_TIMEOUT_S = 50.0
SHORTEST_WAIT_S = 0.1
LONGEST_WAIT_S = 2.0


class ServiceClient:
    """Talks to one service. Threads may share it.

    Every method raises UnreachableError where no heron-ray answers, NotFoundError and ConflictError as the service says, and
    ServiceError for what else it refuses.

    Args:
        url: Where it answers, such as http://127.0.0.1:8000.
        patience_s: A stream that broke is taken up again until nothing has answered for this long.
    """

    def __init__(self, url: str, *, patience_s: float = 60.0) -> None:
        """Nothing is sent yet."""
        self.url = url
        self._patience_s = patience_s
        # A proxy of the environment cannot reach this machine's own loopback addresses.
        self._http = httpx.Client(base_url=url, timeout=httpx.Timeout(30.0, connect=5.0), trust_env=not _is_loopback(url))

    def health(self) -> dict[str, Any]:
        """Whether the service and its database answer."""
        return self._call("GET", "/healthz")

    def submit(self, spec: dict[str, Any], tags: Sequence[str] = (), *, idempotency_key: str | None = None) -> dict[str, Any]:
        """Submit an experiment; `id`, `state` and `spec_hash`. Raises SpecError.

        Under a key that was used before, the same submission finds its experiment and another one raises ConflictError.
        """
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        return self._call("POST", "/v1/experiments", json={"spec": spec, "tags": list(tags)}, headers=headers)

    def list(
        self, *, limit: int, before: str | None = None, states: Sequence[str] = (), tag: str | None = None
    ) -> dict[str, Any]:
        """A page of experiments, newest first: `experiments`, and `next` for the page after it."""
        chosen = {"limit": limit, "before": before, "state": list(states), "tag": tag}
        return self._call("GET", "/v1/experiments", params={name: value for name, value in chosen.items() if value})

    def get(self, id: str) -> dict[str, Any]:
        """Everything about one experiment but its curves and events."""
        return self._call("GET", _path(id))

    def series(self, id: str) -> dict[str, dict[str, Any]]:
        """Every curve so far, by name: `rounds` and `values`."""
        found: dict[str, dict[str, Any]] = self._call("GET", f"{_path(id)}/series")["series"]
        return found

    def cancel(self, id: str) -> dict[str, Any]:
        """Ask for the experiment's end. Raises ConflictError where it has ended already."""
        return self._call("POST", f"{_path(id)}/cancel")

    def retry(self, id: str) -> dict[str, Any]:
        """Submit an ended experiment again; `id`, `state` and `spec_hash` of the new one. Raises ConflictError."""
        return self._call("POST", f"{_path(id)}/retry")

    def delete(self, id: str) -> None:
        """Delete an ended experiment. Raises ConflictError where it has not ended."""
        self._send("DELETE", _path(id))

    def artifacts(self, id: str) -> builtins.list[dict[str, Any]]:
        """The files that an experiment left behind: `name`, `kind`, `size_bytes`, `sha256` and `round` of each."""
        found: builtins.list[dict[str, Any]] = self._call("GET", f"{_path(id)}/artifacts")["artifacts"]
        return found

    @contextmanager
    def artifact(self, id: str, name: str, *, after: int = 0, etag: str | None = None) -> Iterator[httpx.Response]:
        """One file, to be read piece by piece: from byte `after` on where it still has that ETag (206), else whole (200)."""
        headers = {"Range": f"bytes={after}-", "If-Range": etag} if after and etag is not None else {}
        try:
            with self._http.stream("GET", f"{_path(id)}/artifacts/{quote(name)}", headers=headers) as response:
                if not response.is_success:
                    response.read()
                    raise self._error(response)
                yield response
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def logs(self, id: str, *, attempt: int | None = None, after: int = 0) -> dict[str, Any]:
        """A page of an attempt's log, of the newest where none is named: `attempt`, `text`, `next` and `complete`."""
        chosen = {"attempt": attempt, "after": after}
        return self._call("GET", f"{_path(id)}/logs", params={name: value for name, value in chosen.items() if value})

    def fork(
        self,
        id: str,
        overrides: Sequence[str] = (),
        *,
        round: int | None = None,
        tags: Sequence[str] | None = None,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """Fork an ended experiment with `path=value` overrides; `id`, `state` and `spec_hash` of the new one.

        Raises SpecError where a fork must keep what an override changes, and ConflictError where there is no checkpoint.
        """
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        body = {"overrides": list(overrides), "round": round, "tags": None if tags is None else list(tags)}
        return self._call("POST", f"{_path(id)}/fork", json=body, headers=headers)

    def follow(self, id: str, *, after: int = 0) -> Iterator[ServiceEvent]:
        """Every event above `after`, as they come, until the experiment has ended; outlasts a restart of the service.

        Raises:
            UnreachableError: Nothing answers, or has not for `patience_s` since the stream broke.
        """
        reached = False
        heard_at = time.monotonic()
        wait_s = SHORTEST_WAIT_S
        while True:
            opened = False
            try:
                for event in self._stream(id, after):
                    opened = reached = True
                    wait_s = SHORTEST_WAIT_S
                    if event is not None:
                        after = event.id
                        yield event
                        if event.kind == "state" and event.data["state"] in TERMINAL:
                            return
                    heard_at = time.monotonic()
                if not opened:
                    return
            except UnreachableError:
                if not reached or time.monotonic() - heard_at > self._patience_s:
                    raise
            time.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    def _stream(self, id: str, after: int) -> Iterator[ServiceEvent | None]:
        """One connection's events; None once it is open. Nothing at all where the service says that nothing is left."""
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": str(after)} if after else {})
        timeout = httpx.Timeout(STREAM_TIMEOUT_S, connect=5.0)
        try:
            with self._http.stream("GET", f"{_path(id)}/events", headers=headers, timeout=timeout) as response:
                if response.status_code == httpx.codes.NO_CONTENT:
                    return
                if not response.is_success:
                    response.read()
                    raise self._error(response)
                yield None
                yield from parse_events(response.iter_lines())
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        response = self._send(method, path, **options)
        try:
            value: dict[str, Any] = response.json()
        except ValueError:
            raise self._stranger() from None
        return value

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        if not response.is_success:
            raise self._error(response)
        return response

    def _unreachable(self, error: httpx.TransportError) -> UnreachableError:
        return UnreachableError(f"no service answers at {self.url}: {error}", hint="start one with: heron serve")

    def _stranger(self) -> UnreachableError:
        return UnreachableError(f"what answers at {self.url} is not heron-ray", hint="check --url or HERON_URL")

    def _error(self, response: httpx.Response) -> HeronError:
        if not response.headers.get("content-type", "").startswith("application/problem+json"):
            return self._stranger()
        problem = response.json()
        code, detail, hint = problem["code"], problem["detail"], problem.get("hint")
        if code == SpecError.code:
            return SpecError([SpecIssue(**issue) for issue in problem["issues"]], hint=hint)
        if code == NotFoundError.code:
            return NotFoundError(detail, hint=hint)
        if response.status_code == httpx.codes.CONFLICT:
            return ConflictError(detail, hint=hint)
        if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            return UnreachableError(f"the service at {self.url} cannot answer now: {detail}", hint=hint)
        return ServiceError(f"the service refused: {detail}", hint=hint)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        """For `with`."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Close."""
        self.close()


def _path(id: str) -> str:
    """The path of an experiment. An id that cannot be one never becomes part of another path."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", id):
        raise NotFoundError(f"no experiment {id!r}")
    return f"/v1/experiments/{id}"


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
