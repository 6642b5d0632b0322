from __future__ import annotations

import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import httpx
import pytest
import yaml

from api.routes.examples import example_spec
from api.settings import Settings

ROOT = Path(__file__).parents[3]


def commands(page):
    return [unescape(found) for found in re.findall(r'<pre class="command">(.*?)</pre>', page, re.DOTALL)]


def test_the_example_is_the_digits_experiment_cut_to_a_few_rounds():
    spec = yaml.safe_load((ROOT / "experiments" / "digits-heron.yaml").read_text())
    example = example_spec()
    del spec["name"], spec["rounds"], example["name"], example["rounds"]
    assert example["method"]["zeroth_order"].pop("mu") == float(spec["method"]["zeroth_order"].pop("mu"))
    assert example == spec


def test_the_page_needs_no_network_and_no_scripts(serve, sqlite_store):
    page = httpx.get(f"{serve(sqlite_store)}/docs", trust_env=False)
    assert page.headers["content-type"].startswith("text/html")
    assert "<script" not in page.text
    assert not re.search(r"(src|href)=.?https?:", page.text)


def test_the_page_has_a_command_for_every_route(serve, sqlite_store):
    base_url = serve(sqlite_store)
    page = httpx.get(f"{base_url}/docs", trust_env=False).text
    document = httpx.get(f"{base_url}/openapi.json", trust_env=False).json()
    for path, methods in document["paths"].items():
        for method in methods:
            assert f"{method.upper()} {path}</code>" in page
    assert len(commands(page)) == sum(map(len, document["paths"].values())) + 1


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_every_command_works_when_pasted_in_order(serve, sqlite_store, leave_artifacts, tmp_path):
    ended = leave_artifacts(sqlite_store, tmp_path)
    page = httpx.get(f"{serve(sqlite_store, Settings(artifacts=tmp_path))}/docs", trust_env=False).text
    # Nothing runs experiments here, so the stream is followed after the cancel that ends it, and what only an experiment
    # that ran leaves behind is asked of one that did. The experiment ends once: by the cancel, so nothing is left to kill;
    # and no trial of the sweep has failed, so none is retried. There is no key to sign in with.
    of_ended = [command for command in commands(page) if "/artifacts/" in command or "/fork" in command]
    vain = re.compile(r"/kill|/sweeps/\S*/retry|heron_KEY")
    pasted = [command for command in commands(page) if command not in of_ended and not vain.search(command)]
    pasted.sort(key=lambda command: ("-X DELETE" in command, "text/event-stream" in command))
    pasted += [f"ID={ended}", *of_ended]
    script = "\n".join(f"{command} || exit 1; echo" for command in pasted)
    done = subprocess.run(
        ["bash", "-c", f"export no_proxy=127.0.0.1; {script}"], capture_output=True, text=True, timeout=60, check=True
    )
    assert len(of_ended) == 2
    assert "urn:heron-ray:problem" not in done.stdout
    # The retry is left of what was submitted, cancelled, retried and deleted; and the fork of the other one.
    fork, retry, *_ = sqlite_store.list(limit=9)
    assert (retry.state, fork.state) == ("QUEUED", "QUEUED")
    assert retry.retried_from
    assert fork.forked_from == ended
    assert "event: state" in done.stdout
