"""The frame of environments over a catalogue of texts: the offer, the choice, the step, the observation.

Movies, Shop, News and Feed are made of it, and so is a text domain of your own, see docs/extending.md.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import embedding, embedding_bag

from envs.candidates import CandidateSource, Offer
from envs.catalog import Catalog
from envs.choice import CHOICE_MODELS, sample_choice
from envs.interface import UNIT, Metric, Observation, Policy, Spec, Tensors, mask_out
from envs.simulator import CLUSTER, Anchor, Outcome, Split, State, check_sizes, resolve_device
from envs.slates import optimal_slate, top_k
from envs.streams import for_candidates
from envs.tensors import repeats_if_any
from envs.text_settings import TextDomainSettings
from envs.traces import Trace, Traces


@dataclass(kw_only=True, slots=True)
class Chosen:
    """Which item of a slate each user clicked, if any."""

    items: Tensor
    """(B, K) int64, the items shown."""
    empty: Tensor
    """(B, K) bool, the slots that nobody could click."""
    opinion: Tensors
    """What users think of the items, by name, each (B, K); see `TextDomain.opinion`."""
    clicks: Tensor
    """(B, K) bool, at most one a row."""
    slot: Tensor
    """(B, 1) int64, the slot that was clicked; any where none was."""
    item: Tensor
    """(B, 1) int64, the item in that slot."""
    click: Tensor
    """(B,) float32, 1 where a slot was clicked, else 0."""


@dataclass(kw_only=True, slots=True)
class Reaction:
    """What came of a choice, as `TextDomain.react` says."""

    moved: State
    """The entries of the state that changed."""
    left: Tensor
    """(B,) bool: the user ended the session."""
    answers: Tensors = field(default_factory=dict)
    """Columns of the response beside click and reward, each (B,), of the clicked slot; see `neutral_answers`."""
    events: Tensors = field(default_factory=dict)
    """What `TextDomain.TRACES` follow beside slates and clicks, each (B,)."""
    extra_reward: Tensor | None = None
    """(B,) float32, what else is earned or lost in this step, whatever was clicked: in no slot's response."""
    metrics: Tensors = field(default_factory=dict)
    """Name to (B,) float32, for the log alone."""


OFFER_METRICS = (
    Metric("repeats", "slots", "lower", "empty slots: repeated in the slate, or of what cannot be clicked (any more)"),
    Metric("retrieval/cosine", "cosine", "neither", "mean cosine of the candidates with the profile"),
)
"""What every text domain logs of its offer."""


def myopic_oracle(simulator: "TextDomain", state: State) -> Tensor:
    """Show the slate of the most expected reward: the K likeliest clicks, where every click pays the same.

    Where it does not, the choice is taken for a multinomial logit.
    """
    slate_size, logits_BM = simulator.settings.slate_size, simulator.offered(state)
    reward_BM = simulator.reward(state, simulator.source.rows(state["candidates"]))
    if not isinstance(reward_BM, Tensor):
        return top_k(logits_BM, slate_size)
    no_click_B = torch.full_like(logits_BM[:, 0], simulator.settings.no_click_logit)
    barred_BM, nothing_B = simulator.barred(state), torch.zeros_like(no_click_B)
    weights_BM = logits_BM.exp()
    return optimal_slate(weights_BM, reward_BM, no_click_B.exp(), nothing_B, slate_size, excluded_BM=barred_BM)[0]


