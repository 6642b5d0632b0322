"""How a verb fails: a message on stderr, one JSON object on stdout where `--json` was given, and an exit code."""

from __future__ import annotations

import json
from typing import Any

import click

from heron_ray.errors import (
    ConflictError,
    ForbiddenError,
    HeronError,
    NotFoundError,
    PolicyError,
    RecordError,
    SpecError,
    UnauthenticatedError,
    UnreachableError,
)

FAILED = 1
BAD_USAGE = 2
INTERRUPTED = 130

_EXIT_CODES: tuple[tuple[type[HeronError], int], ...] = (
    (SpecError, BAD_USAGE),
    (RecordError, BAD_USAGE),
    (NotFoundError, 3),
    (ConflictError, 4),
    (UnreachableError, 5),
    (UnauthenticatedError, 6),
    (ForbiddenError, 6),
    (PolicyError, 6),
)


def exit_code(error: HeronError) -> int:
    """The exit code that stands for an error."""
    return next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), FAILED)


def print_error(error: HeronError) -> None:
    """Say on stderr what is wrong, one line per fault, and the way out."""
    for line in error.message.splitlines():
        click.echo(f"error: {line}", err=True)
    if error.hint:
        click.echo(f"hint: {error.hint}", err=True)


def report_error(error: HeronError, *, as_json: bool) -> int:
    """Print an error; returns its exit code."""
    print_error(error)
    if as_json:
        _print_object(error_object(error))
    return exit_code(error)


def report_usage(error: click.ClickException, *, as_json: bool) -> int:
    """Print an error in the command line itself; returns its exit code."""
    if isinstance(error, click.UsageError) and error.ctx is not None:
        click.echo(error.ctx.get_usage(), err=True)
    message = error.format_message()
    click.echo(f"error: {message}", err=True)
    if as_json:
        _print_object({"code": "bad_usage", "message": message, "hint": None})
    return BAD_USAGE


def report_interrupt(*, as_json: bool) -> int:
    """Say that the user stopped it; returns the exit code."""
    click.echo("interrupted", err=True)
    if as_json:
        _print_object({"code": "interrupted", "message": "interrupted", "hint": None})
    return INTERRUPTED


def error_object(error: HeronError) -> dict[str, Any]:
    """An error as plain JSON values; `issues` is there for a spec's faults."""
    described: dict[str, Any] = {"code": error.code, "message": error.message, "hint": error.hint}
    if isinstance(error, SpecError | PolicyError):
        described["issues"] = [
            {"path": issue.path, "message": issue.message, "suggestion": issue.suggestion} for issue in error.issues
        ]
    return described


def _print_object(error: dict[str, Any]) -> None:
    click.echo(json.dumps({"error": error}))
