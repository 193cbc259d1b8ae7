"""Linear bandits over user and item features, one model for all items: LinUCB and linear Thompson sampling."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from agents.features.pair_features import PairFeatures, Pairs
from agents.settings import check_above_zero, check_at_least
from agents.state import above, below, check_names, check_shapes, to_device
from envs.interface import Metric, Observation, Spec, Tensors, Transition, restore_stream
from envs.slates import top_k

FEEDBACKS = ("slate", "cascade")


@dataclass(frozen=True, kw_only=True)
class BanditSettings:
    """Settings of LinUCB and of linear Thompson sampling."""

    alpha: float = 2.0
    """Exploration, in posterior standard deviations of an item's expected reward; 0 shows what looks best."""
    ridge: float = 1.0
    """Lambda, weight of the prior that all coefficients are 0, in observations."""
    features: int = 64
    """The widest that user vector and item features are taken as they are; wider ones are projected at random."""
    refit: int = 1
    """Steps of all users between two solutions of the normal equations."""
    feedback: str = "slate"
    """Of which slots the reward counts: ``slate``, all of them, or ``cascade``, those down to the first click."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be."""
        check_at_least(self, 0, "alpha")
        check_above_zero(self, "ridge")
        check_at_least(self, 1, "features", "refit")
        if self.feedback not in FEEDBACKS:
            raise ValueError(f'feedback is "{self.feedback}"; known are {", ".join(FEEDBACKS)}')


class _LinearBandit:
    """Learn the reward of a shown item as a linear function of `PairFeatures`; show the K best without exploration.

    Equation:
        A = lambda I + sum x x^T, b = sum r x, over the slots whose reward counts; theta = A^-1 b;
        sigma^2 = (1 + sum r^2 - theta . b) / (1 + n). The posterior of the coefficients is N(theta, sigma^2 A^-1).
    """

    Settings: ClassVar[type[BanditSettings]] = BanditSettings
    NEEDS: ClassVar[tuple[str, ...]] = ("user", "candidates")
    METRICS: ClassVar[tuple[Metric, ...]] = (
        Metric("train/loss", "reward squared", "lower", "squared error of the shown items' rewards, predicted before"),
        Metric("train/value", "reward", "higher", "mean predicted reward of a shown item"),
        Metric("train/uncertainty", "reward", "lower", "posterior deviation of a shown item's expected reward"),
    )

    def __init__(
        self,
        spec: Spec,
        settings: BanditSettings,
        *,
        device: torch.device,
        seed: int,
        num_users: int,
        num_steps: int,
    ) -> None:
        self.spec, self.settings = spec, settings
        self.generator = torch.Generator(device).manual_seed(seed)
        self.features = PairFeatures(spec, settings.features, self.generator)
        identity = torch.eye(self.features.width, dtype=torch.float64, device=device)
        self.steps = 0
        self.gram_WW = settings.ridge * identity
        self.moment_W = torch.zeros_like(identity[0])
        self.squares, self.count = torch.zeros_like(identity[0, 0]), torch.zeros_like(identity[0, 0])
        # As of the last solution: the Cholesky factor of A, theta and sigma.
        self.factor_WW = settings.ridge**0.5 * identity
        self.theta_W = torch.zeros_like(self.moment_W)
        self.deviation = torch.ones_like(self.count)

    def act(self, observation: Observation, explore: bool = False) -> Tensor:
        """Return the K highest, (B, K): by index while exploring, else by the posterior mean."""
        pairs = self.features(observation)
        return top_k(self.index(pairs) if explore else pairs.inner(self.theta_W), self.spec.slate_size)

    def index(self, pairs: Pairs) -> Tensor:
        """Return what candidates are ranked by while exploring, (B, M)."""
        raise NotImplementedError

    def update(self, transition: Transition) -> Tensors:
        """Add the shown items' rewards; solve for the coefficients when it is time."""
        rows_NW = self.features(transition.observation, transition.slate).rows().flatten(0, 1)
        counts_N = self._counts(transition.response[..., 0]).flatten().double()
        reward_N = transition.response[..., 1].flatten().double()
        predicted_N, count = rows_NW @ self.theta_W, counts_N.sum()
        counted_NW = rows_NW * counts_N.unsqueeze(1)
        added_WW = counted_NW.T @ counted_NW
        # The mean of x^T A^-1 x over the slots is a trace.
        variance = torch.cholesky_solve(added_WW, self.factor_WW).trace() / count
        metrics = {
            "train/loss": (counts_N * (reward_N - predicted_N).square()).sum() / count,
            "train/value": (counts_N * predicted_N).sum() / count,
            "train/uncertainty": self.deviation * variance.clamp(min=0).sqrt(),
        }
        self.gram_WW = self.gram_WW + added_WW
        self.moment_W = self.moment_W + counted_NW.T @ reward_N
        self.squares = self.squares + (counts_N * reward_N.square()).sum()
        self.count = self.count + count
        self.steps += 1
        if self.steps % self.settings.refit == 0:
            self._solve()
        return {name: value.float() for name, value in metrics.items()}

    def _counts(self, clicks_BK: Tensor) -> Tensor:
        """Return of which slots the reward counts, (B, K)."""
        if self.settings.feedback == "slate":
            return torch.ones_like(clicks_BK)
        return clicks_BK.cumsum(dim=1) - clicks_BK == 0

    def _solve(self) -> None:
        # Not `cholesky`, which waits for the device to say whether A is positive; with the ridge it is.
        self.factor_WW = torch.linalg.cholesky_ex(self.gram_WW).L.contiguous()
        self.theta_W = torch.cholesky_solve(self.moment_W.unsqueeze(1), self.factor_WW).squeeze(1)
        left = self.squares - self.theta_W @ self.moment_W
        self.deviation = ((1 + left.clamp(min=0)) / (1 + self.count)).sqrt()

    def state_dict(self) -> Tensors:
        """Return sums, solution, projections, the step count and the random stream."""
        return {
            **self._sums(),
            **above("projections", self.features.projections),
            "steps": torch.tensor(self.steps),
            "generator": self.generator.get_state(),
        }

    def _sums(self) -> Tensors:
        return {
            "gram": self.gram_WW,
            "moment": self.moment_W,
            "squares": self.squares,
            "count": self.count,
            "factor": self.factor_WW,
            "theta": self.theta_W,
            "deviation": self.deviation,
        }

    def load_state_dict(self, tensors: Tensors) -> None:
        """Go on from a `state_dict`.

        Raises:
            ValueError: it is another agent's, or has other sizes.
        """
        needed = {**self._sums(), **above("projections", self.features.projections)}
        check_names(tensors, (*needed, "steps", "generator"))
        check_shapes(tensors, needed)
        own = to_device({name: tensors[name] for name in needed}, self.generator.device)
        self.gram_WW, self.moment_W, self.squares, self.count = (
            own[name] for name in ("gram", "moment", "squares", "count")
        )
        self.factor_WW, self.theta_W, self.deviation = own["factor"], own["theta"], own["deviation"]
        self.features.projections = below("projections", own)
        self.steps = int(tensors["steps"])
        restore_stream(self.generator, tensors["generator"])


