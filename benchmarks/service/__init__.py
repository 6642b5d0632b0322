"""The parts of `benchmarks.service_load`: a service to load, a generator of load in a process of its own, and what is asked."""
