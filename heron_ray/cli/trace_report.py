"""`heron run --trace`: records a run, and tells where its rounds' time went in a table, as JSON and as a Chrome trace."""

from __future__ import annotations

import json
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Self, TextIO

from heron_ray.cli.output import print_columns, print_fields, share
from heron_ray.simulation import Event, Executor, simulation
from heron_ray.simulation.events import RoundFinished
from heron_ray.simulation.plan import RoundPlan
from heron_ray.simulation.setup import Setup
from heron_ray.simulation.trace import Floor, Function, Part, ProcessTrace, Recorder, models_known, replaced, traced
from heron_ray.spec import ExperimentSpec

_FLOOR = ("driver", "floor")
_GOLDEN_RATIO = 0.6180339887498949
_ONE_ROLE_ONLY = {"aggregation", "checkpoint", "evaluation", "reference", "replay", "round"}
"""Parts that need no role's name before them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """How many nanoseconds a round took, evaluation and checkpoint not counted, and its floor; and whether it was recorded."""

    spent: int
    floor: int
    is_recorded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceReport:
    """What a traced run recorded.

    Attributes:
        processes: What each process recorded, the driver's first.
        rounds: All rounds.
    """

    processes: Sequence[ProcessTrace]
    rounds: Sequence[Round]

    @property
    def total_seconds(self) -> float:
        """The time of recorded rounds with their evaluations and checkpoints, less that spent on measuring floors."""
        return sum(spent for part, spent in self.processes[0].totals.items() if part != _FLOOR) / 1e9

    def seconds(self) -> dict[str, float]:
        """Seconds by part, over all processes: they add up to `total_seconds` times the number of processes."""
        seconds: defaultdict[str, float] = defaultdict(float)
        for process in self.processes:
            spent = {_name(part): total / 1e9 for part, total in process.totals.items() if part != _FLOOR}
            for name, value in spent.items():
                seconds[name] += value
            if process is not self.processes[0]:
                seconds[f"{process.role}_waiting"] += self.total_seconds - sum(spent.values())
        return dict(sorted(seconds.items(), key=lambda part: -part[1]))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values.

        A round's seconds, its floor's and their ratio are medians over the rounds that were not recorded, because recording
        takes time too; over all where there is none such, and None where there was no round.
        """
        rounds = [round for round in self.rounds if not round.is_recorded] or self.rounds
        return {
            "floor_ratio": statistics.median(round.spent / round.floor for round in rounds) if rounds else None,
            "round_seconds": statistics.median(round.spent for round in rounds) / 1e9 if rounds else None,
            "floor_seconds": statistics.median(round.floor for round in rounds) / 1e9 if rounds else None,
            "rounds": len(self.rounds),
            "recorded_rounds": sum(round.is_recorded for round in self.rounds),
            "processes": len(self.processes),
            "total_seconds": self.total_seconds,
            "seconds": self.seconds(),
        }

    def print(self) -> None:
        """Write the table and the floor to stdout."""
        values = self.to_dict()
        whole = self.total_seconds * len(self.processes)
        rows = [[name.replace("_", " "), f"{spent:.3f}", share(spent / whole)] for name, spent in values["seconds"].items()]
        print_columns(["part", "seconds", "share"], [*rows, ["all", f"{whole:.3f}", ""]])
        if self.rounds:
            print_fields(
                {
                    "rounds recorded": f"{values['recorded_rounds']} of {values['rounds']}",
                    "round": f"{1e3 * values['round_seconds']:.2f} ms",
                    "floor of a round": f"{1e3 * values['floor_seconds']:.2f} ms",
                    "round / floor": f"{values['floor_ratio']:.2f}",
                }
            )

    def write(self, file: TextIO) -> None:
        """Write a trace in Chrome's JSON object format, which Perfetto reads: one thread per role and process."""
        start = min((process.clock_ns + at for process in self.processes for _, at, _ in process.events), default=0)
        left_out = [process.left_out for process in self.processes]
        explanation = "spans left out of traceEvents, by pid; the seconds are those of all spans"
        trace = {
            "traceEvents": [event for pid, process in enumerate(self.processes) for event in _events(process, pid, start)],
            "displayTimeUnit": "ms",
            "otherData": {"left_out": left_out, "about_left_out": explanation, "trace": self.to_dict()},
        }
        json.dump(trace, file)
        file.flush()


