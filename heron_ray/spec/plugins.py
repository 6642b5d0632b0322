"""Models, data sets and rewards of other packages: those that the operator installed, found by entry point and named in a spec.

A package offers them in its metadata, a name and an object for each:

    [project.entry-points."heron_ray.models"]
    two_towers = "my_package:TWO_TOWERS"

    [project.entry-points."heron_ray.data"]
    wine = "my_package:WINE"

    [project.entry-points."heron_ray.rewards"]
    profit = "my_package:profit"

Their modules are imported where a spec names them, by the API too: what is large, as torch is, belongs into `build` and `load`.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Final, Literal, Protocol, Self

from pydantic import Field, JsonValue, ValidationError, model_validator

from heron_ray.spec.lora import LoraSpec
from heron_ray.spec.samples import Samples
from heron_ray.spec.section import Section, contradiction

MODELS: Final = "heron_ray.models"
DATA: Final = "heron_ray.data"
REWARDS: Final = "heron_ray.rewards"


class ModelPlugin(Protocol):
    """What an entry point of `heron_ray.models` leads to.

    Attributes:
        options: The section that stands at `model.options`.
        normalises_batches: Whether running statistics of batch normalisation are part of the model.
    """

    options: type[Section]
    normalises_batches: bool

    def fault(self, options: Any, input_shape: tuple[int, ...]) -> tuple[str, str] | None:
        """The option that cannot be for samples of this shape, and why; None where all is well."""

    def build(self, options: Any, input_shape: tuple[int, ...], classes: int) -> Any:
        """A `heron_ray.models.split.SplitModel`.

        Its initial values may come from torch's global generator, which has been seeded for it.
        """


class DataPlugin(Protocol):
    """What an entry point of `heron_ray.data` leads to.

    Attributes:
        options: The section that stands at `data.options`.
    """

    options: type[Section]

    def input_shape(self, options: Any) -> tuple[int, ...]:
        """Shape of one sample."""

    def classes(self, options: Any) -> int:
        """Number of classes."""

    def load(self, options: Any, seed: int) -> Any:
        """A `heron_ray.data.dataset.Dataset`, equal bit for bit for equal options and seed."""


class RewardPlugin(Protocol):
    """What an entry point of `heron_ray.rewards` leads to."""

    def __call__(self, logits: Any, y: Any) -> Any:
        """What the predictions of one client's batch are worth: a number, or a tensor with one; more is better.

        Args:
            logits: A torch tensor [B, C].
            y: The classes, [B].
        """


@cache
def find_plugin(group: str, name: str) -> Any:
    """The object behind an entry point, imported.

    Raises:
        LookupError: Nothing installed, or more than one package, has this name; or it cannot be imported. With a sentence.
    """
    offered = entry_points(group=group)
    found = [point for point in offered if point.name == name]
    if not found:
        names = sorted({point.name for point in offered})
        there = f"there are: {', '.join(names)}" if names else "none is"
        raise LookupError(f"no plug-in named {name!r} is installed here; {there}")
    if len(found) > 1:
        packages = sorted(point.dist.name for point in found if point.dist is not None)
        raise LookupError(f"more than one installed package offers {name!r}: {', '.join(packages)}")
    try:
        return found[0].load()
    except Exception as error:
        raise LookupError(f"the plug-in {name!r} ({found[0].value}) cannot be imported: {error}") from error


class _Plugin(Section):
    """What both sections have in common."""

    name: str = Field(min_length=1, max_length=100, description="The plug-in, as its package calls it.")
    options: dict[str, JsonValue] = Field(
        default_factory=dict, description="The plug-in's own fields; it says which there are and what they mean."
    )

    @property
    def plugin(self) -> Any:
        """The plug-in itself."""
        raise NotImplementedError

    @property
    def chosen(self) -> Any:
        """The options as the plug-in's own section."""
        return self.plugin.options.model_validate_json(json.dumps(self.options))

    def _completed(self, place: str) -> Self:
        """With the defaults of all options written out, so that specs that mean the same are the same."""
        try:
            whole = self.chosen.model_dump(mode="json")
        except LookupError as error:
            raise contradiction(f"{place}.name", str(error.args[0])) from None
        except ValidationError as error:
            first = error.errors()[0]
            path = ".".join([place, "options", *map(str, first["loc"])])
            fields = ", ".join(self.plugin.options.model_fields)
            extra = f"; valid here: {fields}" if first["type"] == "extra_forbidden" else ""
            raise contradiction(path, f"{first['msg']}{extra}") from None
        object.__setattr__(self, "options", whole)
        return self


class PluginModel(_Plugin):
    """A model of another package that is installed here."""

    kind: Literal["plugin"] = Field(description="A model that an installed package offers; nothing is ever fetched.")
    lora: LoraSpec | None = Field(
        default=None,
        description="Low-rank adapters in the place of the weights of fully connected layers and convolutions, in front and "
        "back; the auxiliary head is trained in full. null: none.",
    )

    @property
    def plugin(self) -> ModelPlugin:
        """The plug-in itself. Raises LookupError."""
        found: ModelPlugin = find_plugin(MODELS, self.name)
        return found

    @property
    def normalises_batches(self) -> bool:
        """Whether running statistics of batch normalisation are part of it."""
        return self.plugin.normalises_batches

    def fault(self, input_shape: tuple[int, ...]) -> tuple[str, str] | None:
        """The field that cannot be for samples of this shape, and why; None where all is well."""
        found = self.plugin.fault(self.chosen, input_shape)
        return None if found is None else (f"options.{found[0]}", found[1])

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        return self._completed("model")


class PluginData(_Plugin, Samples):
    """A data set of another package that is installed here."""

    kind: Literal["plugin"] = Field(description="A data set that an installed package offers; nothing is ever fetched.")

    @property
    def plugin(self) -> DataPlugin:
        """The plug-in itself. Raises LookupError."""
        found: DataPlugin = find_plugin(DATA, self.name)
        return found

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return tuple(self.plugin.input_shape(self.chosen))

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        """Channels, height and width where a sample is of such a shape."""
        match self.input_shape:
            case (1 | 3 as channels, height, width):
                return channels, height, width
        return None

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.plugin.classes(self.chosen)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        return self._completed("data")
