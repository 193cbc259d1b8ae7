"""Play one policy to the end of every session of a panel of users."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from agents.protocol import Agent
from envs.interface import Observation, Policy, Tensors, repeats, take_candidates
from envs.simulator import CLUSTER, Retrieves, Simulator, State
from envs.streams import Stream

Act = Callable[[State, Observation], Tensor]
"""From the state of some users, and what may be seen of it, to their slates (B, K)."""


@dataclass(frozen=True, kw_only=True)
class Sessions:
    """What one policy earned with each of n users, one session each."""

    totals: Tensors
    """Name to (n,) float64 sums over the session: reward, clicks, diversity, and the simulator's metrics."""
    length: Tensor
    """(n,) float64 slates shown."""
    exposure: Tensor
    """(N,) int64, how often each item of the catalogue was shown."""
    cluster: Tensor
    """(n,) int64, the rater or persona that each user was drawn around, or a number of the user's own."""


SAMPLED = "_sampled"
"""Ends the name of the policy that draws its slates as the agent before it does while it learns."""


def agent_policy(agent: Agent, explore: bool = False) -> Act:
    """Return an agent as a policy, which does not explore unless asked."""
    return lambda state, observation: agent.act(observation, explore)


def is_stochastic(agent: Agent) -> bool:
    """Return whether what an agent learns is a chance of slates, of which it shows the likeliest."""
    return bool(getattr(agent, "STOCHASTIC", False))


def agent_policies(agents: Mapping[str, Agent]) -> dict[str, Act]:
    """Return what agents show without exploration, each followed by what it draws where it learns chances."""
    acts: dict[str, Act] = {}
    for name, agent in agents.items():
        acts[name] = agent_policy(agent)
        if is_stochastic(agent):
            acts[name + SAMPLED] = agent_policy(agent, explore=True)
    return acts


@contextmanager
def streams_kept(agents: Iterable[Agent]) -> Iterator[None]:
    """Leave agents as they were, whatever they draw within: an evaluation repeats, and changes no training."""
    before = [(agent, agent.state_dict()) for agent in agents if is_stochastic(agent)]
    try:
        yield
    finally:
        for agent, state in before:
            agent.load_state_dict(state)


def reference_policy(simulator: Simulator, policy: Policy) -> Act:
    """Return a reference policy, which may look inside the simulator."""
    return lambda state, observation: policy(simulator, state)


@torch.no_grad()
def play(simulator: Simulator, users: Tensors, act: Act, seed: int) -> Sessions:
    """Show slates to every user until they leave or time runs out.

    Noise is drawn for the whole panel at every step, so that with one ``seed`` a user meets the same noise
    under every policy, whatever is on offer; users whose session has ended are taken out of the batch.

    Args:
        simulator: the kernel.
        users: a panel, each tensor (n, …).
        act: the policy.
        seed: of the noise.
    """
    panel_size = len(next(iter(users.values())))
    device = simulator.device
    generator = Stream(device).manual_seed(seed)
    state = simulator.start(users, simulator.start_noise(panel_size, generator))
    playing = torch.arange(panel_size, device=device)
    length = torch.zeros(panel_size, dtype=torch.float64, device=device)
    totals: Tensors = {}
    exposure = torch.zeros(simulator.spec.num_items, dtype=torch.int64, device=device)
    for _ in range(simulator.time_limit):
        noise = {name: value[playing] for name, value in simulator.step_noise(panel_size, generator).items()}
        observation = simulator.observe(state)
        slate_BK = act(state, observation)
        exposure += _shown(simulator, state, slate_BK)
        offered = {"diversity": _diversity(observation["candidates"], slate_BK)}
        if isinstance(simulator, Retrieves):
            found_BM = simulator.candidate_ids(state) == simulator.best_items(state).unsqueeze(1)
            offered["recall"] = found_BM.any(dim=1)
        state, outcome = simulator.step(state, slate_BK, noise)
        earned = {
            "reward": outcome.reward,
            "clicks": outcome.response[:, :, 0].sum(dim=1),
            **offered,
        }
        for name, value_B in (earned | outcome.metrics).items():
            total = totals.setdefault(name, torch.zeros_like(length))
            total.index_add_(0, playing, value_B.double())
        length[playing] += 1
        rows = (~outcome.left).nonzero().squeeze(1)
        if len(rows) < len(playing):
            state = {name: value[rows] for name, value in state.items()}
            playing = playing[rows]
        if not len(playing):
            break
    cluster = users.get(CLUSTER, torch.arange(panel_size, device=device))
    return Sessions(totals=totals, length=length, exposure=exposure, cluster=cluster)


def _shown(simulator: Simulator, state: State, slate_BK: Tensor) -> Tensor:
    ids_BK = simulator.candidate_ids(state).gather(1, slate_BK)
    return torch.bincount(ids_BK[~repeats(slate_BK)], minlength=simulator.spec.num_items)


def _diversity(candidates_BMD: Tensor, slate_BK: Tensor) -> Tensor:
    """Return 1 − the mean cosine of two items of the slate, (B,); 0 for a slate of one."""
    slots = slate_BK.shape[1]
    if slots == 1:
        return torch.zeros(len(slate_BK), device=slate_BK.device)
    items_BKD = torch.nn.functional.normalize(take_candidates(candidates_BMD, slate_BK), dim=-1)
    # The sum over pairs is |sum of unit vectors|² less the diagonal.
    pairs_B = items_BKD.sum(dim=1).square().sum(dim=1) - items_BKD.square().sum(dim=(1, 2))
    return 1 - pairs_B / (slots * (slots - 1))
