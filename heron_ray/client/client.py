"""`Client`: the service's REST API as methods with typed results."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar
from urllib.parse import quote

import httpx

from heron_ray.client.artifacts import Artifact, LogPage
from heron_ray.client.cluster import Cluster
from heron_ray.client.connection import Connection, path_of
from heron_ray.client.event_stream import parse_events
from heron_ray.client.experiments import (
    ENDED,
    Comparison,
    Curve,
    Event,
    EventPage,
    Experiment,
    ExperimentPage,
    ExperimentSummary,
    Health,
    Outcome,
    Part,
    Standing,
    Submitted,
)
from heron_ray.client.patience import Patience
from heron_ray.client.studies import Study, StudyPage, StudySummary
from heron_ray.client.sweeps import Importance, SubmittedSweep, Sweep, SweepPage, SweepSummary
from heron_ray.errors import NotEndedError, StaleEditError, UnreachableError
from heron_ray.spec import ExperimentSpec

# A silent stream sends a comment every 15 s, so three in a row must have been lost.
STREAM_SILENCE_S = 50.0
# A Parquet file is written before it is sent.
EXPORT_SILENCE_S = 600.0
FILE_SILENCE_S = 30.0
MOST_PER_PAGE = 200

Spec = ExperimentSpec | Mapping[str, Any]


class _Page(Protocol):
    @property
    def next(self) -> str | None: ...


PageT = TypeVar("PageT", bound=_Page)


class Client:
    """Talks to one service. Threads may share it; `with` closes it.

    Every method raises UnreachableError where no heron-ray answers, UnauthenticatedError, ForbiddenError, NotFoundError,
    ConflictError, PolicyError and TooManyRequestsError as the service says, and ServiceError for what else it refuses.

    Args:
        url: Where it answers.
        key: An API key; None for a service on this machine.
        patience_s: `follow` and `wait` outlast a service that does not answer for this long.

    Example:
        >>> with Client("http://127.0.0.1:8000") as client:  # doctest: +SKIP
        ...     ended = client.wait(client.submit(spec).id)
    """

    def __init__(self, url: str = "http://127.0.0.1:8000", *, key: str | None = None, patience_s: float = 60.0) -> None:
        """Nothing is sent yet."""
        self.url = url
        self._patience_s = patience_s
        self._connection = Connection(url, key=key)

    def health(self) -> Health:
        """Whether the service and its database answer."""
        return Health.of(self._get("/healthz"))

    def catalogue(self) -> dict[str, tuple[Part, ...]]:
        """Every part that an experiment can be made of, by shelf (`methods`, `models`, ...)."""
        return {shelf: tuple(map(Part.of, parts)) for shelf, parts in self._get("/v1/catalogue").items()}

    def submit(
        self,
        spec: Spec,
        tags: Sequence[str] = (),
        *,
        idempotency_key: str | None = None,
        max_attempts: int | None = None,
        resources: Mapping[str, float] | None = None,
    ) -> Submitted:
        """Submit an experiment. Raises SpecError.

        Args:
            spec: The experiment.
            tags: Labels to filter by.
            idempotency_key: Used before, the same submission finds its experiment and another one raises ConflictError.
            max_attempts: How often it is begun at most, where the infrastructure loses it; None: as the service is set.
            resources: Those of `cpus`, `gpus` and `memory_bytes` that are declared; the others are estimated.
        """
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        body: dict[str, Any] = {"spec": _plain(spec), "tags": list(tags)}
        if max_attempts is not None:
            body["retry"] = {"max_attempts": max_attempts}
        if resources is not None:
            body["resources"] = dict(resources)
        return Submitted.of(self._post("/v1/experiments", json=body, headers=headers))

    def page(self, *, limit: int = MOST_PER_PAGE, before: str | None = None, **asked: Any) -> ExperimentPage:
        """A page of at most 200 experiments; its `next` goes into `before` of the page after it.

        Args:
            limit: At most this many.
            before: The `next` of the page before.
            asked: As for `list`.

        Raises:
            SpecError: A condition names no field of a spec.
        """
        several = {"states": "state", "tags": "tag"}
        chosen = {several.get(name, name): value for name, value in asked.items()}
        return ExperimentPage.of(self._get("/v1/experiments", params=_given({**chosen, "limit": limit, "before": before})))

    def list(
        self,
        *,
        states: Sequence[str] = (),
        tags: Sequence[str] = (),
        name: str | None = None,
        where: Sequence[str] = (),
        archived: str = "false",
        sort: str = "-created",
    ) -> Iterator[ExperimentSummary]:
        """Every experiment that fits, newest first or in another order; pages are fetched as they are needed.

        Args:
            states: Only these.
            tags: Only those with all of these.
            name: Only those with this in their name.
            where: Only those of whose spec this holds, such as `method.zeroth_order.mu>=1e-4`.
            archived: `false`, `true` (only those) or `any`.
            sort: A key such as `created` or `test_accuracy`; with `-` before it, descending.
        """
        asked: dict[str, Any] = {
            "states": states,
            "tags": tags,
            "name": name,
            "where": where,
            "archived": archived,
            "sort": sort,
        }
        for page in _pages(lambda before: self.page(before=before, **asked)):
            yield from page.experiments

    def compare(self, ids: Sequence[str]) -> Comparison:
        """What tells from 2 to 50 experiments apart."""
        return Comparison.of(self._get("/v1/experiments/compare", params={"id": [*ids]}))

    def act(self, action: str, ids: Sequence[str]) -> tuple[Outcome, ...]:
        """Cancel, retry, archive, unarchive or delete many; what one is refused stops no other."""
        outcomes: tuple[Outcome, ...] = ()
        unique = [*dict.fromkeys(ids)]
        for start in range(0, len(unique), MOST_PER_PAGE):
            body = {"action": action, "ids": unique[start : start + MOST_PER_PAGE]}
            outcomes += tuple(map(Outcome.of, self._post("/v1/experiments/actions", json=body)["outcomes"]))
        return outcomes

    def retag(self, id: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> Experiment:
        """Add and remove tags; the experiment as it is then. Edits by others in the same moment are kept."""
        path = path_of("experiment", id)
        while True:
            shown = self._connection.send("GET", path)
            kept = [tag for tag in shown.json()["tags"] if tag not in remove]
            changed = {"tags": [*dict.fromkeys([*kept, *add])]}
            try:
                return Experiment.of(
                    self._connection.call("PATCH", path, json=changed, headers={"If-Match": shown.headers["ETag"]})
                )
            except StaleEditError:
                continue

    def get(self, id: str) -> Experiment:
        """Everything about one experiment but its curves and events."""
        return Experiment.of(self._get(path_of("experiment", id)))

    def series(self, id: str) -> dict[str, Curve]:
        """Every curve so far, by name."""
        found = self._get(f"{path_of('experiment', id)}/series")["series"]
        return {name: Curve.of(curve) for name, curve in found.items()}

    def export(self, ids: Sequence[str], *, file_format: str) -> Iterator[bytes]:
        """Every point of experiments as a `csv` or `parquet` file, in pieces as they come."""
        asked = {"experiment": [*ids], "format": file_format}
        with self._connection.stream("/v1/series:export", params=asked, silence_s=EXPORT_SILENCE_S) as response:
            yield from response.iter_bytes()

    def events(self, id: str, *, after: int = 0, limit: int = MOST_PER_PAGE) -> EventPage:
        """Up to `limit` events above `after`, in order."""
        return EventPage.of(self._get(f"{path_of('experiment', id)}/events", params={"after": after, "limit": limit}))

    def cluster(self) -> Cluster:
        """What experiments run on: dispatchers with their slots and nodes, and what is queued."""
        return Cluster.of(self._get("/v1/cluster"))

    def cancel(self, id: str) -> Experiment:
        """Ask for the experiment's end. Raises ConflictError where it has ended already."""
        return Experiment.of(self._post(f"{path_of('experiment', id)}/cancel"))

    def kill(self, id: str) -> Experiment:
        """Have the experiment's processes ended now. Raises ConflictError where it has ended already."""
        return Experiment.of(self._post(f"{path_of('experiment', id)}/kill"))

    def why(self, id: str) -> Standing:
        """Why the experiment stands where it does: `why` is the sentence, beside what it is made of."""
        return Standing.of(self._get(f"{path_of('experiment', id)}/why"))

    def retry(self, id: str) -> Submitted:
        """Submit an ended experiment again, as a new one. Raises ConflictError where it has not ended."""
        return Submitted.of(self._post(f"{path_of('experiment', id)}/retry"))

    def delete(self, id: str) -> None:
        """Delete an ended experiment. Raises ConflictError where it has not ended."""
        self._connection.send("DELETE", path_of("experiment", id))

    def artifacts(self, id: str) -> tuple[Artifact, ...]:
        """The files that an experiment left behind; none before it has ended."""
        return tuple(map(Artifact.of, self._get(f"{path_of('experiment', id)}/artifacts")["artifacts"]))

    def artifact(
        self, id: str, name: str, *, after: int = 0, etag: str | None = None
    ) -> AbstractContextManager[httpx.Response]:
        """One file, to be read piece by piece: from byte `after` on where it still has that ETag (206), else whole (200)."""
        headers = {"Range": f"bytes={after}-", "If-Range": etag} if after and etag is not None else {}
        path = f"{path_of('experiment', id)}/artifacts/{quote(name)}"
        return self._connection.stream(path, headers=headers, silence_s=FILE_SILENCE_S)

    def logs(self, id: str, *, attempt: int | None = None, after: int = 0) -> LogPage:
        """A page of an attempt's log, of the newest where none is named; `after` is the `next` of the page before."""
        return LogPage.of(self._get(f"{path_of('experiment', id)}/logs", params=_given({"attempt": attempt, "after": after})))

    def fork(
        self,
        id: str,
        overrides: Sequence[str] = (),
        *,
        round: int | None = None,
        tags: Sequence[str] | None = None,
        idempotency_key: str | None = None,
    ) -> Submitted:
        """Go on from an ended experiment's checkpoint, as a new experiment.

        Args:
            id: The ended experiment.
            overrides: As on the command line, such as `rounds=900`.
            round: The round to go on after; None: that of the checkpoint that was kept.
            tags: Labels; None: those of the ended one.
            idempotency_key: As for `submit`.

        Raises:
            SpecError: An override changes what a fork must keep.
            ConflictError: It has not ended, or left no checkpoint of that round.
        """
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        body = {"overrides": list(overrides), "round": round, "tags": None if tags is None else list(tags)}
        return Submitted.of(self._post(f"{path_of('experiment', id)}/fork", json=body, headers=headers))

    def submit_sweep(
        self, spec: Mapping[str, Any], space: str | Mapping[str, Any], *, idempotency_key: str | None = None, **plan: Any
    ) -> SubmittedSweep:
        """Submit a sweep over a named space, or one spelled out. Raises SpecError.

        Args:
            spec: The experiment that is varied.
            space: Its name, or the space in plain values.
            idempotency_key: Used before, the same submission finds its sweep and another one raises ConflictError.
            plan: `samples`, and those of `seeds`, `search`, `scheduler`, `objectives`, `budget`, `warm_start`, `seed` that are
                set.
        """
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        return SubmittedSweep.of(self._post("/v1/sweeps", json={"spec": spec, "space": space, **plan}, headers=headers))

    def list_sweeps(self) -> Iterator[SweepSummary]:
        """Every sweep, newest first; pages are fetched as they are needed."""
        for page in _pages(lambda before: SweepPage.of(self._get("/v1/sweeps", params=_paging(before)))):
            yield from page.sweeps

    def get_sweep(self, id: str) -> Sweep:
        """Where a sweep stands, its trials, and which of them is best."""
        return Sweep.of(self._get(path_of("sweep", id)))

    def cancel_sweep(self, id: str) -> Sweep:
        """Ask for the sweep's end. Raises ConflictError where it has ended already."""
        return Sweep.of(self._post(f"{path_of('sweep', id)}/cancel"))

    def pause_sweep(self, id: str) -> Sweep:
        """Let no more of its trials begin. Raises ConflictError where it has ended."""
        return Sweep.of(self._post(f"{path_of('sweep', id)}/pause"))

    def resume_sweep(self, id: str) -> Sweep:
        """Let its trials begin again. Raises ConflictError where it has ended."""
        return Sweep.of(self._post(f"{path_of('sweep', id)}/resume"))

    def extend_sweep(self, id: str, samples: int) -> Sweep:
        """Have so many more points tried, also by a sweep that has ended. Raises ConflictError for a grid."""
        return Sweep.of(self._post(f"{path_of('sweep', id)}/extend", json={"samples": samples}))

    def retry_sweep(self, id: str) -> Sweep:
        """Try the failed trials of a sweep that has ended, or waits, again. Raises ConflictError where none has failed."""
        return Sweep.of(self._post(f"{path_of('sweep', id)}/retry"))

    def sweep_figures(self, id: str) -> dict[str, dict[str, Any]]:
        """The figures of a sweep so far, by name, as Plotly JSON."""
        return self._figures(path_of("sweep", id))

    def sweep_importance(self, id: str) -> Importance:
        """How much each axis of a sweep matters."""
        return Importance.of(self._get(f"{path_of('sweep', id)}/importance"))

    def submit_study(
        self, study: Mapping[str, Any], tags: Sequence[str] = (), *, idempotency_key: str | None = None
    ) -> StudySummary:
        """Submit a study: every cell becomes an experiment, all of them or none. Raises SpecError.

        Args:
            study: In plain values; its base is a spec written out.
            tags: Of every experiment.
            idempotency_key: Used before, the same study is found and another one raises ConflictError.
        """
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        return StudySummary.of(self._post("/v1/studies", json={"study": study, "tags": list(tags)}, headers=headers))

    def list_studies(self) -> Iterator[StudySummary]:
        """Every study, newest first; pages are fetched as they are needed."""
        for page in _pages(lambda before: StudyPage.of(self._get("/v1/studies", params=_paging(before)))):
            yield from page.studies

    def get_study(self, id: str) -> Study:
        """A study and what its cells came to."""
        return Study.of(self._get(path_of("study", id)))

    def study_figures(self, id: str) -> dict[str, dict[str, Any]]:
        """A study's figures so far: Plotly JSON by name."""
        return self._figures(path_of("study", id))

    def cancel_study(self, id: str) -> Study:
        """Cancel every experiment of a study that has not ended."""
        return Study.of(self._post(f"{path_of('study', id)}/cancel"))

    def wait(self, id: str, *, timeout_s: float | None = None) -> Experiment:
        """The experiment once it has ended; outlasts a restart of the service.

        Raises:
            NotEndedError: It has not ended within `timeout_s`; it goes on.
            UnreachableError: Nothing answers, or has not for `patience_s`.
        """
        ends_at = None if timeout_s is None else time.monotonic() + timeout_s
        patience = Patience(self._patience_s)
        found = self.get(id)
        while not found.has_ended:
            left_s = None if ends_at is None else ends_at - time.monotonic()
            if left_s is not None and left_s <= 0:
                raise NotEndedError(f"experiment {id} has not ended after {timeout_s:g} s: it is {found.state}")
            patience.pause(left_s)
            try:
                found = self.get(id)
            except UnreachableError:
                if patience.is_over:
                    raise
            else:
                patience.heard()
        return found

    def follow(self, id: str, *, after: int = 0) -> Iterator[Event]:
        """Every event above `after`, as they come, until the experiment has ended; outlasts a restart of the service.

        Raises:
            UnreachableError: Nothing answers, or has not for `patience_s` since the stream broke.
        """
        reached = False
        patience = Patience(self._patience_s)
        while True:
            opened = False
            try:
                for event in self._stream(id, after):
                    opened = reached = True
                    if event is not None:
                        after = event.id
                        yield event
                        if event.kind == "state" and event.data["state"] in ENDED:
                            return
                    patience.start_over()
                if not opened:
                    return
            except UnreachableError:
                if not reached or patience.is_over:
                    raise
            patience.pause()

    def _stream(self, id: str, after: int) -> Iterator[Event | None]:
        """One connection's events; None once it is open. Nothing at all where the service says that nothing is left."""
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": str(after)} if after else {})
        path = f"{path_of('experiment', id)}/events"
        with self._connection.stream(path, headers=headers, silence_s=STREAM_SILENCE_S) as response:
            if response.status_code == httpx.codes.NO_CONTENT:
                return
            yield None
            yield from parse_events(response.iter_lines())

    def _figures(self, path: str) -> dict[str, dict[str, Any]]:
        figures: dict[str, dict[str, Any]] = self._get(f"{path}/figures")["figures"]
        return figures

    def _get(self, path: str, **options: Any) -> Any:
        return self._connection.call("GET", path, **options)

    def _post(self, path: str, **options: Any) -> Any:
        return self._connection.call("POST", path, **options)

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def __enter__(self) -> Self:
        """For `with`."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Close."""
        self.close()


def _plain(spec: Spec) -> Mapping[str, Any]:
    return spec.canonical() if isinstance(spec, ExperimentSpec) else spec


def _given(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Those that say something."""
    return {name: value for name, value in parameters.items() if value}


def _paging(before: str | None) -> dict[str, Any]:
    """Which page of a list is asked for."""
    return _given({"limit": MOST_PER_PAGE, "before": before})


def _pages(fetch: Callable[[str | None], PageT]) -> Iterator[PageT]:
    """Every page, from the newest on; each is fetched when it is needed."""
    before: str | None = None
    while True:
        page = fetch(before)
        yield page
        before = page.next
        if before is None:
            return
