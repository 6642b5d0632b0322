"""`heron invert`: how well a curious main server turns smashed data back into inputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from heron_ray.cli.newest_checkpoint import newest_checkpoint
from heron_ray.cli.options import checkpoint_option, json_option, load, set_option, spec_argument
from heron_ray.cli.output import print_fields, print_json

if TYPE_CHECKING:
    from heron_ray.simulation.leakage import Inversion


@click.command("invert")
@spec_argument
@set_option
@checkpoint_option
@click.option("--epochs", type=click.IntRange(1, 1_000_000), default=200, show_default=True, help="Of the decoder's training.")
@click.option(
    "--victims",
    type=click.IntRange(1, 10_000_000),
    default=512,
    show_default=True,
    help="Clients' training samples that are attacked, at most.",
)
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Write inversion.json and, of images, inversion.png: originals, what was made of them, what labels alone tell.",
)
@json_option
def command(
    spec: Path,
    overrides: tuple[str, ...],
    checkpoint_dir: Path | None,
    epochs: int,
    victims: int,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Attack the smashed data: a decoder learns to turn them back into inputs.

    The attacker knows front model, labels, clip norm and noise, and trains on the validation and test splits. The figures are
    of training samples, which it never saw; those with class_mean are of the mean of its own samples of the same class.
    """
    found = load(spec, overrides)
    checkpoint = newest_checkpoint(found, checkpoint_dir) if checkpoint_dir is not None else None
    from heron_ray.simulation.leakage import invert

    inversion = invert(found, checkpoint, epochs=epochs, victims=victims)
    if folder is not None:
        write(inversion, folder, found.data.image_shape)
    if as_json:
        print_json(inversion.figures)
        return
    print_fields({name.replace("_", " "): _shown(value) for name, value in inversion.figures.items()})


def write(inversion: Inversion, folder: Path, image_shape: tuple[int, int, int] | None) -> None:
    """Write the figures and, where samples are images, a picture: originals above, then inverted ones, then class means."""
    from heron_ray.files import write_whole

    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "inversion.json", json.dumps(inversion.figures, indent=1) + "\n")
    if image_shape is None:
        return
    import numpy as np
    from PIL import Image

    low, high = inversion.value_range
    strips = []
    for images in (inversion.originals, inversion.inverted, inversion.class_means):
        shaped = images.reshape(-1, *image_shape).permute(0, 2, 3, 1).numpy()
        strips.append(np.concatenate(list(np.pad(shaped, ((0, 0), (0, 1), (0, 1), (0, 0)), constant_values=high)), axis=1))
    pixels = np.concatenate(strips, axis=0)
    scaled = ((pixels - low) / (high - low) * 255).clip(0, 255).round().astype(np.uint8)
    picture = Image.fromarray(scaled[..., 0] if scaled.shape[2] == 1 else scaled)
    times = max(1, 48 // image_shape[1])
    enlarged = picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)
    enlarged.save(folder / "inversion.png")


def _shown(value: float | int) -> str:
    return f"{value:.4f}" if isinstance(value, float) else f"{value:,}"
