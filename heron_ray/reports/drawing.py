"""The figures of one run, or of several side by side."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from heron_ray.figures import client_losses, comparison_figures, experiment_figures, spectral_density
from heron_ray.reports.record import Record


def draw(records: Sequence[Record]) -> dict[str, dict[str, Any]]:
    """The figures by name, without those that would show nothing.

    One run is drawn as the pages draw it; of several, runs of the same name are told apart by their origin.
    """
    if len(records) == 1:
        record = records[0]
        figures = experiment_figures(record.series)
        if record.client_losses:
            figures["clients"] = client_losses(record.client_losses, byzantine=record.byzantine)
        if record.spectra:
            figures["spectrum"] = spectral_density(record.spectra)
    else:
        # Plotly reads its texts as HTML.
        figures = comparison_figures({escape(label, quote=False): record.series for label, record in labelled(records).items()})
    return {name: figure for name, figure in figures.items() if figure["data"]}


def labelled(records: Sequence[Record]) -> dict[str, Record]:
    """Each record by its name, or where several share that, by name and origin.

    >>> one, other = Record(origin="a", name="heron", state="SUCCEEDED"), Record(origin="b", name="heron", state="FAILED")
    >>> list(labelled([one, other]))
    ['heron (a)', 'heron (b)']
    """
    names = [record.name for record in records]
    return {
        record.name if names.count(record.name) == 1 else f"{record.name} ({record.origin[-24:]})": record for record in records
    }