class LinUCB(_LinearBandit):
    """Rank by an optimistic estimate of each item's reward: the posterior mean and alpha deviations.

    Equation:
        index(i) = theta . x_i + alpha sigma sqrt(x_i^T A^-1 x_i), A and theta as of the latest solution.
    Source:
        Li et al. 2010, arXiv 1003.0146; one model for all arms as in Chu et al. 2011; each slot of a slate tells its
        own reward, as in the semi-bandits of Kveton et al. 2015, arXiv 1410.0949; down to the first click as in their
        cascading bandits, arXiv 1502.02763.
    Deviation:
        Candidate sets change, so that no arm has coefficients of its own. Alpha counts in deviations, with sigma
        estimated, so that it needs no tuning to the size of rewards. All users of a step see one A.
    """

    def index(self, pairs: Pairs) -> Tensor:
        """Return the upper confidence bound of every candidate, (B, M)."""
        width = (self.settings.alpha * self.deviation).float()
        return pairs.inner(self.theta_W) + width * pairs.length(torch.cholesky_inverse(self.factor_WW))


class LinTS(_LinearBandit):
    """Rank by coefficients drawn from their posterior, a draw for every user and step.

    Equation:
        index(i) = theta~ . x_i with theta~ ~ N(theta, (alpha sigma)^2 A^-1).
    Source:
        Agrawal & Goyal 2013, arXiv 1209.3352; slates as in `LinUCB`.
    Deviation:
        As `LinUCB`: one draw ranks a whole slate.
    """

    def index(self, pairs: Pairs) -> Tensor:
        """Return the reward of every candidate under its user's draw, (B, M)."""
        batch, device = len(pairs.user), self.generator.device
        normal_WB = torch.randn(
            (self.features.width, batch), generator=self.generator, device=device, dtype=torch.float64
        )
        # A = L L^T, so that L^-T z has covariance A^-1.
        error_WB = torch.linalg.solve_triangular(self.factor_WW.T, normal_WB, upper=True)
        return pairs.inner(self.theta_W + self.settings.alpha * self.deviation * error_WB.T)
