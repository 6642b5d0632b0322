"""Files that are whole or not there, and folders that one process uses at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import TextIO


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that whoever looks finds the old one or all of the new one. Raises OSError."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def hold_lock(path: Path) -> TextIO:
    """Take the lock that the file at `path` stands for; it is given back when the file is closed or the process dies.

    Raises:
        BlockingIOError: Another process holds it.
        OSError: The file cannot be opened.
    """
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        file.close()
        raise
    return file
