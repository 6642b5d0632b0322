"""What every aggregation rule offers."""

from __future__ import annotations

from abc import ABC, abstractmethod

from heron_ray.vectors import Float32Array


class AggregationRule(ABC):
    """Joins the updates of one round's cohort, given one by one in canonical client order.

    An update is a client's vector minus the broadcast one, [P].
    """

    @abstractmethod
    def add(self, update: Float32Array, samples: int) -> None:
        """Take one client's update [P] and the number of samples it holds."""

    @abstractmethod
    def result(self) -> Float32Array:
        """The joined update [P]; leaves the rule ready for the next round."""
