"""Named search spaces over spec paths, and the bridge to Ray Tune."""
