"""What may be imported where: the light rooms stay light, in a process of their own."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "ray", "fastapi", "sqlalchemy", "pydantic", "httpx", "plotly", "sklearn", "transformers"}


def loaded_by(statement: str) -> set[str]:
    program = f"import sys\n{statement}\nprint(*sys.modules)"
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return {name for name in process.stdout.split() if name in HEAVY}


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ("import heron_ray.errors", set()),
        ("import heron_ray.spec", {"pydantic"}),
        ("import heron_ray.simulation", {"torch", "pydantic"}),
        ("import heron_ray.figures", set()),
        ("import api.store", {"sqlalchemy", "pydantic"}),
        ("import tune_spaces", {"pydantic"}),
        ("import api.routes", {"fastapi", "sqlalchemy", "pydantic", "plotly"}),  # plotly's bare package: where its script lies
    ],
)
def test_a_room_loads_nothing_heavier_than_it_may(statement: str, allowed: set[str]) -> None:
    assert loaded_by(statement) <= allowed
