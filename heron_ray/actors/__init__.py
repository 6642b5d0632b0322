"""Ray actors for the roles: a thin shell that carries calls. No arithmetic here.

The only room of the engine that imports Ray; only the command line and the service's driver import it.
"""

from heron_ray.actors.choice import executor_for

__all__ = ["executor_for"]
