"""The service under fire as its users see it: asked again until it answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx

LOOK_S: Final = 0.1


class Service:
    """A client of the API that outlives the API.

    Args:
        client: Knows where it is.
        limit_s: All waiting must be over within this time from now.
    """

    def __init__(self, client: httpx.Client, *, limit_s: float) -> None:
        """The time runs from here."""
        self._client = client
        self._limit_s = limit_s
        self._start_at = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since it was made."""
        return time.monotonic() - self._start_at

    def ask(self, path: str, *, body: Mapping[str, Any] | None = None, key: str = "") -> Any:
        """The API's answer to a GET, or to a POST where there is a body; asked for again while it or its database is away.

        Args:
            path: With its query.
            body: JSON.
            key: The Idempotency-Key of a POST, so that asking again does nothing twice.
        """
        method, headers = ("GET", {}) if body is None else ("POST", {"Idempotency-Key": key})
        answers: list[Any] = []

        def ask() -> bool:
            try:
                answer = self._client.request(method, path, json=body, headers=headers, timeout=10)
            except httpx.TransportError:
                return False
            if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                return False
            answers.append(answer.raise_for_status().json())
            return True

        self.wait_until(ask, f"an answer at {path}")
        return answers[0]

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Look again and again. Raises TimeoutError when the time is over."""
        while not condition():
            if self.seconds > self._limit_s:
                raise TimeoutError(f"after {self._limit_s:g} s still waiting: {what}")
            time.sleep(LOOK_S)

    def events(self, id: str) -> list[Mapping[str, Any]]:
        """All events of an experiment."""
        events: list[Mapping[str, Any]] = []
        while batch := self.ask(f"/v1/experiments/{id}/events?after={len(events)}&limit=1000")["events"]:
            events += batch
        return events