class TextDomain(ABC):
    """Users who click at most one item of a slate, each with a text, and see none twice.

    A subclass says who the users are (`sample_users`), what they click (`appeal`), what comes of it (`react`) and what
    is observed of them (`user_features`), and calls `set_items`. Everything else has a default: `begin`, `begin_noise`
    and `react_noise` for a state and noise of its own, `opinion` and `reward` of items, `measure` for the log,
    `candidate_features` and `shown_features`, and the names in capitals.

    A state has ``profile`` (B, D), which lies among the items' vectors and comes with the users, ``candidates`` (B, M),
    ``slate`` (B, K), ``response`` (B, K, R), ``progress`` (B, T), what the `offer` remembers, and what `begin` adds.

    Args:
        settings: of the offer and the choice.
        device: where everything goes.
        catalog: titles; what else is known of the items is set by `set_items`.
    """

    Settings: ClassVar[type[Any]]
    METRICS: ClassVar[tuple[Metric, ...]] = OFFER_METRICS
    ANCHORS: ClassVar[tuple[Anchor, ...]] = ()
    POLICIES: ClassVar[Mapping[str, Policy]] = {"myopic_oracle": myopic_oracle}
    TRACES: ClassVar[tuple[Trace, ...]] = (Trace("slates", 1.0, 0.02), Trace("clicks", 0.8, 0.2))
    """Numbers that sum a session up, in ``progress``; ``slates`` and ``clicks`` are events of every text domain."""
    STATIC_ITEMS: ClassVar[bool] = True
    """Whether what is observed of an item stays the same."""

    settings: TextDomainSettings
    vectors: Tensor
    """(N, D) unit text features; profiles lie among them."""
    features: Tensor
    """(N, F) what is observed of the items."""
    popularity: Tensor
    """(N,) standardised."""
    source: CandidateSource
    fingerprint: str = ""
    """Hash of what the settings only name, see `envs.simulator.fingerprint_of`: catalogue, people, encoder."""
    offer: Offer
    """What is on offer and can be clicked: the source, unless a subclass sets another."""

    def __init__(self, settings: TextDomainSettings, device: str, catalog: Catalog) -> None:
        check_sizes(settings.slate_size, settings.num_candidates, len(catalog))
        self.settings = settings
        self.device = resolve_device(device)
        self.time_limit = settings.time_limit
        self.traces = Traces(self.TRACES, self.device)
        self._chances = CHOICE_MODELS[settings.choice_model].chances
        # Made once: to make them in a step waits for a GPU.
        self._no_click = torch.tensor(float(settings.no_click_logit), device=self.device)
        self._slots_K = torch.arange(settings.slate_size, device=self.device)
        self._titles = np.array(catalog.titles, dtype=object)

    def set_items(self, vectors: Tensor, features: Tensor, popularity: Tensor) -> None:
        """Put the items where retrieval and observation find them."""
        self.vectors, self.features, self.popularity = vectors, features, popularity
        self.offer = self.source = CandidateSource(self.settings, vectors)

    @abstractmethod
    def sample_users(self, number: int, split: Split, generator: torch.Generator) -> Tensors:
        """Draw users of a split: ``profile`` (number, D) and all that stays the same over a session."""

    @abstractmethod
    def appeal(self, state: State, items_BK: Tensor | None) -> Tensor:
        """Return the click logit of items, (B, K); of the whole catalogue (B, N) for None."""

    @abstractmethod
    def react(self, state: State, chosen: Chosen, noise: Tensors) -> Reaction:
        """Let users live with what they clicked, and stay or leave."""

    @abstractmethod
    def user_features(self, state: State) -> Tensor:
        """Return what is observed of the users, (B, U): the profile and the traces of the session."""

    def begin(self, users: Tensors, noise: Tensors) -> State:
        """Return the entries of its own that the state of a session begins with."""
        return {}

    def begin_noise(self, number: int, generator: torch.Generator) -> Tensors:
        """Draw what `begin` needs."""
        return {}

    def react_noise(self, number: int, generator: torch.Generator) -> Tensors:
        """Draw what `react` needs."""
        return {}

    def neutral_answers(self) -> Mapping[str, float]:
        """Return the columns of a response beside click and reward, each with the value that says nothing."""
        return {}

    def opinion(self, state: State, items_BK: Tensor | None) -> Tensors:
        """Return what users think of items, each (B, K) or (B, N): `appeal`, and what `react` wants to know besides."""
        return {"appeal": self.appeal(state, items_BK)}

    def reward(self, state: State, items_BK: Tensor | None) -> Tensor | float:
        """Return what a click on items pays, (B, K) or (B, N), or one number for all: the only place that says it."""
        return 1.0

    def measure(self, state: State) -> Tensors:
        """Return what is logged of the state after a step, each (B,) float32."""
        return {}

    def start_noise(self, number: int, generator: torch.Generator) -> Tensors:
        """Draw what a session begins with, and the first exploration candidates."""
        candidates = self.source.noise(number, for_candidates(generator))
        return {**self.begin_noise(number, generator), "candidates": candidates}

    def step_noise(self, number: int, generator: torch.Generator) -> Tensors:
        """Draw the choice, what comes of it, and the next exploration candidates."""
        return {
            "choice": torch.rand((number, 1), generator=generator, device=self.device),
            **self.react_noise(number, generator),
            "candidates": self.source.noise(number, for_candidates(generator)),
        }

    def start(self, users: Tensors, noise: Tensors) -> State:
        """Begin a session: nothing shown, nothing clicked."""
        number, slots, device = len(users["profile"]), self.settings.slate_size, self.device
        state = {
            **{name: value for name, value in users.items() if name != CLUSTER},
            **self.offer.fresh(number),
            "slate": torch.full((number, slots), -1, device=device),
            "response": torch.zeros(number, slots, 2 + len(self.neutral_answers()), device=device),
            "progress": self.traces.empty(number),
            **self.begin(users, noise),
        }
        return state | {"candidates": self.offer.candidates(state, noise["candidates"])}

    def step(self, state: State, slate_BK: Tensor, noise: Tensors) -> tuple[State, Outcome]:
        """Let every user click one item of the slate or none, and react."""
        chosen = self._chosen(state, slate_BK, noise["choice"])
        reaction = self.react(state, chosen, noise)
        reward = self.reward(state, chosen.item)
        reward_B = chosen.click * (reward.squeeze(1) if isinstance(reward, Tensor) else reward)
        response_BKR = self._response(chosen, reward_B, reaction.answers)
        events = {"slates": torch.ones_like(reward_B), "clicks": chosen.click, **reaction.events}
        following = {
            **state,
            **reaction.moved,
            **self.offer.remember(state, chosen.items, chosen.empty),
            "slate": chosen.items,
            "response": response_BKR,
            "progress": self.traces.after(state["progress"], events),
        }
        following["candidates"] = self.offer.candidates(following, noise["candidates"])
        metrics = {
            **reaction.metrics,
            "repeats": chosen.empty.sum(dim=1).float(),
            "retrieval/cosine": self.closeness(following),
            **self.measure(following),
        }
        if reaction.extra_reward is not None:
            reward_B = reward_B + reaction.extra_reward
        return following, Outcome(response=response_BKR, reward=reward_B, left=reaction.left, metrics=metrics)

    def _chosen(self, state: State, slate_BK: Tensor, uniform_B1: Tensor) -> Chosen:
        """Let every user click one item of the slate or none."""
        items_BK = state["candidates"].gather(1, slate_BK)
        repeated_BK, closed_BK = repeats_if_any(slate_BK), self.offer.closed(state, items_BK)
        empty_BK = closed_BK if repeated_BK is None else repeated_BK | closed_BK
        opinion, slots = self.opinion(state, items_BK), self.settings.slate_size
        no_click_B = self._no_click.expand(len(slate_BK))
        chances_BC = self._chances(opinion["appeal"], no_click_B, empty_BK, self.settings.choice)
        choice_B = sample_choice(chances_BC, uniform_B1.squeeze(1))
        slot_B1 = choice_B.remainder(slots).unsqueeze(1)
        return Chosen(
            items=items_BK,
            empty=empty_BK,
            opinion=opinion,
            clicks=choice_B.unsqueeze(1) == self._slots_K,
            slot=slot_B1,
            item=items_BK.gather(1, slot_B1),
            click=(choice_B < slots).float(),
        )

    def _response(self, chosen: Chosen, reward_B: Tensor, answers: Tensors) -> Tensor:
        """Return click, reward and answers of the clicked slots and zeros of all others, (B, K, R)."""
        told = (answers[name] for name in self.neutral_answers())
        columns_BR = torch.stack([chosen.click, reward_B, *told], dim=1)
        return chosen.clicks.unsqueeze(2) * columns_BR.unsqueeze(1)

    def closeness(self, state: State) -> Tensor:
        """Return the mean cosine of the candidates with the profile, (B,)."""
        # The mean of inner products is the inner product with the mean, and a mean of rows needs no (B, M, D) copy.
        return (state["profile"] * embedding_bag(state["candidates"], self.vectors, mode="mean")).sum(dim=1)

    def barred(self, state: State) -> Tensor | None:
        """Return which candidates cannot be clicked, (B, M) bool; None unless the whole catalogue is on offer."""
        return self.offer.closed(state, None) if self.source.whole else None

    def open_alone(self, scores_BM: Tensor, state: State) -> Tensor:
        """Return scores of the candidates, (B, M), -inf where one cannot be clicked."""
        barred_BM = self.barred(state)
        return scores_BM if barred_BM is None else mask_out(scores_BM, barred_BM)

    def offered(self, state: State) -> Tensor:
        """Return the `appeal` of the candidates, (B, M); the logit of an item that cannot be clicked is -inf."""
        return self.open_alone(self.appeal(state, self.source.rows(state["candidates"])), state)

    def best_items(self, state: State) -> Tensor:
        """Return the item of the catalogue, of those that may be shown, of the highest click logit, (B,) int64."""
        return mask_out(self.appeal(state, None), self.offer.closed(state, None)).argmax(dim=1)

    def candidate_features(self, state: State) -> Tensor:
        """Return what is observed of the candidates, (B, M, F)."""
        return self.source.features(self.features, state["candidates"])

    def shown_features(self, state: State) -> Tensor:
        """Return what was observed of the items shown, (B, K, F); any values where nothing was."""
        return embedding(state["slate"].clamp(min=0), self.features)

    def slate_items(self, state: State) -> Tensor:
        """Return what was observed of the items shown, (B, K, F); zeros where nothing was."""
        return self.shown_features(state) * (state["slate"] >= 0).unsqueeze(2)

    def observe(self, state: State) -> Observation:
        """Return profile and traces, candidates and the last response; what else a state holds stays hidden."""
        return {
            "user": self.user_features(state),
            "candidates": self.candidate_features(state),
            "candidate_ids": state["candidates"],
            "popularity": self.popularity[state["candidates"]],
            "response": state["response"],
            "slate_items": self.slate_items(state),
        }

    @cached_property
    def spec(self) -> Spec:
        """Sizes of observation and action, as one user's first observation has them."""
        generator = torch.Generator(self.device)  # of its own: it moves no stream
        first = self.observe(self.start(self.sample_users(1, "train", generator), self.start_noise(1, generator)))
        answers = self.neutral_answers()
        return Spec(
            num_candidates=self.source.num_candidates,
            slate_size=self.settings.slate_size,
            num_items=len(self.vectors),
            static_items=self.STATIC_ITEMS,
            shapes={name: tuple(value.shape[1:]) for name, value in first.items()},
            bounds={
                "candidates": (-UNIT, UNIT),
                "slate_items": (-UNIT, UNIT),
                "popularity": (float(self.popularity.min()), float(self.popularity.max())),
            },
            response_columns=("click", "reward", *answers),
            neutral_response=(0.0, 0.0, *answers.values()),
        )

    def candidate_ids(self, state: State) -> Tensor:
        """Return the (B, M) items on offer."""
        return state["candidates"]

    def titles(self, item_ids: NDArray[np.int64]) -> NDArray[np.object_]:
        """Return the titles of items, in the shape of ``item_ids``."""
        return self._titles[item_ids]

    def item_vectors(self) -> NDArray[np.float32]:
        """Return the (N, F) features of the items; without those that change."""
        return self.features.cpu().numpy()
