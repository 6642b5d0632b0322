"""How much of the spread of a figure each axis explains: fANOVA (Hutter, Hoos and Leyton-Brown, ICML 2014), by Optuna.

A random forest is fitted to the points, and its variance is split over the axes: the share of an axis is what its main effect
explains. Only axes that every point has can be compared, so those that hang on others are left out. Optuna and scikit-learn are
imported when somebody asks.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from heron_ray.spec.space import SearchSpace

LEAST = 4
"""Points below which nothing is said."""
MOST = 2000
"""Points that are looked at; the newest, where there are more."""
TREES = 32


def importances(space: SearchSpace, points: Sequence[tuple[Mapping[str, JsonValue], float]]) -> dict[str, float]:
    """Shares of 1 by dotted path, the largest first; empty where there are too few points or nothing differs.

    Args:
        space: What was varied.
        points: Overrides, and the figure that each came to.
    """
    import optuna

    from tune_spaces.adaptive import distribution, place

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    common = [path for path in space.axes if all(path in overrides for overrides, _ in points)]
    study = optuna.create_study()
    for overrides, value in points[-MOST:]:
        places = {path: place(space.axes[path], overrides[path]) for path in common}
        if all(found is not None for found in places.values()):
            distributions = {path: distribution(space.axes[path]) for path in common}
            study.add_trial(optuna.trial.create_trial(params=places, distributions=distributions, value=value))
    values = {trial.value for trial in study.trials}
    if len(study.trials) < LEAST or len(values) < 2 or not common:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=TREES, seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = optuna.importance.get_param_importances(study, evaluator=evaluator, params=common)
    return {path: float(share) for path, share in sorted(found.items(), key=lambda item: -item[1])}
