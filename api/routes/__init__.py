"""REST over the store. FastAPI lives here and nowhere else; only the service's entry points import this room."""

from api.routes.app import create_app

__all__ = ["create_app"]
