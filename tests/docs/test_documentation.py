"""What is not documented does not exist: routes, verbs, spec sections, decisions; links in the docs lead somewhere, and the
reference is that of today's code."""

import importlib.util
import re
from pathlib import Path

import pytest
import yaml

from api.routes import create_app
from api.settings import Settings
from api.store import Store
from heron_ray.cli.main import VERBS
from heron_ray.spec import ExperimentSpec, parse_spec

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_documented(verb: str) -> None:
    assert f"heron {verb}" in TEXT


def test_every_route_is_documented(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'heron.db'}")
    try:
        routes = create_app(Settings(), store).openapi()["paths"]
    finally:
        store.close()
    missing = [path for path in routes if path.replace("{experiment_id}", "{id}").replace("{sweep_id}", "{id}") not in TEXT]
    assert missing == []


def test_the_reference_is_up_to_date() -> None:
    script = ROOT / "docs" / "reference" / "generate.py"
    found = importlib.util.spec_from_file_location("generate", script)
    assert found is not None
    assert found.loader is not None
    generate = importlib.util.module_from_spec(found)
    found.loader.exec_module(generate)
    for name, text in generate.pages().items():
        written = (script.parent / name).read_text(encoding="utf-8")
        assert written == text, f"docs/reference/{name} is out of date: make reference"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_the_experiment_in_the_readme_is_valid_and_is_the_shipped_one() -> None:
    block = re.search(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    assert block is not None
    shipped = (ROOT / "experiments" / "digits-heron.yaml").read_text(encoding="utf-8")
    assert parse_spec(yaml.safe_load(block[1])) == parse_spec(yaml.safe_load(shipped))


def test_every_top_level_section_of_a_spec_is_named_in_the_docs() -> None:
    missing = [name for name in ExperimentSpec.model_fields if f"`{name}" not in TEXT and f"{name}:" not in TEXT]
    assert missing == []
