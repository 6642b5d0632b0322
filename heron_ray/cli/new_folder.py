"""A folder to write to, which must not hold anything yet."""

from __future__ import annotations

from pathlib import Path

import click


def new_folder(folder: Path) -> None:
    """Refuse a folder that holds something: a model is several files, and a mixture of two would load."""
    try:
        if any(folder.iterdir()):
            raise click.UsageError(f"{folder} already holds files: name a new folder")
    except FileNotFoundError:
        return
