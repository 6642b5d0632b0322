"""One Idempotency-Key, a hundred clients at the same moment, two API processes' worth of connections: one experiment."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from api.routes.examples import example_submission
from api.store import Store

CLIENTS = 100


@pytest.fixture
def other_store(store, database_url):
    opened = Store.open(database_url)
    yield opened
    opened.close()


def test_the_same_submission_a_hundred_times_at_once_is_one_experiment(serve, store, other_store):
    urls = [serve(store), serve(other_store)]
    barrier = threading.Barrier(CLIENTS)
    limits = httpx.Limits(max_connections=CLIENTS)
    with httpx.Client(trust_env=False, timeout=120, limits=limits) as client, ThreadPoolExecutor(CLIENTS) as threads:
        # Routes are built at the first request; two applications in one process would do that at once, and warnings
        # are errors here, whose filters threads share.
        for url in urls:
            client.get(f"{url}/openapi.json").raise_for_status()

        def submit(number):
            barrier.wait()
            url = f"{urls[number % 2]}/v1/experiments"
            return client.post(url, json=example_submission(), headers={"Idempotency-Key": "one"})

        answers = list(threads.map(submit, range(CLIENTS)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: CLIENTS - 1}
    (id,) = {answer.json()["id"] for answer in answers}
    assert [record.id for record in store.list(limit=10)] == [id]
