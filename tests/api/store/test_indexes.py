"""No page and no list reads more of a large database than it shows: what the database itself says of its plans."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest
from sqlalchemy import event, text

from api.domain.listing import KEYS, Filters, Order, Place
from api.domain.states import State
from api.store.engine import open_engine, writer

EXPERIMENTS = 3000
SWEEP, EXPERIMENT = "s10000007", "e10000007"
LONG_EXPERIMENT = "e10000009"
DAY, FAR_DAY = datetime(2020, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
ORDERS = [sign + key for key in KEYS if key != "created" for sign in ("", "-")]
VALUES = {"created": None, "updated": DAY, "-updated": FAR_DAY, "name": "filler", "state": "RUNNING"}


def at(order):
    """In the middle of a list."""
    key = order.removeprefix("-")
    return Place(order=Order.parse(order), value=VALUES.get(order, VALUES.get(key, 0.5)), number=1500)


def page(store, order="-created", after=None, **filters):
    return store.lists.page(Filters(**filters), Order.parse(order), limit=50, after=after)[0]


# Most have ended, few wait, and of the tags one is everywhere and one is rare: as in a service that has run for long.
FILL = f"""
CREATE TEMPORARY TABLE n AS WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {EXPERIMENTS})
  SELECT n, CAST(10000000 + n AS TEXT) AS id FROM n;
INSERT INTO sweep (number, id, name, base, sweep, proposals, state, token, created_at, updated_at)
  SELECT n, 's' || id, 'sweep', '{{}}', '{{}}', '[{{}}, {{}}]', 'SUCCEEDED', 1, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP FROM n;
UPDATE sweep SET state = 'RUNNING' WHERE number % 300 = 1;
INSERT INTO experiment (number, id, name, spec, spec_hash, trajectory_hash, state, round, rounds, created_at, updated_at,
    attempts, events, sweep_id, trial, archived_at, test_accuracy, validation_accuracy, auxiliary_accuracy)
  SELECT n, 'e' || id, 'filler', '{{"filler": "{"x" * 300}"}}', id, id,
    CASE n % 300 WHEN 0 THEN 'QUEUED' WHEN 1 THEN 'RUNNING' WHEN 2 THEN 'FAILED' ELSE 'SUCCEEDED' END,
    1, 1, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, 1, 3,
    's' || CAST(10000001 + n / 2 AS TEXT), n % 2 + 1, CASE n % 100 WHEN 5 THEN CURRENT_TIMESTAMP END,
    CASE WHEN n % 300 > 2 THEN n / 3000.0 END, CASE WHEN n % 300 > 2 THEN n / 3000.0 END,
    CASE WHEN n % 300 > 2 THEN n / 3000.0 END FROM n;
INSERT INTO experiment_tag (experiment, tag, position) SELECT n, 'everywhere', 0 FROM n;
INSERT INTO experiment_tag (experiment, tag, position) SELECT n, 'rare', 1 FROM n WHERE n % 100 = 0;
INSERT INTO attempt (id, experiment, number, token, owner, lease_expires_at, started_at, ended_at)
  SELECT n, n, 1, 1, 'me', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP,
    CASE n % 300 WHEN 1 THEN NULL ELSE CURRENT_TIMESTAMP END FROM n;
INSERT INTO event (experiment, id, kind, key, data, created_at)
  SELECT n, i, 'round_finished', 'round_finished:' || i, '{{}}', CURRENT_TIMESTAMP
  FROM n CROSS JOIN (SELECT 1 AS i UNION SELECT 2 UNION SELECT 3) AS i;
INSERT INTO point (experiment, series, round, value)
  SELECT n, series, i, 0.5 FROM n CROSS JOIN (SELECT 1 AS i UNION SELECT 2) AS i
  CROSS JOIN (SELECT 'loss' AS series UNION SELECT 'validation_accuracy') AS s;
INSERT INTO point (experiment, series, round, value) SELECT 9, 'loss', 2 * n + 10, n % 97 FROM n;
INSERT INTO artifact (experiment, name, kind, size_bytes, sha256, created_at)
  SELECT n, name, 'model', 1, 'x', CURRENT_TIMESTAMP FROM n CROSS JOIN (SELECT 'a' AS name UNION SELECT 'b') AS names;
