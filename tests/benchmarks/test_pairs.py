"""The benchmark harness: pairs in turn, samples long enough, intervals, and verdicts by the unfavourable end."""

import gc
import json
from pathlib import Path

import pytest

from benchmarks.pairs import Figure, Pair, Report, difference, figure, ratio, time_pairs


@pytest.fixture(autouse=True, scope="module")
def little_garbage() -> None:
    """Every sample collects garbage; what other tests left in this process shall not be looked through each time."""
    gc.collect()
    gc.freeze()


class Machine:
    """A clock that only work moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[str] = []
        self.collected_during_work = False

    def work(self, name: str, seconds: float) -> None:
        self.now += seconds
        self.calls.append(name)
        self.collected_during_work |= gc.isenabled()

    def clock(self) -> float:
        return self.now


def timed(machine: Machine, *, a: float, b: float, pairs: int, least_seconds: float = 1.0) -> list[Pair]:
    return time_pairs(
        lambda: machine.work("A", a),
        lambda: machine.work("B", b),
        pairs=pairs,
        least_seconds=least_seconds,
        clock=machine.clock,
    )


def test_a_pair_holds_seconds_per_call_of_each_side() -> None:
    found = timed(Machine(), a=0.3, b=0.1, pairs=3)
    assert [(pair.a, pair.b) for pair in found] == [(pytest.approx(0.3), pytest.approx(0.1))] * 3


def test_every_other_pair_begins_with_b() -> None:
    machine = Machine()
    timed(machine, a=2.0, b=3.0, pairs=4)
    assert "".join(machine.calls[-8:]) == "ABBAABBA"


def test_short_calls_are_repeated_until_a_sample_is_long_enough() -> None:
    machine = Machine()
    timed(machine, a=0.25, b=2.0, pairs=1)
    text = "".join(machine.calls)
    assert 4 <= len(text) - len(text.rstrip("B").rstrip("A")) - 1 <= 6
    assert text.endswith("AB")


def test_the_garbage_collector_is_off_while_the_clock_runs_and_on_again_afterwards() -> None:
    machine = Machine()
    timed(machine, a=1.0, b=1.0, pairs=2)
    assert not machine.collected_during_work
    assert gc.isenabled()


def test_the_garbage_collector_comes_back_after_an_error() -> None:
    def fails() -> None:
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - any error will do
        time_pairs(fails, fails, pairs=1)
    assert gc.isenabled()


def test_a_slow_spell_does_not_move_a_ratio() -> None:
    pairs = [Pair(a=2.0 * slow, b=1.0 * slow) for slow in [1.0] * 12 + [7.0] * 8]
    found = ratio("", pairs)
    assert (found.low, found.median, found.high) == (2.0, 2.0, 2.0)
    assert difference("", pairs).median == 1000.0


def test_the_interval_holds_the_median_narrows_with_pairs_and_is_the_same_again() -> None:
    values = [1.0 + 0.01 * (number * 7 % 20) for number in range(20)]
    few, many = figure("", values), figure("", values * 20)
    assert few.low < few.median < few.high
    assert many.high - many.low < few.high - few.low
    assert figure("", values) == few


@pytest.mark.parametrize(
    ("values", "target", "verdict"),
    [
        ([1.0] * 20, 1.0, "met"),
        ([0.9] * 11 + [1.1] * 9, 1.0, "not met"),  # the median alone would have met it
        ([1.2] * 20, 1.0, "not met"),
        ([0.5] * 19, 1.0, "not judged"),
        ([0.5] * 20, None, ""),
    ],
)
def test_a_target_is_met_by_the_unfavourable_end_of_enough_pairs(
    values: list[float], target: float | None, verdict: str
) -> None:
    assert figure("", values, target=target).verdict == verdict


def test_a_report_prints_and_writes_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = Figure(name="a thing", median=0.5, low=0.4, high=0.6, pairs=20, target=0.65)
    report = Report({"probes": 4}, tmp_path / "figures.json")
    report.add(one)
    report.close()
    head, line = capsys.readouterr().out.splitlines()
    written = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert json.loads(head) == {name: written[name] for name in ("configuration", "machine")}
    assert written["configuration"] == {"probes": 4}
    assert {"cpu", "torch", "threads", "commit"} < set(written["machine"])
    assert written["figures"][0]["median"] == 0.5
    assert written["figures"][0]["verdict"] == "met"
    assert "a thing" in line
    assert line.endswith("target 0.65: met")
