"""What a HERON round costs on Ray beside two processes without Ray: `python -m benchmarks.heron_round`.

A is one round of 100 clients on a RayExecutor with two client actors. B is the limit: two processes that know nothing of each
other or of Ray, each of which carries out the same round with half of the clients, main server and federation server included.

Ray's own share is measured with hollow roles: the round's calls again, in the same order and with the same arguments and
results as in the recorded round, but nobody computes anything. It is the time they take through Ray less the time they take
inside one process. What of it falls into the time in which somebody computes does not lengthen a real round. Measured once
more with empty messages, it is what the calls cost that carry nothing: no design with these calls can be below it.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from multiprocessing.connection import Connection
from typing import Any, Final

import ray
import torch

from benchmarks.pairs import Pair, Report, difference, figure, options, ratio, time_pairs
from heron_ray.actors.executor import RayExecutor, RayRole
from heron_ray.methods import make_method
from heron_ray.simulation import LocalExecutor
from heron_ray.simulation.executor import Reference
from heron_ray.simulation.local import LocalRole
from heron_ray.simulation.messages import Message
from heron_ray.simulation.plan import RoundPlan, planner
from heron_ray.simulation.roles import ClientHost, FederationServer, MainServer
from heron_ray.simulation.round import run_round
from heron_ray.simulation.setup import Setup
from heron_ray.spec import parse_spec

HOSTS: Final = 2
RATIO_TARGET: Final = 1.15
SHARE_TARGET_MS: Final = 5.0

CONFIGURATION: Final[Mapping[str, Any]] = {
    "rounds": 1,
    "data": {"kind": "synthetic", "samples": 20_000},
    "partition": {"kind": "iid"},
    "model": {"kind": "mlp", "front": [128, 64], "back": [64], "auxiliary": {"kind": "linear"}},
    "clients": {"count": 100, "batch_size": 32, "local_steps": 5},
    "method": {
        "kind": "heron",
        "zeroth_order": {"probes": 2},
        "client_optimizer": {"kind": "sgd", "lr": 1e-3},
        "server_optimizer": {"kind": "sgd", "lr": 1e-2},
    },
    "aggregation": {"kind": "mean"},
    "compute": {"actors": HOSTS},
}
METHOD: Final = make_method(parse_spec(CONFIGURATION).method)


def one_round(executor: Any, plan: RoundPlan) -> None:
    """Carry out a round of HERON, as `Simulation` does."""
    run_round(executor, plan, METHOD)


def half(plan: RoundPlan, host: int) -> RoundPlan:
    """What of a round one host computes, for an executor that has no other host."""
    return replace(plan, chunks=tuple(replace(chunk, host=0) for chunk in plan.chunks if chunk.host == host))


def serve_half(pipe: Connection, host: int) -> None:
    """The body of a process of the limit: a half round whenever a round's number comes, until None does."""
    setup = Setup.build(parse_spec(CONFIGURATION))
    plan = planner(setup)
    with LocalExecutor() as executor:
        executor.open(setup)
        pipe.send(None)
        while (number := pipe.recv()) is not None:
            one_round(executor, half(plan(number, HOSTS), host))
            pipe.send(None)


class Limit:
    """Two processes without Ray; call it for a round, and `close` it."""

    def __init__(self) -> None:
        """Start them, and wait until they are ready."""
        context = multiprocessing.get_context("spawn")
        self._numbers = count(1)
        self._pipes: list[Connection] = []
        self._processes = []
        for host in range(HOSTS):
            ours, theirs = context.Pipe()
            self._pipes.append(ours)
            self._processes.append(context.Process(target=serve_half, args=(theirs, host), daemon=True))
            self._processes[-1].start()
        self._wait()

    def __call__(self) -> None:
        """Both halves of a round."""
        number = next(self._numbers)
        for pipe in self._pipes:
            pipe.send(number)
        self._wait()

    def close(self) -> None:
        """Let both processes end."""
        for pipe in self._pipes:
            pipe.send(None)
        for process in self._processes:
            process.join()

    def _wait(self) -> None:
        for pipe in self._pipes:
            pipe.recv()


Results = Mapping[str, Any]
"""What a role returned in the recorded round, by method; by chunk number for a method whose first argument is a chunk."""


def emptied(results: Results) -> Results:
    """The same results, but that messages and broadcasts bring nothing."""
    empty = dict(results)
    if "advance" in empty:
        nothing = Message(uploads=None, updates=None, scalars=())
        empty["advance"] = {number: (progress, nothing) for number, (progress, _) in results["advance"].items()}
    if "broadcast" in empty:
        empty["broadcast"] = results["broadcast"][:0]
    return empty


