from __future__ import annotations

from heron_ray.spec import parse_spec
from tests.cli.conftest import SPEC


def test_a_local_run_and_one_of_the_service_are_reported_on_one_page(
    heron, spec_file, service, store, dispatcher, tmp_path
) -> None:
    assert heron("run", spec_file, "--out", tmp_path / "kept").code == 0
    id = store.submit(parse_spec(SPEC)).id
    attempt = dispatcher.claim()
    dispatcher.finish_round(attempt, 1, 3)
    dispatcher.succeed(attempt)
    outcome = heron("report", tmp_path / "kept", id, "-o", tmp_path / "new" / "report.html", "--title", "Two runs", "--json")
    assert outcome.code == 0, outcome.stderr
    page = (tmp_path / "new" / "report.html").read_text(encoding="utf-8")
    assert outcome.object == {"file": str(tmp_path / "new" / "report.html"), "bytes": len(page.encode())}
    for words in ("<h1>Two runs</h1>", "d" * 64, str(tmp_path / "kept"), id, "software: torch"):
        assert words in page


def test_a_report_on_nothing_is_not_found(heron, service, tmp_path) -> None:
    assert heron("report", "nobody", "-o", tmp_path / "a.html").code == 3
    assert heron("report", tmp_path / "nowhere", "-o", tmp_path / "a.html").code == 2
    assert list(tmp_path.glob("*.html")) == []
