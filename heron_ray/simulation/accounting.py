"""What each message of a method weighs: the one place where payloads are turned into entries of a traffic ledger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from heron_ray.measure.traffic import TrafficLedger
from heron_ray.methods import ClientUpdate, Exchange, Fate, Method
from heron_ray.methods.method import Reply
from heron_ray.vectors import FlatVector

SEED_BYTES = 8
"""A seed is a 64-bit number."""


class Array(Protocol):
    """A torch tensor or a numpy array."""

    @property
    def nbytes(self) -> int:
        """Bytes of its elements."""


def count_broadcast(ledger: TrafficLedger, method: Method[Any], vector: FlatVector) -> None:
    """What the federation server sends a client at the beginning of a round."""
    ledger.add_numbers("down", _travelling(method, vector))


def count_upload(ledger: TrafficLedger, z: Array, y: Array, also: Mapping[str, Array]) -> None:
    """Smashed data, labels and what goes up with them, to the main server."""
    ledger.add("up", smashed=z.nbytes, labels=y.nbytes, **{kind: array.nbytes for kind, array in also.items()})


def count_reply(ledger: TrafficLedger, kind: Reply, reply: Array) -> None:
    """The main server's answer to an upload."""
    ledger.add("down", **{kind: reply.nbytes})


def count_exchange_up(ledger: TrafficLedger, exchange: Exchange) -> None:
    """Scalars to be averaged over the cohort."""
    ledger.add("up", scalars=exchange.scalars.nbytes)


def count_exchange_down(ledger: TrafficLedger, mean: Array, seeds: int) -> None:
    """Their mean, and the seeds it belongs to."""
    ledger.add("down", scalars=mean.nbytes, **({"seeds": seeds * SEED_BYTES} if seeds else {}))


def count_update(ledger: TrafficLedger, method: Method[Any], vector: FlatVector, update: ClientUpdate) -> None:
    """What a client sends the federation server at the end of its round: its parts, or a script that tells how they moved."""
    sizes = _travelling(method, vector)
    if update.script is None:
        ledger.add_numbers("up", sizes)
        return
    statistics = {"statistics": sizes["statistics"] * 4} if "statistics" in sizes else {}
    ledger.add("up", scalars=update.script.coefficients.nbytes, seeds=len(update.script.seeds) * SEED_BYTES, **statistics)


def count_aligned(ledger: TrafficLedger, method: Method[Any], vector: FlatVector) -> None:
    """A client's aligned parts, from the main server."""
    ledger.add_numbers("down", vector.sizes(method.parts_to_be(Fate.ALIGNED)))


def _travelling(method: Method[Any], vector: FlatVector) -> dict[str, int]:
    """The numbers that travel between a client and the federation server; statistics do even where parts are replayed."""
    replayed = vector.sizes(method.parts_to_be(Fate.REPLAYED)).get("statistics", 0)
    return vector.sizes(method.parts_to_be(Fate.AVERAGED)) | ({"statistics": replayed} if replayed else {})
