"""What a run comes to: the keys of `heron run --json`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What one client step costs, as counted or tracked, and what the whole run sent.

    `client_macs_per_step` and `client_flops_per_step` are counted in matrix products and convolutions (one MAC is two
    FLOPs); `client_peak_bytes` is the tracked peak of one client; bytes are totals over all clients and rounds.
    """

    client_macs_per_step: int
    client_flops_per_step: int
    client_peak_bytes: int
    bytes_up: int
    bytes_down: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """How a run ended and what it measured; accuracies are shares of 1, losses are means in nats.

    `serialized_bytes` are what really went {"up", "down"} between processes, framing and clients' kept state included, since
    the run was started or resumed; None on the local executor. A broadcast counts once, however many clients read it.

    `diagnoses` are what the run's figures showed to go wrong: round, name, message, advice and figures of each; most runs have
    none.

    `edge`, only where devices are simulated: `simulated_time_s` of all rounds, `energy_j` of all clients,
    `simulated_time_to_accuracy_s` by validation accuracy (as far as evaluations saw it reached), `clients_excluded` for want of
    memory.

    `privacy`, only where messages are noised: `delta`, and per mechanism `epsilon_...` and the `releases_...` it stands for.

    `perplexity`, only of text: {"test": of the whole model on the test split, "auxiliary": through the auxiliary head}.
    """

    state: Literal["SUCCEEDED", "CANCELLED"]
    rounds: int
    test_accuracy: float
    test_loss: float
    auxiliary_accuracy: float
    validation_accuracy: float
    auxiliary_validation_accuracy: float
    trajectory_digest: str
    spec_hash: str
    trajectory_hash: str
    costs: Costs
    serialized_bytes: dict[str, int] | None
    wall_seconds: float
    diagnoses: list[dict[str, Any]] = field(default_factory=list)
    edge: dict[str, Any] | None = None
    privacy: dict[str, Any] | None = None
    perplexity: dict[str, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; no `edge`, `privacy` or `perplexity` where there is none."""
        values = dataclasses.asdict(self)
        for name in ("edge", "privacy", "perplexity"):
            if values[name] is None:
                del values[name]
        return values
