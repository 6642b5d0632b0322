"""The options that say what a sweep tries, for the verbs that begin one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from heron_ray.cli.options import set_option, spec_argument


def plan_options(verb: Callable[..., None]) -> Callable[..., None]:
    """Let a verb take `base`, `space` and `plan` as `POST /v1/sweeps` does, from its arguments and options."""

    @spec_argument
    @click.option("--space", required=True, metavar="SPACE", help="A named space, or one as YAML: {path: {kind: ..., ...}}.")
    @click.option("--samples", type=click.IntRange(1, 10_000), default=8, show_default=True, help="Points.")
    @click.option("--seeds", type=click.IntRange(1, 100), default=1, show_default=True, help="Trials per point.")
    @click.option(
        "--search",
        type=click.Choice(["random", "grid", "optuna", "gp", "nsga2"]),
        default="random",
        show_default=True,
        help="random: drawn from the axes. grid: evenly spread points of every axis, crossed. The others learn from trials.",
    )
    @click.option(
        "--scheduler",
        type=click.Choice(["none", "asha", "median"]),
        default="none",
        show_default=True,
        help="asha, median: stop trials that fall behind the others.",
    )
    @click.option(
        "--objective",
        "objectives",
        multiple=True,
        metavar="DIRECTION:SERIES[:REDUCE]",
        help="What points are compared by, such as min:bytes_up:sum, or as YAML in braces. May be repeated. "
        "Default: max:validation_accuracy.",
    )
    @click.option(
        "--budget",
        "budgets",
        multiple=True,
        metavar="NAME=VALUE",
        help="What all trials may cost together: trials, rounds, bytes or wall_s. May be repeated.",
    )
    @click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Of the search.")
    @set_option
    @functools.wraps(verb)
    def with_plan(
        spec: Path,
        space: str,
        objectives: tuple[str, ...],
        budgets: tuple[str, ...],
        overrides: tuple[str, ...],
        samples: int,
        seeds: int,
        search: str,
        scheduler: str,
        seed: int,
        **others: Any,
    ) -> None:
        from heron_ray.spec import apply_overrides, parse_override, read_spec_file

        base, notes = apply_overrides(read_spec_file(spec), [parse_override(text) for text in overrides])
        for note in notes:
            click.echo(f"note: {note}", err=True)
        plan: dict[str, Any] = {
            "samples": samples,
            "seeds": seeds,
            "search": search,
            "scheduler": scheduler,
            "seed": seed,
        }
        if objectives:
            plan["objectives"] = [_objective(text) for text in objectives]
        if budgets:
            plan["budget"] = dict(parse_override(text) for text in budgets)
        verb(base=base, space=_space(space), plan=plan, **others)

    return with_plan


def _space(text: str) -> Any:
    """A name, or the mapping that a YAML text in braces spells out."""
    from heron_ray.spec import parse_yaml

    return parse_yaml(text, origin="--space") if text.lstrip().startswith("{") else text


def _objective(text: str) -> Any:
    """`min:bytes_up:sum` in plain values, or what a YAML text in braces spells out."""
    from heron_ray.spec import parse_yaml

    if text.lstrip().startswith("{"):
        return parse_yaml(text, origin="--objective")
    parts = text.split(":")
    if len(parts) not in (2, 3):
        raise click.UsageError(f"--objective {text!r} is not DIRECTION:SERIES or DIRECTION:SERIES:REDUCE")
    return dict(zip(("direction", "series", "reduce"), parts, strict=False))
