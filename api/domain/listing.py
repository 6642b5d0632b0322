"""How a list of experiments is asked for: what it leaves out, its order, and the place where a page ends.

A place is the last experiment's value under the order and its number. It stays right while rows come and go, for no row
has to be there for the next page to begin behind it.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from api.domain.conditions import Condition
from api.domain.states import State
from heron_ray.errors import RequestError

FIGURES = ("test_accuracy", "validation_accuracy", "auxiliary_accuracy")
KEYS = ("created", "updated", "name", "state", *FIGURES)
MOST_NUMBERED = 2**31 - 1
# No id begins so.
MARK = "c-"

Value: TypeAlias = str | float | datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """By one key; those of equal value by age, in the same direction. Those without a value come last in both directions."""

    key: str = "created"
    descending: bool = True

    @classmethod
    def parse(cls, text: str) -> Order:
        """From `updated`, or `-updated` for descending. Raises RequestError.

        >>> str(Order.parse("-name"))
        '-name'
        """
        key = text.removeprefix("-")
        if key not in KEYS:
            raise RequestError(
                f"a list cannot be sorted by {key[:100]!r}", parameter="sort", hint=f"one of {', '.join(KEYS)}, or -KEY"
            )
        return cls(key=key, descending=text.startswith("-"))

    def __str__(self) -> str:
        """As it is parsed."""
        return f"-{self.key}" if self.descending else self.key


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which experiments a list shows: those of which all of this holds.

    Attributes:
        states: In one of these; in any where none are given.
        tags: With every one of these.
        name: With this in the name, as it is written.
        created_after: Submitted later than this.
        created_before: Submitted earlier than this.
        archived: Whether they are archived; None: all the same.
        conditions: On values of the spec.
    """

    states: tuple[State, ...] = ()
    tags: tuple[str, ...] = ()
    name: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    archived: bool | None = None
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Behind one experiment in a list of one order; `value` is what the order's key is of it."""

    order: Order
    value: Value
    number: int

    def cursor(self) -> str:
        """As text for a request: opaque to whoever keeps it."""
        value = self.value.isoformat() if isinstance(self.value, datetime) else self.value
        text = json.dumps([str(self.order), value, self.number], separators=(",", ":"))
        return MARK + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def read(cls, cursor: str, order: Order) -> Place:
        """From a cursor of a list in this order. Raises RequestError where it is of another order, or none at all."""
        text = cursor.removeprefix(MARK)
        try:
            # ValueError: not base64, not UTF-8, not JSON, or not three values.
            made_for, value, number = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            if isinstance(made_for, str) and made_for != str(order) and made_for.removeprefix("-") in KEYS:
                raise RequestError(
                    f"this cursor belongs to a list sorted by {made_for}, not by {order}",
                    parameter="before",
                    hint="go on with the sort of the first page, or begin again without a cursor",
                )
            if type(number) is int and 0 <= number <= MOST_NUMBERED:
                return cls(order=order, value=_checked(value, order.key), number=number)
        except (ValueError, TypeError, RecursionError, binascii.Error):
            pass
        raise RequestError("this is no cursor of the list", parameter="before", hint="pass the `next` of the page before")


def _checked(value: object, key: str) -> Value:
    """The value, if it is one that the key can have. Raises ValueError."""
    if key == "updated" and isinstance(value, str):
        return datetime.fromisoformat(value).astimezone(UTC)
    if key in ("name", "state") and isinstance(value, str) and value.isprintable():
        return value
    if key in FIGURES and isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    if value is None and (key in FIGURES or key == "created"):
        return None
    raise ValueError(key)
