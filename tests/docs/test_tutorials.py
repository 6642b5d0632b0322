"""Every tutorial does what it says: its `sh` blocks, one after another in one shell and an empty folder."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

TUTORIALS = sorted((Path(__file__).parents[2] / "docs" / "tutorials").glob("*.md"))
# Of what these do, tests/service, tests/sweeps and tests/studies do a shorter piece.
LONG = ("byzantine-study", "cluster", "mu-sweep")


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "tutorial",
    [pytest.param(page, id=page.stem, marks=pytest.mark.soak if page.stem in LONG else ()) for page in TUTORIALS],
)
def test_a_tutorial_runs(tutorial: Path, tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", tutorial.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert blocks
    script = "set -euo pipefail\n" + "\n".join(blocks)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with subprocess.Popen(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as shell:
        try:
            told, _ = shell.communicate(timeout=540)
        except subprocess.TimeoutExpired:
            os.killpg(shell.pid, signal.SIGTERM)
            told, _ = shell.communicate()
    assert shell.returncode == 0, told[-4000:]
