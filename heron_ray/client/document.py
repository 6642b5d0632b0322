"""`Document`: what the service answered, with types, and as it came."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError, model_validator
from pydantic_core.core_schema import ValidatorFunctionWrapHandler

from heron_ray.errors import ServiceError


class Document(BaseModel):
    """One JSON object of the service. Fields are named as on the wire; those of a newer service are in `raw` alone."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    _raw: dict[str, Any] = PrivateAttr(default_factory=dict)

    @model_validator(mode="wrap")
    @classmethod
    def _keep(cls, value: Any, validate: ValidatorFunctionWrapHandler) -> Self:
        """Keep what a document, or one within it, was made from."""
        document: Self = validate(value)
        if isinstance(value, dict):
            document._raw = value
        return document

    @classmethod
    def of(cls, value: Any) -> Self:
        """From an answer. Raises ServiceError where it lacks what it must have."""
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the whole"
            raise ServiceError(
                f"the service's answer is not what this client knows: {cls.__name__}, {where}: {first['msg']}",
                hint="use the heron-ray of the same version as the service",
            ) from None

    @property
    def raw(self) -> dict[str, Any]:
        """The object as it came, with fields that this version does not know."""
        return self._raw
