"""`heron fetch`: the only verb that brings data from elsewhere; runs read what lies below HERON_DATA_DIR."""

from __future__ import annotations

from pathlib import Path

import click

from heron_ray.cli.options import json_option
from heron_ray.cli.output import print_fields, print_json


@click.command("fetch")
@click.argument("name")
@click.option("-o", "--output", metavar="FOLDER", help="New folder below HERON_DATA_DIR.  [default: the end of NAME]")
@click.option(
    "--from",
    "kept",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Torchvision's own files lie here: nothing is downloaded.",
)
@click.option("--config", metavar="NAME", help="Configuration of the hub's data set.")
@click.option("--train", default="train", show_default=True, help="Its training split, or a part: 'train[:90%]'.")
@click.option("--test", default="test", show_default=True, help="Its test split.")
@click.option("--image", metavar="COLUMN", help="Column of the images.  [default: the only one with images]")
@click.option("--label", metavar="COLUMN", help="Column of the labels.  [default: the only one with classes]")
@click.option("--client", metavar="COLUMN", help="Column that says who made an image, for partition.kind=natural.")
@click.option("--text", metavar="COLUMN", help="Write the texts of this column.")
@click.option("--pairs", nargs=2, metavar="GIVEN SAID", help="Write pairs of these columns: what is given, what is said.")
@json_option
def command(
    name: str,
    output: str | None,
    kept: Path | None,
    config: str | None,
    train: str,
    test: str,
    image: str | None,
    label: str | None,
    client: str | None,
    text: str | None,
    pairs: tuple[str, str] | None,
    as_json: bool,
) -> None:
    """Download a data set into the folder that HERON_DATA_DIR names, once, and say how a spec reads it.

    NAME is cifar10, cifar100, mnist, fashion_mnist or kmnist, which torchvision downloads and checks; or OWNER/NAME on the
    Hugging Face hub; or a folder, such as ./images, that the package `datasets` can load.
    """
    from heron_ray.data.from_torchvision import NAMES, fetch_from_torchvision

    relative = output or Path(name).name
    hub_only = {
        "--config": config,
        "--train": train if train != "train" else None,
        "--test": test if test != "test" else None,
        "--image": image,
        "--label": label,
        "--client": client,
        "--text": text,
        "--pairs": pairs,
    }
    given = [option for option, value in hub_only.items() if value is not None]
    if name in NAMES:
        if given:
            raise click.UsageError(f"{given[0]} is for data sets of the hub, and {name} is torchvision's")
        fetched = fetch_from_torchvision(name, relative, kept=kept)
    else:
        from heron_ray.data.from_hub import HubName, fetch_images, fetch_pairs, fetch_texts

        if "/" not in name:
            raise click.UsageError(
                f"{name} is neither one of {', '.join(NAMES)} nor a name of the hub, OWNER/NAME, nor a folder such as ./{name}"
            )
        if kept is not None:
            raise click.UsageError("--from is for torchvision's files; a folder that datasets can load is a NAME: ./images")
        if text is not None and pairs is not None:
            raise click.UsageError("--text and --pairs exclude each other")
        asked = HubName(name=name, config=config, train=train, test=test)
        if pairs is not None:
            fetched = fetch_pairs(asked, relative, given=pairs[0], wanted=pairs[1])
        elif text is not None:
            fetched = fetch_texts(asked, relative, text=text)
        else:
            fetched = fetch_images(asked, relative, image=image, label=label, client=client)
    if as_json:
        print_json(fetched.to_dict())
        return
    import yaml

    print_fields({"written to": fetched.folder, "training": fetched.train, "test": fetched.test})
    click.echo(yaml.safe_dump({"data": fetched.section}, default_flow_style=None, sort_keys=False, width=10_000), nl=False)
