from typing import get_args

import pytest

from api.domain.retry import INFRASTRUCTURE, OWN, SERVICE_STOPPED, RetryPolicy
from api.routes.policy_wire import Reason


def policy(**given):
    return RetryPolicy.of(given or None, max_attempts=5)


@pytest.mark.parametrize("reason", INFRASTRUCTURE)
def test_what_the_infrastructure_did_is_made_good_by_default(reason):
    assert policy().refusal(reason, "gone", attempts=4) is None


@pytest.mark.parametrize("reason", [*OWN, "diverged", "invalid_spec"])
def test_an_experiments_own_fault_is_not(reason):
    assert policy().refusal(reason, "bad", attempts=1) is not None


def test_an_own_fault_that_is_listed_is_attempted_again():
    assert policy(reasons=["out_of_memory"]).refusal("out_of_memory", "x", attempts=1) is None


def test_a_reason_that_is_not_listed_ends_it_and_is_named():
    told = policy(reasons=["out_of_memory"]).refusal("driver_lost", "it died", attempts=1)
    assert "driver_lost" in told
    assert "it died" in told


def test_the_last_attempt_names_the_last_reason():
    told = policy(max_attempts=3).refusal("driver_lost", "it died", attempts=3)
    assert told == "gave up after 3 attempts; the last one ended with driver_lost: it died"


def test_a_stop_of_the_service_is_always_made_good():
    assert policy(max_attempts=1, reasons=[]).refusal(SERVICE_STOPPED, "stopped", attempts=9) is None


def test_the_reasons_that_may_be_listed_are_those_that_there_are():
    assert set(get_args(Reason)) == {*INFRASTRUCTURE, *OWN}
