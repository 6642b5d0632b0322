"""The trajectory digest: one number that two runs share only if they did the same, bit for bit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from heron_ray.simulation.messages import OWN
from heron_ray.vectors import Float32Array


class TrajectoryDigest:
    """A hash chain over every round's metrics, closed by the final parameters' bytes.

    A chain, because its present value is all that a checkpoint must keep.
    """

    def __init__(self, link: str = "") -> None:
        """Start anew, or continue from an earlier `link`."""
        self.link = link

    def add_round(self, round: int, metrics: Mapping[str, float]) -> None:
        """Append one round."""
        text = json.dumps({"round": round, "metrics": dict(metrics)}, sort_keys=True, separators=(",", ":"))
        self.link = hashlib.sha256(f"{self.link}\n{text}".encode()).hexdigest()

    def close(self, parameters: Mapping[str, Float32Array]) -> str:
        """The digest of the whole trajectory, as 64 hexadecimal digits; the chain itself goes on unchanged."""
        closing = hashlib.sha256(self.link.encode())
        for name, vector in sorted(parameters.items()):
            closing.update(name.encode())
            closing.update(vector.astype("<f4").tobytes())
        return closing.hexdigest()


def final_parameters(vectors: Mapping[str, Float32Array]) -> dict[str, Float32Array]:
    """Of a run's vectors by role and name, those that close its digest: the model's and clients' own parts."""
    return {
        name: vector
        for name, vector in vectors.items()
        if name in ("federation/client", "server/back") or name.endswith(f".{OWN}")
    }
