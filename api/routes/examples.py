"""The example that the API's documentation shows: the digits experiment of `experiments/`, cut to a few rounds."""

from __future__ import annotations

from typing import Any


def example_submission() -> dict[str, Any]:
    """A request body that can be sent as it is."""
    return {"spec": example_spec(), "tags": ["example"]}


def example_spec() -> dict[str, Any]:
    """HERON-SFL on real handwritten digits, over in seconds."""
    return {
        "name": "digits-heron-example",
        "seed": 0,
        "rounds": 20,
        "data": {"kind": "digits"},
        "partition": {"kind": "dirichlet", "alpha": 0.5},
        "model": {"kind": "mlp", "front": [32, 16], "back": [64], "auxiliary": {"kind": "linear"}},
        "clients": {"count": 10, "batch_size": 32, "local_steps": 5},
        "method": {
            "kind": "heron",
            "zeroth_order": {"mu": 0.001, "probes": 8, "direction": "sphere", "difference": "forward"},
            "client_optimizer": {"kind": "sgd", "lr": 0.04},
            "server_optimizer": {"kind": "sgd", "lr": 0.1},
        },
        "aggregation": {"kind": "mean"},
    }
