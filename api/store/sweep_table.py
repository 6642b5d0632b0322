"""The table of sweeps. Their trials are rows of `experiment`, by `sweep_id` and `trial`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from api.domain.states import State
from api.domain.sweeps import SweepRecord
from api.store.tables import Base


class SweepRow(Base):
    """`proposals` holds each trial's overrides in order, so that whoever takes the sweep over proposes none of them anew."""

    __tablename__ = "sweep"
    __table_args__ = (
        Index("ix_sweep_state_number", "state", "number"),
        Index("uq_sweep_idempotency_key", "idempotency_key", unique=True),
    )

    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    base: Mapped[dict[str, Any]]
    sweep: Mapped[dict[str, Any]]
    proposals: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON(none_as_null=True))
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(String(64))
    message: Mapped[str | None] = mapped_column(Text)
    token: Mapped[int] = mapped_column(Integer)
    owner: Mapped[str | None] = mapped_column(String(200))
    owner_pid: Mapped[int | None] = mapped_column(Integer)
    lease_expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    paused_at: Mapped[datetime | None]
    submitted_by: Mapped[str | None] = mapped_column(String(32))
    idempotency_key: Mapped[str | None] = mapped_column(String(200))
    # With how many points it was submitted; it may have been extended since.
    samples: Mapped[int | None] = mapped_column(Integer)

    def to_record(self) -> SweepRecord:
        """A frozen copy."""
        return SweepRecord(
            id=self.id,
            name=self.name,
            base=self.base,
            sweep=self.sweep,
            state=State(self.state),
            reason=self.reason,
            message=self.message,
            trials=None if self.proposals is None else len(self.proposals),
            token=self.token,
            owner=self.owner,
            owner_pid=self.owner_pid,
            lease_expires_at=self.lease_expires_at,
            created_at=self.created_at,
            updated_at=self.updated_at,
            paused_at=self.paused_at,
            submitted_by=self.submitted_by,
        )
