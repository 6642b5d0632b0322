"""Who may do what: the scopes of API keys, and the one table that says which of them a request needs."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Scope(StrEnum):
    """What an API key is good for; each scope includes those before it."""

    READ = "read"
    SUBMIT = "submit"
    ADMIN = "admin"

    def includes(self, other: Scope) -> bool:
        """Whether a key of this scope may do what needs the other one.

        >>> Scope.SUBMIT.includes(Scope.READ), Scope.SUBMIT.includes(Scope.ADMIN)
        (True, False)
        """
        order = tuple(Scope)
        return order.index(self) >= order.index(other)


# What a method needs where no rule says otherwise; a method that is not here changes something.
DEFAULTS: Mapping[str, Scope] = MappingProxyType(
    {"GET": Scope.READ, "HEAD": Scope.READ, "OPTIONS": Scope.READ, "DELETE": Scope.ADMIN}
)
PAGES = (
    "/experiments",
    "/experiments/{id}",
    "/compare",
    "/submit",
    "/sweeps",
    "/sweeps/{id}",
    "/studies",
    "/studies/{id}",
    "/cluster",
)
"""Addresses of the pages. Their documents and assets are the same for everybody, and hold nothing of an experiment."""

SESSION = "/v1/session"

# Routes that need something else than their method does. None: nothing, not even a key.
RULES: Mapping[tuple[str, str], Scope | None] = MappingProxyType(
    {
        **{(method, route): None for method in ("GET", "HEAD") for route in ("/healthz", "/", "/assets/{name}", *PAGES)},
        **{(method, SESSION): None for method in ("POST", "DELETE")},
    }
)


def required_scope(method: str, path: str) -> Scope | None:
    """The scope that a request needs; None where it needs no key at all.

    Args:
        method: In capitals, as in a request.
        path: As asked for, such as `/v1/experiments/0123abcd`; a rule's `{id}` stands for any one segment.

    >>> required_scope("POST", "/v1/experiments/0123abcd/cancel")
    <Scope.SUBMIT: 'submit'>
    """
    for (ruled, route), scope in RULES.items():
        if ruled == method and _matches(route, path):
            return scope
    return DEFAULTS.get(method, Scope.SUBMIT)


def _matches(route: str, path: str) -> bool:
    wanted, given = route.split("/"), path.split("/")
    return len(wanted) == len(given) and all(
        segment == found or (segment.startswith("{") and found != "") for segment, found in zip(wanted, given, strict=True)
    )
