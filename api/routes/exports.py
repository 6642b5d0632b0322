"""Routes of exports: every point of one experiment or of several as a CSV or Parquet file, one row per point."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator
from enum import StrEnum
from typing import IO, Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse

from api.routes.experiments import StoreParameter
from api.routes.problems import refusals
from api.routes.series import Experiments
from api.store import Store

COLUMNS = ("experiment", "series", "round", "value")
# A spreadsheet takes a cell that begins with one of these for a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
SENT_BYTES = 256 * 1024
ROW_GROUP = 100_000

Page = list[tuple[str, int, float | None]]

router = APIRouter(prefix="/v1", tags=["exports"])


class ExportFormat(StrEnum):
    """What an export is written as."""

    CSV = "csv"
    PARQUET = "parquet"


FormatParameter = Annotated[ExportFormat, Query(description="csv or parquet.")]
FILES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file: columns experiment, series, round, value.",
        "content": {"text/csv": {"schema": {"type": "string"}}, "application/vnd.apache.parquet": {}},
    }
}


@router.get("/experiments/{id}/export", response_class=Response, responses={**refusals(404, 422), **FILES})
def export_experiment(id: str, store: StoreParameter, format: FormatParameter = ExportFormat.CSV) -> Response:
    """Download every point of an experiment. An empty cell stands for a value that was not finite."""
    return _file(store, [id], format, name=id)


@router.get("/series:export", response_class=Response, responses={**refusals(404, 422), **FILES})
def export_series(experiments: Experiments, store: StoreParameter, format: FormatParameter = ExportFormat.CSV) -> Response:
    """Download every point of up to 50 experiments as one file."""
    return _file(store, list(dict.fromkeys(experiments)), format, name="series")


def _file(store: Store, ids: list[str], format: ExportFormat, *, name: str) -> Response:
    for id in ids:
        # Once the answer has begun it can only break off, so what is missing is told before.
        store.position(id)
    headers = {"Content-Disposition": f'attachment; filename="heron-{name}.{format}"', "X-Content-Type-Options": "nosniff"}
    if format == ExportFormat.CSV:
        return StreamingResponse(_csv(store, ids), media_type="text/csv; charset=utf-8", headers=headers)
    file = _parquet(store, ids)
    headers["Content-Length"] = str(file.tell())
    file.seek(0)
    return StreamingResponse(_chunks(file), media_type="application/vnd.apache.parquet", headers=headers)


def _csv(store: Store, ids: list[str]) -> Iterator[str]:
    """A page of rows at a time. The numbers are the shortest that read back as the same bits."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    yield _drain(buffer)
    for id in ids:
        for page in store.curves.pages(id):
            writer.writerows((_text(id), _text(series), round, value) for series, round, value in page)
            yield _drain(buffer)


def _drain(buffer: io.StringIO) -> str:
    written = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return written


def _text(value: str) -> str:
    """The text as a cell that no spreadsheet runs."""
    return f"'{value}" if value.startswith(FORMULA_STARTS) else value


def _parquet(store: Store, ids: list[str]) -> IO[bytes]:
    """The file, written, at its end. It has no name, so it is gone when it is closed, however that comes about."""
    # Only who asks for Parquet pays for its library.
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = pa.dictionary(pa.int32(), pa.string())
    schema = pa.schema([("experiment", text), ("series", text), ("round", pa.int32()), ("value", pa.float64())])
    file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever sends it closes it
    try:
        with pq.ParquetWriter(file, schema) as writer:
            for id, rows in _row_groups(store, ids):
                columns = [[id] * len(rows), *([row[column] for row in rows] for column in range(3))]
                arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
                writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
    except BaseException:
        file.close()
        raise
    return file


def _row_groups(store: Store, ids: list[str]) -> Iterator[tuple[str, Page]]:
    for id in ids:
        rows: Page = []
        for page in store.curves.pages(id):
            rows += page
            if len(rows) >= ROW_GROUP:
                yield id, rows
                rows = []
        if rows:
            yield id, rows


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while chunk := file.read(SENT_BYTES):
            yield chunk
