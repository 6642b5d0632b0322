"""Where the rounds of experiments stand on the axis across of a figure, read from the store."""

from __future__ import annotations

from api.store import Store
from heron_ray.figures import Curve, XAxis, at

SIMULATED_TIME = "simulated_time_s"
BYTES = ("bytes_up", "bytes_down")
NOWHERE = Curve(rounds=(), values=())


def places_of(store: Store, id: str, x: XAxis, *, points: int) -> Curve | None:
    """Where each round stands; None where the rounds are the axis themselves, no point where it is not known.

    Raises:
        NotFoundError: There is no such experiment.
    """
    match x:
        case "round":
            return None
        case "wall_time":
            times = store.curves.wall_times(id, points=points)
            return Curve(rounds=times.rounds, values=times.values)
        case "simulated_time":
            found = store.curves.sample([id], points=points, patterns=[SIMULATED_TIME])[id].get(SIMULATED_TIME)
            return NOWHERE if found is None else Curve(rounds=found.rounds, values=found.values)
        case "bytes":
            sums = store.curves.running_sums(id, BYTES, points=points)
            up, down = (Curve(rounds=sums[n].rounds, values=sums[n].values) if n in sums else NOWHERE for n in BYTES)
            both = [(round, value, at(down, round)) for round, value in zip(up["rounds"], up["values"], strict=True)]
            rounds = [round for round, sent, got in both if sent is not None and got is not None]
            return Curve(rounds=rounds, values=[sent + got for _, sent, got in both if sent is not None and got is not None])
