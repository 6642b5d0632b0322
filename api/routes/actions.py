"""The route that does one thing to many experiments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Body, Request, status

from api.domain.access import Scope
from api.domain.keys import KeyRecord
from api.domain.policy import Policy
from api.routes.experiments import CallerKeyParameter, PolicyParameter, StoreParameter
from api.routes.experiments_wire import Action, Actions, Outcome, Outcomes, example_actions
from api.routes.problems import Issue, problem, refusals
from api.store import Store
from heron_ray.errors import ConflictError, HeronError, NotFoundError, PolicyError, SpecError, SpecIssue
from heron_ray.spec import parse_spec

router = APIRouter(prefix="/v1/experiments/actions", tags=["experiments"], responses=refusals(400, 413, 415, 422))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Actor:
    """Who asks, and what is asked of."""

    request: Request
    store: Store
    policy: Policy
    key: KeyRecord | None

    def outcome(self, action: Action, id: str) -> Outcome:
        """Do it to one experiment, or say why not."""
        try:
            return self._do(action, id)
        except NotFoundError as error:
            return self._refused(id, status.HTTP_404_NOT_FOUND, error)
        except ConflictError as error:
            return self._refused(id, status.HTTP_409_CONFLICT, error)
        except SpecError as error:
            return self._refused(id, status.HTTP_422_UNPROCESSABLE_CONTENT, error, error.issues)
        except PolicyError as error:
            return self._refused(id, status.HTTP_403_FORBIDDEN, error, error.issues)

    def _refused(self, id: str, code: int, error: HeronError, issues: Sequence[SpecIssue] | None = None) -> Outcome:
        told = None if issues is None else [Issue(path=i.path, message=i.message, suggestion=i.suggestion) for i in issues]
        refusal = problem(self.request, code, error.code, error.message, hint=error.hint, issues=told)
        return Outcome(id=id, status=code, problem=refusal)

    def _do(self, action: Action, id: str) -> Outcome:
        match action:
            case "cancel":
                return Outcome(id=id, status=status.HTTP_200_OK, state=self.store.request_cancel(id).state)
            case "retry":
                self.policy.require(parse_spec(self.store.get(id).spec))
                record, _ = self.store.retry(id, submitted_by=None if self.key is None else self.key.id)
                return Outcome(id=id, status=status.HTTP_201_CREATED, state=record.state, retried_as=record.id)
            case "delete":
                self.store.delete(id)
                return Outcome(id=id, status=status.HTTP_204_NO_CONTENT)
        record = self.store.edits.edit(id, archived=action == "archive")
        return Outcome(id=id, status=status.HTTP_200_OK, state=record.state)


@router.post("")
def act_on_experiments(
    actions: Annotated[Actions, Body(examples=[example_actions()])],
    request: Request,
    store: StoreParameter,
    policy: PolicyParameter,
    key: CallerKeyParameter,
) -> Outcomes:
    """Cancel, retry, archive, unarchive or delete many. Each is done by itself: what one is refused stops no other."""
    if actions.action == "delete" and key is not None:
        key.require(Scope.ADMIN)
    actor = _Actor(request=request, store=store, policy=policy, key=key)
    return Outcomes(outcomes=[actor.outcome(actions.action, id) for id in dict.fromkeys(actions.ids)])
