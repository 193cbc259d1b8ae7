"""Wolpertinger: an actor points at places in item space, and a critic chooses among the candidates nearest to them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from agents.learning.learner import Learner
from agents.learning.slate_value import SlateValueAgent, SlateValueSettings
from agents.networks.known_user import KnownUser
from agents.networks.layers import LayerNorm, Linear
from agents.networks.reader import Reader
from agents.settings import check_at_least
from agents.streams import Streams
from envs.interface import Metric, Observation, Spec, Tensors, mask_out, take_candidates
from envs.slates import top_k

DISTANCES = ("cosine", "euclidean")


@dataclass(frozen=True, kw_only=True)
class WolpertingerSettings(SlateValueSettings):
    """Settings of Wolpertinger."""

    neighbours: int = 10
    """Candidates nearest to a proto-action that the critic chooses from; all of them if there are no more."""
    distance: Literal["cosine", "euclidean"] = "cosine"
    """What is near: the angle, or the straight line as in the paper (and where items have one feature only)."""
    noise: float = 0.3
    """Standard deviation of what is added to a proto-action in training, in half-widths of the candidates' features, at
    first; it falls to 0 on a straight line."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be."""
        super().__post_init__()
        check_at_least(self, 1, "neighbours")
        check_at_least(self, 0, "noise")
        if self.distance not in DISTANCES:
            raise ValueError(f'distance is "{self.distance}"; known are {", ".join(DISTANCES)}')


class Actor(nn.Module):
    """Point at K places of item space, near the box that the candidates' features span.

    Equation:
        a_k = middle + half-width * MLP_k(user), each feature by itself.

    Args:
        users: what is known of users, U numbers.
        item_width: D.
        slate_size: K.
        hidden: width of both hidden layers.
        streams: source of the first weights; the rows of a seed meet its own.
    """

    def __init__(self, *, users: KnownUser, item_width: int, slate_size: int, hidden: int, streams: Streams) -> None:
        super().__init__()
        self.users, self.slate_size = users, slate_size
        self.hidden_1, self.hidden_2 = Linear(users.width, hidden, streams), Linear(hidden, hidden, streams)
        self.norm_1, self.norm_2 = (LayerNorm(hidden, streams) for _ in range(2))
        # Not from zero: the slots would point at one place, get one gradient, and never part.
        self.out = Linear(hidden, slate_size * item_width, streams, gain=0.3)

    def forward(self, user_BU: Tensor, low_BD: Tensor, high_BD: Tensor) -> Tensor:
        """Return proto-actions (B, K, D), given the lowest and the highest features on offer, (B, D) each."""
        hidden = torch.relu(self.norm_1(self.hidden_1(self.users(user_BU))))
        hidden = torch.relu(self.norm_2(self.hidden_2(hidden)))
        direction_BKD: Tensor = self.out(hidden).view(len(user_BU), self.slate_size, -1)
        middle_B1D, half_B1D = ((high_BD + low_BD) / 2).unsqueeze(1), ((high_BD - low_BD) / 2).unsqueeze(1)
        return middle_B1D + half_B1D * direction_BKD


def inverted(gradient_BKD: Tensor, protos_BKD: Tensor, low_BD: Tensor, high_BD: Tensor) -> Tensor:
    """Return a loss's gradient at proto-actions, less the nearer the bound that it drives them to, and turned beyond.

    Equation:
        g (high - a) / (high - low) where descent raises a, g (a - low) / (high - low) where it lowers a.
    Source:
        Hausknecht & Stone 2016, arXiv 1511.04143, equation 11. A squashed output would stop learning at a bound.
    """
    low_B1D, high_B1D = low_BD.unsqueeze(1), high_BD.unsqueeze(1)
    room_BKD = torch.where(gradient_BKD < 0, high_B1D - protos_BKD, protos_BKD - low_B1D)
    return gradient_BKD * room_BKD / (high_B1D - low_B1D).clamp(min=1e-8)


