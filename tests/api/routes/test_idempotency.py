from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx

from api.routes.examples import example_submission

REQUESTS = 100


def test_100_equal_submissions_at_once_make_one_experiment(serve, store):
    together = threading.Barrier(REQUESTS)
    limits = httpx.Limits(max_connections=REQUESTS)
    with (
        httpx.Client(base_url=serve(store), trust_env=False, timeout=120, limits=limits) as client,
        ThreadPoolExecutor(REQUESTS) as pool,
    ):

        def submit(_):
            together.wait()
            return client.post("/v1/experiments", json=example_submission(), headers={"Idempotency-Key": "one"})

        answers = list(pool.map(submit, range(REQUESTS)))
    assert sorted(answer.status_code for answer in answers) == [200] * (REQUESTS - 1) + [201]
    (experiment,) = store.list(limit=9)
    assert {answer.json()["id"] for answer in answers} == {experiment.id}
