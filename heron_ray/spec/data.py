"""`data`: which samples the clients hold and the experiment is judged on."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from heron_ray.spec.plugins import PluginData
from heron_ray.spec.relative_path import RelativePath
from heron_ray.spec.samples import Samples
from heron_ray.spec.section import contradiction
from heron_ray.spec.text import E2eNlgData, ProseData, SyntheticTokensData, TextData

Pixels = Annotated[int, Field(ge=1, le=4096)]
PerChannel = Annotated[tuple[Annotated[float, Field(ge=-1e3, le=1e3)], ...], Field(min_length=1, max_length=3)]
PositivePerChannel = Annotated[tuple[Annotated[float, Field(gt=0, le=1e3)], ...], Field(min_length=1, max_length=3)]


class DigitsData(Samples):
    """scikit-learn's 1,797 real 8x8 images of handwritten digits, split once and for all into 1,077/360/360."""

    kind: Literal["digits"] = Field(description="scikit-learn's handwritten digits.")
    imbalance: float = Field(
        default=1.0,
        ge=1,
        le=100,
        exclude_if=lambda value: value == 1,
        description=(
            "Thins the training samples to a long tail: of class c stays a share of imbalance^(-c / 9), so this many times "
            "fewer of the nines than of the zeros. Validation and test stay as they are. 1: nothing is left out."
        ),
    )

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample: 64 grey levels."""
        return (64,)

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        """Channels, height and width of the image that a sample is."""
        return (1, 8, 8)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return 10


class SyntheticData(Samples):
    """Gaussian clusters, one per class: as many samples as wanted, for scale and cost studies."""

    kind: Literal["synthetic"] = Field(description="Gaussian clusters around one random centre per class.")
    samples: int = Field(default=10_000, ge=100, le=100_000_000, description="Training samples.")
    features: int = Field(default=64, ge=1, le=1_000_000, description="Numbers per sample.")
    classes: int = Field(default=10, ge=2, le=100_000, description="Number of classes.")
    spread: float = Field(
        default=1.0, gt=0, le=1e3, description="Standard deviation of a cluster; the centres' coordinates have 1."
    )
    image: Annotated[tuple[Pixels, ...], Field(min_length=3, max_length=3)] | None = Field(
        default=None,
        exclude_if=lambda shape: shape is None,  # specs from before the field keep their hashes
        description="Channels, height and width: samples are images of that shape, with features numbers in all. null: they "
        "are vectors.",
    )

    @property
    def held_out(self) -> int:
        """Samples for validation, drawn beside the training samples, and as many for test."""
        return max(100, min(10_000, self.samples // 10))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return self.image or (self.features,)

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        """Channels, height and width where samples are images."""
        match self.image:
            case (channels, height, width):
                return channels, height, width
        return None

    @model_validator(mode="after")
    def _images_have_that_many_numbers(self) -> Self:
        if self.image is not None and self.image[0] not in (1, 3):
            raise contradiction("data.image", f"{self.image[0]} channels: 1 is grey, 3 is colour")
        if self.image is not None and (numbers := math.prod(self.image)) != self.features:
            raise contradiction(
                "data.features", f"an image of {list(self.image)} has {numbers} numbers: set features={numbers}"
            )
        return self


class ImageFiles(Samples):
    """What every data set of image files has: where it lies, what its images are, how many are used.

    Samples are x = (p / 255 - mean) / std for 8-bit pixels p, of shape (channels, height, width). Which images are used and
    which are held out for validation is drawn once and for all, so that results of different experiments can be compared.
    """

    path: RelativePath = Field(description="Folder of the data set, below the folder that HERON_DATA_DIR names.")
    classes: int = Field(default=10, ge=2, le=100_000, description="Number of classes.")
    height: Pixels = Field(default=32, description="Height of an image, in pixels.")
    width: Pixels = Field(default=32, description="Width of an image, in pixels.")
    channels: Literal[1, 3] = Field(default=3, description="3: colour (RGB). 1: grey.")
    mean: PerChannel = Field(
        default=(0.5,), description="Subtracted from pixels scaled to 0 to 1: one number, or one per channel."
    )
    std: PositivePerChannel = Field(default=(0.5,), description="Divides them then: one number, or one per channel.")
    train_samples: int | None = Field(
        default=None, ge=2, le=100_000_000, description="Training images used, those held out included. null: all of them."
    )
    test_samples: int | None = Field(default=None, ge=1, le=100_000_000, description="Test images used. null: all of them.")
    validation: float = Field(
        default=0.1, gt=0, lt=1, description="Share of the training images used that is held out for validation."
    )

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Shape of one sample: channels, height, width."""
        return (self.channels, self.height, self.width)

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        """The same: a sample is an image."""
        return self.input_shape

    @model_validator(mode="after")
    def _constants_fit_the_channels(self) -> Self:
        for name, constants in (("mean", self.mean), ("std", self.std)):
            if len(constants) not in (1, self.channels):
                message = f"{len(constants)} numbers for {self.channels} channels: give one, or one per channel"
                raise contradiction(f"data.{name}", message)
        return self


