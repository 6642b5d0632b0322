"""The three roles as plain classes: client host, main server, federation server. Executors only carry their calls."""

from heron_ray.simulation.roles.client_host import ClientHost
from heron_ray.simulation.roles.federation_server import FederationServer
from heron_ray.simulation.roles.main_server import MainServer

__all__ = ["ClientHost", "FederationServer", "MainServer"]
