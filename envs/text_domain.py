"""What environments over a catalogue of texts share: the settings of the offer, the choice, the observation."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import embedding, embedding_bag

from encoders import ENCODERS
from encoders.errors import UsageError
from envs.candidates import CandidateSource, SourceName, check_source
from envs.catalog import Catalog
from envs.choice import CHOICE_MODELS, PLAIN_CHOICE, ChoiceParameters, check_choice
from envs.interface import Observation, Spec, Tensors, mask_out
from envs.simulator import CLUSTER, State, check_sizes, resolve_device


@dataclass(frozen=True, kw_only=True)
class TextDomainSettings:
    """Settings that the text domains share."""

    PLACES: ClassVar[tuple[str, ...]] = ("encoder",)
    """Settings that may say where something lies; what lies there is in the simulator's fingerprint."""

    encoder: str = "minilm"
    """Text encoder: a name, a local folder or a hub name."""
    num_features: int = 32
    """D, principal components kept of the text vectors."""
    num_candidates: int = 30
    """M, items offered at each step."""
    candidate_source: SourceName = "cosine_explore"
    """Where candidates come from; ``all`` offers the whole catalogue, whatever M is."""
    num_exploration: int = 10
    """How many of the M are random under ``cosine_explore``; the others are the nearest to the profile by cosine."""
    slate_size: int = 5
    """K, items shown at each step."""
    time_limit: int = 500
    """Slates after which a session is truncated."""
    no_click_logit: float
    """Logit of clicking nothing."""
    choice_model: str = "multinomial_logit"
    """Which slot is clicked: a choice model with at most one click a slate."""
    choice: ChoiceParameters = PLAIN_CHOICE
    """Parameters of the choice model."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be, before anything is loaded; a folder is named from the root on."""
        if self.encoder not in ENCODERS and Path(self.encoder).expanduser().is_dir():
            object.__setattr__(self, "encoder", absolute(self.encoder))
        check_source(self)
        check_choice(self.choice_model, self.choice, self.no_click_logit, several=False)
        if self.time_limit < 1:
            raise UsageError(f"time_limit is {self.time_limit}; make it 1 or more")

    def check_shares(self, *names: str) -> None:
        """Refuse fields that do not lie between 0 and 1."""
        for name in names:
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it is a share, from 0 to 1")

    def check_not_negative(self, *names: str) -> None:
        """Refuse fields that are negative or not finite."""
        for name in names:
            if not 0 <= getattr(self, name) < float("inf"):
                raise UsageError(f"{name} is {getattr(self, name)}; make it finite and not negative")


def absolute(place: str) -> str:
    """Return a path that leads to the same place from every working directory."""
    return os.path.abspath(os.path.expanduser(place))  # noqa: PTH100, PTH111 (pathlib keeps `..`, or follows links)


