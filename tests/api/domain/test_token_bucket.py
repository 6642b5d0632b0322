from hypothesis import given
from hypothesis import strategies as st

from api.domain.token_bucket import TokenBuckets


def test_a_caller_that_waits_as_long_as_it_is_told_may_ask_again():
    buckets = TokenBuckets(rate=0.5, burst=1.0)
    assert buckets.take("a", now_s=10.0) == 0
    wait_s = buckets.take("a", now_s=10.0)
    assert wait_s == 2.0
    assert buckets.take("a", now_s=11.0) > 0
    assert buckets.take("a", now_s=10.0 + wait_s) == 0


def test_callers_do_not_share_a_bucket():
    buckets = TokenBuckets(rate=1.0, burst=1.0)
    assert [buckets.take(caller, now_s=0.0) > 0 for caller in ("a", "a", "b")] == [False, True, False]


@given(rate=st.floats(0.1, 100), burst=st.floats(1, 50), pauses=st.lists(st.floats(0, 2), min_size=1, max_size=200))
def test_no_more_pass_in_a_time_than_the_burst_and_the_rate_allow(rate, burst, pauses):
    buckets, now_s, passed = TokenBuckets(rate=rate, burst=burst), 0.0, 0
    for pause in pauses:
        now_s += pause
        passed += buckets.take("a", now_s=now_s) == 0
    assert passed <= burst + rate * now_s + 1e-6


def test_the_caller_that_was_silent_for_longest_is_forgotten_first():
    buckets = TokenBuckets(rate=1e-6, burst=1.0, most_callers=2)
    for caller in ("a", "b", "a", "c"):
        buckets.take(caller, now_s=0.0)
    assert buckets.take("a", now_s=0.0) > 0
    assert buckets.take("b", now_s=0.0) == 0
