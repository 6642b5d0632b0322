"""Studies and measurements behind the published numbers; run as modules from the root of a checkout."""
