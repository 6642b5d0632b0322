"""The CSV files that describe a population or its availability; a malformed line is named by its number."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from typing import Final

from heron_ray.edge.population import Hardware
from heron_ray.edge.profiles import Device, Link
from heron_ray.errors import DataError

MOST_LINES: Final = 10_000
"""Lines of a file of devices: the number of kinds of hardware."""

REQUIRED: Final = ("flops_per_s", "memory_bytes", "joules_per_flop", "up_bit_s", "down_bit_s", "latency_s")
"""Columns that a file of devices must have."""

OPTIONAL: Final[Mapping[str, float]] = {
    "jitter_s": 0.0,
    "loss": 0.0,
    "up_joules_per_bit": 0.0,
    "down_joules_per_bit": 0.0,
    "radio_w": 0.0,
    "share": 1.0,
}
"""Columns that it may have, and what stands for a missing one. Beside them: name."""

_POSITIVE: Final = ("flops_per_s", "memory_bytes", "up_bit_s", "down_bit_s", "share")
_MOST_LOSS: Final = 0.9


def parse_devices(text: str, name: str) -> list[Hardware]:
    """The hardware that a CSV file lists.

    Args:
        text: The file's text: a header, then a device with its link on each line.
        name: What to call the file in errors.

    Raises:
        DataError: A column is missing or unknown, or a line is malformed; the line's number is given.
    """
    reader = csv.reader(io.StringIO(text), strict=True)
    kinds: list[Hardware] = []
    header: list[str] | None = None
    try:
        for row in reader:
            if not row:
                continue
            if header is None:
                header = _header(row, name)
                continue
            kinds.append(_hardware(header, row, f"{name}, line {reader.line_num}"))
            if len(kinds) > MOST_LINES:
                raise DataError(f"{name} lists more than {MOST_LINES:,} devices", hint="join alike ones and give them a share")
    except csv.Error as error:
        raise DataError(f"{name}, line {reader.line_num}: {error}") from None
    if not kinds:
        raise DataError(f"{name} lists no device: it needs a header and at least one line")
    return kinds


def parse_patterns(text: str, name: str) -> list[str]:
    """The patterns of 0 and 1 that a file lists, one a line.

    Raises:
        DataError: There is none, or a line has another character, or never a 1; the line's number is given.
    """
    patterns = []
    for number, line in enumerate(text.splitlines(), start=1):
        pattern = line.strip()
        if not pattern:
            continue
        if set(pattern) - {"0", "1"}:
            raise DataError(f"{name}, line {number}: a pattern has only 0 and 1, one per round")
        if "1" not in pattern:
            raise DataError(f"{name}, line {number}: a client with this pattern would never be there: it needs a 1")
        patterns.append(pattern)
    if not patterns:
        raise DataError(f"{name} has no pattern: write one a line, such as 000111")
    return patterns


def _header(row: list[str], name: str) -> list[str]:
    header = [column.strip() for column in row]
    known = {"name", *REQUIRED, *OPTIONAL}
    if missing := [column for column in REQUIRED if column not in header]:
        raise DataError(f"{name}, line 1: no column {', '.join(missing)}")
    if unknown := [column for column in header if column not in known]:
        raise DataError(
            f"{name}, line 1: unknown column {', '.join(map(repr, unknown))}", hint=f"known: {', '.join(sorted(known))}"
        )
    if len(set(header)) < len(header):
        raise DataError(f"{name}, line 1: a column is there twice")
    return header


def _hardware(header: list[str], row: list[str], place: str) -> Hardware:
    if len(row) != len(header):
        raise DataError(f"{place}: {len(row)} values for {len(header)} columns")
    cells = dict(zip(header, (cell.strip() for cell in row), strict=True))
    label = cells.pop("name", "") or "csv"
    values = dict(OPTIONAL) | {column: _number(column, cell, place) for column, cell in cells.items()}
    return Hardware(
        device=Device(
            name=label,
            flops_per_s=values["flops_per_s"],
            memory_bytes=int(values["memory_bytes"]),
            joules_per_flop=values["joules_per_flop"],
        ),
        link=Link(
            name=label,
            up_bit_s=values["up_bit_s"],
            down_bit_s=values["down_bit_s"],
            latency_s=values["latency_s"],
            jitter_s=values["jitter_s"],
            loss=values["loss"],
            up_joules_per_bit=values["up_joules_per_bit"],
            down_joules_per_bit=values["down_joules_per_bit"],
            radio_w=values["radio_w"],
        ),
        share=values["share"],
    )


def _number(column: str, cell: str, place: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        raise DataError(f"{place}: {column} is {cell[:50]!r}, not a number") from None
    if not math.isfinite(value) or value < 0 or (column in _POSITIVE and value == 0):
        raise DataError(f"{place}: {column} is {cell[:50]}, but must be {'positive' if column in _POSITIVE else 'at least 0'}")
    if column == "loss" and value > _MOST_LOSS:
        raise DataError(f"{place}: loss is {cell[:50]}, but may be {_MOST_LOSS} at most")
    if column == "memory_bytes" and value < 1:
        raise DataError(f"{place}: memory_bytes is {cell[:50]}, less than one byte")
    return value
