"""The main server: trains the back model on smashed data, in canonical client order, and judges the global model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from heron_ray.federation import AggregationRule, make_attack, make_defence
from heron_ray.federation.attacks.backdoor import Backdoor
from heron_ray.measure.accuracy import evaluate
from heron_ray.measure.spectrum import Spectrum
from heron_ray.measure.traffic import TrafficLedger
from heron_ray.methods import MainServer as MethodServer
from heron_ray.methods import Upload, make_method
from heron_ray.models import stacked
from heron_ray.optimizers import make_optimizer
from heron_ray.privacy import ClipSamples
from heron_ray.seeds import Purpose, derive, generator
from heron_ray.simulation import accounting
from heron_ray.simulation.curvature import client_spectrum
from heron_ray.simulation.front_control import FrontJudgement, judge_front
from heron_ray.simulation.leakage import leakage
from heron_ray.simulation.messages import OWN, ClientState, Message
from heron_ray.simulation.setup import Setup, evaluation_batch
from heron_ray.spec.aggregation import MeanAggregation
from heron_ray.vectors import FlatVector, Float32Array, tensor_over
from heron_ray.zo import estimator_quality

_OPTIMIZER, _KEPT, _DEFENCE = "optimizer.", "kept.", "defence."


class MainServer:
    """Holds the back model and its optimizer, and a copy of the client's parts for evaluation.

    Of a method whose clients hold the whole model it only judges.
    """

    def __init__(self, setup: Setup) -> None:
        """Build the model and the method."""
        self._setup = setup
        self._method = make_method(setup.spec.method)
        self._model = setup.build_model()
        self._device = torch.device(setup.spec.compute.device)
        self._client_vector = FlatVector(self._model.parts(self._method.client_parts))
        self._server = self._build_server() if self._method.has_main_server else None
        self._initial = self._client_vector.numpy(self._method.own_parts)
        defence = setup.spec.smashed_defence
        self._defence = make_defence(defence) if defence is not None else None
        self._defence_prefix = f"{_DEFENCE}{defence.kind}." if defence is not None else _DEFENCE
        self._filtered, self._filtered_before = _Filtered(), _Filtered()
        rule = self._defence.rule if self._defence is not None else None
        self._copies: _Copies | None = None
        if self._server is not None and (self._method.server_copies or rule is not None):
            self._copies = _Copies(self._server, self._weight, lambda client: len(setup.shards[client]), rule)
        attack = make_attack(setup.spec.attack) if setup.spec.attack is not None else None
        self._backdoor = attack if isinstance(attack, Backdoor) else None
        self._heads = {"": self._judged_back(), "auxiliary_": self._model.auxiliary}
        self._uploads: Counter[int] = Counter()
        self._losses: list[Tensor] = []

    def consume(self, message: Message) -> Float32Array | None:
        """Train on a message's uploads, one after another.

        Returns:
            The answer to the last upload if the method is coupled, else None.
        """
        uploads = message.uploads
        if uploads is None or self._server is None:
            return None
        z, y = tensor_over(uploads.z), tensor_over(uploads.y)
        also = {kind: tensor_over(array) for kind, array in uploads.also.items()}
        reply: Tensor | None = None
        start = 0
        for client, size in zip(uploads.clients, uploads.sizes, strict=True):
            rows = slice(start, start + size)
            start += size
            self._server.round, self._server.client, self._server.upload = uploads.round, client, self._uploads[client]
            self._uploads[client] += 1
            if self._copies is not None:
                self._copies.turn_to(client)
            # A fresh tensor per upload: its alignment, and with it the bits of a product, must not depend on how
            # uploads were packed into messages.
            upload = Upload(
                z=self._copy(z[rows]),
                y=self._copy(y[rows]),
                also={kind: self._copy(tensor[rows]) for kind, tensor in also.items()},
            )
            if self._admits(self._server, upload):
                loss, reply = self._method.server_step(self._server, upload)
                self._losses.append(loss)
            else:
                self._filtered.add(client, is_byzantine=client in uploads.attackers)
                reply = self._answer(self._server, upload) if self._method.coupled else None
        return None if reply is None else reply.cpu().numpy()

    def _admits(self, server: MethodServer, upload: Upload) -> bool:
        """Whether the back model may learn from an upload."""
        if self._defence is None or not self._defence.filters:
            return True

        def loss() -> float:
            with torch.no_grad(), server.vector.hold_statistics():
                return stacked.cross_entropy(server.back(upload.z), upload.y).item()

        return self._defence.admits(upload.z.cpu().numpy(), loss)

    def _answer(self, server: MethodServer, upload: Upload) -> Tensor | None:
        """What a coupled client is answered whose upload was filtered: as always, but the server forgets the step."""
        state, optimizer, kept = server.vector.state.clone(), server.optimizer.state, dict(server.kept)
        server.optimizer.load(optimizer)
        reply = self._method.server_step(server, upload)[1]
        server.vector.state.copy_(state)
        server.optimizer.load(optimizer)
        server.kept = kept
        return reply

    def finish_round(
        self, round: int
    ) -> tuple[tuple[float | None, bool, TrafficLedger, dict[str, float]], Mapping[int, ClientState]]:
        """End the round on this side.

        Returns:
            Mean loss over the round's uploads that were learned from, before each step (None if there were none), whether the
            back model is finite, what was sent down, and how many uploads were filtered, by series name; and the new aligned
            parts of clients.
        """
        ledger = TrafficLedger()
        if self._server is None:
            return (None, True, ledger, {}), {}
        filtered, self._filtered = self._filtered, _Filtered()
        filtered.served = dict(self._uploads)
        self._filtered_before = filtered
        counts = filtered.series() if self._defence is not None and self._defence.filters else {}
        if self._copies is not None:
            self._copies.join()
        self._uploads.clear()
        self._server.round = round
        aligned = self._method.server_round_end(self._server)
        for _ in aligned:
            accounting.count_aligned(ledger, self._method, self._client_vector)
        losses, self._losses = self._losses, []
        mean = torch.stack(losses).double().mean().item() if losses else None
        is_finite = bool(torch.isfinite(self._server.vector.state).all())
        return (mean, is_finite, ledger, counts), {client: {OWN: values} for client, values in aligned.items()}

    def filtered_clients(self) -> dict[int, tuple[int, int]]:
        """Of the round that ended last: by client, how many of its uploads were filtered, and how many came."""
        filtered = self._filtered_before
        return {client: (filtered.clients[client], served) for client, served in sorted(filtered.served.items())}

    def judge_front(self, shared: Float32Array) -> FrontJudgement | None:
        """How much the trained front model is worth, beside the one that training began with."""
        self._client_vector.load(shared, self._method.shared_parts)
        return judge_front(self._setup, self._model.front)

    def evaluate(
        self, round: int, shared: Float32Array, kept: Sequence[ClientState]
    ) -> tuple[dict[str, float], Spectrum | None]:
        """Accuracy and loss of server and auxiliary head on the validation and test splits, by series name.

        Args:
            round: After which round.
            shared: The global values of the parts that clients share [P].
            kept: What some clients keep. Where clients have parts of their own, the figures are means over these.

        Returns:
            The figures, and the spectrum of the Hessian of the clients' loss where a look at it is due.
        """
        self._client_vector.load(shared, self._method.shared_parts)
        if not self._method.own_parts:
            figures = self._score() | self._look_at_leakage(round) | self._judge_estimator(round)
            spectrum = self._look_at_curvature(round)
            return (figures, None) if spectrum is None else (figures | _curvature(spectrum), spectrum)
        scores = []
        for state in kept or ({},):
            self._client_vector.load(state.get(OWN, self._initial), self._method.own_parts)
            scores.append(self._score() | self._look_at_leakage(round))
        return {name: float(np.mean([score[name] for score in scores])) for name in scores[0]}, None

    def state(self) -> dict[str, NDArray[np.generic]]:
        """All that must be kept to continue: the back model, the optimizer's vectors, what the method remembers."""
        if self._server is None:
            return {}
        return (
            {"back": self._server.vector.numpy()}
            | _arrays(_OPTIMIZER, self._server.optimizer.state.items())
            | _arrays(_KEPT, self._server.kept.items())
            | {f"{self._defence_prefix}{name}": values for name, values in self._defence_state().items()}
        )

    def load(self, state: Mapping[str, Float32Array]) -> None:
        """Continue from what `state` gave."""
        if self._server is None:
            return
        self._server.vector.load(state["back"])
        self._server.optimizer.load(self._tensors(_OPTIMIZER, state))
        self._server.kept = self._tensors(_KEPT, state)
        if self._defence is not None:
            names = [name for name in state if name.startswith(self._defence_prefix)]
            self._defence.load({name.removeprefix(self._defence_prefix): np.array(state[name], np.float64) for name in names})

    def _defence_state(self) -> Mapping[str, NDArray[np.generic]]:
        return self._defence.state() if self._defence is not None else {}

    def _build_server(self) -> MethodServer:
        return MethodServer(
            seed=self._setup.spec.seed,
            model=self._model,
            vector=FlatVector({"back": self._model.back}),
            client_vector=self._client_vector,
            optimizer=make_optimizer(self._method.spec.server_optimizer),
        )

    def _judged_back(self) -> nn.Module:
        """The back model as it is judged: on smashed data that are clipped as in training, without their noise."""
        privacy = self._setup.spec.privacy
        if privacy is None or privacy.smashed is None:
            return self._model.back
        return nn.Sequential(ClipSamples(privacy.smashed.clip), self._model.back)

    def _weight(self, client: int) -> float:
        """Of a client's server copy in their mean."""
        aggregation = self._setup.spec.aggregation
        by_samples = isinstance(aggregation, MeanAggregation) and aggregation.weights == "samples"
        return float(len(self._setup.shards[client])) if by_samples else 1.0

    def _score(self) -> dict[str, float]:
        """The figures of the model as it stands, its normalisation by running statistics."""
        parts = (self._model.front, self._model.auxiliary, self._model.back)
        for part in parts:
            part.eval()
        metrics: dict[str, float] = {}
        for name, split in (("validation", self._setup.dataset.validation), ("test", self._setup.dataset.test)):
            scores = evaluate(
                self._model.front,
                self._heads,
                split.x,
                split.y,
                batch_size=evaluation_batch(self._setup.spec),
                device=self._device,
            )
            for head, score in scores.items():
                metrics[f"{head}{name}_accuracy"] = score.accuracy
                metrics[f"{head}{name}_loss"] = score.loss
                if self._setup.dataset.is_text:
                    metrics[f"{head}{name}_perplexity"] = score.perplexity
                if self._setup.spec.evaluation.macro_f1:
                    metrics[f"{head}{name}_macro_f1"] = score.macro_f1
        if self._backdoor is not None:
            metrics |= self._attack_success(self._backdoor)
        for part in parts:
            part.train()
        return metrics

    def _attack_success(self, backdoor: Backdoor) -> dict[str, float]:
        """The share of stamped test samples of other classes that each head takes for the attackers' target."""
        test = self._setup.dataset.test
        others = test.y != backdoor.target
        scores = evaluate(
            self._model.front,
            self._heads,
            backdoor.stamp(test.x[others]),
            torch.full_like(test.y[others], backdoor.target),
            batch_size=self._setup.spec.evaluation.batch_size,
            device=self._device,
        )
        return {f"{head}backdoor_accuracy": score.accuracy for head, score in scores.items()}

    def _judge_estimator(self, round: int) -> dict[str, float]:
        """The figures of the clients' zeroth-order estimate on training samples drawn for this round, where they are wanted."""
        spec, train = self._setup.spec, self._setup.dataset.train
        if not spec.evaluation.estimator_quality:
            return {}
        draw = generator(derive(spec.seed, Purpose.DIAGNOSIS, round))
        rows = torch.from_numpy(draw.choice(len(train.y), size=min(spec.clients.batch_size, len(train.y)), replace=False))
        x, y = train.x.index_select(0, rows).to(self._device), train.y.index_select(0, rows).to(self._device)
        zeroth_order = self._method.spec.zeroth_order
        seeds = [derive(spec.seed, Purpose.DIAGNOSIS, round, probe) for probe in range(zeroth_order.probes)]
        with self._server_statistics_held():
            return estimator_quality(zeroth_order, self._client_vector, lambda: self._method.losses(self._model, x, y), seeds)

    def _look_at_curvature(self, round: int) -> Spectrum | None:
        """The spectrum of the Hessian of the clients' loss, where it is due."""
        options = self._setup.spec.evaluation.spectrum
        if options is None or round % options.every:
            return None
        return client_spectrum(self._setup, self._method, self._model, options, round)

    def _look_at_leakage(self, round: int) -> dict[str, float]:
        """What smashed data tell about inputs, where it is due."""
        options = self._setup.spec.evaluation.leakage
        if options is None or round % options.every:
            return {}
        return {"leakage_distance_correlation": leakage(self._setup, self._model.front, options, round)}

    def _server_statistics_held(self) -> AbstractContextManager[None]:
        return self._server.vector.hold_statistics() if self._server is not None else nullcontext()

    def _copy(self, tensor: Tensor) -> Tensor:
        return tensor.to(self._device, copy=True)

    def _tensors(self, prefix: str, state: Mapping[str, Float32Array]) -> dict[str, Tensor]:
        found = {name.removeprefix(prefix): values for name, values in state.items() if name.startswith(prefix)}
        return {name: self._copy(tensor_over(values)) for name, values in found.items()}


