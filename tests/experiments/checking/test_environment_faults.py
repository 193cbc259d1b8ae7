"""A good environment passes every check; one fault planted in it is found and named in a sentence."""

import dataclasses
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from planted import Fault, found_by, planting
from toy import K, M, Toy

from envs.interface import Metric, repeats
from experiments import check

FAULTS: list[Fault] = []
planted = planting(FAULTS)


@planted("it_has_every_method_and_attribute_of_a_simulator", "it has no time_limit")
class NoTimeLimit(Toy):
    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        del self.time_limit


@planted("sizes_agree_with_each_other", 'spec.shapes["response"] is (3, 2), expected (2, 2)')
class WrongResponseSize(Toy):
    @property
    def spec(self) -> Any:
        spec = super().spec
        return dataclasses.replace(spec, shapes={**spec.shapes, "response": (K + 1, 2)})


@planted("the_catalogue_has_vectors_and_titles", "item_vectors gives float64 of shape (20, 3)")
class CatalogueOfDoubles(Toy):
    def item_vectors(self) -> np.ndarray:
        return super().item_vectors().astype(np.float64)


@planted("users_and_noise_are_tensors_with_a_row_for_each_user", 'start gives "tiredness" of shape ()')
class StateWithoutRows(Toy):
    def start(self, users: Any, noise: Any) -> Any:
        return super().start(users, noise) | {"tiredness": torch.tensor(0.0)}


@planted("a_step_gives_a_state_and_an_outcome", "reward is float64 (3,), expected float32 (3,)")
class RewardOfDoubles(Toy):
    def step(self, *given: Any) -> Any:
        state, outcome = super().step(*given)
        return state, dataclasses.replace(outcome, reward=outcome.reward.double())


@planted("a_step_gives_a_state_and_an_outcome", "left is float32 (3,), expected bool (3,)")
class LeftAsFloat(Toy):
    def step(self, *given: Any) -> Any:
        state, outcome = super().step(*given)
        return state, dataclasses.replace(outcome, left=outcome.left.float())


@planted("metrics_are_those_declared", 'gives the metric "mood", which METRICS does not declare')
class UndeclaredMetric(Toy):
    def step(self, *given: Any) -> Any:
        state, outcome = super().step(*given)
        return state, dataclasses.replace(outcome, metrics=outcome.metrics | {"mood": outcome.reward})


@planted("metrics_are_those_declared", 'METRICS declares "mood", but step does not give it')
class MissingMetric(Toy):
    METRICS: ClassVar[Any] = (*Toy.METRICS, Metric("mood", "share", "higher", "how it goes"))


@planted("observations_stay_in_their_space", 'observation["user"] holds NaN after')
class NotANumber(Toy):
    def observe(self, state: Any) -> Any:
        seen = super().observe(state)
        clicks_B1 = state["response"][:, :, 0].sum(dim=1, keepdim=True)
        return seen | {"user": seen["user"] + 0 * clicks_B1 / clicks_B1.sum()}


@planted("observations_stay_in_their_space", 'observation["candidate_ids"] holds 20, outside its space (0 to 19)')
class IdsFromOne(Toy):
    def observe(self, state: Any) -> Any:
        return super().observe(state) | {"candidate_ids": state["on_offer"] + 1}


@planted("observations_stay_in_their_space", 'observe gives "mood", which spec.shapes does not name')
class UnnamedObservation(Toy):
    def observe(self, state: Any) -> Any:
        return super().observe(state) | {"mood": state["taste"]}


@planted("candidates_are_items_of_the_catalogue", "an item is on offer twice at once")
class OfferedTwice(Toy):
    def start(self, users: Any, noise: Any) -> Any:
        state = super().start(users, noise)
        return state | {"on_offer": state["on_offer"][:, [0, *range(M - 1)]]}


@planted("static_items_never_change", 'observation["candidates"] is not the same whenever an item is on offer')
class ItemsThatChange(Toy):
    @property
    def spec(self) -> Any:
        return dataclasses.replace(super().spec, static_items=True)

    def observe(self, state: Any) -> Any:
        seen = super().observe(state)
        return seen | {"candidates": seen["candidates"] + state["response"][:, :1, :1]}


@planted("a_session_begins_without_a_response", 'observation["response"] is not zero at the start')
class ResponseAtTheStart(Toy):
    def start(self, users: Any, noise: Any) -> Any:
        state = super().start(users, noise)
        return state | {"response": torch.ones_like(state["response"])}


@planted("a_repeated_position_is_an_empty_slot", "a position that repeats an earlier one got a response")
class RepeatsAreShown(Toy):
    def step(self, state: Any, slate_BK: Any, noise: Any) -> Any:
        after, outcome = super().step(state, slate_BK, noise)
        response_BKR = outcome.response + repeats(slate_BK).unsqueeze(2)
        return after | {"response": response_BKR}, dataclasses.replace(outcome, response=response_BKR)


@planted("reference_policies_show_full_slates", "gives slates of shape (16, 3), expected (users, slots) = (16, 2)")
class PolicyOfWrongWidth(Toy):
    POLICIES: ClassVar[Any] = {"wide": lambda simulator, state: torch.arange(K + 1).expand(len(state["taste"]), -1)}


@planted("reference_policies_show_full_slates", "shows a position twice in one slate: [0, 0]")
class PolicyThatRepeats(Toy):
    POLICIES: ClassVar[Any] = {"twice": lambda simulator, state: torch.zeros(len(state["taste"]), K, dtype=torch.int64)}