class TextDomain:
    """The frame of a kernel whose users click at most one item of a slate, each with a text, and see none twice.

    A state has ``profile`` (B, D), ``candidates`` (B, M), ``seen`` (B, N), ``slate`` (B, K) and ``response``.

    Args:
        settings: of the offer and the choice.
        device: where everything goes.
        catalog: titles; what else is known of the items is set by `set_items`.
    """

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
    num_user_features: int
    """U"""
    fingerprint: str
    """Hash of what the settings only name, see `envs.simulator.fingerprint_of`: catalogue, people, encoder."""

    def __init__(self, settings: TextDomainSettings, device: str, catalog: Catalog) -> None:
        check_sizes(settings.slate_size, settings.num_candidates, len(catalog))
        self.settings = settings
        self.device = resolve_device(device)
        self.time_limit = settings.time_limit
        self._choose = CHOICE_MODELS[settings.choice_model].clicks
        self._titles = np.array(catalog.titles, dtype=object)

    def set_items(self, vectors: Tensor, features: Tensor, popularity: Tensor) -> None:
        """Put the items where retrieval and observation find them."""
        self.vectors, self.features, self.popularity = vectors, features, popularity
        self.source = CandidateSource(self.settings, vectors)

    def start_noise(self, number: int, generator: torch.Generator) -> Tensors:
        """Draw the first exploration candidates."""
        return {"candidates": self.source.noise(number, generator)}

    def fresh(self, users: Tensors) -> State:
        """Return what a session begins with: the users, nothing seen, nothing shown, no response."""
        number, slots, device = len(users["profile"]), self.settings.slate_size, self.device
        return {
            **{name: value for name, value in users.items() if name != CLUSTER},
            "seen": torch.zeros(number, len(self.vectors), dtype=torch.bool, device=device),
            "slate": torch.full((number, slots), -1, device=device),
            "response": torch.zeros(number, slots, len(self.neutral_response()), device=device),
        }

    def clicks(self, logits_BK: Tensor, empty_BK: Tensor, uniform_B1: Tensor) -> Tensor:
        """Let every user click one item of the slate or none, (B, K) bool."""
        no_click_B = torch.full_like(logits_BK[:, 0], self.settings.no_click_logit)
        return self._choose(logits_BK, no_click_B, empty_BK, uniform_B1, self.settings.choice)

    def closeness(self, state: State) -> Tensor:
        """Return the mean cosine of the candidates with the profile, (B,)."""
        # The mean of inner products is the inner product with the mean, and a mean of rows needs no (B, M, D) copy.
        return (state["profile"] * embedding_bag(state["candidates"], self.vectors, mode="mean")).sum(dim=1)

    def appeal(self, state: State, items_BK: Tensor | None) -> Tensor:
        """Return the click logit of items, (B, K); of the whole catalogue (B, N) for None."""
        raise NotImplementedError

    def offered(self, state: State) -> Tensor:
        """Return the `appeal` of the candidates, (B, M); the logit of an item that cannot be clicked is -inf."""
        return self.source.unseen(self.appeal(state, self.source.rows(state["candidates"])), state["seen"])

    def best_items(self, state: State) -> Tensor:
        """Return the item of the catalogue, of those that may be shown, of the highest click logit, (B,) int64."""
        return mask_out(self.appeal(state, None), state["seen"]).argmax(dim=1)

    def user_features(self, state: State) -> Tensor:
        """Return what is observed of the users, (B, U): the profile and the traces of the session."""
        raise NotImplementedError

    def neutral_response(self) -> Mapping[str, float]:
        """Return the columns of a response, each with what it is where nothing happened."""
        raise NotImplementedError

    def candidate_features(self, state: State) -> Tensor:
        """Return what is observed of the candidates, (B, M, F)."""
        return self.source.features(self.features, state["candidates"])

    def shown_features(self, state: State) -> Tensor:
        """Return what was observed of the items shown, (B, K, F); any values where nothing was."""
        return embedding(state["slate"].clamp(min=0), self.features)

    def observe(self, state: State) -> Observation:
        """Return profile and traces, candidates and the last response; what else a state holds stays hidden."""
        return {
            "user": self.user_features(state),
            "candidates": self.candidate_features(state),
            "candidate_ids": state["candidates"],
            "popularity": self.popularity[state["candidates"]],
            "response": state["response"],
            "slate_items": self.shown_features(state) * (state["slate"] >= 0).unsqueeze(2),
        }

    @property
    def num_item_features(self) -> int:
        """F."""
        return self.features.shape[1]

    @cached_property
    def spec(self) -> Spec:
        """Sizes of observation and action."""
        slate_size, num_candidates = self.settings.slate_size, self.source.num_candidates
        width, response = self.num_item_features, self.neutral_response()
        return Spec(
            num_candidates=num_candidates,
            slate_size=slate_size,
            num_items=len(self.vectors),
            static_items=self.STATIC_ITEMS,
            shapes={
                "user": (self.num_user_features,),
                "candidates": (num_candidates, width),
                "candidate_ids": (num_candidates,),
                "popularity": (num_candidates,),
                "response": (slate_size, len(response)),
                "slate_items": (slate_size, width),
            },
            response_columns=tuple(response),
            neutral_response=tuple(response.values()),
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
