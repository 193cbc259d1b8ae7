"""What a network of one's own reads of a user: the observed state, and what a tracker makes of the history."""

import torch
from torch import Tensor, nn

from agents.learner import LearnerSettings
from agents.networks import Inputs
from agents.streams import Streams
from agents.trackers import TRACKERS


class KnownUser(nn.Module):
    """Pass the user on, the history replaced by what the tracker of the settings makes of it.

    Args:
        inputs: what of an observation is read.
        settings: of the learner; ``history`` and ``hidden`` are used.
        streams: source of the tracker's first weights.
    """

    def __init__(self, inputs: Inputs, settings: LearnerSettings, streams: Streams) -> None:
        super().__init__()
        self.state_width, self.history_shape = inputs.state_width, tuple(inputs.history_shape)
        self.width, self.tracker = inputs.user_width, None
        if settings.history != "none":
            rows, width = inputs.history_shape
            self.tracker = TRACKERS[settings.history](rows - 1, width, settings.hidden, streams)
            self.width = inputs.state_width + self.tracker.width

    def forward(self, user_BU: Tensor) -> Tensor:
        """Return what is known of users, (B, width), of what `Inputs.user` gave."""
        if self.tracker is None:
            return user_BU
        history_BLF = user_BU[:, self.state_width :].view(-1, *self.history_shape)
        return torch.cat([user_BU[:, : self.state_width], self.tracker(history_BLF)], dim=1)
