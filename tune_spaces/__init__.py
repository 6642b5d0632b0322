"""Named search spaces over spec paths, and the bridge to Ray Tune.

Light: only `tune_spaces.bridge` imports Ray and `tune_spaces.adaptive` Optuna, and only the dispatcher imports these.
"""

from tune_spaces.check import extreme_specs, require_fit, trial_spec
from tune_spaces.resolve import plan_sweep, resolve_space, sweep_of
from tune_spaces.spaces import SPACES

__all__ = ["SPACES", "extreme_specs", "plan_sweep", "require_fit", "resolve_space", "sweep_of", "trial_spec"]
