"""The tables, as SQLAlchemy sees them. The migrations create them; a test keeps the two in step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from api.domain.access import Scope
from api.domain.artifacts import ArtifactKind, ArtifactRecord
from api.domain.keys import KeyRecord
from api.domain.records import AttemptRecord, EventRecord, ExperimentRecord, SummaryRecord
from api.domain.states import State

LIVING = text("ended_at IS NULL")
ARCHIVED = text("archived_at IS NOT NULL")


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC on every database; SQLite keeps no time zone, so it is taken off and put back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From whatever zone the database answers in."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Base of the rows."""

    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it as a plain class attribute
        datetime: UtcDateTime,
        dict[str, Any]: JSON(none_as_null=True),
    }


class ExperimentRow(Base):
    """`number` orders experiments by age and keys the other tables; `id` is the public name."""

    __tablename__ = "experiment"
    __table_args__ = (
        Index("ix_experiment_state_number", "state", "number"),
        Index("uq_experiment_idempotency_key", "idempotency_key", unique=True),
        Index("uq_experiment_sweep_id_trial", "sweep_id", "trial", unique=True),
        # One for every order of the list: it is walked once per state.
        Index("ix_experiment_state_updated_at", "state", "updated_at", "number"),
        Index("ix_experiment_state_name", "state", "name", "number"),
        Index("ix_experiment_state_test_accuracy", "state", "test_accuracy", "number"),
        Index("ix_experiment_state_validation_accuracy", "state", "validation_accuracy", "number"),
        Index("ix_experiment_state_auxiliary_accuracy", "state", "auxiliary_accuracy", "number"),
        Index("ix_experiment_archived", "number", sqlite_where=ARCHIVED, postgresql_where=ARCHIVED),
    )

    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    # PostgreSQL would sort names by its language; SQLite sorts them as this does.
    name: Mapped[str] = mapped_column(String(200).with_variant(String(200, collation="C"), "postgresql"))
    spec: Mapped[dict[str, Any]]
    spec_hash: Mapped[str] = mapped_column(String(64))
    trajectory_hash: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(String(64))
    message: Mapped[str | None] = mapped_column(Text)
    round: Mapped[int] = mapped_column(Integer)
    rounds: Mapped[int] = mapped_column(Integer)
    result: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(Integer)
    events: Mapped[int] = mapped_column(Integer)
    retried_from: Mapped[str | None] = mapped_column(String(32))
    idempotency_key: Mapped[str | None] = mapped_column(String(200))
    sweep_id: Mapped[str | None] = mapped_column(String(32))
    trial: Mapped[int | None] = mapped_column(Integer)
    revision: Mapped[int] = mapped_column(Integer, default=1, server_default="1")
    archived_at: Mapped[datetime | None]
    retry: Mapped[dict[str, Any] | None]
    resources: Mapped[dict[str, Any] | None]
    waiting: Mapped[str | None] = mapped_column(Text)
    forked_from: Mapped[str | None] = mapped_column(String(32))
    forked_round: Mapped[int | None] = mapped_column(Integer)
    submitted_by: Mapped[str | None] = mapped_column(String(32))
    # Of a trial that has ended: its value for each objective of its sweep.
    objectives: Mapped[list[float | None] | None] = mapped_column(JSON(none_as_null=True))
    test_accuracy: Mapped[float | None] = mapped_column(Float(53))
    validation_accuracy: Mapped[float | None] = mapped_column(Float(53))
    auxiliary_accuracy: Mapped[float | None] = mapped_column(Float(53))

    tags: Mapped[list[TagRow]] = relationship(order_by="TagRow.position", lazy="selectin", cascade="all, delete-orphan")

    def end_with(self, result: Mapping[str, Any]) -> None:
        """Keep what the run measured; what lists show and sort by stands in columns of its own."""
        self.result = dict(result)
        self.test_accuracy = result.get("test_accuracy")
        self.validation_accuracy = result.get("validation_accuracy")
        self.auxiliary_accuracy = result.get("auxiliary_accuracy")

    def to_summary(self) -> SummaryRecord:
        """A frozen copy without spec and result, which need not be loaded."""
        return SummaryRecord(**self._fields_of(SummaryRecord))

    def to_record(self) -> ExperimentRecord:
        """A frozen copy."""
        return ExperimentRecord(**self._fields_of(ExperimentRecord))

    def _fields_of(self, record: type[SummaryRecord]) -> dict[str, Any]:
        """The columns that a record has fields for, by name."""
        found = {field.name: getattr(self, field.name) for field in fields(record)}
        return {**found, "tags": tuple(tag.tag for tag in self.tags), "state": State(self.state)}