class Tracing:
    """Records most rounds of a run, as a context around it, and measures the floor after every round, as one of its sinks.

    Args:
        spec: The experiment.
        executor: The run's, not yet open.
    """

    def __init__(self, spec: ExperimentSpec, executor: Executor) -> None:
        """Nothing is recorded before the context is entered."""
        self._spec = spec
        self._executor = executor
        self._recorder = Recorder("driver")
        self._rounds: list[Round] = []
        self._floor: Floor | None = None
        self._spent = 0
        self._stack = ExitStack()

    def emit(self, event: Event) -> None:
        """After a round, measure its floor."""
        if isinstance(event, RoundFinished) and self._floor is not None:
            with self._recorder.span("floor", whole=True):
                floor = self._floor.measure(event.round)
            self._rounds.append(Round(spent=self._spent, floor=floor, is_recorded=self._is_recorded(event.round)))

    def report(self) -> TraceReport:
        """What was recorded, by the executor's processes too; to be called before the executor is closed."""
        return TraceReport(processes=[self._recorder.result(), *self._executor.traces()], rounds=self._rounds)

    def __enter__(self) -> Self:
        """Make ready to record."""
        self._seams = self._executor.seams()
        self._stack.enter_context(models_known(self._recorder))
        self._stack.enter_context(replaced(type(self._executor), "open", self._with_floor))
        self._stack.enter_context(replaced(simulation, "run_round", self._timed))
        self._stack.enter_context(replaced(simulation.Simulation, "_run_round", self._recorded))
        return self

    def __exit__(self, *_: object) -> None:
        """Put everything back."""
        self._stack.close()

    def _is_recorded(self, round: int) -> bool:
        """Three rounds in four, spread evenly whatever the intervals of evaluations and checkpoints, and the last one."""
        return round == self._spec.rounds or round * _GOLDEN_RATIO % 1 >= 0.25

    def _with_floor(self, open: Function) -> Function:
        def call(executor: Executor, setup: Setup) -> None:
            open(executor, setup)
            self._floor = Floor(setup)

        return call

    def _timed(self, run_round: Function) -> Function:
        def call(*arguments: Any, **options: Any) -> Any:
            start = time.perf_counter_ns()
            outcome = run_round(*arguments, **options)
            self._spent = time.perf_counter_ns() - start
            return outcome

        return call

    def _recorded(self, run_round: Function) -> Function:
        def call(run: simulation.Simulation, progress: Any, plan: RoundPlan) -> None:
            is_recorded = self._is_recorded(progress.round + 1)
            self._executor.record(is_recorded)
            with ExitStack() as stack:
                if is_recorded:
                    stack.enter_context(traced(self._recorder, self._seams))
                    stack.enter_context(self._recorder.span("other", role="driver"))
                run_round(run, progress, plan)

        return call


def _name(part: Part) -> str:
    role, name = part
    return name if name in _ONE_ROLE_ONLY else f"{role}_{name}"


def _events(process: ProcessTrace, pid: int, start: int) -> list[dict[str, Any]]:
    roles = list(dict.fromkeys(role for (role, _), _, _ in process.events))
    names = [{"name": "process_name", "ph": "M", "pid": pid, "args": {"name": process.role.replace("_", " ")}}]
    names += [
        {"name": "thread_name", "ph": "M", "pid": pid, "tid": tid, "args": {"name": role.replace("_", " ")}}
        for tid, role in enumerate(roles)
    ]
    spans = [
        {
            "name": _name(part),
            "cat": part[0],
            "ph": "X",
            "ts": (process.clock_ns + at - start) / 1e3,
            "dur": duration / 1e3,
            "pid": pid,
            "tid": roles.index(part[0]),
        }
        for part, at, duration in process.events
    ]
    return names + spans
