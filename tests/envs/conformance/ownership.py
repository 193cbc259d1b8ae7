"""Nobody's state is written into by the caller."""

from typing import Any

import pytest
from torch import Tensor

from conformance.trajectories import assert_same, make, slates


def can_be_written(value: Any) -> bool:
    """Tell whether an entry has rows of its own; what all users share refuses to be written as a whole."""
    return value.stride(0) > 0 if isinstance(value, Tensor) else bool(value.flags.writeable)


class Ownership:
    """What was given stays as it was."""

    @pytest.mark.parametrize("as_tensors", [False, True])
    def test_writing_into_what_is_given_changes_no_user(self, simulator: Any, as_tensors: bool) -> None:
        env, untouched = make(simulator, as_tensors=as_tensors), make(simulator, as_tensors=as_tensors)
        given: list[dict[str, Any]] = [env.reset(seed=0)[0]]
        untouched.reset(seed=0)
        for slate_BK in slates(env, 5):
            for named in given:
                for value in named.values():
                    if not isinstance(value, dict) and value.dtype not in (object, bool) and can_be_written(value):
                        value[:] = 0
            shown = slate_BK if as_tensors else slate_BK.numpy()
            observation, *_, info = env.step(shown)
            expected, *_ = untouched.step(shown)
            assert_same(observation, expected)
            info.pop("final_obs", None)
            given = [observation, info]
