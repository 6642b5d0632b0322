"""What may be imported where: the light rooms stay light, in a process of their own."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
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
        ("import heron_ray.client", {"pydantic", "httpx"}),
        ("import heron_ray.studies, heron_ray.studies.drawing", {"pydantic"}),
        ("import heron_ray.reports", {"pydantic", "httpx"}),
        ("import heron_ray.simulation", {"torch", "pydantic"}),
        ("import heron_ray.edge", {"pydantic"}),
        ("import heron_ray.figures", set()),
        ("import api.store", {"sqlalchemy", "pydantic"}),
        ("import tune_spaces", {"pydantic"}),
        ("import api.routes", {"fastapi", "sqlalchemy", "pydantic", "plotly"}),  # plotly's bare package: where its script lies
    ],
)
def test_a_room_loads_nothing_heavier_than_it_may(statement: str, allowed: set[str]) -> None:
    assert loaded_by(statement) <= allowed


def test_a_run_of_a_small_experiment_loads_nothing_that_it_does_not_use() -> None:
    arguments = ["run", "experiments/digits-heron.yaml", "--set", "rounds=1", "--no-progress"]
    statement = (
        "import contextlib, io\nfrom heron_ray.cli.main import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        f"    main({arguments})"
    )
    program = f"import sys\n{statement}\nprint(*sys.modules)"
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "heron_ray.simulation.profile" in process.stdout.split()
    assert {"ray", "sklearn", "pandas", "sympy", "torch._dynamo", "rich", "httpx", "sqlalchemy", "plotly"} & set(
        process.stdout.split()
    ) == set()
