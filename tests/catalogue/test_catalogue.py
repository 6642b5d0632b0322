"""Nothing can be chosen that is not described: every part has a schema, a docs line, a test, and something behind it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from fastapi.testclient import TestClient

from api.routes import create_app
from api.settings import Settings
from api.store import Store
from heron_ray.catalogue import PATHS, catalogue
from heron_ray.cli.main import main
from heron_ray.data.partition import partition
from heron_ray.data.registry import LOADERS
from heron_ray.federation.registry import ATTACKS, PRE_AGGREGATORS, RULES
from heron_ray.methods.registry import METHODS
from heron_ray.models.registry import BUILDERS
from heron_ray.spec import ExperimentSpec
from heron_ray.spec.fields import section_class, sections_at
from tune_spaces import SPACES

ROOT = Path(__file__).parents[2]
SHELVES = catalogue()
PARTS = [(shelf, part) for shelf, parts in SHELVES.items() for part in parts]
every_part = pytest.mark.parametrize(("shelf", "part"), PARTS, ids=[f"{shelf}-{part.kind}" for shelf, part in PARTS])

# What stands behind each shelf; some partitioners are made of others: each is called in a test of its own.
REGISTRIES = {
    "methods": METHODS,
    "models": BUILDERS,
    "data_sets": LOADERS,
    "rules": RULES,
    "pre_aggregators": PRE_AGGREGATORS,
    "attacks": ATTACKS,
    "spaces": SPACES,
}


def names(text: str, kind: str) -> bool:
    """Whether a text holds `kind` as a word of its own."""
    return re.search(rf"(?<![\w.-]){re.escape(kind)}(?![\w-])", text) is not None


def test_a_kind_counts_as_named_only_where_it_is_a_whole_word():
    assert names("the `mean` rule", "mean")
    assert names("kind: krum,", "krum")
    assert not names("meaningful trimmed_mean", "mean")


@pytest.mark.parametrize("shelf", REGISTRIES)
def test_the_registry_and_the_schema_hold_the_same_parts(shelf):
    assert sorted(REGISTRIES[shelf]) == sorted(part.kind for part in SHELVES[shelf])


@pytest.mark.parametrize("kind", [part.kind for part in SHELVES["partitioners"]])
def test_every_partitioner_divides_samples(kind):
    needed = {
        "dirichlet": {"alpha": 1.0},
        "quantity": {"sizes": {"kind": "linear"}},
        "gamma_similarity": {"gamma": 0.5},
        "mixed": {"parts": [{"share": 0.6, "partition": {"kind": "iid"}}, {"share": 0.4, "partition": {"kind": "extreme"}}]},
        "feature": {"transform": {"kind": "noise"}},
    }
    section = section_class("partition", kind).model_validate_json(json.dumps({"kind": kind, **needed.get(kind, {})}))
    shards = partition(section, np.arange(200) % 4, clients=5, seed=0, makers=np.arange(200) % 7)
    assert len(shards) == 5
    assert sorted(np.concatenate(shards)) == list(range(200))


def test_every_choice_at_the_top_of_a_spec_is_a_shelf():
    chosen = {
        name for name in ExperimentSpec.model_fields if any("kind" in section.model_fields for section in sections_at(name))
    }
    assert chosen == {path for path in PATHS.values() if "." not in path}


@every_part
def test_every_part_has_a_schema_that_is_valid_and_describes_every_field(shelf, part):
    schema = json.loads(json.dumps(part.json_schema))
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["type"] == "object"
    undescribed = [
        name for name, property in schema["properties"].items() if not property.get("description") and "const" not in property
    ]
    assert undescribed == []


@every_part
def test_every_part_is_described_in_one_sentence(shelf, part):
    assert len(part.description) > 10
    assert part.description.endswith((".", "?"))
    assert "\n" not in part.description


@every_part
def test_every_part_is_named_in_the_docs(shelf, part):
    pages = [page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md")]
    assert any(names(page, part.kind) for page in pages), f"name {part.kind} ({shelf}) in a page below docs/"


@every_part
def test_every_part_occurs_in_a_test(shelf, part):
    here = Path(__file__).resolve()
    tests = [file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("*.py") if file.resolve() != here]
    assert any(names(test, part.kind) for test in tests), f"no file below tests/ names {part.kind} ({shelf})"


@pytest.mark.parametrize(("shelf", "part"), [(shelf, part) for shelf, part in PARTS if shelf in PATHS])
def test_the_schema_of_a_part_is_that_of_the_section_with_its_kind(shelf, part):
    section = section_class(PATHS[shelf], part.kind)
    assert set(part.json_schema["properties"]) == set(section.model_fields)
    assert part.json_schema["properties"]["kind"]["const"] == part.kind


@pytest.mark.parametrize("part", SHELVES["spaces"], ids=lambda part: part.kind)
def test_the_schema_of_a_space_admits_the_ends_of_its_axes_and_nothing_beyond(part):
    space = SPACES[part.kind]
    validator = jsonschema.Draft202012Validator(part.json_schema)
    for end in (0, -1):
        trial = {**space.given, **space.present({path: axis.ends[end] for path, axis in space.axes.items()})}
        assert validator.is_valid(trial)
        for path, axis in space.axes.items():
            beyond = axis.low - 1 if hasattr(axis, "low") else "beyond"
            assert not validator.is_valid({**trial, path: beyond})
            assert not validator.is_valid(
                {name: value for name, value in trial.items() if name != path}
                if path in trial
                else {**trial, path: axis.ends[0]}
            )


def test_the_command_line_and_the_api_tell_the_same(capsys, tmp_path):
    with pytest.raises(SystemExit) as ended:
        main(["catalogue", "--json"])
    assert ended.value.code == 0
    told = json.loads(capsys.readouterr().out)
    store = Store.open(f"sqlite:///{tmp_path}/heron.db")
    with TestClient(create_app(Settings(), store), base_url="http://127.0.0.1", client=("127.0.0.1", 1)) as client:
        answer = client.get("/v1/catalogue")
    store.close()
    assert answer.status_code == 200
    assert answer.json() == told
    assert {shelf: [part["kind"] for part in parts] for shelf, parts in told.items()} == {
        shelf: [part.kind for part in parts] for shelf, parts in SHELVES.items()
    }


def test_for_people_the_catalogue_is_one_line_per_part(capsys):
    with pytest.raises(SystemExit):
        main(["catalogue"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(PARTS)
    assert [line for line in lines if line.startswith("methods") and " heron " in line]


def test_the_catalogue_loads_neither_torch_nor_ray():
    program = "import sys, heron_ray.catalogue as c; c.catalogue(); print({'torch', 'ray', 'fastapi'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "set()\n"
