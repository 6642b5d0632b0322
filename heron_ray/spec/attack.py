"""`attack`: what Byzantine clients do to their updates or their data, how many they are and when they begin."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field

from heron_ray.spec.section import Section


class _Attack(Section):
    """What all attacks have in common."""

    acts_on: ClassVar[Literal["update", "data"]]
    """update: on what a client uploads at the end of its round. data: on the batches it trains on."""

    byzantine: int = Field(
        ge=0, le=10_000_000, description="Byzantine clients of the population, drawn once per run. 0: nobody attacks."
    )
    start_round: int = Field(
        default=1, ge=1, le=100_000_000, description="First round with the attack; before it Byzantine clients are honest."
    )


class SignFlipAttack(_Attack):
    """A Byzantine client uploads its own update reversed: -scale * u."""

    acts_on: ClassVar[Literal["update", "data"]] = "update"

    kind: Literal["sign_flip"] = Field(description="Byzantine clients upload -scale times their update.")
    scale: float = Field(default=1.0, gt=0, le=1e6, description="Factor by which the reversed update is stretched.")


class GaussianAttack(_Attack):
    """A Byzantine client uploads noise instead of its update: sigma * e with e ~ N(0, I)."""

    acts_on: ClassVar[Literal["update", "data"]] = "update"

    kind: Literal["gaussian"] = Field(description="Byzantine clients upload noise from N(0, sigma^2 I) as their update.")
    sigma: float = Field(default=1.0, gt=0, le=1e6, description="Standard deviation of each coordinate, in parameter units.")


class LabelFlipAttack(_Attack):
    """A Byzantine client trains on labels y replaced by C - 1 - y, and uploads these labels with its smashed data."""

    acts_on: ClassVar[Literal["update", "data"]] = "data"

    kind: Literal["label_flip"] = Field(
        description="Byzantine clients replace their labels y by C - 1 - y, in training and in what they send the main server."
    )


AttackSpec: TypeAlias = Annotated[SignFlipAttack | GaussianAttack | LabelFlipAttack, Field(discriminator="kind")]