@dataclass(slots=True)
class _Filtered:
    """How many uploads of a round were kept from the back model, and how many of those were from attackers."""

    uploads: int = 0
    byzantine: int = 0
    clients: Counter[int] = field(default_factory=Counter)
    served: dict[int, int] = field(default_factory=dict)

    def add(self, client: int, *, is_byzantine: bool) -> None:
        self.uploads += 1
        self.byzantine += is_byzantine
        self.clients[client] += 1

    def series(self) -> dict[str, float]:
        return {"uploads_filtered": self.uploads, "byzantine_uploads_filtered": self.byzantine}


class _Copies:
    """A copy of the back model per client of the cohort, one after another in the place of the original; then they are joined.

    Without a rule by their weighted mean; else by what the rule makes of their updates, copy minus original.
    """

    def __init__(
        self,
        server: MethodServer,
        weight: Callable[[int], float],
        samples: Callable[[int], int],
        rule: AggregationRule | None,
    ) -> None:
        self._server, self._weight, self._samples, self._rule = server, weight, samples, rule
        self._client: int | None = None
        self._sum: Tensor | None = None
        self._weights = 0.0

    def turn_to(self, client: int) -> None:
        """Make the back model that client's copy. Clients come one after another, never twice in a round."""
        if client == self._client:
            return
        if self._client is None:
            self._original = self._server.vector.state.clone()
        else:
            self._bank(self._client)
            self._server.vector.state.copy_(self._original)
        self._server.optimizer.load({})
        self._client = client

    def join(self) -> None:
        """Join the copies into the back model, if there were any."""
        if self._client is None:
            return
        self._bank(self._client)
        if self._rule is not None:
            self._server.vector.state.copy_(self._original + torch.from_numpy(self._rule.result()).to(self._original.device))
        elif self._sum is not None:
            self._server.vector.state.copy_(self._sum / self._weights)
        self._client, self._sum, self._weights = None, None, 0.0

    def _bank(self, client: int) -> None:
        if self._rule is not None:
            self._rule.add((self._server.vector.state - self._original).cpu().numpy(), self._samples(client))
            return
        weight = self._weight(client)
        copy = self._server.vector.state.double() * weight
        self._sum = copy if self._sum is None else self._sum.add_(copy)
        self._weights += weight


def _curvature(found: Spectrum) -> dict[str, float]:
    return {
        "client_hessian_norm": found.norm,
        "client_hessian_trace": found.trace,
        "client_effective_rank": found.effective_rank,
    }


def _arrays(prefix: str, tensors: Iterable[tuple[str, Tensor]]) -> dict[str, NDArray[np.generic]]:
    return {f"{prefix}{name}": tensor.cpu().numpy().copy() for name, tensor in tensors}
