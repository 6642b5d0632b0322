"""Participants of `benchmarks.fedavg`: heron-ray, and other frameworks that each have an environment of their own."""
