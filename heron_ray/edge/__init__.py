"""Simulated devices, links, availability and the virtual clock of a round.

Pure functions of spec, client and round: nothing here runs a model, looks at a clock or knows a method. The simulation
imports this room; it imports the spec, the seeds and numpy, never torch.
"""

from heron_ray.edge.availability import Availability
from heron_ray.edge.buffer import BufferedRound, Flight, buffered_round
from heron_ray.edge.clock import Fate, RoundClock, simulate_round
from heron_ray.edge.population import Hardware, Population
from heron_ray.edge.profiles import DEVICES, LINKS, Device, Link
from heron_ray.edge.rhythm import Beat, Rhythm
from heron_ray.edge.turn import Turn, make_turn

__all__ = [
    "DEVICES",
    "LINKS",
    "Availability",
    "Beat",
    "BufferedRound",
    "Device",
    "Fate",
    "Flight",
    "Hardware",
    "Link",
    "Population",
    "Rhythm",
    "RoundClock",
    "Turn",
    "buffered_round",
    "make_turn",
    "simulate_round",
]
