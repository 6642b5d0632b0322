"""Some hundred requests that nobody thought of; `python -m benchmarks.api_fuzz` makes 20,000."""

from __future__ import annotations

from benchmarks.api_fuzz import Fuzz


def test_no_request_that_the_document_describes_gets_an_answer_that_it_does_not(serve, store):
    fuzz = Fuzz(serve(store), store, turn=6)
    fuzz.run(100)
    assert fuzz.failures == {}
    # It got past the doors: to what exists, and to what is refused.
    assert {200, 201, 404, 409, 422} <= set(fuzz.statuses)
