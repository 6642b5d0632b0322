"""Every point of runs as a CSV or Parquet file, one row per point, as `GET /v1/series:export` writes them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from heron_ray.reports.record import Record

COLUMNS = ("experiment", "series", "round", "value")
Row = tuple[str, str, int, float | None]


def points_csv(records: Sequence[Record]) -> str:
    r"""A line per point; an empty cell stands for a value that was not finite.

    >>> curve = {"rounds": [1], "values": [0.5]}
    >>> points_csv([Record(origin="runs/a", name="a", state="SUCCEEDED", series={"loss": curve})])
    'experiment,series,round,value\r\nruns/a,loss,1,0.5\r\n'
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows(_rows(records))
    return text.getvalue()


def points_parquet(records: Sequence[Record]) -> bytes:
    """The same columns, typed as the service's file has them."""
    # Only who asks for Parquet pays for its library.
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = pa.dictionary(pa.int32(), pa.string())
    types = (text, text, pa.int32(), pa.float64())
    rows = list(_rows(records))
    columns = [pa.array([row[place] for row in rows], kind) for place, kind in enumerate(types)]
    sink = io.BytesIO()
    pq.write_table(pa.table(columns, names=list(COLUMNS)), sink)
    return sink.getvalue()


def _rows(records: Sequence[Record]) -> Iterator[Row]:
    for record in records:
        for series, curve in sorted(record.series.items()):
            for round, value in zip(curve["rounds"], curve["values"], strict=True):
                yield record.origin, series, round, value
