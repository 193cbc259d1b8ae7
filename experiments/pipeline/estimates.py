"""From what each user got to means, intervals and paired differences."""

from collections.abc import Mapping

import numpy as np

from experiments.pipeline.stages import Result
from experiments.seeds import derive_seed
from experiments.statistics import Estimate, bootstrap_ratios, estimate, mean_sample, paired_difference

Estimates = Mapping[str, Mapping[str, Estimate]]
"""Rung and metric to an estimate."""


def estimates(
    results: Mapping[str, Result], baselines: tuple[str, ...], scenario: str, seed: int
) -> tuple[Estimates, Mapping[str, Estimates]]:
    """Return the means of every rung on one task, and their differences from each baseline that is there.

    All rungs are resampled together, with the same users, so that differences are paired. The coverage belongs to all
    users as one and has no interval.
    """
    if not results:
        return {}, {}
    samples = {
        (rung, name): mean_sample(values_T)
        for rung, result in results.items()
        for name, values_T in result.values.items()
    }
    named = {f"{rung}/{name}": sample for (rung, name), sample in samples.items()}
    users = len(next(iter(named.values())).numerator)
    rng = np.random.default_rng(derive_seed(seed, "resampled users", scenario))
    drawn = bootstrap_ratios(named, np.arange(users), rng)
    means: dict[str, dict[str, Estimate]] = {}
    paired: dict[str, dict[str, dict[str, Estimate]]] = {name: {} for name in baselines if name in results}
    for rung, result in results.items():
        means[rung] = {name: estimate(named[f"{rung}/{name}"], drawn[f"{rung}/{name}"]) for name in result.values}
        means[rung]["coverage"] = Estimate(result.coverage, None, None, users)
        for other, differences in paired.items():
            if other != rung:
                pairs = {name: (f"{rung}/{name}", f"{other}/{name}") for name in result.values}
                differences[rung] = {
                    name: paired_difference(named[one], named[two], drawn[one], drawn[two])
                    for name, (one, two) in pairs.items()
                }
    return means, paired