class EncodedImageFiles(ImageFiles):
    """Images that each come as a PNG or JPEG file of their own."""

    convert: bool = Field(
        default=False,
        description="true: images of another size, or grey where colour is wanted (or the reverse), are converted (bilinear). "
        "false: they are an error.",
    )


class ImageFolderData(EncodedImageFiles):
    """A folder of PNG or JPEG files, one subfolder per class: `train/cat/1.png`, `test/dog/7.png`."""

    kind: Literal["image_folder"] = Field(
        description="PNG or JPEG files in one subfolder per class; classes are numbered in the order of their names."
    )
    train: RelativePath = Field(default="train", description="Folder of the training images, below path.")
    test: RelativePath = Field(default="test", description="Folder of the test images, below path.")
    client_folders: bool = Field(
        default=False,
        description="true: a training class has a subfolder for each client that made some of its images, train/cat/ann/1.png; "
        "partition.kind=natural needs it.",
        exclude_if=lambda folders: not folders,  # specs from before the field keep their hashes
    )

    @property
    def names_makers(self) -> bool:
        """Whether the data say who made each sample."""
        return self.client_folders


class ParquetData(EncodedImageFiles):
    """Parquet files in Hugging Face's layout: an image column {bytes, path} of PNG or JPEG files, and a label column."""

    kind: Literal["parquet"] = Field(description="Parquet shards with an image column {bytes, path} and a label column.")
    train: RelativePath = Field(
        default="train-*.parquet", description="Training shards below path, as a pattern; read in the order of their names."
    )
    test: RelativePath = Field(default="test-*.parquet", description="Test shards below path, as a pattern.")
    image_column: str = Field(default="image", min_length=1, max_length=200, description="Column of the images.")
    label_column: str = Field(default="label", min_length=1, max_length=200, description="Column of the labels.")
    client_column: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="Column that says who made a sample, text or a whole number; partition.kind=natural needs it.",
        exclude_if=lambda column: column is None,  # specs from before the field keep their hashes
    )

    @property
    def names_makers(self) -> bool:
        """Whether the data say who made each sample."""
        return self.client_column is not None


class MnistData(ImageFiles):
    """MNIST's own files, gzipped or not: `train-images-idx3-ubyte`, `t10k-labels-idx1-ubyte`. Fashion-MNIST has them too."""

    kind: Literal["mnist"] = Field(description="IDX files under MNIST's names: grey images, one byte per pixel.")
    height: Pixels = Field(default=28, description="Height of an image, in pixels.")
    width: Pixels = Field(default=28, description="Width of an image, in pixels.")
    channels: Literal[1] = Field(default=1, description="1: grey.")
    mean: PerChannel = Field(default=(0.1307,), description="Subtracted from pixels scaled to 0 to 1.")
    std: PositivePerChannel = Field(default=(0.3081,), description="Divides them then.")


DataSpec: TypeAlias = Annotated[
    DigitsData
    | SyntheticData
    | SyntheticTokensData
    | ImageFolderData
    | ParquetData
    | MnistData
    | ProseData
    | E2eNlgData
    | TextData
    | PluginData,
    Field(discriminator="kind"),
]
