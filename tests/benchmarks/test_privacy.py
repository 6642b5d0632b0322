"""The table of privacy: complete, of the present settings and accountant, and told alike by JSON and docs."""

import pytest

from benchmarks.privacy import (
    BEGIN,
    DOCS,
    END,
    METHODS,
    SEEDS,
    SIGMAS,
    cells,
    figure,
    load_results,
    name,
    overrides,
    row_spec,
    table,
)
from heron_ray.privacy import gaussian_epsilon

RESULTS = load_results()


@pytest.mark.parametrize("cell", cells(), ids=lambda cell: name(*cell))
def test_a_row_was_recorded_with_the_present_settings_and_says_where_it_comes_from(cell) -> None:
    recorded = RESULTS[name(*cell)]
    assert recorded["overrides"] == overrides(*cell)
    assert list(recorded["seeds"]) == [str(seed) for seed in SEEDS]
    assert recorded["commit"]
    assert set(recorded["machine"]) == {"cpu", "python", "torch"}


@pytest.mark.parametrize("cell", [cell for cell in cells() if cell[2] is not None], ids=lambda cell: name(*cell))
def test_the_recorded_epsilon_is_that_of_the_releases_it_stands_for(cell) -> None:
    mechanism, _, sigma = cell
    for found in RESULTS[name(*cell)]["seeds"].values():
        if "diverged_in_round" not in found:
            mu = 2 / sigma * found[f"releases_{mechanism}"] ** 0.5
            assert found[f"epsilon_{mechanism}"] == pytest.approx(gaussian_epsilon(mu, row_spec(*cell).privacy.delta))


@pytest.mark.parametrize("mechanism", SIGMAS)
def test_the_docs_show_what_was_recorded(mechanism: str) -> None:
    text = DOCS.read_text(encoding="utf-8")
    shown = text.split(BEGIN.format(mechanism=mechanism))[1].split(END.format(mechanism=mechanism))[0]
    assert shown.strip() == table(mechanism, RESULTS)


def test_the_figure_has_a_line_per_method_in_both_panels() -> None:
    assert [trace["name"] for trace in figure(RESULTS)["data"]] == [*METHODS, *METHODS]
