"""The example in the docs runs as it stands, but for the address."""

from __future__ import annotations

import re
import threading
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_example_in_the_docs_submits_waits_and_plots(service, store, dispatcher, tmp_path, monkeypatch, capsys) -> None:
    page = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    example = example.replace("http://127.0.0.1:8000", service.url)
    (tmp_path / "experiments").symlink_to(ROOT / "experiments")
    monkeypatch.chdir(tmp_path)

    failed = threading.Event()

    def play() -> None:
        while not store.list(limit=1) and not failed.is_set():
            pass
        if failed.is_set():
            return
        attempt = dispatcher.claim()
        dispatcher.finish_round(attempt, 1, 100)
        dispatcher.succeed(attempt)

    thread = threading.Thread(target=play)
    thread.start()
    try:
        exec(compile(example, "docs/client.md", "exec"), {})
    except BaseException:
        failed.set()
        raise
    finally:
        thread.join()
    assert capsys.readouterr().out.startswith("SUCCEEDED {")
    assert "digits-heron, server" in (tmp_path / "accuracy.html").read_text(encoding="utf-8")
