"""A client's rhythm, measured: its method's own code runs on zeros under the meters, as for a profile.

Where a round is long, a shorter one of the same form is measured and continued: along a straight line in the number of probes
and server steps, and with as many periods as there are uploads. In the batch size all figures lie on a straight line.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import torch

from heron_ray.edge.rhythm import Rhythm, along
from heron_ray.simulation.profile import AXES, LONGEST, STEPS, Axis, MeteredRound, count_at, is_small, with_count
from heron_ray.spec import ExperimentSpec

_BATCH: Axis = ("clients", "batch_size")
_FEWEST = 2
"""Samples in the smallest batch that is measured: batch normalisation needs two."""

_PERIODS = 3
"""Uploads in the round that is measured in place of one with more: a first, a middle and a last one."""


class Rhythms:
    """The rhythms of one experiment's clients, by batch size.

    Args:
        spec: The experiment; no data are opened.
    """

    def __init__(self, spec: ExperimentSpec) -> None:
        """Measure nothing yet."""
        self._spec = spec
        self._device: torch.device | None = None
        self._measured: dict[int, Rhythm] = {}
        self._known: dict[int, Rhythm] = {}

    def of(self, batch_size: int) -> Rhythm:
        """The rhythm of a client with so many samples in a batch: the straight line through two that are measured."""
        full = self._spec.clients.batch_size
        if full <= _FEWEST or batch_size == full:
            return self._measure(batch_size)
        if batch_size not in self._known:
            way = Fraction(batch_size - _FEWEST, full - _FEWEST)
            self._known[batch_size] = along(self._measure(_FEWEST), self._measure(full), way)
        return self._known[batch_size]

    def _measure(self, batch_size: int) -> Rhythm:
        if batch_size not in self._measured:
            if self._device is None:
                self._device = torch.device("cpu" if is_small(self._spec) else "meta")
            self._measured[batch_size] = _rhythm(with_count(self._spec, _BATCH, batch_size), self._device)
        return self._measured[batch_size]


def _rhythm(spec: ExperimentSpec, device: torch.device) -> Rhythm:
    long = [axis for axis in AXES if axis != STEPS and (count_at(spec, axis) or 1) > LONGEST]
    if not long:
        return _steps(spec, device)
    axis = long[0]
    two, three = (_rhythm(with_count(spec, axis, count), device) for count in (2, 3))
    return along(two, three, Fraction((count_at(spec, axis) or 1) - 2))


def _steps(spec: ExperimentSpec, device: torch.device) -> Rhythm:
    """Measure a round of up to three uploads, and continue it to h local steps."""
    steps = spec.clients.local_steps
    interval = min(getattr(spec.method, "upload_every", 1), steps)
    uploads = -(-steps // interval)
    if uploads <= _PERIODS:
        return _run(spec, device)
    more = uploads - _PERIODS
    short = _run(with_count(spec, STEPS, steps - more * interval), device)
    if not short.beats:  # nothing is sent on the way, so the round is one piece of work
        return along(short, _run(with_count(spec, STEPS, steps - (more - 1) * interval), device), Fraction(more))
    period = len(short.beats) // _PERIODS
    first, middle, last = short.beats[:period], short.beats[period : 2 * period], short.beats[2 * period :]
    # What lies before the first message and after the last one may itself grow with h: in knowledge exchange all training comes
    # first, and a script grows with every step.
    longer = _run(with_count(spec, STEPS, steps - (more - 1) * interval), device)
    longer = replace(longer, beats=longer.beats[:period] + longer.beats[-period:])
    ends = along(replace(short, beats=first + last), longer, Fraction(more))
    return replace(ends, beats=ends.beats[:period] + middle * (more + 1) + ends.beats[period:])


def _run(spec: ExperimentSpec, device: torch.device) -> Rhythm:
    round = MeteredRound(spec, device, spec.clients.batch_size * spec.clients.local_steps)
    round.run()
    assert round.rhythm is not None  # noqa: S101 - it has run
    return round.rhythm
