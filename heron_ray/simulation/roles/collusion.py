"""Attackers that know the whole round: where the cohort's updates meet, their own are replaced before they are joined.

A real attacker would have to learn the others' updates somehow; in a simulation the one place that sees them all is the
federation server, so this stands there, between clients and rule. It belongs to the attackers all the same.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Mapping

import numpy as np

from heron_ray.federation import AggregationRule, Attack, Cohort, make_attack
from heron_ray.seeds import Purpose, derive, generator
from heron_ray.spec.attack import AttackSpec
from heron_ray.vectors import FlatVector, Float32Array

_LAST = "attack.last"
_ALL = -1
"""In the place of a client's number, in the seeds of noise that colluding clients draw."""


def colluding(spec: AttackSpec | None) -> Attack | None:
    """The attack that `spec` describes, if its attackers know all updates of the round."""
    attack = make_attack(spec) if spec is not None and "smashed" not in spec.paths() else None
    return attack if attack is not None and attack.needs_cohort else None


def attacked_place(paths: Collection[str], vector: FlatVector) -> slice:
    """Which coordinates of an update are attacked. Methods that average an auxiliary head share all their parts."""
    return vector.span("auxiliary") if "auxiliary" in paths else slice(None)


class Collusion:
    """Keeps a round's updates until all are there, then forges those of the attackers.

    Memory: the cohort n times parameters P, under the mean as well; twice that while the attack is made, three times with a
    search. Without an attacker, or an honest client, among the cohort nothing is forged.

    Args:
        attack: What they do.
        place: Which coordinates they forge.
        size: P.
        seed: The experiment's seed.
    """

    def __init__(self, attack: Attack, place: slice, *, size: int, seed: int) -> None:
        """Nothing is known yet."""
        self._attack, self._place, self._seed = attack, place, seed
        self._updates: list[tuple[Float32Array, int, int, bool]] = []
        self._last = np.zeros(size, dtype=np.float32)
        self._round = 0

    def add(self, round: int, update: Float32Array, samples: int, client: int, *, attacks: bool) -> None:
        """Take one client's update [P] of a round, the number of samples it holds, and whether it attacks."""
        self._round = round
        self._updates.append((update, samples, client, attacks))

    def take(self, rule: AggregationRule, draw: Callable[[], np.random.Generator]) -> Iterator[tuple[Float32Array, int, int]]:
        """The round's updates, numbers of samples and clients in the order in which they came, those of attackers forged.

        Args:
            rule: What will join them; attackers may ask copies of it.
            draw: Gives the generator that the rule will draw from, always at its beginning.
        """
        updates, self._updates = self._updates, []
        rows = np.stack([update for update, _, _, _ in updates])
        samples = [count for _, count, _, _ in updates]
        clients = [client for _, _, client, _ in updates]
        attacks = np.array([attacker for _, _, _, attacker in updates])
        del updates

        def pooled(forged: Float32Array) -> Float32Array:
            asked, answers = copy.deepcopy(rule), rows.copy()
            answers[attacks, self._place] = forged
            for update, count, client in zip(answers, samples, clients, strict=True):
                asked.add(update, count, client)
            return asked.result(draw())[self._place]

        if attacks.any() and not attacks.all():
            rows[attacks, self._place] = self._attack.on_cohort(self._cohort(rows, attacks, pooled))
        yield from zip(rows, samples, clients, strict=True)

    def _cohort(self, rows: Float32Array, attacks: np.ndarray, pooled: Callable[[Float32Array], Float32Array]) -> Cohort:
        place = self._place

        return Cohort(
            honest=rows[~attacks, place],
            own=rows[attacks, place],
            last=self._last[place],
            pooled=pooled,
            draw=generator(derive(self._seed, Purpose.ATTACK, self._round, _ALL)),
        )

    def joined(self, update: Float32Array) -> None:
        """Learn what the rule made of the round."""
        if self._attack.needs_last:
            self._last = update

    def state(self) -> dict[str, Float32Array]:
        """What must be kept to continue."""
        return {_LAST: self._last} if self._attack.needs_last else {}

    def load(self, state: Mapping[str, Float32Array]) -> None:
        """Continue from what `state` gave."""
        if _LAST in state:
            self._last = np.array(state[_LAST])
