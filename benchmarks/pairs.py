"""Ratios of interleaved pairs: how one piece of code compares with another on a machine that does other things as well.

A and B are timed in turn (A B, B A, A B, ...), so that whatever slows the machine down slows both. A figure is the median
over the pairs with a 95 % bootstrap interval, and a target counts as met when the interval's unfavourable end meets it.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import re
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from heron_ray.seeds import generator

LEAST_PAIRS: Final = 20
"""With fewer pairs nothing is judged."""

LEAST_SECONDS: Final = 0.05
"""A sample lasts at least this long: calls are repeated until it does."""

RESAMPLES: Final = 2000

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Seconds per call of A and of B, measured one right after the other."""

    a: float
    b: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A median over pairs and its 95 % interval; less is better.

    Attributes:
        name: What was measured.
        median: Of the pairs' values.
        low: Lower end of the interval.
        high: Upper end.
        pairs: How many there were.
        unit: Of the three; empty for a ratio.
        target: The most it should be; None where nothing is asked.
    """

    name: str
    median: float
    low: float
    high: float
    pairs: int
    unit: str = ""
    target: float | None = None

    @property
    def verdict(self) -> str:
        """met, not met, not judged, or nothing where there is no target."""
        if self.target is None:
            return ""
        if self.pairs < LEAST_PAIRS:
            return "not judged"
        return "met" if self.high <= self.target else "not met"

    def line(self) -> str:
        """One line of text."""
        unit = f" {self.unit}" if self.unit else ""
        asked = "" if self.target is None else f"   target {self.target:g}{unit}: {self.verdict}"
        return f"{self.name:<58} {self.median:.3f}{unit}  [{self.low:.3f}, {self.high:.3f}]{asked}"


def time_pairs(
    a: Callable[[], object],
    b: Callable[[], object],
    *,
    pairs: int,
    least_seconds: float = LEAST_SECONDS,
    clock: Clock = time.perf_counter,
) -> list[Pair]:
    """Time A and B in turn, with the garbage collector off while the clock runs.

    Args:
        a: One call of A.
        b: One call of B.
        pairs: How many pairs.
        least_seconds: How long a sample lasts at least.
        clock: Seconds.
    """
    repeats = [_repeats(function, least_seconds, clock) for function in (a, b)]
    found = []
    for number in range(pairs):
        seconds = [0.0, 0.0]
        for side in (0, 1) if number % 2 == 0 else (1, 0):
            seconds[side] = _sample((a, b)[side], repeats[side], clock) / repeats[side]
        found.append(Pair(a=seconds[0], b=seconds[1]))
    return found


def _repeats(function: Callable[[], object], least_seconds: float, clock: Clock) -> int:
    """How many calls make a sample that is long enough; on the way there, everything has become warm."""
    repeats = 1
    _sample(function, repeats, clock)
    while (seconds := _sample(function, repeats, clock)) < least_seconds:
        repeats = max(repeats + 1, min(10 * repeats, int(1.2 * repeats * least_seconds / max(seconds, 1e-9))))
    return repeats


def _sample(function: Callable[[], object], repeats: int, clock: Clock) -> float:
    gc.collect()
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        start = clock()
        for _ in range(repeats):
            function()
        return clock() - start
    finally:
        if was_enabled:
            gc.enable()


def ratio(name: str, pairs: Sequence[Pair], target: float | None = None) -> Figure:
    """A's time as a multiple of B's."""
    return figure(name, [pair.a / pair.b for pair in pairs], target=target)


def difference(name: str, pairs: Sequence[Pair], target: float | None = None) -> Figure:
    """By how many milliseconds A takes longer than B."""
    return figure(name, [1e3 * (pair.a - pair.b) for pair in pairs], unit="ms", target=target)


def figure(name: str, values: Sequence[float], *, unit: str = "", target: float | None = None) -> Figure:
    """The median of values and its bootstrap interval, which is the same at every call."""
    drawn = generator(0).choice(np.asarray(values), size=(RESAMPLES, len(values)))
    low, high = np.quantile(np.median(drawn, axis=1), [0.025, 0.975])
    return Figure(
        name=name,
        median=float(np.median(values)),
        low=float(low),
        high=float(high),
        pairs=len(values),
        unit=unit,
        target=target,
    )


def fit(ended: Sequence[float], amounts: Sequence[float]) -> dict[str, float]:
    """Least squares: what one experiment, trial or round adds, `slope`, with its 95 % interval, `low` to `high`.

    Args:
        ended: How many had ended at each sample; at least three.
        amounts: What there was then, such as resident bytes.
    """
    x, y = np.asarray(ended, dtype=np.float64), np.asarray(amounts, dtype=np.float64)
    x = x - x.mean()
    slope = float(x @ y / (x @ x))
    residuals = y - y.mean() - slope * x
    error = float(np.sqrt(residuals @ residuals / (len(x) - 2) / (x @ x)))
    return {"slope": slope, "low": slope - 1.96 * error, "high": slope + 1.96 * error}


def machine() -> dict[str, Any]:
    """Where a figure was measured, and of which commit."""
    return {
        "cpu": cpu(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "commit": commit(),
        "date": time.strftime("%Y-%m-%d"),
    }


def commit() -> str:
    """The commit checked out; with -dirty behind it where tracked files other than recorded results were changed."""

    def git(*arguments: str) -> str:
        command = ["git", "--no-optional-locks", *arguments]
        return subprocess.run(
            command, cwd=Path(__file__).parent.parent, check=True, capture_output=True, text=True
        ).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!benchmarks/results")
    return git("rev-parse", "HEAD") + ("-dirty" if changed else "")


def cpu() -> str:
    """The processor's name, as far as the system tells."""
    try:
        names = re.findall(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), flags=re.MULTILINE)
    except OSError:
        names = []
    return f"{names[0]}, {len(names)} cores" if names else platform.processor() or platform.machine()


def options(description: str | None) -> argparse.ArgumentParser:
    """The options of every benchmark of this kind."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=LEAST_PAIRS, help=f"with fewer than {LEAST_PAIRS} nothing is judged")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    return parser


class Report:
    """Prints figures as they come, and writes them all in the end.

    Args:
        configuration: What was measured.
        path: Where to write JSON; None writes none.
    """

    def __init__(self, configuration: Mapping[str, Any], path: Path | None) -> None:
        """Print the head."""
        self._head = {"configuration": dict(configuration), "machine": machine()}
        self._path = path
        self._figures: list[Figure] = []
        print(json.dumps(self._head), flush=True)

    def add(self, *figures: Figure) -> None:
        """Print figures."""
        for one in figures:
            self._figures.append(one)
            print(one.line(), flush=True)

    def close(self) -> None:
        """Write the file, if one was asked for."""
        if self._path is not None:
            figures = [{**asdict(one), "verdict": one.verdict} for one in self._figures]
            self._path.write_text(json.dumps({**self._head, "figures": figures}, indent=1) + "\n", encoding="utf-8")
