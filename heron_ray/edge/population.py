"""Which device and which link each client has: drawn by the client's number, when somebody asks."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heron_ray.edge.profiles import DEVICES, LINKS, Device, Link
from heron_ray.seeds import Purpose, derive, generator
from heron_ray.spec.edge import MixturePopulation
from heron_ray.spec.section import Section

BLOCK = 4096
"""Consecutive clients that share a random generator: few generators for all, few draws for one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """A device with its link, and how common the two are together."""

    device: Device
    link: Link
    share: float = 1.0


class Population:
    """The hardware of `count` clients.

    Client i draws u_i, uniform on [0, 1), and has the first hardware whose cumulated share exceeds it.

    Args:
        kinds: The hardware there is.
        count: Clients.
        seed: The experiment's seed.

    >>> phones = Hardware(device=DEVICES["phone"], link=LINKS["lte"], share=3.0)
    >>> sensors = Hardware(device=DEVICES["sensor"], link=LINKS["bluetooth_le"], share=1.0)
    >>> population = Population([phones, sensors], count=1_000_000, seed=0)
    >>> population[999_999].device.name, population.excluded(100_000)
    ('phone', {'sensor': 249268})
    """

    def __init__(self, kinds: Sequence[Hardware], count: int, seed: int) -> None:
        """Draw nothing yet."""
        self.kinds = tuple(kinds)
        self._count, self._seed = count, seed
        shares = np.array([kind.share for kind in kinds], dtype=np.float64)
        self._cumulated = np.cumsum(shares / shares.sum())
        self._cumulated[-1] = 1.0
        self._block = functools.lru_cache(maxsize=64)(self._draw_block)

    def __len__(self) -> int:
        """The number of clients."""
        return self._count

    def __getitem__(self, client: int) -> Hardware:
        """One client's hardware. Raises IndexError for a number that no client has."""
        if not 0 <= client < self._count:
            raise IndexError(f"there is no client {client} among {self._count}")
        block, place = divmod(client, BLOCK)
        return self.kinds[int(self._block(block)[place])]

    @functools.cached_property
    def numbers(self) -> NDArray[np.int16]:
        """Which of `kinds` each client has [count]."""
        blocks = [self._draw_block(block) for block in range(-(-self._count // BLOCK))]
        return np.concatenate(blocks)[: self._count]

    def able(self, bytes: int) -> NDArray[np.bool_] | None:
        """Which clients can hold so many bytes [count]; None where all of them can."""
        fits = np.array([kind.device.memory_bytes >= bytes for kind in self.kinds])
        return None if fits.all() else fits[self.numbers]

    def excluded(self, bytes: int) -> dict[str, int]:
        """How many clients cannot hold so many bytes, by device."""
        if (able := self.able(bytes)) is None:
            return {}
        return self._tally(~able)

    def devices(self) -> dict[str, int]:
        """How many clients there are, by device."""
        return self._tally(np.ones(self._count, dtype=np.bool_))

    def _tally(self, chosen: NDArray[np.bool_]) -> dict[str, int]:
        counts = np.bincount(self.numbers[chosen], minlength=len(self.kinds))
        tally: dict[str, int] = {}
        for kind, count in zip(self.kinds, counts.tolist(), strict=True):
            if count:
                tally[kind.device.name] = tally.get(kind.device.name, 0) + count
        return tally

    def _draw_block(self, block: int) -> NDArray[np.int16]:
        uniform = generator(derive(self._seed, Purpose.DEVICE, block)).random(BLOCK)
        return np.searchsorted(self._cumulated, uniform, side="right").astype(np.int16)


def mixture(spec: MixturePopulation) -> list[Hardware]:
    """All pairs of a device and a link of a mixture, with the product of their shares."""
    return [
        Hardware(
            device=_changed(DEVICES[device.profile], device),
            link=_changed(LINKS[link.profile], link),
            share=device.share * link.share,
        )
        for device in spec.devices
        for link in spec.links
    ]


def _changed(profile: Any, section: Section) -> Any:
    """The profile with the figures that a section gives."""
    given: Mapping[str, Any] = section.model_dump(exclude={"profile", "share"}, exclude_none=True)
    return replace(profile, **given)
