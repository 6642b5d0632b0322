"""The same service as for the verbs: the client is what they use."""

from tests.cli.conftest import dispatcher, service, store

__all__ = ["dispatcher", "service", "store"]
