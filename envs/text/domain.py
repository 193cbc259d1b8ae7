"""The frame of environments over a catalogue of texts: a hidden world, what a system sees of it, and what is on offer.

Movies, Shop, News and Feed are made of it, and so is a text domain of your own, see docs/extending.md.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import embedding_bag

from encoders.errors import UsageError
from envs.candidates import CandidateSource, Offer
from envs.catalog import Catalog
from envs.choice import CHOICE_MODELS, sample_choice
from envs.fingerprints import fingerprint
from envs.interface import UNIT, Metric, Observation, Policy, Spec, Tensors, mask_out
from envs.simulator import CLUSTER, Anchor, Outcome, Split, State, check_sizes
from envs.slates import optimal_slate, top_k
from envs.streams import for_candidates
from envs.tensors import repeats_if_any
from envs.text.features import TextFeatures
from envs.text.settings import WORLD, TextDomainSettings
from envs.text.view import Reading, Seen, View
from envs.text.world import HISTORY, Chosen, Reaction, World

OFFER_METRICS = (
    Metric("repeats", "slots", "lower", "empty slots: repeated in the slate, or of what cannot be clicked (any more)"),
    Metric("retrieval/cosine", "cosine", "neither", "mean cosine of the candidates with the profile"),
)
"""What every text domain logs of its offer."""


def read_texts(settings: TextDomainSettings, catalog: Catalog, people: Sequence[str], world: World) -> Reading:
    """Return what the encoder of the settings makes of the items' texts, and of what people say of themselves.

    Args:
        settings: the encoder, and how many principal components of its vectors are kept.
        catalog: the N items.
        people: P texts; none where profiles are made of histories.
        world: for the encoder ``world``, which reads nothing: it looks at where items and people really stand.

    Raises:
        UsageError: unknown encoder, or more features than the texts have components.
    """
    if settings.encoder == WORLD:
        return Reading(world.vectors, world.people if people else None, f"{WORLD} {world.fingerprint}", tuple(people))
    texts = TextFeatures(catalog.texts, settings.encoder, settings.num_features, world.device)
    return Reading(texts.items, texts.of_people(people) if people else None, texts.fingerprint, tuple(people))


AnyWorld = TypeVar("AnyWorld", bound=World)


def myopic_oracle(simulator: "TextDomain[World]", state: State) -> Tensor:
    """Show the slate of the most expected reward: the K likeliest clicks, where every click pays the same.

    Where it does not, the choice is taken for a multinomial logit.
    """
    slate_size, logits_BM = simulator.settings.slate_size, simulator.offered(state)
    reward_BM = simulator.world.reward(state, simulator.source.rows(state["candidates"]))
    if not isinstance(reward_BM, Tensor):
        return top_k(logits_BM, slate_size)
    no_click_B = torch.full_like(logits_BM[:, 0], simulator.settings.no_click_logit)
    barred_BM, nothing_B = simulator.barred(state), torch.zeros_like(no_click_B)
    weights_BM = logits_BM.exp()
    return optimal_slate(weights_BM, reward_BM, no_click_B.exp(), nothing_B, slate_size, excluded_BM=barred_BM)[0]


class TextDomain(Generic[AnyWorld]):
    """Users of a hidden world who click at most one item of a slate, each with a text, and see none twice.

    What users want, click and feel is the `World`'s alone; what is observed of them and looked up for them is the
    `View`'s alone. So users, clicks and rewards are the same whatever encoder reads the texts.

    A state has the entries of the world, those of the view (``profile`` (B, D), ``recent``, ``valued``, ``progress``),
    ``candidates`` (B, M), ``slate`` (B, K), ``response`` (B, K, R), and what the `offer` remembers.

    Args:
        settings: of the offer and the choice.
        world: what is hidden.
        view: what is seen.
        catalog: titles.
    """

    Settings: ClassVar[type[Any]]
    METRICS: ClassVar[tuple[Metric, ...]] = OFFER_METRICS
    ANCHORS: ClassVar[tuple[Anchor, ...]] = ()
    POLICIES: ClassVar[Mapping[str, Policy]] = {"myopic_oracle": myopic_oracle}

    settings: TextDomainSettings
    source: CandidateSource
    offer: Offer
    """What is on offer and can be clicked: the source, unless a subclass sets another."""
    fingerprint: str
    """Hash of what the settings only name, see `envs.simulator.fingerprint_of`: catalogue, people, encoder."""
    texts: tuple[str, ...]
    """(N,) what the encoder reads of the items."""

    def __init__(self, settings: TextDomainSettings, world: AnyWorld, view: View, catalog: Catalog) -> None:
        check_sizes(settings.slate_size, settings.num_candidates, len(catalog))
        self.settings, self.world, self.view, self.device = settings, world, view, world.device
        self.time_limit = settings.time_limit
        self.fingerprint = fingerprint(catalog.fingerprint, world.fingerprint, view.fingerprint)
        self.offer = self.source = CandidateSource(settings, view.vectors)
        self._chances = CHOICE_MODELS[settings.choice_model].chances
        # Made once: to make them in a step waits for a GPU.
        self._no_click = torch.tensor(float(settings.no_click_logit), device=self.device)
        self._slots_K = torch.arange(settings.slate_size, device=self.device)
        self._titles = np.array(catalog.titles, dtype=object)
        self.texts = tuple(catalog.texts)

    def sample_users(self, number: int, split: Split, generator: torch.Generator) -> Tensors:
        """Draw users of a split, as the world does; no encoder has a say in it."""
        return self.world.sample_users(number, split, generator)

    def start_noise(self, number: int, generator: torch.Generator) -> Tensors:
        """Draw what a session begins with, and the first exploration candidates."""
        return {
            **self.world.begin_noise(number, generator),
            "candidates": self.source.noise(number, for_candidates(generator)),
        }

    def step_noise(self, number: int, generator: torch.Generator) -> Tensors:
        """Draw the choice, what comes of it, and the next exploration candidates."""
        return {
            "choice": torch.rand((number, 1), generator=generator, device=self.device),
            **self.world.react_noise(number, generator),
            "candidates": self.source.noise(number, for_candidates(generator)),
        }

    def start(self, users: Tensors, noise: Tensors) -> State:
        """Begin a session: nothing shown, nothing clicked."""
        profile_BD = self._profile(users)
        number, slots, device = len(profile_BD), self.settings.slate_size, self.device
        state = {
            **{name: value for name, value in users.items() if name not in (CLUSTER, HISTORY)},
            **self.world.begin(users, noise),
            **self.view.begin(profile_BD),
            **self.offer.fresh(number, users.get(HISTORY)),
            "slate": torch.full((number, slots), -1, device=device),
            "response": torch.zeros(number, slots, 2 + len(self.world.neutral_answers()), device=device),
        }
        return state | {"candidates": self.offer.candidates(state, noise["candidates"])}

    def _profile(self, users: Tensors) -> Tensor:
        """Return what the system knows of users when they come, (B, D): their own words, or what they liked."""
        if self.view.people is not None:
            return self.view.people[users[CLUSTER]]
        if HISTORY not in users:
            raise UsageError(
                "the system knows nothing of these users: let sample_users return a history of items, or give "
                "read_texts what each says of themselves, in the order of their cluster"
            )
        return self.view.profile_of(users[HISTORY])

    def step(self, state: State, slate_BK: Tensor, noise: Tensors) -> tuple[State, Outcome]:
        """Let every user click one item of the slate or none, and react."""
        chosen = self._chosen(state, slate_BK, noise["choice"])
        reaction = self.world.react(state, chosen, noise)
        reward = self.world.reward(state, chosen.item)
        reward_B = chosen.click * (reward.squeeze(1) if isinstance(reward, Tensor) else reward)
        response_BKR = self._response(chosen, reward_B, reaction.answers)
        following = {
            **state,
            **reaction.moved,
            **self.view.after(state, _seen(chosen, reaction)),
            **self.offer.remember(state, chosen.items, chosen.empty),
            "slate": chosen.items,
            "response": response_BKR,
        }
        following["candidates"] = self.offer.candidates(following, noise["candidates"])
        metrics = {
            **reaction.metrics,
            "repeats": chosen.empty.sum(dim=1).float(),
            "retrieval/cosine": self.closeness(following),
            **self.world.measure(following),
        }
        if reaction.extra_reward is not None:
            reward_B = reward_B + reaction.extra_reward
        return following, Outcome(response=response_BKR, reward=reward_B, left=reaction.left, metrics=metrics)

    def _chosen(self, state: State, slate_BK: Tensor, uniform_B1: Tensor) -> Chosen:
        """Let every user click one item of the slate or none."""
        items_BK = state["candidates"].gather(1, slate_BK)
        repeated_BK, closed_BK = repeats_if_any(slate_BK), self.offer.closed(state, items_BK)
        empty_BK = closed_BK if repeated_BK is None else repeated_BK | closed_BK
        opinion, slots = self.world.opinion(state, items_BK), self.settings.slate_size
        logits_BK = self.world.decided(state, opinion["appeal"])
        no_click_B = self._no_click.expand(len(slate_BK))
        chances_BC = self._chances(logits_BK, no_click_B, empty_BK, self.settings.choice)
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
        told = (answers[name] for name in self.world.neutral_answers())
        columns_BR = torch.stack([chosen.click, reward_B, *told], dim=1)
        return chosen.clicks.unsqueeze(2) * columns_BR.unsqueeze(1)

    def closeness(self, state: State) -> Tensor:
        """Return the mean cosine of the candidates with the profile, (B,)."""
        # The mean of inner products is the inner product with the mean, and a mean of rows needs no (B, M, D) copy.
        return (state["profile"] * embedding_bag(state["candidates"], self.view.vectors, mode="mean")).sum(dim=1)

    def barred(self, state: State) -> Tensor | None:
        """Return which candidates cannot be clicked, (B, M) bool; None unless the whole catalogue is on offer."""
        return self.offer.closed(state, None) if self.source.whole else None

    def open_alone(self, scores_BM: Tensor, state: State) -> Tensor:
        """Return scores of the candidates, (B, M), -inf where one cannot be clicked."""
        barred_BM = self.barred(state)
        return scores_BM if barred_BM is None else mask_out(scores_BM, barred_BM)

    def offered(self, state: State) -> Tensor:
        """Return the logits by which users would choose of the candidates, (B, M); -inf of what cannot be clicked."""
        appeal_BM = self.world.appeal(state, self.source.rows(state["candidates"]))
        return self.open_alone(self.world.decided(state, appeal_BM), state)

    def best_items(self, state: State) -> Tensor:
        """Return the item of the catalogue, of those that may be shown, of the highest click logit, (B,) int64."""
        return mask_out(self.world.appeal(state, None), self.offer.closed(state, None)).argmax(dim=1)

    def candidate_features(self, state: State) -> Tensor:
        """Return what is observed of the candidates, (B, M, F); for the whole catalogue a view, not a copy."""
        if self.source.whole and self.view.STATIC_ITEMS:
            return self.source.features(self.view.features, state["candidates"])
        return self.view.features_of(state, state["candidates"])

    def slate_items(self, state: State) -> Tensor:
        """Return what was observed of the items shown, (B, K, F); zeros where nothing was."""
        shown_BK = state["slate"]
        return self.view.shown_features(state, shown_BK.clamp(min=0)) * (shown_BK >= 0).unsqueeze(2)

    def observe(self, state: State) -> Observation:
        """Return what the view has, the candidates and the last response; what else a state holds stays hidden."""
        return {
            "user": self.view.user_features(state),
            "candidates": self.candidate_features(state),
            "candidate_ids": state["candidates"],
            "popularity": self.view.popularity[state["candidates"]],
            "response": state["response"],
            "slate_items": self.slate_items(state),
        }

    @cached_property
    def spec(self) -> Spec:
        """Sizes of observation and action, as one user's first observation has them."""
        generator = torch.Generator(self.device)  # of its own: it moves no stream
        first = self.observe(self.start(self.sample_users(1, "train", generator), self.start_noise(1, generator)))
        answers, popularity = self.world.neutral_answers(), self.view.popularity
        return Spec(
            num_candidates=self.source.num_candidates,
            slate_size=self.settings.slate_size,
            num_items=len(self.view.vectors),
            static_items=self.view.STATIC_ITEMS,
            shapes={name: tuple(value.shape[1:]) for name, value in first.items()},
            bounds={
                "candidates": (-UNIT, UNIT),
                "slate_items": (-UNIT, UNIT),
                "popularity": (float(popularity.min()), float(popularity.max())),
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
        return self.view.features.cpu().numpy()


def _seen(chosen: Chosen, reaction: Reaction) -> Seen:
    """Return what the system sees of a step."""
    item_B = chosen.item.squeeze(1)
    return Seen(
        items=chosen.items,
        item=item_B,
        click=chosen.click,
        judged=item_B if reaction.judged is None else reaction.judged,
        verdict=torch.zeros_like(chosen.click) if reaction.verdict is None else reaction.verdict,
        events=reaction.events,
    )
