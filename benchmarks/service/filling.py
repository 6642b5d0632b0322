"""A database as a service has it after years: many short experiments, a few long ones, written in bulk.

Half of the points lie in short curves (two series of 40 rounds), the other half in 25 long experiments of ten series
each. The database itself makes the rows.
"""

from __future__ import annotations

import json

from sqlalchemy import create_engine, text

from api.routes.examples import example_spec
from heron_ray.spec import parse_spec

LONG = 25
LONG_SERIES = 10
SHORT_ROUNDS = 40

NUMBERS = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {count})"


def fill(database: str, *, experiments: int, points: int) -> None:
    """Fill an empty, migrated database.

    Args:
        database: Its URL.
        experiments: How many; at least `LONG` more than none.
        points: How many points in all.
    """
    short = min(experiments, points // 2 // (2 * SHORT_ROUNDS))
    long_rounds = (points - short * 2 * SHORT_ROUNDS) // (LONG * LONG_SERIES)
    spec = parse_spec(example_spec())
    statements = [
        f"""INSERT INTO experiment (number, id, name, spec, spec_hash, trajectory_hash, state, round, rounds, created_at,
              updated_at, attempts, events, revision)
            {NUMBERS.format(count=experiments)}
            SELECT n, 'e' || CAST(10000000 + n AS TEXT), 'filler', CAST(:spec AS JSON), '{spec.spec_hash()}',
              '{spec.trajectory_hash()}', CASE n % 300 WHEN 0 THEN 'FAILED' ELSE 'SUCCEEDED' END, 1, 1,
              CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, 1, {SHORT_ROUNDS}, 1 FROM n""",
        f"""INSERT INTO experiment_tag (experiment, tag, position)
            {NUMBERS.format(count=experiments)} SELECT n, 'everywhere', 0 FROM n""",
        f"""INSERT INTO attempt (id, experiment, number, token, owner, lease_expires_at, started_at, ended_at)
            {NUMBERS.format(count=experiments)}
            SELECT n, n, 1, 1, 'me', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP FROM n""",
        f"""INSERT INTO event (experiment, id, kind, key, data, created_at)
            {NUMBERS.format(count=SHORT_ROUNDS)}
            SELECT e.number, n.n, 'round_finished', 'round_finished:' || n.n, CAST(:data AS JSON), CURRENT_TIMESTAMP
            FROM experiment e, n WHERE e.number % 10 = 0""",
        f"""INSERT INTO point (experiment, series, round, value)
            {NUMBERS.format(count=SHORT_ROUNDS)}
            SELECT e.number, s.series, n.n, n.n * 0.37 FROM experiment e,
              (SELECT 'loss' AS series UNION ALL SELECT 'validation_accuracy') s, n WHERE e.number <= {short}""",
        f"""INSERT INTO point (experiment, series, round, value)
            {NUMBERS.format(count=long_rounds)}
            SELECT e.number, 'series_' || s.number, n.n + {SHORT_ROUNDS}, (n.n * 7919 % 10007) * 0.37 FROM experiment e,
              (SELECT number FROM experiment WHERE number <= {LONG_SERIES}) s, n WHERE e.number <= {LONG}""",
    ]
    engine = create_engine(database.replace("postgresql://", "postgresql+psycopg://"))
    sqlite = engine.dialect.name == "sqlite"
    parameters = {"spec": json.dumps(spec.canonical()), "data": json.dumps({"round": 1, "metrics": {"loss": 0.5}})}
    with engine.begin() as connection:
        for statement in statements:
            # SQLite keeps JSON as text, and its CAST would make a number of it.
            connection.execute(
                text(statement.replace("AS JSON", "AS TEXT") if sqlite else statement), _named(statement, parameters)
            )
    with engine.connect() as connection:
        # What PostgreSQL does by itself as rows come, it has not had the time to do.
        upkeep = "ANALYZE" if sqlite else "VACUUM ANALYZE"
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text(upkeep))
    engine.dispose()


def _named(statement: str, parameters: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in parameters.items() if f":{name}" in statement}
