"""`Estimates`: what queued experiments need, where they do not declare it; made by an idle driver, which has torch loaded."""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from typing import Any

import ray
from ray.exceptions import RayTaskError

from api.dispatcher.handle import Driver
from api.domain.admission import declared
from api.domain.records import ExperimentRecord
from heron_ray.errors import ExhaustedMemoryError, LostActorError
from heron_ray.spec.fields import without_fields

LOG = logging.getLogger(__name__)

NAMES = ("cpus", "gpus", "memory_bytes")
KEPT = 1000
# Nothing of these changes how many bytes anybody holds, so the trials of a sweep over them share one estimate.
WITHOUT_SIZE = frozenset({"name", "seed", "rounds", "partition", "evaluation", "stop"})
# Of an attack these decide whether the federation server keeps all updates of a round for it.
OF_ATTACK = frozenset({"kind", "path"})
RATES = frozenset({"lr", "weight_decay", "beta1", "beta2", "epsilon", "mu"})


class Estimates:
    """Remembers the estimates of the last thousand kinds of experiments: of specs that differ in what is held."""

    def __init__(self) -> None:
        """Nothing is known."""
        self._known: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._asked: tuple[str, Driver, ray.ObjectRef] | None = None

    def of(self, experiment: ExperimentRecord) -> dict[str, Any] | None:
        """What it needs: what it declares, and for the rest the estimate, whose names are in `estimated`.

        None while there is no estimate; `make` gets one.
        """
        given = declared(experiment.resources)
        missing = [name for name in NAMES if name not in given]
        if not missing:
            return given
        known = self._known.get(_key(experiment))
        if known is None:
            return None
        more = [*missing, *(name for name in known if name not in NAMES)]
        return {**given, **{name: known[name] for name in more}, "estimated": more}

    def make(self, driver: Driver, experiment: ExperimentRecord) -> None:
        """Have a driver estimate what an experiment needs, or look whether it has; does not wait for it.

        Raises:
            LostActorError, ExhaustedMemoryError: The driver is gone, so it is idle no more; another makes the estimate.
        """
        key = _key(experiment)
        if self._asked is None or self._asked[0] != key:
            self._asked = (key, driver, driver.ask_footprint(experiment.spec))
        _, asked, reference = self._asked
        try:
            answer = asked.answer(reference)
        except RayTaskError as error:
            # The run itself will say better what is wrong with the spec.
            LOG.warning("experiment %s cannot be estimated: %s", experiment.id, " ".join(str(error).split())[:300])
            answer = {"cpus": 1.0, "gpus": 0.0, "memory_bytes": 0}
        except (LostActorError, ExhaustedMemoryError) as error:
            self._asked = None
            if asked is driver:
                raise
            LOG.warning("the driver that was estimating experiment %s is gone: %s", experiment.id, error)
            return
        if answer is not None:
            self._known[key], self._asked = answer, None
            if len(self._known) > KEPT:
                self._known.popitem(last=False)


def _key(experiment: ExperimentRecord) -> str:
    """What the estimate depends on, and perhaps a little more."""
    spec = {name: value for name, value in experiment.spec.items() if name not in WITHOUT_SIZE}
    if spec.get("attack") is not None:
        spec["attack"] = {name: value for name, value in spec["attack"].items() if name in OF_ATTACK}
    return json.dumps(without_fields(spec, RATES), sort_keys=True)
