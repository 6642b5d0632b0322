"""Typed results: named as on the wire, and as they came underneath."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import httpx
import pytest
from pydantic import BaseModel, ValidationError

from api.domain.states import TERMINAL
from api.routes import artifacts_wire, cluster_wire, experiments_wire, policy_wire, studies_wire, sweeps_wire, wire
from api.routes import catalogue as catalogue_routes
from heron_ray import client as documents
from heron_ray.catalogue import catalogue
from heron_ray.client import ENDED, Client, Document, Experiment, ExperimentSummary
from heron_ray.errors import ConflictError, NotEndedError, NotFoundError, ServiceError, UnreachableError
from heron_ray.spec import parse_spec
from tests.cli.conftest import RESULT, SPEC

# Where the client's name for it is another one than the service's.
WIRE: dict[type[Document], type[BaseModel]] = {
    documents.Experiment: wire.ExperimentDetail,
    documents.Part: catalogue_routes.CataloguePart,
    documents.Sweep: sweeps_wire.SweepDetail,
    **{
        getattr(documents, name): getattr(wire, name)
        for name in ("Attempt", "Curve", "Event", "EventPage", "ExperimentPage", "ExperimentSummary")
    },
    **{getattr(documents, name): getattr(wire, name) for name in ("Health", "Progress", "Submitted")},
    **{getattr(documents, name): getattr(experiments_wire, name) for name in ("Comparison", "Outcome")},
    **{getattr(documents, name): getattr(artifacts_wire, name) for name in ("Artifact", "LogPage")},
    documents.Standing: policy_wire.Standing,
    **{getattr(documents, name): getattr(cluster_wire, name) for name in ("Capacity", "Cluster", "ClusterNode", "Dispatcher")},
    **{getattr(documents, name): getattr(cluster_wire, name) for name in ("Queue", "QueuedExperiment", "RunningExperiment")},
    documents.Study: studies_wire.StudyDetail,
    **{getattr(documents, name): getattr(studies_wire, name) for name in ("StudyCell", "StudyPage", "StudySummary")},
    **{getattr(documents, name): getattr(sweeps_wire, name) for name in ("SubmittedSweep", "SweepPage", "SweepSummary")},
    **{
        getattr(documents, name): getattr(sweeps_wire, name) for name in ("Importance", "ObjectiveImportance", "Point", "Trial")
    },
}


@pytest.fixture
def client(service):
    with Client(service.url) as opened:
        yield opened


@pytest.mark.parametrize("document", WIRE, ids=lambda document: document.__name__)
def test_a_document_has_every_field_that_the_service_sends(document) -> None:
    assert set(document.model_fields) == set(WIRE[document].model_fields)


def test_no_document_is_left_out_of_the_comparison() -> None:
    exported = [getattr(documents, name) for name in documents.__all__]
    kinds = {kind for kind in exported if isinstance(kind, type) and issubclass(kind, Document)} - {Document}
    assert kinds == set(WIRE)


def test_the_client_knows_which_states_are_ends() -> None:
    assert {str(state) for state in TERMINAL} == ENDED


def test_an_experiment_is_typed_and_underneath_as_it_came(client, service, store, dispatcher) -> None:
    id = client.submit(parse_spec(SPEC), ["a", "b"]).id
    attempt = dispatcher.claim()
    dispatcher.finish_round(attempt, 1, 3)
    dispatcher.succeed(attempt)
    found = client.get(id)
    assert isinstance(found, Experiment)
    assert (found.state, found.has_ended, found.tags, found.progress.rounds) == ("SUCCEEDED", True, ("a", "b"), 3)
    assert found.attempts[0].exit_reason == "succeeded"
    assert isinstance(found.created_at, datetime)
    assert found.created_at.tzinfo is not None
    assert found.result == RESULT
    assert found.raw == httpx.get(f"{service.url}/v1/experiments/{id}").json()
    assert client.series(id)["test_accuracy"].values == (0.1,)


def test_a_document_cannot_be_changed(client) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        client.health().status = "down"


def test_fields_of_a_newer_service_are_passed_over_and_kept_underneath() -> None:
    document = {"id": "one", "state": "PAUSED", "spec_hash": "s", "mood": "good"}
    submitted = documents.Submitted.of(document)
    assert (submitted.state, submitted.raw) == ("PAUSED", document)
    assert not hasattr(submitted, "mood")


def test_an_answer_that_lacks_a_field_is_named() -> None:
    with pytest.raises(ServiceError, match=r"Submitted, spec_hash: Field required"):
        documents.Submitted.of({"id": "one", "state": "QUEUED"})


def test_the_list_goes_over_every_page_and_takes_no_more_than_is_asked_for(client, store) -> None:
    ids = [store.submit(parse_spec(SPEC), ["mine"]).id for _ in range(203)]
    store.submit(parse_spec(SPEC))
    listed = list(client.list(tags=["mine"], states=["QUEUED"]))
    assert [experiment.id for experiment in listed] == ids[::-1]
    assert all(isinstance(experiment, ExperimentSummary) for experiment in listed)
    assert [experiment.id for experiment in itertools.islice(client.list(tags=["mine"]), 2)] == ids[:-3:-1]


def test_waiting_ends_with_the_experiment_and_outlasts_a_restart(client, service, store, dispatcher) -> None:
    id = client.submit(SPEC).id
    attempt = dispatcher.claim()
    get, asked = client.get, itertools.count()

    def get_and_meddle(wanted: str) -> Experiment:
        step = next(asked)
        if step == 1:
            service.stop()
        if step == 2:
            service.start()
            dispatcher.succeed(attempt)
        return get(wanted)

    client.get = get_and_meddle
    assert client.wait(id).state == "SUCCEEDED"


def test_waiting_gives_up_in_time_and_the_experiment_goes_on(client) -> None:
    id = client.submit(SPEC).id
    with pytest.raises(NotEndedError, match=rf"{id} has not ended after 0.05 s: it is QUEUED"):
        client.wait(id, timeout_s=0.05)
    assert client.get(id).state == "QUEUED"


def test_waiting_for_what_is_not_there_or_for_a_service_that_stays_away_is_an_error(service) -> None:
    with Client(service.url, patience_s=0.2) as client:
        with pytest.raises(NotFoundError):
            client.wait("0123abcd")
        id = client.submit(SPEC).id
        get = client.get
        client.get = lambda wanted: (get(wanted), service.stop())[0] if service._thread.is_alive() else get(wanted)
        with pytest.raises(UnreachableError):
            client.wait(id)
        service.start()


def test_events_are_paged_by_their_numbers(client, store) -> None:
    id = client.submit(SPEC).id
    client.cancel(id)
    page = client.events(id, limit=1)
    assert ([event.data["state"] for event in page.events], page.next) == (["QUEUED"], 1)
    (event,) = client.events(id, after=page.next).events
    assert event.data["state"] == "CANCELLED"
    assert event.created_at is not None
    assert event.created_at <= datetime.now(UTC)


def test_an_ended_experiment_can_be_retried_and_deleted(client) -> None:
    id = client.submit(SPEC).id
    with pytest.raises(ConflictError):
        client.delete(id)
    client.cancel(id)
    again = client.retry(id)
    assert client.get(again.id).retried_from == id
    client.delete(id)
    with pytest.raises(NotFoundError):
        client.get(id)


def test_a_submission_under_a_used_key_finds_its_experiment(client) -> None:
    assert client.submit(SPEC, idempotency_key="k").id == client.submit(SPEC, idempotency_key="k").id


def test_the_catalogue_comes_with_types(client) -> None:
    shelves = client.catalogue()
    assert {shelf: [part.kind for part in parts] for shelf, parts in shelves.items()} == {
        shelf: [part.kind for part in parts] for shelf, parts in catalogue().items()
    }


def test_a_study_is_submitted_found_drawn_and_cancelled(client) -> None:
    axes = {name: {"kind": "path", "path": f"clients.{name}", "values": [1, 2]} for name in ("batch_size", "local_steps")}
    figures = [{"kind": "bands", "x": "batch_size", "lines": "local_steps"}]
    id = client.submit_study({"base": SPEC, "axes": axes, "figures": figures}, ["mine"]).id
    assert [study.id for study in client.list_studies()] == [id]
    found = client.get_study(id)
    assert (found.cells, found.states, found.has_ended) == (4, {"QUEUED": 4}, False)
    assert client.get(found.results[0].experiment_id).tags == ("mine",)
    assert list(client.study_figures(id)) == ["1: bands"]
    assert client.cancel_study(id).has_ended
    with pytest.raises(NotFoundError, match="no study"):
        client.get_study("../experiments")


def test_a_sweep_is_submitted_found_and_cancelled(client) -> None:
    id = client.submit_sweep(SPEC, "mu", samples=3, search="grid").id
    assert [sweep.id for sweep in client.list_sweeps()] == [id]
    found = client.get_sweep(id)
    assert (found.samples, found.search, found.space, found.has_ended) == (3, "grid", "mu", False)
    assert client.cancel_sweep(id).has_ended
    with pytest.raises(NotFoundError, match="no sweep"):
        client.get_sweep("../experiments")