UPDATE experiment SET forked_from = 'e10000001', forked_round = 1 WHERE number % 30 = 0;
DROP TABLE n
"""

QUESTIONS = {
    "activity": lambda store: store.activity(),
    "list": lambda store: page(store),
    "list, next page": lambda store: page(store, after=at("-created")),
    "list, oldest first": lambda store: page(store, "created", at("created")),
    "list by id": lambda store: page(store, after=EXPERIMENT),
    "list of a common state": lambda store: page(store, after=at("-created"), states=(State.SUCCEEDED,)),
    "list of a rare state": lambda store: page(store, after=at("-created"), states=(State.FAILED,)),
    "list of several states": lambda store: page(store, after=at("-created"), states=(State.QUEUED, State.FAILED)),
    "list of a common tag": lambda store: page(store, after=at("-created"), tags=("everywhere",)),
    "list of a rare tag": lambda store: page(store, tags=("rare",)),
    "list of two tags": lambda store: page(store, tags=("rare", "everywhere")),
    "list of a tag and a state": lambda store: page(store, tags=("everywhere",), states=(State.SUCCEEDED,)),
    "list of what is not archived": lambda store: page(store, after=at("-created"), archived=False),
    "list of the archive": lambda store: page(store, archived=True),
    "list of a day": lambda store: page(store, states=(State.SUCCEEDED,), created_after=DAY),
    **{f"list by {key}": (lambda store, key=key: page(store, key)) for key in ORDERS},
    **{f"list by {key}, next page": (lambda store, key=key: page(store, key, at(key))) for key in ORDERS},
    **{f"list of a state by {key}": (lambda store, key=key: page(store, key, states=(State.FAILED,))) for key in ORDERS},
    "series' names": lambda store: store.lists.compared([EXPERIMENT]),
    "show": lambda store: [store.get(EXPERIMENT), *store.attempts(EXPERIMENT)],
    "series": lambda store: store.series(EXPERIMENT),
    "curves": lambda store: store.curves.sample([EXPERIMENT, "e10000008"], points=10),
    "thinned curves": lambda store: store.curves.sample([LONG_EXPERIMENT], points=10),
    "running sums": lambda store: store.curves.running_sums(LONG_EXPERIMENT, ["loss"], points=10),
    "points counted": lambda store: [store.curves.count(EXPERIMENT, up_to=100)],
    "pages of points": lambda store: list(store.curves.pages(EXPERIMENT)),
    "events": lambda store: store.events(EXPERIMENT, after=1, limit=200),
    "a follower's look": lambda store: store.position(EXPERIMENT),
    "the service's own list": lambda store: store.list(limit=50),
    "the dispatcher's look": lambda store: store.list(limit=100, states=[State.CANCELLING]),
    "living attempts": lambda store: store.live_attempts(),
    "lapsed attempts": lambda store: store.lapsed_attempts(),
    "is it still held": lambda store: [store.require_held(1, 1)],
    "the queue": lambda store: store.queued(limit=20),
    "who is ahead": lambda store: store.ahead("e10002700", most=1000),
    "lapsed sweeps": lambda store: store.sweeps.lapsed(),
    "artifacts": lambda store: store.artifacts.of(EXPERIMENT),
    "an artifact": lambda store: store.artifacts.find(EXPERIMENT, "b"),
    "folders of no experiment": lambda store: store.artifacts.unknown([EXPERIMENT, "e9"]),
    "parents of unfinished forks": lambda store: store.artifacts.parents_of_unfinished(),
    "sweeps": lambda store: store.sweeps.list(limit=50),
    "sweeps, next page": lambda store: store.sweeps.list(limit=50, before=SWEEP),
    "a sweep and its trials": lambda store: [store.sweeps.get(SWEEP), *store.sweeps.trials(SWEEP)],
}
# These walk the whole of an index that holds what they ask for, from its end.
WALKS = {
    "list",
    "list by id",
    "list, oldest first",
    "list, next page",
    "list of what is not archived",
    "list of the archive",
    "the service's own list",
    "sweeps",
}
# It reads the whole of one curve, so sorts of that curve's own rows are to be expected; a scan of the table is not.
SORTS_ONE_CURVE = {"thinned curves"}


@pytest.fixture
def full_store(store, database_url):
    engine = open_engine(database_url)
    with writer(engine).begin() as connection:
        for statement in FILL.split(";"):
            connection.execute(text(statement.replace(":", "\\:")))
    with engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))
    engine.dispose()
    return store


def statements_of(store, question):
    """Every SELECT, with its parameters, that a question comes to."""
    found = []

    def note(connection, cursor, statement, parameters, context, executemany):
        found.append((statement, parameters))

    event.listen(store._engine, "before_cursor_execute", note)
    question(store)
    event.remove(store._engine, "before_cursor_execute", note)
    return [(statement, parameters) for statement, parameters in found if re.search(r"^SELECT.*\sFROM\s", statement, re.DOTALL)]


def faults_of_sqlite(connection, statement, parameters, *, walks):
    plan = [(row[1], row[3]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
    scanned = [
        step for _, step in plan if re.match(r"SCAN (experiment|experiment_tag|attempt|event|point|artifact|sweep)\b", step)
    ]
    # What a limited walk has already cut to one page may be sorted; SQLAlchemy names such subqueries anon_1, anon_2, ...
    cut = {parent for parent, step in plan if step.startswith("SCAN anon_")}
    large = [step for parent, step in plan if "TEMP B-TREE" in step and parent not in cut and "LIMIT" in statement]
    return large + ([] if walks else scanned)


def faults_of_postgresql(connection, statement, parameters, *, walks):
    found = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters).scalar_one()
    nodes = [(found if isinstance(found, list) else json.loads(found))[0]["Plan"]]
    for node in nodes:
        nodes += node.get("Plans", [])
    scanned = [f"Seq Scan on {node['Relation Name']}" for node in nodes if node["Node Type"] == "Seq Scan"]
    # A sort of one page is harmless; here it would be one of all that match.
    large = [node for node in nodes if node["Node Type"] in ("Sort", "Incremental Sort") and node["Plan Rows"] > 200]
    return scanned + [f"Sort of {node['Plan Rows']} rows" for node in large if "LIMIT" in statement]


@pytest.fixture
def all_plans(full_store):
    """Faults by question."""
    faults_of = faults_of_sqlite if full_store._engine.dialect.name == "sqlite" else faults_of_postgresql
    found = {}
    for name, question in QUESTIONS.items():
        asked = statements_of(full_store, question)
        assert asked, name
        with full_store._engine.connect() as connection:
            for statement, parameters in asked:
                faults = faults_of(connection, statement, parameters, walks=name in WALKS)
                if name in SORTS_ONE_CURVE:
                    faults = [fault for fault in faults if not fault.startswith(("Sort of", "USE TEMP B-TREE"))]
                if faults:
                    found.setdefault(name, []).append((faults, statement))
    return found


def test_every_question_of_a_page_is_answered_by_walking_an_index(all_plans):
    assert all_plans == {}


def test_postgresql_reads_curves_in_the_index_alone(full_store):
    if full_store._engine.dialect.name == "sqlite":
        pytest.skip("SQLite keeps the rows of points in the index itself")
    with full_store._engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM point"))
        for statement, parameters in statements_of(full_store, QUESTIONS["thinned curves"]):
            plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars())
            assert "point_pkey" not in plan or ("Index Only Scan" in plan and "Heap Scan" not in plan), plan


def test_a_plan_that_reads_a_whole_table_would_be_noticed(full_store):
    engine = full_store._engine
    faults_of = faults_of_sqlite if engine.dialect.name == "sqlite" else faults_of_postgresql
    statement = "SELECT number FROM experiment WHERE message = 'x' ORDER BY round LIMIT 5"
    with engine.connect() as connection:
        assert faults_of(connection, statement, (), walks=False)


def test_the_questions_have_the_answers_that_they_were_asked_for(full_store):
    """A plan for something that finds nothing would prove nothing."""
    empty = {name for name, question in QUESTIONS.items() if not question(full_store)}
    assert empty == {"the dispatcher's look"}