@planted("noise_is_drawn_from_the_generator_given", 'step_noise gives another "uniform" for two generators of one seed')
class NoiseFromElsewhere(Toy):
    def step_noise(self, number: int, generator: torch.Generator) -> Any:
        uniform = torch.from_numpy(np.random.default_rng().random((number, 2), dtype=np.float32))
        return super().step_noise(number, generator) | {"uniform": uniform}


@planted("noise_is_drawn_from_the_generator_given", "step_noise draws the same numbers again and again")
class NoiseWithItsOwnSeed(Toy):
    def step_noise(self, number: int, generator: torch.Generator) -> Any:
        return super().step_noise(number, torch.Generator().manual_seed(0))


@planted("global_random_numbers_are_left_alone", "draws or seeds the global random numbers of torch")
class GlobalDraw(Toy):
    def step_noise(self, number: int, generator: torch.Generator) -> Any:
        return super().step_noise(number, generator) | {"uniform": torch.rand(number, 2)}


@planted("global_random_numbers_are_left_alone", "draws or seeds the global random numbers of numpy")
class GlobalSeed(Toy):
    def start(self, users: Any, noise: Any) -> Any:
        np.random.seed(0)  # noqa: NPY002 (the fault)
        return super().start(users, noise)


@planted("building_leaves_global_random_numbers_alone", "the global random numbers of torch")
class SeedsWhenBuilt(Toy):
    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        torch.manual_seed(0)


@planted("a_step_depends_on_state_slate_and_noise_alone", 'gives another metrics["bait"] for the same state')
class RemembersOutsideTheState(Toy):
    slates = 0

    def step(self, *given: Any) -> Any:
        self.slates += 1
        state, outcome = super().step(*given)
        metrics = outcome.metrics | {"bait": outcome.metrics["bait"] + self.slates}
        return state, dataclasses.replace(outcome, metrics=metrics)


@planted("a_user_alone_fares_as_in_a_batch", "reward of a user alone is not that of the same user in a batch of 8")
class UsersInfluenceEachOther(Toy):
    def step(self, *given: Any) -> Any:
        state, outcome = super().step(*given)
        return state, dataclasses.replace(outcome, reward=outcome.reward - outcome.reward.mean())


@planted("a_step_leaves_what_it_is_given_as_it_was", 'step writes into the state["taste"] it is given')
class WritesIntoTheState(Toy):
    def step(self, state: Any, slate_BK: Any, noise: Any) -> Any:
        state["taste"] *= 0.9
        return super().step(state, slate_BK, noise)


@planted("a_step_leaves_what_it_is_given_as_it_was", "step writes into the slate it is given")
class WritesIntoTheSlate(Toy):
    def step(self, state: Any, slate_BK: Any, noise: Any) -> Any:
        given = super().step(state, slate_BK, noise)
        slate_BK.zero_()
        return given


@planted("a_start_leaves_what_it_is_given_as_it_was", 'start writes into the users["taste"] it is given')
class WritesIntoTheUsers(Toy):
    def start(self, users: Any, noise: Any) -> Any:
        users["taste"].neg_()
        return super().start(users, noise)


@planted("nothing_that_it_keeps_is_handed_out", 'start returns "response" in memory that the simulator keeps')
class HandsOutWhatItKeeps(Toy):
    def start(self, users: Any, noise: Any) -> Any:
        if not hasattr(self, "kept") or len(self.kept) < len(users["taste"]):
            self.kept = torch.zeros(len(users["taste"]), K, 2)
        return super().start(users, noise) | {"response": self.kept[: len(users["taste"])]}


@planted("what_was_given_out_never_changes", "reward changed after it was given out")
class TakesItsRewardsBack(Toy):
    def step(self, *given: Any) -> Any:
        if hasattr(self, "last"):
            self.last.zero_()
        state, outcome = super().step(*given)
        self.last = outcome.reward
        return state, outcome


@planted("nothing_that_it_keeps_is_handed_out", 'observe returns "user" in memory that the simulator keeps')
class ReusesItsObservations(Toy):
    def observe(self, state: Any) -> Any:
        seen = super().observe(state)
        if not hasattr(self, "buffer") or self.buffer.shape != seen["user"].shape:
            self.buffer = torch.empty_like(seen["user"])
        return seen | {"user": self.buffer.copy_(seen["user"])}


@planted("observations_stay_in_their_space", "KeyError: 'tase' (test_environment_faults.py, line")
class BreaksDown(Toy):
    def observe(self, state: Any) -> Any:
        return super().observe(state) | {"user": state["tase"]}


@pytest.mark.parametrize(("faulty", "name", "sentence"), FAULTS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_planted_fault_is_found_and_named(faulty: type[Any], name: str, sentence: str) -> None:
    assert sentence in found_by(faulty, name)


def test_the_toy_without_a_fault_passes() -> None:
    report = check(Toy)
    assert report.passed
    assert [verdict.name for verdict in report.verdicts if verdict.open] == ["static_items_never_change"]


def test_every_check_of_environments_has_a_fault_that_it_finds() -> None:
    from experiments.checking.environments import ENVIRONMENT_CHECKS

    theirs = {"gymnasium_accepts_it", "stable_baselines3_accepts_it"}
    # What these two see is seen by a check before them; they end what others let pass.
    whole = {"one_seed_gives_one_session", "a_saved_session_goes_on_to_the_bit"}
    assert {each.__name__ for each in ENVIRONMENT_CHECKS} - {name for _, name, _ in FAULTS} == theirs | whole


def test_a_breakdown_after_a_fault_is_no_second_fault() -> None:
    class Both(LeftAsFloat, BreaksDown):
        pass

    report = check(Both)
    assert len(report.findings) == 1
    assert any(verdict.open.startswith("mend the above first (KeyError: 'tase'") for verdict in report.verdicts)