class ActorCritic(nn.Module):
    """Both networks in one, so that one optimiser and one target follow.

    Args:
        actor: gives proto-actions.
        critic: Q(s, a) for places a in item space.
    """

    def __init__(self, actor: Actor, critic: nn.Module) -> None:
        super().__init__()
        self.actor, self.critic = actor, critic

    def q(self, user_BU: Tensor, places_BND: Tensor, *, hold: bool = False) -> Tensor:
        """Return Q(s, a) of places (B, N); with ``hold`` the critic's weights get no gradient, the places do."""
        if hold:
            weights = {name: weight.detach() for name, weight in self.critic.named_parameters()}
            out_B1N, state_B1 = torch.func.functional_call(self.critic, weights, (user_BU, places_BND, None))
        else:
            out_B1N, state_B1 = self.critic(user_BU, places_BND, None)
        values_BN: Tensor = out_B1N[:, 0] + state_B1
        return values_BN


def nearness(protos_BKD: Tensor, candidates_BMD: Tensor, distance: str) -> Tensor:
    """Return how near each candidate is to each proto-action, up to a factor or a term of the proto-action's own.

    Equation:
        cosine: a . x / |x|, in the order of the cosines; euclidean: 2 a . x - |x|^2, in that of -|a - x|^2.

    Args:
        protos_BKD: (B, K, D).
        candidates_BMD: (B, M, D).
        distance: ``cosine`` or ``euclidean``.

    Returns:
        (B, K, M).
    """
    products_BKM = torch.bmm(protos_BKD, candidates_BMD.transpose(1, 2))
    lengths_B1M: Tensor = torch.linalg.vector_norm(candidates_BMD, dim=2).unsqueeze(1)
    if distance == "cosine":
        return products_BKM / lengths_B1M.clamp(min=1e-8)
    return 2 * products_BKM - lengths_B1M.square()


def box(candidates_BMD: Tensor) -> tuple[Tensor, Tensor]:
    """Return the lowest and the highest of each feature over the candidates, (B, D) each."""
    # Half against half: elementwise, this is several times as fast as a reduction along the middle axis.
    low, high = candidates_BMD, candidates_BMD
    while low.shape[1] > 1:
        half = (low.shape[1] + 1) // 2
        low, high = torch.minimum(low[:, :half], low[:, -half:]), torch.maximum(high[:, :half], high[:, -half:])
    return low.squeeze(1), high.squeeze(1)


