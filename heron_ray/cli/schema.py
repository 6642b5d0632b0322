"""`heron schema`: the reference manual of a spec, for people and editors."""

from __future__ import annotations

import json

import click


@click.command("schema")
@click.option("--study", "of_study", is_flag=True, help="Of a study in place of an experiment.")
@click.option("--json", "_as_json", is_flag=True, help="Accepted for symmetry: a schema is always JSON.")
def command(_as_json: bool, of_study: bool) -> None:
    """Print the JSON Schema of a spec."""
    from heron_ray.spec import ExperimentSpec
    from heron_ray.spec.study import StudySpec

    described = StudySpec if of_study else ExperimentSpec
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **described.model_json_schema()}
    click.echo(json.dumps(schema, indent=2))
