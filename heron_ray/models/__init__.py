"""Split models: front model (client), auxiliary head (client), back model (main server). Pure torch; imports spec and seeds."""

from heron_ray.models.registry import build_model, initial_model
from heron_ray.models.split import SplitModel

__all__ = ["SplitModel", "build_model", "initial_model"]
