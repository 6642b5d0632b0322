"""The one training loop: plan, round, evaluation, checkpoint, events; the same over every executor."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch

from heron_ray.data.report import partition_report
from heron_ray.errors import CheckpointError, DivergedError, ExhaustedMemoryError, SpecError, SpecIssue
from heron_ray.measure.spectrum import Spectrum
from heron_ray.measure.traffic import TrafficLedger
from heron_ray.methods import make_method
from heron_ray.simulation.checkpoint import Checkpoint, Checkpointer
from heron_ray.simulation.diagnoses import Diagnoses, End, Run, Seen
from heron_ray.simulation.diagnoses.no_better_than_frozen import ROUNDS as JUDGED_FROM
from heron_ray.simulation.digest import TrajectoryDigest, final_parameters
from heron_ray.simulation.edge_clients import edge_report
from heron_ray.simulation.edge_rounds import VirtualTime
from heron_ray.simulation.events import (
    CheckpointRejected,
    CheckpointSaved,
    ClientLosses,
    Finished,
    HessianSpectrum,
    ListSink,
    RoundFinished,
    Sink,
    Started,
)
from heron_ray.simulation.executor import Executor, Reference
from heron_ray.simulation.front_control import FrontJudgement
from heron_ray.simulation.plan import RoundPlan, byzantine_clients, planner
from heron_ray.simulation.privacy_ledger import PrivacyLedger
from heron_ray.simulation.profile import ClientCosts, client_costs
from heron_ray.simulation.result import Costs, RunResult
from heron_ray.simulation.round import RoundOutcome, run_round
from heron_ray.simulation.setup import Setup
from heron_ray.spec import ExperimentSpec
from heron_ray.vectors import Float32Array

MOST_NODES = 256
"""Of an event that tells a spectrum."""

_ROLES = {"federation": "federation_server", "server": "main_server"}


@dataclass(slots=True)
class _Progress:
    """What the loop itself must keep to continue.

    Attributes:
        open_end: The digest and the scores that a longer run has here, where this one judged the round only because it was
            the last, and what its diagnoses have found where this one's looked at its end; see `heron_ray.simulation.fork`.
        forked: Where the run began, unless that was round 0.
        epsilons: What privacy has cost so far, by series name.
        diagnosed: What the diagnoses had found and remembered where the run goes on; later they keep it themselves.
    """

    round: int = 0
    digest: TrajectoryDigest = field(default_factory=TrajectoryDigest)
    traffic: TrafficLedger = field(default_factory=TrafficLedger)
    scores: dict[str, float] = field(default_factory=dict)
    scored_round: int = -1
    wall_seconds: float = 0.0
    open_end: dict[str, Any] | None = None
    forked: dict[str, Any] | None = None
    virtual: VirtualTime = field(default_factory=VirtualTime)
    epsilons: dict[str, float] = field(default_factory=dict)
    diagnosed: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return {
            "round": self.round,
            "digest": self.digest.link,
            "traffic": self.traffic.to_dict(),
            "scores": self.scores,
            "scored_round": self.scored_round,
            "wall_seconds": self.wall_seconds,
            "open_end": self.open_end,
            "forked": self.forked,
            "virtual": self.virtual.to_dict(),
            "epsilons": self.epsilons,
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> _Progress:
        return cls(
            round=value["round"],
            digest=TrajectoryDigest(value["digest"]),
            traffic=TrafficLedger.from_dict(value["traffic"]),
            scores=value["scores"],
            scored_round=value["scored_round"],
            wall_seconds=value["wall_seconds"],
            open_end=value.get("open_end"),
            forked=value.get("forked"),
            virtual=VirtualTime.from_dict(value["virtual"]) if "virtual" in value else VirtualTime(),
            epsilons=value.get("epsilons", {}),
            diagnosed=value.get("diagnosed", {}),
        )

    def leave_open(self, round: int, metrics: Mapping[str, float]) -> None:
        """Note what a longer run has after a round that it does not judge."""
        digest = TrajectoryDigest(self.digest.link)
        digest.add_round(round, metrics)
        self.open_end = {"digest": digest.link, "scores": self.scores, "scored_round": self.scored_round}
        self.open_end["virtual"] = self.virtual.to_dict()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unreported:
    """A round that is over but for its evaluation: its figures so far, and where the scores will be (None: none are due)."""

    round: int
    metrics: dict[str, float]
    scores: Reference | None
    attacked: bool
    plan: RoundPlan
    outcome: RoundOutcome


class Simulation:
    """Runs one experiment.

    Where the roles have processes of their own, the main server evaluates a round while clients compute the next one, and a
    checkpoint is written beside it. Neither changes a figure.

    Args:
        spec: The experiment.
        executor: Where its roles live; the caller closes it.
        sink: Receives the events.
        checkpointer: Where checkpoints go; None keeps none.
        resume: Continue from the newest checkpoint; without one, start anew.
        skip_damaged: With `resume`, pass over checkpoints that fail verification instead of raising.
        start_from: Begin with this state in place of round 0; `heron_ray.simulation.fork` makes one of another experiment's.
        should_stop: Asked after every round; True ends the run with a checkpoint and the state CANCELLED.
    """

    def __init__(
        self,
        spec: ExperimentSpec,
        executor: Executor,
        *,
        sink: Sink | None = None,
        checkpointer: Checkpointer | None = None,
        resume: bool = False,
        skip_damaged: bool = False,
        start_from: Checkpoint | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Nothing runs before `run`."""
        self._spec = spec
        self._executor = executor
        self._sink: Sink = sink if sink is not None else ListSink()
        self._checkpointer = checkpointer
        self._resume = resume
        self._skip_damaged = skip_damaged
        self._start_from = start_from
        self._should_stop = should_stop
        self._method = make_method(spec.method)
        self._started_at = 0.0
        self._unreported: _Unreported | None = None
        self._writing: tuple[int, Future[None]] | None = None

    def run(self) -> RunResult:
        """Run to the end.

        Raises:
            DataError: The data cannot be loaded or partitioned.
            CheckpointError: A checkpoint to resume from is damaged or belongs to another experiment.
            DivergedError: A loss or parameter stopped being finite.
            ExhaustedMemoryError: Memory could not be allocated.
            LostActorError: A process of the executor died.
        """
        try:
            with ThreadPoolExecutor(1, thread_name_prefix="checkpoint") as self._writer:
                return self._run()
        except (MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            raise ExhaustedMemoryError(
                f"memory ran out: {str(error) or type(error).__name__}",
                hint="lower clients.batch_size, the model's widths or the number of samples; heron profile shows what is held",
            ) from error

    def _run(self) -> RunResult:
        self._started_at = time.monotonic()
        setup = Setup.build(self._spec)
        costs = client_costs(self._spec)
        self._executor.open(setup)
        privacy = self._spec.privacy
        self._ledger = PrivacyLedger(setup, privacy) if privacy is not None else None
        progress = self._restore()
        self._plan = planner(setup, progress.round, progress.virtual.flights)
        run = Run(setup=setup, saved_bytes=costs.saved_bytes)
        self._diagnoses = Diagnoses(run, progress.diagnosed)
        report = partition_report(setup.shards, setup.dataset.labels, setup.dataset.label_count)
        self._edge = None if self._spec.edge is None else edge_report(self._spec, costs.client_peak_bytes)
        self._sink.emit(
            Started(
                rounds=self._spec.rounds,
                after_round=progress.round,
                partition=report,
                byzantine=list(byzantine_clients(self._spec)),
                edge=self._edge,
            )
        )
        state: Literal["SUCCEEDED", "CANCELLED"] = "SUCCEEDED"
        while progress.round < self._spec.rounds and not self._is_good_enough(progress):
            if self._should_stop():
                state = "CANCELLED"
                break
            plan = self._plan(progress.round + 1, len(self._executor.hosts))
            if self._is_too_dear(plan):
                break
            self._run_round(progress, plan)
        self._report(progress)
        self._save(progress)
        self._finish_saving()
        # Where a run was stopped between two evaluations, this one is for the result alone: a resumed run must not see it.
        scores = (
            progress.scores if progress.scored_round == progress.round else self._get_scores(self._evaluate(progress.round))[0]
        )
        result = self._result(state, progress, scores, costs)
        self._sink.emit(Finished(result=result.to_dict()))
        return result

    def _run_round(self, progress: _Progress, plan: RoundPlan) -> None:
        spec, round = self._spec, plan.round
        self._finish_saving(wait=False)
        outcome = run_round(self._executor, plan, self._method, meanwhile=lambda: self._report(progress))
        metrics = _metrics(outcome) | dict(outcome.filtered)
        if spec.attack is not None:
            metrics["byzantine_sampled"] = len(plan.attackers)
        if plan.clock is not None:
            metrics |= progress.virtual.add(plan.clock, plan.buffered)
        if self._ledger is not None:
            progress.epsilons = self._ledger.add(plan)
            metrics |= progress.epsilons
        attacked = bool(plan.attackers)
        _require_finite(spec, outcome, metrics, round, attacked=attacked)
        is_judged = round % spec.evaluation.every == 0 or round == spec.rounds
        progress.round = round
        progress.traffic.merge(outcome.traffic)
        scores = self._evaluate(round) if is_judged else None
        self._unreported = _Unreported(
            round=round, metrics=metrics, scores=scores, attacked=attacked, plan=plan, outcome=outcome
        )
        is_kept = round % spec.compute.checkpoint_every == 0 and round < spec.rounds
        if not is_judged or is_kept or spec.stop is not None or not self._overlaps:
            self._report(progress)
        if is_kept:
            self._save(progress)

    @property
    def _overlaps(self) -> bool:
        """Whether the roles compute at the same time."""
        return self._executor.lookahead > 1

    def _report(self, progress: _Progress) -> None:
        """Add the round that waits for its evaluation, if there is one, to what has been measured."""
        if self._unreported is None:
            return
        over, self._unreported = self._unreported, None
        metrics, spectrum = over.metrics, None
        if over.scores is not None:
            scores, spectrum = self._get_scores(over.scores)
            _require_finite(self._spec, None, scores, over.round, attacked=over.attacked)
            if over.round % self._spec.evaluation.every:
                progress.leave_open(over.round, metrics)
            progress.scores, progress.scored_round = scores, over.round
            if self._spec.edge is not None:
                progress.virtual.judge(self._spec, scores, metrics["simulated_time_s"])
            metrics |= scores
        progress.digest.add_round(over.round, metrics)
        self._sink.emit(RoundFinished(round=over.round, rounds=self._spec.rounds, metrics=metrics))
        told_every = self._spec.evaluation.client_losses
        if told_every is not None and over.round % told_every == 0:
            losses = over.outcome.client_losses
            self._sink.emit(ClientLosses(round=over.round, clients=list(losses), losses=list(losses.values())))
        if spectrum is not None and spectrum.nodes:  # one that is not finite has none
            nodes, weights = spectrum.merged(MOST_NODES)
            self._sink.emit(HessianSpectrum(round=over.round, nodes=nodes, weights=weights))
        self._diagnose(progress, over)

    def _diagnose(self, progress: _Progress, over: _Unreported) -> None:
        """Show a round to the diagnoses, and the run's end where it is the last; keep what a longer run would know."""
        seen = Seen(
            round=over.round,
            metrics=over.metrics,
            cohort=over.plan.cohort,
            finished=over.plan.finished,
            probes=over.outcome.probes,
            scrutiny=over.outcome.scrutiny,
            filtered=over.outcome.filtered_clients,
        )
        is_last = over.scores is not None and (over.round == self._spec.rounds or self._is_good_enough(progress))
        longer = self._diagnoses.copy() if is_last else None
        found = self._diagnoses.observe(seen)
        if longer is not None:
            off_beat = over.round % self._spec.evaluation.every != 0
            longer.observe(replace(seen, metrics=_without(over.metrics, progress.scores)) if off_beat else seen)
            progress.open_end = {**(progress.open_end or {}), "diagnosed": longer.state()}
            front = self._judge_front() if over.round >= JUDGED_FROM else None
            found += self._diagnoses.conclude(End(round=over.round, scores=progress.scores, front=front))
        for diagnosis in found:
            self._sink.emit(diagnosis)

    def _judge_front(self) -> FrontJudgement | None:
        """The cheap control, where the method trains a front model that all clients share."""
        if not self._method.has_main_server or "front" not in self._method.shared_parts:
            return None
        vector = self._executor.federation_server.call("shared_parts")
        judged: FrontJudgement | None = self._executor.get(self._executor.main_server.call("judge_front", vector))
        return judged

    def _is_good_enough(self, progress: _Progress) -> bool:
        """Decided on the validation split, at the last evaluation."""
        stop = self._spec.stop
        if stop is None or stop.accuracy is None:
            return False
        return progress.scores.get("validation_accuracy", 0.0) >= stop.accuracy

    def _is_too_dear(self, plan: RoundPlan) -> bool:
        """Whether a round would cost more privacy than there is. Raises SpecError where that is the first one."""
        budget = self._spec.stop.epsilon if self._spec.stop is not None else None
        if budget is None or self._ledger is None:
            return False
        name, cost = max(self._ledger.after(plan).items(), key=lambda item: item[1])
        if cost > budget and plan.round == 1:
            message = f"the first round alone has {name}={cost:.4g}, more than {budget:g}"
            raise SpecError([SpecIssue(path="stop.epsilon", message=message)], hint="raise it, or sigma in privacy")
        return cost > budget

    def _evaluate(self, round: int) -> Reference:
        """Have the global model judged; where clients have parts of their own, with those of the round's cohort."""
        federation, kept = self._executor.federation_server, ()
        if self._method.own_parts:
            kept = federation.call("kept_states", self._plan(max(round, 1), 1).cohort)
        vector = federation.call("shared_parts")
        return self._executor.main_server.call("evaluate", round, vector, kept)

    def _get_scores(self, reference: Reference) -> tuple[dict[str, float], Spectrum | None]:
        """An evaluation's figures, and the spectrum where one was looked at."""
        scores: tuple[dict[str, float], Spectrum | None] = self._executor.get(reference)
        return scores

    def _wall_seconds(self, progress: _Progress) -> float:
        return progress.wall_seconds + time.monotonic() - self._started_at

    def _result(
        self, state: Literal["SUCCEEDED", "CANCELLED"], progress: _Progress, scores: Mapping[str, float], costs: ClientCosts
    ) -> RunResult:
        return RunResult(
            state=state,
            rounds=progress.round,
            test_accuracy=scores["test_accuracy"],
            test_loss=scores["test_loss"],
            auxiliary_accuracy=scores["auxiliary_test_accuracy"],
            validation_accuracy=scores["validation_accuracy"],
            auxiliary_validation_accuracy=scores["auxiliary_validation_accuracy"],
            trajectory_digest=progress.digest.close(final_parameters(self._vectors())),
            spec_hash=self._spec.spec_hash(),
            trajectory_hash=self._spec.trajectory_hash(),
            costs=Costs(
                client_macs_per_step=costs.client_macs_per_step,
                client_flops_per_step=costs.client_flops_per_step,
                client_peak_bytes=costs.client_peak_bytes,
                bytes_up=progress.traffic.bytes_up,
                bytes_down=progress.traffic.bytes_down,
            ),
            serialized_bytes=self._executor.serialized_bytes(),
            wall_seconds=self._wall_seconds(progress),
            diagnoses=self._diagnoses.found,
            edge=None if self._edge is None else _edge_result(self._edge, progress.virtual),
            privacy=None if self._ledger is None else self._ledger.result(progress.epsilons),
            perplexity=_perplexity(scores) if self._spec.data.is_text else None,
        )

    def _vectors(self) -> dict[str, Float32Array]:
        """The state of both servers, by role and name."""
        vectors: dict[str, Float32Array] = {}
        for prefix, role in _ROLES.items():
            state = self._executor.get(getattr(self._executor, role).call("state"))
            vectors |= {f"{prefix}/{name}": vector for name, vector in state.items()}
        return vectors

    def _save(self, progress: _Progress) -> None:
        if self._checkpointer is None:
            return
        self._finish_saving()
        kept = progress.to_dict() | {"wall_seconds": self._wall_seconds(progress), "diagnosed": self._diagnoses.state()}
        if self._ledger is not None:
            kept["privacy"] = self._ledger.state()
        checkpoint = Checkpoint(
            round=progress.round,
            trajectory_hash=self._spec.trajectory_hash(),
            vectors=self._vectors(),
            progress=kept,
        )
        self._writing = progress.round, self._writer.submit(self._checkpointer.save, checkpoint)
        if not self._overlaps:
            self._finish_saving()

    def _finish_saving(self, *, wait: bool = True) -> None:
        """Tell of the checkpoint that is being written, if there is one; an unfinished one is waited for, or left for later."""
        if self._writing is None or not (wait or self._writing[1].done()):
            return
        (round, written), self._writing = self._writing, None
        written.result()
        self._sink.emit(CheckpointSaved(round=round))

    def _restore(self) -> _Progress:
        """Load the newest usable checkpoint into the roles, if it is wanted; else begin where the run is to begin."""
        checkpoint = self._newest()
        if checkpoint is None:
            return _Progress()
        for prefix, role in _ROLES.items():
            state = {
                name.removeprefix(f"{prefix}/"): vector
                for name, vector in checkpoint.vectors.items()
                if name.startswith(f"{prefix}/")
            }
            self._executor.get(getattr(self._executor, role).call("load", state))
        if self._ledger is not None:
            self._ledger.load(checkpoint.progress["privacy"])
        return _Progress.from_dict(checkpoint.progress)

    def _newest(self) -> Checkpoint | None:
        if self._resume and self._checkpointer is not None:
            for path in self._checkpointer.paths():
                try:
                    checkpoint = self._checkpointer.load(path)
                except CheckpointError as error:
                    if not self._skip_damaged:
                        raise
                    self._sink.emit(CheckpointRejected(path=path.name, message=error.message))
                    continue
                self._require_same_experiment(checkpoint, str(path))
                return checkpoint
        if self._start_from is not None:
            self._require_same_experiment(self._start_from, "to start from")
        return self._start_from

    def _require_same_experiment(self, checkpoint: Checkpoint, path: str) -> None:
        if checkpoint.trajectory_hash != self._spec.trajectory_hash():
            raise CheckpointError(
                f"checkpoint {path} belongs to another experiment: its trajectory hash is "
                f"{checkpoint.trajectory_hash[:12]}, the spec's is {self._spec.trajectory_hash()[:12]}",
                hint="resume with the spec it was made with, or start in another directory",
            )


def _without(metrics: Mapping[str, float], scores: Mapping[str, float]) -> dict[str, float]:
    """A round's metrics without those of its evaluation."""
    return {name: value for name, value in metrics.items() if name not in scores}


def _edge_result(report: Mapping[str, Any], virtual: VirtualTime) -> dict[str, Any]:
    return {
        "simulated_time_s": virtual.seconds,
        "energy_j": virtual.joules,
        "simulated_time_to_accuracy_s": dict(virtual.reached_s),
        "clients_excluded": report["excluded"],
    }


def _perplexity(scores: Mapping[str, float]) -> dict[str, float]:
    return {"test": scores["test_perplexity"], "auxiliary": scores["auxiliary_test_perplexity"]}


def _is_out_of_memory(error: BaseException) -> bool:
    """Torch tells a CPU allocation that failed from other runtime errors only by its words."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _metrics(outcome: RoundOutcome) -> dict[str, float]:
    metrics = {
        "client_loss": outcome.client_loss,
        "server_loss": outcome.server_loss,
        "bytes_up": outcome.traffic.bytes_up,
        "bytes_down": outcome.traffic.bytes_down,
        "messages": outcome.traffic.messages,
    }
    return {name: value for name, value in metrics.items() if value is not None}


def _require_finite(
    spec: ExperimentSpec, outcome: RoundOutcome | None, metrics: Mapping[str, float], round: int, *, attacked: bool
) -> None:
    bad = [name for name, value in metrics.items() if not math.isfinite(value)]
    if outcome is not None and not outcome.client_is_finite:
        bad.append("client parameters")
    if outcome is not None and not outcome.server_is_finite:
        bad.append("server parameters")
    if bad:
        raise DivergedError(
            f"diverged in round {round}: {' and '.join(bad)} stopped being finite",
            round=round,
            hint=("use a robust aggregation against the attack, or " if attacked else "") + _way_out(spec),
        )


def _way_out(spec: ExperimentSpec) -> str:
    """Which settings of the method to change where a run diverged."""
    fields = type(spec.method).model_fields
    rates = [f"method.{name}.lr" for name in ("client_optimizer", "server_optimizer") if name in fields]
    probing = ", or use more probes or another mu in method.zeroth_order" if "zeroth_order" in fields else ""
    return f"lower {' or '.join(rates)}{probing}"
