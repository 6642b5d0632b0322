"""The one schema: what an experiment is, how it is read, changed, hashed and explained.

Everyone may import this room; it imports only `heron_ray.errors`, pydantic and PyYAML, never torch.
"""

from heron_ray.spec.experiment import SCHEMA_VERSION, ExperimentSpec
from heron_ray.spec.overrides import apply_overrides
from heron_ray.spec.parse import load_spec, parse_override, parse_spec, parse_yaml, read_spec_file

__all__ = [
    "SCHEMA_VERSION",
    "ExperimentSpec",
    "apply_overrides",
    "load_spec",
    "parse_override",
    "parse_spec",
    "parse_yaml",
    "read_spec_file",
]