class NearestItems:
    """Choose slot by slot, by the critic, among the candidates nearest to the slot's proto-action.

    Equation:
        i_k = argmax of Q(s, i) over the n candidates nearest to a_k that are in no earlier slot.

    Args:
        spec: sizes of the environment.
        reader: what of an observation the networks read.
        neighbours: n.
        distance: ``cosine`` or ``euclidean``.
    """

    columns: tuple[str, ...] = ("user", "features", "low", "high")

    def __init__(self, spec: Spec, reader: Reader, neighbours: int, distance: str) -> None:
        self.reader, self.distance = reader, distance
        self.counts = [min(neighbours, spec.num_candidates - slot) for slot in range(spec.slate_size)]

    def row(self, observation: Observation, slate_BK: Tensor) -> Tensors:
        """Return user, the slate's items and the box of the candidates, (B, ...)."""
        low_BD, high_BD = box(observation["candidates"])
        features_BKD = self.reader.items(observation, slate_BK)[0]
        return {"user": self.reader.user(observation), "features": features_BKD, "low": low_BD, "high": high_BD}

    def value(self, network: nn.Module, row: Tensors) -> Tensor:
        """Return Q(s, A), the mean over its items, (B,)."""
        assert isinstance(network, ActorCritic)
        return network.q(row["user"], row["features"]).mean(dim=1)

    def best(self, network: nn.Module, observation: Observation) -> tuple[Tensor, Tensor]:
        """Return the slate that actor and critic choose (B, K), and its value (B,)."""
        return self.choose(network, observation, None)

    @torch.no_grad()
    def choose(self, network: nn.Module, observation: Observation, noise_BKD: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return slate and value with noise on the proto-actions, in half-widths of the candidates' features."""
        assert isinstance(network, ActorCritic)
        user_BU, candidates_BMD = self.reader.user(observation), observation["candidates"]
        low_BD, high_BD = box(candidates_BMD)
        protos_BKD = network.actor(user_BU, low_BD, high_BD)
        if noise_BKD is not None:
            protos_BKD = protos_BKD + noise_BKD * ((high_BD - low_BD) / 2).unsqueeze(1)
        protos_BKD = protos_BKD.clamp(low_BD.unsqueeze(1), high_BD.unsqueeze(1))
        near_BKM = nearness(protos_BKD, candidates_BMD, self.distance)
        taken_BM = torch.zeros_like(near_BKM[:, 0], dtype=torch.bool)
        slots, values = [], []
        for slot, count in enumerate(self.counts):
            places_BN = top_k(mask_out(near_BKM[:, slot], taken_BM), count)
            q_BN = network.q(user_BU, take_candidates(candidates_BMD, places_BN))
            value_B1, choice_B1 = q_BN.max(dim=1, keepdim=True)
            slots.append(places_BN.gather(1, choice_B1))
            values.append(value_B1)
            taken_BM = taken_BM.scatter(1, slots[-1], True)
        return torch.cat(slots, dim=1), torch.cat(values, dim=1).mean(dim=1)


class Wolpertinger(SlateValueAgent):
    """Find items by pointing at where good ones would be, so that only a few of many candidates are valued.

    Equation:
        Q(s, A) = 1/K sum_{i in A} Q(s, i) moves towards its target as in DQN, with V(s) the target critic's value of
        the slate which the online actor and critic choose; the actor climbs 1/K sum_k Q(s, a_k) at its own
        proto-actions a_k.
    Source:
        Dulac-Arnold et al. 2015, arXiv 1512.07679, algorithm 2; its actor and critic are those of Lillicrap et al.
        2016, arXiv 1509.02971.
    Deviation:
        A slate's value is additive over its items, and each slot has a proto-action. Near is a small angle, unless
        ``distance`` says otherwise. In the source the target actor and critic choose what the target critic values,
        as they do here without ``double``. Proto-actions stay within the features on offer, by the inverted gradients
        of Hausknecht & Stone 2016, arXiv 1511.04143. Targets are lambda-returns of parallel users; replay is a setting.
        Actor and critic share optimiser, step size and gradient norm. In rollouts, V(s) is that of the slate chosen
        with noise, with ``double``.
    """

    Settings: ClassVar[type[WolpertingerSettings]] = WolpertingerSettings
    settings: WolpertingerSettings
    METRICS: ClassVar[tuple[Metric, ...]] = (
        *SlateValueAgent.METRICS,
        Metric("train/actor_loss", "scaled reward", "lower", "minus the critic's value of the proto-actions"),
    )

    def __init__(
        self,
        spec: Spec,
        settings: WolpertingerSettings,
        *,
        device: torch.device,
        seed: int | Sequence[int],
        num_users: int,
        num_steps: int,
    ) -> None:
        # A proto-action is a place in item space: it has no id and no popularity, so the critic reads neither.
        shapes = {key: shape for key, shape in spec.shapes.items() if key not in ("candidate_ids", "popularity")}
        bare = replace(spec, shapes=shapes, static_items=False)
        streams = Streams(seed, device)
        learner = Learner(bare, settings, num_heads=1, num_state_heads=1, num_steps=num_steps, streams=streams)
        actor = Actor(
            users=KnownUser(learner.reader, history=settings.history, hidden=settings.hidden, streams=streams),
            item_width=learner.reader.item_width,
            slate_size=spec.slate_size,
            hidden=settings.hidden,
            streams=streams,
        )
        learner.use(ActorCritic(actor, learner.network))
        self.nearest = NearestItems(bare, learner.reader, settings.neighbours, settings.distance)
        super().__init__(spec, settings, learner, self.nearest, num_users)

    def _greedy(self, observation: Observation) -> Tensor:
        """Return the slates that actor and critic choose with noise on the proto-actions, (B, K)."""
        scale = self.settings.noise * (1 - self.learner.progress)
        noise_BKD = None
        if scale:
            candidates_BMD = observation["candidates"]
            shape = (len(candidates_BMD), self.spec.slate_size, candidates_BMD.shape[-1])
            noise_BKD = scale * self.learner.streams.normal(*shape)
        return self.nearest.choose(self.learner.network, observation, noise_BKD)[0]

    def _further_losses(self, batch: Tensors) -> Tensors:
        """Return the actor's loss: minus the value that the critic gives its proto-actions."""
        network = self.learner.network
        assert isinstance(network, ActorCritic)
        low_BD, high_BD = batch["low"], batch["high"]
        protos_BKD = network.actor(batch["user"], low_BD, high_BD)
        places_BKD = protos_BKD.detach()
        protos_BKD.register_hook(lambda gradient: inverted(gradient, places_BKD, low_BD, high_BD))
        value_B = network.q(batch["user"], protos_BKD, hold=True).mean(dim=1)
        return {"train/actor_loss": -self.learner.mean(value_B)}