class TagRow(Base):
    """One label of one experiment."""

    __tablename__ = "experiment_tag"
    __table_args__ = (Index("ix_experiment_tag_tag_experiment", "tag", "experiment"),)

    experiment: Mapped[int] = mapped_column(ForeignKey("experiment.number", ondelete="CASCADE"), primary_key=True)
    tag: Mapped[str] = mapped_column(String(64), primary_key=True)
    position: Mapped[int] = mapped_column(Integer)


class AttemptRow(Base):
    """One execution; it lives while `ended_at` is empty."""

    __tablename__ = "attempt"
    __table_args__ = (
        UniqueConstraint("experiment", "number", name="uq_attempt_experiment_number"),
        Index("ix_attempt_living", "experiment", sqlite_where=LIVING, postgresql_where=LIVING),
        # A driver that outlives its deleted experiment must not pass for the driver of a new attempt.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    experiment: Mapped[int] = mapped_column(ForeignKey("experiment.number", ondelete="CASCADE"))
    number: Mapped[int] = mapped_column(Integer)
    token: Mapped[int] = mapped_column(Integer)
    owner: Mapped[str] = mapped_column(String(200))
    lease_expires_at: Mapped[datetime]
    driver_pid: Mapped[int | None] = mapped_column(Integer)
    node: Mapped[str | None] = mapped_column(String(200))
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    exit_reason: Mapped[str | None] = mapped_column(String(64))

    def to_record(self, experiment_id: str) -> AttemptRecord:
        """A frozen copy."""
        return AttemptRecord(
            id=self.id,
            experiment_id=experiment_id,
            number=self.number,
            token=self.token,
            owner=self.owner,
            lease_expires_at=self.lease_expires_at,
            driver_pid=self.driver_pid,
            node=self.node,
            started_at=self.started_at,
            ended_at=self.ended_at,
            exit_reason=self.exit_reason,
        )


class EventRow(Base):
    """`id` counts within the experiment; `key` tells an event emitted again from a new one."""

    __tablename__ = "event"
    __table_args__ = (
        UniqueConstraint("experiment", "key", name="uq_event_experiment_key"),
        {"sqlite_with_rowid": False},
    )

    experiment: Mapped[int] = mapped_column(ForeignKey("experiment.number", ondelete="CASCADE"), primary_key=True)
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(64))
    key: Mapped[str] = mapped_column(Text)
    data: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]

    def to_record(self) -> EventRecord:
        """A frozen copy."""
        return EventRecord(id=self.id, kind=self.kind, data=self.data, created_at=self.created_at)


class PointRow(Base):
    """One value of one series; NULL stands for a value that was not finite."""

    __tablename__ = "point"
    __table_args__ = (
        PrimaryKeyConstraint("experiment", "series", "round", postgresql_include=["value"]),
        {"sqlite_with_rowid": False},
    )

    experiment: Mapped[int] = mapped_column(ForeignKey("experiment.number", ondelete="CASCADE"))
    series: Mapped[str] = mapped_column(String(200))
    round: Mapped[int] = mapped_column(Integer, autoincrement=False)
    value: Mapped[float | None] = mapped_column(Float(53))


class ArtifactRow(Base):
    """A file that an experiment left behind; `name` is its path below the folder of the attempt that ended it."""

    __tablename__ = "artifact"

    experiment: Mapped[int] = mapped_column(
        ForeignKey("experiment.number", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    round: Mapped[int | None] = mapped_column(Integer)
    created_at: Mapped[datetime]

    def to_record(self) -> ArtifactRecord:
        """A frozen copy."""
        return ArtifactRecord(
            name=self.name,
            kind=ArtifactKind(self.kind),
            size_bytes=self.size_bytes,
            sha256=self.sha256,
            round=self.round,
            created_at=self.created_at,
        )


class ApiKeyRow(Base):
    """A key that lets somebody in. The key itself is nowhere: `hash` is its SHA-256."""

    __tablename__ = "api_key"
    __table_args__ = (UniqueConstraint("hash"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    hash: Mapped[str] = mapped_column(String(64))
    scope: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    def to_record(self) -> KeyRecord:
        """A frozen copy, without the hash."""
        return KeyRecord(
            id=self.id,
            name=self.name,
            scope=Scope(self.scope),
            created_at=self.created_at,
            last_used_at=self.last_used_at,
            revoked_at=self.revoked_at,
        )


def table_of(row: type[Base]) -> Table:
    """The table behind a class of rows, for statements that touch many rows and need no objects."""
    table = row.__table__
    assert isinstance(table, Table)  # noqa: S101 - tells mypy that no class here is mapped to anything else
    return table
