"""A copy of the back model per client, their updates joined by a robust rule."""

from __future__ import annotations

from heron_ray.federation.rule import AggregationRule
from heron_ray.federation.smashed_defence import SmashedDefence


class PooledUpdates(SmashedDefence):
    """Per round, with w the back model's parameters, i the n clients of the cohort and R the rule:

        w_i = w, then one server step per upload of client i, by an optimizer that begins fresh
        w = w + R(w_1 - w, ..., w_n - w)

    A client's steps go with SGD along the sum of its gradients: the rule pools what each client taught the server in a
    round. Memory: n times the back model's parameters, until the round ends. Smashed data are consumed as they come;
    pooling gradients at every step instead would hold the whole round's smashed data.
    """  # noqa: D415 - the summary line introduces the formula

    def __init__(self, rule: AggregationRule) -> None:
        """Join by `rule`."""
        self.rule = rule
