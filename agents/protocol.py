"""What every agent offers: act, update, and a state that can be saved to the bit; some take notes in between."""

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

    A class that says ``STOCHASTIC = True`` learns a policy that is itself a chance: exploring it draws slates from that
    policy, and without exploration it shows the likeliest. Evaluation has a row for both.
    """

    Settings: ClassVar[type[Any]]
    """A frozen dataclass: the only list of the agent's settings."""
    METRICS: ClassVar[tuple[Metric, ...]]
    """What `update` returns."""
    NEEDS: ClassVar[tuple[str, ...]]
    """Observation keys it cannot do without."""

    spec: Spec
    settings: Any

    def act(self, observation: Observation, explore: bool = False) -> Tensor:
        """Choose slates without repeats.

        Args:
            observation: batched tensors on the agent's device.
            explore: whether to draw some slates at random, to learn from; if not, the agent's state is left as it is.

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


class TakesNotes(Protocol):
    """An agent that learns with something of the moment of choosing, such as a value or the chance of the slate."""

    def choose(self, observation: Observation) -> tuple[Tensor, Tensors]:
        """Choose slates to learn from, and note what `update` needs of this moment; nothing is kept but the stream.

        Args:
            observation: batched tensors on the agent's device.

        Returns:
            (B, K) int64, those of `Agent.act` with ``explore``; and the notes, named tensors (B, ...), to be handed
            back as `Transition.notes` with the step in which these slates were shown. A transition without them, such
            as one where another agent chose, is learnt from as far as it can be.
        """


def choose(agent: Agent, observation: Observation) -> tuple[Tensor, Tensors]:
    """Ask an agent for slates to learn from (B, K), and for its notes; it may take none."""
    if hasattr(agent, "choose"):
        chosen: tuple[Tensor, Tensors] = agent.choose(observation)
        return chosen
    return agent.act(observation, explore=True), {}
