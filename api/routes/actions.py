"""The route that does one thing to many experiments."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, status

from api.routes.experiments import StoreParameter
from api.routes.experiments_wire import Action, Actions, Outcome, Outcomes, example_actions
from api.routes.problems import Issue, problem, refusals
from api.store import Store
from heron_ray.errors import ConflictError, NotFoundError, SpecError

router = APIRouter(prefix="/v1/experiments/actions", tags=["experiments"], responses=refusals(400, 413, 415, 422))


@router.post("")
def act_on_experiments(actions: Annotated[Actions, Body(examples=[example_actions()])], store: StoreParameter) -> Outcomes:
    """Cancel, retry, archive, unarchive or delete many. Each is done by itself: what one is refused stops no other."""
    return Outcomes(outcomes=[_outcome(store, actions.action, id) for id in dict.fromkeys(actions.ids)])


def _outcome(store: Store, action: Action, id: str) -> Outcome:
    try:
        return _do(store, action, id)
    except (NotFoundError, ConflictError) as error:
        code = status.HTTP_404_NOT_FOUND if isinstance(error, NotFoundError) else status.HTTP_409_CONFLICT
        return Outcome(id=id, status=code, problem=problem(code, error.code, error.message, hint=error.hint))
    except SpecError as error:
        code = status.HTTP_422_UNPROCESSABLE_CONTENT
        issues = [Issue(path=issue.path, message=issue.message, suggestion=issue.suggestion) for issue in error.issues]
        return Outcome(id=id, status=code, problem=problem(code, error.code, error.message, hint=error.hint, issues=issues))


def _do(store: Store, action: Action, id: str) -> Outcome:
    match action:
        case "cancel":
            return Outcome(id=id, status=status.HTTP_200_OK, state=store.request_cancel(id).state)
        case "retry":
            record, _ = store.retry(id)
            return Outcome(id=id, status=status.HTTP_201_CREATED, state=record.state, retried_as=record.id)
        case "delete":
            store.delete(id)
            return Outcome(id=id, status=status.HTTP_204_NO_CONTENT)
    record = store.edits.edit(id, archived=action == "archive")
    return Outcome(id=id, status=status.HTTP_200_OK, state=record.state)
