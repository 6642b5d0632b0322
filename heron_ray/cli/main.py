"""The entry point of `heron`: finds the verb, runs it, turns errors into messages and exit codes.

0 done · 1 the experiment failed or was cancelled · 2 bad usage or spec · 3 not found · 4 conflict · 5 service unreachable ·
6 not allowed · 130 interrupted.
"""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import click

from heron_ray.cli.failure import report_error, report_interrupt, report_usage
from heron_ray.errors import HeronError

# The list of `heron --help`, so that it needs no verb's module; a test keeps it in step with the commands.
VERBS: Mapping[str, str] = MappingProxyType(
    {
        "run": "Run an experiment here, without a service.",
        "sweep": "Try one experiment at many points of a search space.",
        "study": "Run a grid of experiments that ends in figures.",
        "import": "Turn another benchmark's configuration into a study.",
        "validate": "Check a spec and name every fault in it.",
        "schema": "Print the JSON Schema of a spec.",
        "fetch": "Download a data set into the folder that HERON_DATA_DIR names, once, and say how a spec reads it.",
        "partition": "Divide a spec's data over its clients and say who holds what, without training.",
        "profile": "Print what one client step and one round cost, without data: counted and tracked, and as the paper counts.",
        "pretrain": "Warm up a language model centrally on a spec's text, and save it for fine-tuning.",
        "assemble": "Write a checkpoint's language model as transformers and peft load it.",
        "spectrum": "Look at the Hessian of the clients' loss: norm, trace, effective rank, density of eigenvalues.",
        "invert": "Attack the smashed data: a decoder learns to turn them back into inputs.",
        "catalogue": "List the parts an experiment can be made of.",
        "doctor": "Check whether this machine can run the service, and say what to do where it cannot.",
        "serve": "Run the service: Ray, the dispatcher and the REST API, until Ctrl-C.",
        "cluster": "Show what experiments run on: slots, nodes, and what waits for them.",
        "submit": "Submit an experiment to the service.",
        "ps": "List the service's experiments, newest first or in another order.",
        "show": "Show one experiment: state, progress, result.",
        "compare": "Compare experiments: where their specs differ, and their final figures.",
        "watch": "Follow an experiment live until it ends.",
        "export": "Write every point of runs to a file: experiment, series, round, value.",
        "plot": "Draw the figures of runs, a sweep or a study as HTML, SVG or PNG.",
        "report": "Write one HTML page with the figures, costs, specs and provenance of runs.",
        "why": "Say why an experiment stands where it does: what it waits for, what ended it.",
        "cancel": "Cancel an experiment.",
        "kill": "Kill an experiment: its processes end in the middle of a round.",
        "retry": "Submit an ended experiment again.",
        "fork": "Go on from an ended experiment's checkpoint with other settings.",
        "artifacts": "List the files that an experiment left behind.",
        "download": "Download files that an experiment left behind.",
        "model": "Take a trained model elsewhere.",
        "logs": "Print what the driver of an experiment logged.",
        "tag": "Change the tags of an experiment.",
        "archive": "Put ended experiments out of the lists, or back.",
        "delete": "Delete an ended experiment with its events and curves.",
        "key": "Make, list and revoke the API keys with which others may use the service.",
        "db": "Upgrade, check, back up and restore the service's database.",
        "demo": "Compare three methods on real data through a service of its own.",
    }
)


class LazyGroup(click.Group):
    """A group whose verbs live in `heron_ray.cli.<verb>:command` and are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, in the order of the table."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb's module."""
        if cmd_name not in VERBS:
            return None
        command = importlib.import_module(f"heron_ray.cli.{cmd_name}").command
        assert isinstance(command, click.Command)  # noqa: S101 - the test of the table holds every verb to it
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb, or name the nearest one."""
        name = args[0]
        if name not in VERBS and not name.startswith("-") and not ctx.resilient_parsing:
            near = difflib.get_close_matches(name, VERBS, n=1, cutoff=0.5)
            tail = f"; did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"no such command {name!r}{tail}")
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="heron-ray", prog_name="heron")
def heron() -> None:
    """Simulate split federated learning with lean, forward-only clients (HERON-SFL).

    Exit codes: 0 done, 1 the experiment failed or was cancelled, 2 bad usage or spec, 3 not found, 4 conflict,
    5 service unreachable, 6 not allowed.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `heron` with the process's arguments, or those given, and exit."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(_run(given))


def _run(arguments: list[str]) -> int:
    as_json = "--json" in arguments
    try:
        code = heron.main(arguments, prog_name="heron", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except HeronError as error:
        return report_error(error, as_json=as_json)
    except click.ClickException as error:
        return report_usage(error, as_json=as_json)
    except (click.Abort, KeyboardInterrupt):
        return report_interrupt(as_json=as_json)
