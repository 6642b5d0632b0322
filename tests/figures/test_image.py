"""Images are drawn by a real browser; where there is none these tests say so and skip."""

from __future__ import annotations

import io
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from PIL import Image

from heron_ray.errors import MissingToolError
from heron_ray.figures import accuracy_curves, for_paper, write_images
from heron_ray.figures.image import BROWSERS, find_browser

# A legend is drawn for two lines and more.
RUNS = {
    name: {"test_accuracy": {"rounds": [1, 2], "values": [low, 0.75]}} for name, low in (("heron & co", 0.25), ("twin", 0.5))
}

needs_browser = pytest.mark.skipif(
    all(shutil.which(name) is None for name in BROWSERS), reason="no Chromium or Chrome (Debian: apt-get install chromium)"
)


@needs_browser
def test_one_browser_draws_svg_and_png_of_the_size_asked_for(tmp_path) -> None:
    figure = for_paper(accuracy_curves(RUNS), width=400, height=300)
    svg, png = tmp_path / "new" / "a.svg", tmp_path / "a.png"
    write_images({svg: figure, png: figure}, dots=3)
    root = ElementTree.parse(svg).getroot()
    assert (root.get("width"), root.get("height")) == ("400", "300")
    words = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"round", "test accuracy", "heron & co, server"} <= words
    assert "font-size: 12px" in svg.read_text(encoding="utf-8")
    with Image.open(io.BytesIO(png.read_bytes())) as image:
        assert image.size == (1200, 900)
        assert image.convert("RGB").getpixel((2, 2)) == (255, 255, 255)
        # A line of the first colour was drawn.
        assert (0, 114, 178) in {colour for _, colour in image.convert("RGB").getcolors(1 << 20) or []}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "new"]


def test_without_a_browser_the_error_says_the_way_out(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolError, match=r"chromium.*apt-get install chromium.*--browser.*HTML needs none"):
        write_images({tmp_path / "a.svg": {"data": [], "layout": {}}})


def test_a_browser_that_is_no_program_is_named(tmp_path) -> None:
    with pytest.raises(MissingToolError, match="nowhere"):
        find_browser(tmp_path / "nowhere")


def test_a_program_that_is_no_browser_fails_in_words(tmp_path) -> None:
    with pytest.raises(MissingToolError, match="did not draw"):
        write_images({tmp_path / "a.svg": {"data": [], "layout": {}}}, browser=Path("/bin/false"))
    assert list(tmp_path.iterdir()) == []
