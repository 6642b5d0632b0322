"""Makes this folder a package, so that fixtures end with it: elsewhere `compute.executor: auto` must not find a Ray."""
