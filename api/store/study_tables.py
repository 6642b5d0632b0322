"""The tables of studies. A study's experiments are rows of `experiment` like any other; `study_cell` says which they are."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from api.domain.studies import StudyRecord
from api.store.tables import Base


class StudyRow(Base):
    """`study` is a whole `StudySpec`; `cells` counts its cells, `experiments` the different ones that were queued for them."""

    __tablename__ = "study"
    __table_args__ = (Index("uq_study_idempotency_key", "idempotency_key", unique=True),)

    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    study: Mapped[dict[str, Any]]
    cells: Mapped[int] = mapped_column(Integer)
    experiments: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime]
    submitted_by: Mapped[str | None] = mapped_column(String(32))
    idempotency_key: Mapped[str | None] = mapped_column(String(200))

    def to_record(self) -> StudyRecord:
        """A frozen copy."""
        return StudyRecord(
            id=self.id,
            name=self.name,
            study=self.study,
            cells=self.cells,
            experiments=self.experiments,
            created_at=self.created_at,
            submitted_by=self.submitted_by,
        )


class StudyCellRow(Base):
    """A cell by its place in the study: its experiment, or why there is none; neither once the experiment was deleted."""

    __tablename__ = "study_cell"
    __table_args__ = (Index("ix_study_cell_experiment", "experiment"),)

    study: Mapped[int] = mapped_column(ForeignKey("study.number", ondelete="CASCADE"), primary_key=True, autoincrement=False)
    cell: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    experiment: Mapped[int | None] = mapped_column(ForeignKey("experiment.number", ondelete="SET NULL"))
    impossible: Mapped[str | None] = mapped_column(Text)
