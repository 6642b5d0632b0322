import importlib
import os
import subprocess
import sys

import click
import pytest

from heron_ray.cli.main import VERBS, main

HEAVY = ("torch", "ray", "pydantic", "httpx", "fastapi", "sqlalchemy", "plotly", "rich", "numpy")


def modules_loaded_by(*arguments: str) -> list[str]:
    code = (
        "import sys\n"
        "from heron_ray.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "finally:\n"
        f"    print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)\n"
    )
    found = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    return list(found.stderr.splitlines()[-1].strip("[]").replace("'", "").split(", ")) if found.stderr else ["?"]


def test_help_lists_every_verb_and_imports_nothing_heavy(heron) -> None:
    outcome = heron("--help")
    assert outcome.code == 0
    assert [line.split()[0] for line in outcome.stdout.splitlines() if line.startswith("  ") and line.split()[0] in VERBS] == [
        *VERBS
    ]
    assert modules_loaded_by("--help") == [""]


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "ps"])
def test_the_help_of_a_verb_imports_no_engine(verb: str) -> None:
    assert not {"torch", "ray", "sqlalchemy"} & set(modules_loaded_by(verb, "--help"))


@pytest.mark.parametrize(
    "verb",
    ["validate", "submit", "ps", "show", "watch", "cancel", "retry", "delete", "tag", "archive", "artifacts", "logs", "fork"],
)
def test_verbs_that_train_nothing_import_no_torch_and_no_ray(verb: str, spec_file) -> None:
    arguments = {"validate": [spec_file], "submit": [spec_file], "ps": []}.get(verb, ["some-id"])
    url = [] if verb == "validate" else ["--url", "http://127.0.0.1:1"]
    assert not {"torch", "ray", "sqlalchemy"} & set(modules_loaded_by(verb, *map(str, arguments), *url))


@pytest.mark.parametrize("verb", VERBS)
def test_the_table_of_verbs_says_what_each_command_says(verb: str) -> None:
    command = importlib.import_module(f"heron_ray.cli.{verb}").command
    assert isinstance(command, click.Command)
    assert command.name == verb
    assert (command.help or "").split("\n\n")[0].replace("\n", " ") == VERBS[verb]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_json_and_explains_its_options(verb: str) -> None:
    found = importlib.import_module(f"heron_ray.cli.{verb}").command
    for command in found.commands.values() if isinstance(found, click.Group) else [found]:
        options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
        assert "--json" in [name for option in options for name in option.opts]
        assert [option.name for option in options if not option.help] == []


def test_a_mistyped_verb_is_bad_usage_and_names_the_nearest_one(heron) -> None:
    outcome = heron("vaildate")
    assert outcome.code == 2
    assert "no such command 'vaildate'; did you mean 'validate'?" in outcome.stderr
    assert outcome.stdout == ""


def test_bad_usage_is_an_object_too_where_json_was_asked_for(heron) -> None:
    outcome = heron("validate", "--json")
    assert outcome.code == 2
    assert outcome.object["error"]["code"] == "bad_usage"
    assert "SPEC" in outcome.object["error"]["message"].upper()


def test_ctrl_c_ends_a_verb_without_a_traceback(heron, monkeypatch, spec_file) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("heron_ray.cli.validate.load", interrupted)
    outcome = heron("validate", spec_file, "--json")
    assert outcome.code == 130
    assert outcome.object["error"]["code"] == "interrupted"
    assert "Traceback" not in outcome.stderr


def test_a_reader_that_has_enough_does_not_cause_a_traceback() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    command = [sys.executable, "-m", "heron_ray.cli", "schema"]
    found = subprocess.run(command, stdout=write_end, stderr=subprocess.PIPE, text=True)
    os.close(write_end)
    assert found.stderr == ""


def test_main_exits_with_zero_when_all_is_well() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
