"""The site: `make docs` builds it into docs/_site. Sphinx reads the Markdown of this folder; every warning is an error."""

project = "heron-ray"
author = "the heron-ray engineers"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "heron-ray"
html_copy_source = False
html_show_copyright = False
exclude_patterns = ["_site"]
# Sections can be linked to as on a forge: `data.md#where-data-lie`.
myst_heading_anchors = 4