class Hollow:
    """Stands for a role and gives what that gave."""

    def __init__(self, results: Results) -> None:
        """Take the results."""
        self._results = results

    def call(self, method: str, *arguments: Any) -> Any:
        """The recorded result; the arguments arrive and are left alone."""
        recorded = self._results[method]
        return recorded[arguments[0].number] if method == "advance" else recorded


class _Recorder(LocalRole):
    """A role in this process whose results are kept."""

    def __init__(self, role: object) -> None:
        super().__init__(role)
        self.results: dict[str, Any] = {}
        self.seconds: dict[str, float] = {}

    def call(self, method: str, *arguments: Reference) -> Reference:
        start = time.perf_counter()
        value = super().call(method, *arguments)
        self.seconds[method] = self.seconds.get(method, 0.0) + time.perf_counter() - start
        if method == "advance":
            self.results.setdefault(method, {})[arguments[0].number] = value
        else:
            self.results[method] = value
        return value


class _Hollow(LocalRole):
    """A hollow role in this process."""

    def call(self, method: str, *arguments: Reference) -> Reference:
        return super().call("call", method, *arguments)


class Roles:
    """Given roles as an executor: hosts, main server and federation server."""

    def __init__(self, roles: Sequence[Any], get: Callable[[Reference], Any], lookahead: int) -> None:
        """Take the roles, hosts first."""
        *self.hosts, self.main_server, self.federation_server = roles
        self.get = get
        self.lookahead = lookahead


def record(setup: Setup, plan: RoundPlan) -> list[_Recorder]:
    """Carry out a round on as many hosts as it has in this process, and keep every result."""
    hosts = [_Recorder(ClientHost(setup)) for _ in range(HOSTS)]
    roles = [*hosts, _Recorder(MainServer(setup)), _Recorder(FederationServer(setup))]
    executor = Roles(roles, lambda reference: reference, 1)
    one_round(executor, plan)
    for role in roles:
        role.seconds.clear()
    one_round(executor, plan)
    return roles


def ray_share(results: Sequence[Results], plan: RoundPlan, pairs: int) -> list[Pair]:
    """A round of hollow roles through Ray, and the same inside this process."""
    actor_class = ray.remote(num_cpus=0)(Hollow)
    through_ray = Roles([RayRole(actor_class.remote(given)) for given in results], ray.get, RayExecutor.lookahead)
    inside = Roles([_Hollow(Hollow(given)) for given in results], lambda reference: reference, 1)
    return time_pairs(partial(one_round, through_ray, plan), partial(one_round, inside, plan), pairs=pairs)


def rounds(executor: Any, setup: Setup) -> Callable[[], None]:
    """A call of it is the next round."""
    numbers, plan = count(1), planner(setup)
    return lambda: one_round(executor, plan(next(numbers), HOSTS))


def main() -> None:
    """Measure both, and print where a round's time goes."""
    chosen = options(__doc__).parse_args()
    torch.set_num_threads(1)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    setup = Setup.build(parse_spec(CONFIGURATION))
    plan = planner(setup)(1, HOSTS)
    report = Report({"benchmark": "heron_round", **CONFIGURATION}, chosen.json)
    recorded = record(setup, plan)
    for name, role in zip(["first host", "second host", "main server", "federation server"], recorded, strict=True):
        for method, seconds in role.seconds.items():
            report.add(figure(f"{name}: {method}, one round alone", [1e3 * seconds], unit="ms"))
    ray.init(num_cpus=HOSTS, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    limit = Limit()
    with RayExecutor() as executor:
        executor.open(setup)
        found = time_pairs(rounds(executor, setup), limit, pairs=chosen.pairs)
        report.add(ratio("a round on Ray, 2 actors / 2 processes without Ray", found, RATIO_TARGET))
        report.add(figure("a round on Ray, 2 actors", [1e3 * pair.a for pair in found], unit="ms"))
        report.add(figure("2 processes without Ray", [1e3 * pair.b for pair in found], unit="ms"))
    limit.close()
    for name, results, target in (
        ("Ray's own share of a round", [role.results for role in recorded], SHARE_TARGET_MS),
        ("the same calls with nothing to carry", [emptied(role.results) for role in recorded], None),
    ):
        report.add(difference(name, ray_share(results, plan, chosen.pairs), target))
    ray.shutdown()
    report.close()


if __name__ == "__main__":
    main()
