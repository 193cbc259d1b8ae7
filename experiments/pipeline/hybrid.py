"""The rung that adds what texts say to what likes say."""

import numpy as np
import numpy.typing as npt

from experiments.pipeline.ranking import Model
from experiments.pipeline.rung import Rung, Setting
from experiments.pipeline.task import Task

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
WEIGHTS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 2.0)


class Sum:
    """Add the standard scores of two models, the second with a weight."""

    def __init__(self, first: Model, second: Model, weight: float) -> None:
        self.first, self.second, self.weight = first, second, weight
        self.num_parameters = first.num_parameters + second.num_parameters

    def scores(self, users_B: Ints) -> Floats:
        """Return the scores of all items for some users, float32 (B, N)."""
        first_BN, second_BN = standard(self.first.scores(users_B)), standard(self.second.scores(users_B))
        return first_BN + np.float32(self.weight) * second_BN


def standard(scores_BN: Floats) -> Floats:
    """Return each user's scores with mean 0 and standard deviation 1; zeros where all are equal.

    Equation:
        z_n = (s_n − mean s) / std s
    """
    centred_BN = scores_BN - scores_BN.mean(axis=1, keepdims=True)
    spread_B1 = centred_BN.std(axis=1, keepdims=True)
    return np.where(spread_B1 > 0, centred_BN / np.where(spread_B1 > 0, spread_B1, 1.0), 0.0).astype(np.float32)


def _hybrid(task: Task, setting: Setting) -> Sum:
    first, second = setting.others("ease", task), setting.others(setting.choice["of"], task)
    return Sum(first, second, setting.choice["weight"])


def hybrid_rung(texts: tuple[str, ...]) -> Rung:
    """Return the rung that adds one of some text rungs to EASE, whichever serves best."""
    return Rung(
        name="hybrid",
        fit=_hybrid,
        needs=("ease",),
        uses=texts,
        choices=[{"weight": weight} for weight in WEIGHTS],
    )
