"""A good agent passes every check; one fault planted in it is found and named in a sentence."""

from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from good_agent import GoodAgent
from planted import Fault, found_by, planting

from experiments import check
from experiments.checking.agents import AGENT_CHECKS

FAULTS: list[Fault] = []
planted = planting(FAULTS)


@planted("it_has_every_method_and_attribute_of_an_agent", "it needs the observation mood, which is not shown here")
class NeedsWhatIsNotShown(GoodAgent):
    NEEDS: ClassVar[Any] = ("mood",)


@planted("it_has_every_method_and_attribute_of_an_agent", 'NEEDS is the word "user"; write ("user",)')
class NeedsAWord(GoodAgent):
    NEEDS: ClassVar[Any] = "user"


@planted("slates_are_positions_without_repeats", "gives slates of shape (16, 3), expected (users, slots) = (16, 2)")
class TooWide(GoodAgent):
    def act(self, observation: Any, explore: bool) -> Any:
        return self.values(observation).topk(min(self.spec.slate_size + 1, self.spec.num_candidates), dim=1).indices


@planted("slates_are_positions_without_repeats", "shows a position twice in one slate")
class ShowsTwice(GoodAgent):
    def explored(self, slate_BK: Any) -> Any:
        return torch.randint(self.spec.num_candidates, slate_BK.shape, generator=self.generator)


@planted("slates_are_positions_without_repeats", "a slate holds positions in the candidate set, no ids")
class ShowsIds(GoodAgent):
    NEEDS: ClassVar[Any] = ("candidate_ids",)

    def act(self, observation: Any, explore: bool) -> Any:
        return observation["candidate_ids"].gather(1, super().act(observation, explore))


@planted("slates_are_positions_without_repeats", "act(explore=True) gives int32, expected int64 positions")
class ShortIntegers(GoodAgent):
    def explored(self, slate_BK: Any) -> Any:
        return super().explored(slate_BK).int()


@planted("it_notes_a_row_for_each_user", 'notes "value" as of shape (), expected a tensor with a row')
class NotesOneNumber(GoodAgent):
    def choose(self, observation: Any) -> Any:
        return self.act(observation, explore=True), {"value": self.values(observation).mean()}


@planted("a_row_gets_alone_what_it_gets_in_a_batch", "compute each row from its own row (no mean over users)")
class CentresOverUsers(GoodAgent):
    def values(self, observation: Any) -> Any:
        values_BM = super().values(observation)
        return (values_BM - values_BM.mean(dim=0)).abs()


@planted(
    "it_needs_no_more_than_it_declares", "it reads the observation 'popularity', which not every environment shows"
)
class ReadsMoreThanItSays(GoodAgent):
    def values(self, observation: Any) -> Any:
        return super().values(observation) + observation["popularity"]


@planted("what_it_is_given_stays_as_it_was", 'act writes into observation["candidates"], which is not its own')
class WritesIntoObservations(GoodAgent):
    def act(self, observation: Any, explore: bool) -> Any:
        observation["candidates"] /= observation["candidates"].norm(dim=-1, keepdim=True)
        return super().act(observation, explore)


@planted("what_it_is_given_stays_as_it_was", "update writes into transition.reward, which is not its own")
class WritesIntoRewards(GoodAgent):
    def update(self, transition: Any) -> Any:
        transition.reward.clamp_(max=0.5)
        return super().update(transition)


@planted(
    "acting_without_exploration_leaves_no_trace",
    'act(observation, explore=False) changes "generator" of its state_dict',
)
class DrawsWithoutExploring(GoodAgent):
    def act(self, observation: Any, explore: bool) -> Any:
        explored_BK = self.explored(super().act(observation, False))
        return explored_BK if explore else super().act(observation, False)


@planted(
    "acting_without_exploration_leaves_no_trace",
    "becomes another one if act(observation, explore=False) was called before",
)
class CountsWhereverItActs(GoodAgent):
    """The count is in no state_dict."""

    count = 0

    def act(self, observation: Any, explore: bool) -> Any:
        self.count += not explore
        return super().act(observation, explore)

    def update(self, transition: Any) -> Any:
        learnt = super().update(transition)
        self.weight = self.weight * 0.99**self.count
        return learnt


@planted(
    "acting_between_exploration_and_learning_changes_nothing",
    "is called between act(observation, explore=True) and update",
)
class LearnsFromWhatItSawLast(GoodAgent):
    seen: Any = None

    def act(self, observation: Any, explore: bool) -> Any:
        self.seen = observation["candidates"]
        return super().act(observation, explore)

    def update(self, transition: Any) -> Any:
        self.weight = self.weight + 0.01 * self.seen.mean(dim=(0, 1))
        return super().update(transition)


@planted("it_lives_in_an_environment", "TypeError: unsupported operand type(s) for |")
class TakesMappingsForDicts(GoodAgent):
    def update(self, transition: Any) -> Any:
        _ = transition.next_observation | {}
        return super().update(transition)


