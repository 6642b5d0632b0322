"""`Connection`: requests to one service; its problem documents become the errors of `heron_ray.errors`."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx

from heron_ray.errors import (
    ConflictError,
    ForbiddenError,
    HeronError,
    NotFoundError,
    PolicyError,
    ServiceError,
    SpecError,
    SpecIssue,
    StaleEditError,
    TooManyRequestsError,
    UnauthenticatedError,
    UnreachableError,
)


class Connection:
    """Pooled HTTP connections. Threads may share it.

    Args:
        url: Where the service answers, such as http://127.0.0.1:8000.
        key: An API key, sent with every request; it is in no message.
    """

    def __init__(self, url: str, *, key: str | None = None) -> None:
        """Nothing is sent yet."""
        self._url = url
        self._http = httpx.Client(
            base_url=url,
            headers={} if key is None else {"Authorization": f"Bearer {key}"},
            timeout=httpx.Timeout(30.0, connect=5.0),
            # A proxy of the environment cannot reach this machine's own loopback addresses.
            trust_env=not _is_loopback(url),
        )

    def call(self, method: str, path: str, **options: Any) -> Any:
        """The JSON that a request is answered with."""
        response = self.send(method, path, **options)
        try:
            return response.json()
        except ValueError:
            raise self._stranger() from None

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """The answer to a request, which was a success."""
        try:
            response = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        if not response.is_success:
            raise self._error(response)
        return response

    @contextmanager
    def stream(self, path: str, *, silence_s: float, **options: Any) -> Iterator[httpx.Response]:
        """An answer that is read while it comes. A server that is silent for `silence_s` counts as lost."""
        timeout = httpx.Timeout(silence_s, connect=5.0)
        try:
            with self._http.stream("GET", path, timeout=timeout, **options) as response:
                if not response.is_success:
                    response.read()
                    raise self._error(response)
                yield response
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _unreachable(self, error: httpx.TransportError) -> UnreachableError:
        return UnreachableError(f"no service answers at {self._url}: {error}", hint="start one with: heron serve")

    def _stranger(self) -> UnreachableError:
        return UnreachableError(f"what answers at {self._url} is not heron-ray", hint="check --url or HERON_URL")

    def _error(self, response: httpx.Response) -> HeronError:
        if not response.headers.get("content-type", "").startswith("application/problem+json"):
            return self._stranger()
        problem = response.json()
        code, detail, hint = problem["code"], problem["detail"], problem.get("hint")
        if code == SpecError.code:
            return SpecError([SpecIssue(**issue) for issue in problem["issues"]], hint=hint)
        if code == PolicyError.code:
            return PolicyError([SpecIssue(**issue) for issue in problem["issues"]], hint=hint)
        if code == StaleEditError.code:
            return StaleEditError(detail, revision=problem["revision"], hint=hint)
        if code == TooManyRequestsError.code:
            return TooManyRequestsError(detail, retry_after_s=int(response.headers["Retry-After"]), hint=hint)
        for known in (NotFoundError, UnauthenticatedError, ForbiddenError):
            if code == known.code:
                return known(detail, hint=hint)
        if response.status_code == httpx.codes.CONFLICT:
            return ConflictError(detail, hint=hint)
        if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            return UnreachableError(f"the service at {self._url} cannot answer now: {detail}", hint=hint)
        return ServiceError(f"the service refused: {detail}", hint=hint)


_PLURALS = {"experiment": "experiments", "sweep": "sweeps", "study": "studies"}


def path_of(noun: str, id: str) -> str:
    """The path of an experiment, a sweep or a study. An id that cannot be one never becomes part of another path.

    >>> path_of("experiment", "0123abcd")
    '/v1/experiments/0123abcd'

    Raises:
        NotFoundError: It cannot be an id.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", id):
        raise NotFoundError(f"no {noun} {id!r}")
    return f"/v1/{_PLURALS[noun]}/{id}"


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
