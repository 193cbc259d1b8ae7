"""What every agent offers: act, update, and a state that can be saved to the bit."""

from typing import Any, ClassVar, Protocol

from torch import Tensor

from envs.interface import Metric, Observation, Spec, Tensors, Transition


class Agent(Protocol):
    """A slate-ranking policy that may learn.

    Such a class is built as ``Class(spec, settings, device=…, seed=…, num_users=…, num_steps=…)``:
    the sizes of the environment, its own ``Settings``, a torch device, a seed, B the number of parallel users
    that `update` will see, and how many times `update` will be called (for annealing).

    A class that says ``MANY_SEEDS = True`` also takes a list of S seeds: rows are then (S B, ...), one seed after the
    other, what a seed gets is what it would get alone, metrics have one number a seed, and `agents.state.of_seed`
    finds the state of one.

    A class that says ``BY_CHANCE = True`` draws its slates even without exploration: its random stream moves then, and
    nothing else.
    """

    Settings: ClassVar[type[Any]]
    """A frozen dataclass: the only list of the agent's settings."""
    METRICS: ClassVar[tuple[Metric, ...]]
    """What `update` returns."""
    NEEDS: ClassVar[tuple[str, ...]]
    """Observation keys it cannot do without."""

    spec: Spec
    settings: Any

    def act(self, observation: Observation, explore: bool) -> Tensor:
        """Choose slates without repeats.

        Args:
            observation: batched tensors on the agent's device.
            explore: whether this is training; if not, the agent's state is left as it is.

        Returns:
            (B, K) int64, positions in the candidate set, the most wanted first.
        """

    def update(self, transition: Transition) -> Tensors:
        """Learn from one step of B users.

        Returns:
            name to scalar tensor, for the names in METRICS; empty when nothing was learnt in this step.
        """

    def state_dict(self) -> Tensors:
        """Return everything the future depends on (weights, optimiser, random stream) as flat named tensors."""

    def load_state_dict(self, tensors: Tensors) -> None:
        """Go on from a `state_dict` of an agent with the same spec and settings."""