@planted("its_metrics_are_those_declared", 'returns the metric "train/value", which METRICS does not declare')
class UndeclaredMetric(GoodAgent):
    def update(self, transition: Any) -> Any:
        return super().update(transition) | {"train/value": transition.reward.mean()}


@planted("its_metrics_are_those_declared", 'the metric "train/loss" is nan')
class LossThatIsNoNumber(GoodAgent):
    def update(self, transition: Any) -> Any:
        return {"train/loss": super().update(transition)["train/loss"] * torch.nan}


@planted("its_metrics_are_those_declared", 'the metric "train/loss" is float, expected a tensor of one number')
class LossAsAFloat(GoodAgent):
    def update(self, transition: Any) -> Any:
        return {"train/loss": super().update(transition)["train/loss"].item()}


@planted("two_with_one_seed_are_one", '"weight" of the state_dict differs between two with one seed')
class WeightsFromElsewhere(GoodAgent):
    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.weight = torch.from_numpy(np.random.default_rng().normal(size=self.weight.shape)).float()


@planted("it_leaves_global_random_numbers_alone", "draws or seeds the global random numbers of torch")
class WeightsFromGlobalNumbers(GoodAgent):
    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.weight = torch.nn.Linear(len(self.weight), 1).weight.detach()[0]


@planted("it_leaves_global_random_numbers_alone", "draws or seeds the global random numbers of random")
class SeedsTheWorld(GoodAgent):
    def __init__(self, *arguments: Any, **named: Any) -> None:
        import random

        super().__init__(*arguments, **named)
        random.seed(0)


@planted("a_twin_learns_without_acting", "AttributeError")
class LearnsFromItsOwnSlatesAlone(GoodAgent):
    def explored(self, slate_BK: Any) -> Any:
        self.shown = super().explored(slate_BK)
        return self.shown

    def update(self, transition: Any) -> Any:
        assert self.shown is not None
        return super().update(transition)


@planted("its_state_is_named_tensors", 'state_dict gives "steps" as int, expected a tensor')
class StateWithANumber(GoodAgent):
    def state_dict(self) -> Any:
        return super().state_dict() | {"steps": 3}


@planted("a_saved_agent_goes_on_to_the_bit", "state_dict has to hold everything that the future depends on")
class ForgetsItsMomentum(GoodAgent):
    def state_dict(self) -> Any:
        return {name: value for name, value in super().state_dict().items() if name != "momentum"}

    def load_state_dict(self, tensors: Any) -> None:
        super().load_state_dict(tensors | {"momentum": self.momentum})


@planted("a_saved_agent_goes_on_to_the_bit", "state_dict has to hold everything that the future depends on")
class ForgetsItsRandomStream(GoodAgent):
    def state_dict(self) -> Any:
        return {name: value for name, value in super().state_dict().items() if name != "generator"}

    def load_state_dict(self, tensors: Any) -> None:
        super().load_state_dict(tensors | {"generator": self.generator.get_state()})


@planted(
    "a_loaded_state_replaces_all_that_was_learnt", '"weight" of the state_dict is another one after load_state_dict'
)
class KeepsWhatItLearnt(GoodAgent):
    def load_state_dict(self, tensors: Any) -> None:
        learnt = self.weight
        super().load_state_dict(tensors)
        self.weight = self.weight + 0.1 * learnt


@planted("an_agent_saved_between_acting_and_learning_goes_on_to_the_bit", "saved between acting and learning")
class LearnsFromWhatItHid(GoodAgent):
    hidden: Any = None

    def act(self, observation: Any, explore: bool) -> Any:
        slate_BK = super().act(observation, explore)
        if explore:
            self.hidden = self.values(observation).mean()
        return slate_BK

    def update(self, transition: Any) -> Any:
        learnt = super().update(transition)
        if self.hidden is not None:
            self.weight, self.hidden = self.weight + 0.01 * self.hidden, None
        return learnt

    def load_state_dict(self, tensors: Any) -> None:
        super().load_state_dict(tensors)
        self.hidden = None


@pytest.mark.parametrize(("faulty", "name", "sentence"), FAULTS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_planted_fault_is_found_and_named(faulty: type[Any], name: str, sentence: str) -> None:
    assert sentence in found_by(faulty, name)


def test_the_agent_without_a_fault_passes() -> None:
    report = check(GoodAgent)
    assert report.passed, str(report)
    assert not [verdict.name for verdict in report.verdicts if verdict.open]


def test_every_check_of_agents_has_a_fault_that_it_finds() -> None:
    assert {each.__name__ for each in AGENT_CHECKS} == {name for _, name, _ in FAULTS}


def test_an_agent_that_draws_its_slates_says_so() -> None:
    class Drawn(DrawsWithoutExploring):
        BY_CHANCE = True

        def act(self, observation: Any, explore: bool) -> Any:
            return self.explored(super().act(observation, False))

    assert not check(DrawsWithoutExploring).passed
    assert check(Drawn).passed
