"""What a network of one's own reads of a user: the observed state, and what a tracker makes of the history."""

import torch
from torch import Tensor, nn

from agents.networks.reader import Reader
from agents.networks.trackers import TRACKERS
from agents.streams import Streams


class KnownUser(nn.Module):
    """Pass the user on, the history replaced by what the tracker of the settings makes of it.

    Args:
        reader: what of an observation is read.
        history: the tracker, a name of `TRACKERS`, or ``none``.
        hidden: width of its hidden layers.
        streams: source of the tracker's first weights.
    """

    def __init__(self, reader: Reader, *, history: str, hidden: int, streams: Streams) -> None:
        super().__init__()
        self.state_width, self.history_shape = reader.state_width, tuple(reader.history_shape)
        self.width, self.tracker = reader.user_width, None
        if history != "none":
            rows, width = reader.history_shape
            self.tracker = TRACKERS[history](rows - 1, width, hidden, streams)
            self.width = reader.state_width + self.tracker.width

    def forward(self, user_BU: Tensor) -> Tensor:
        """Return what is known of users, (B, width), of what `Reader.user` gave."""
        if self.tracker is None:
            return user_BU
        history_BLF = user_BU[:, self.state_width :].view(-1, *self.history_shape)
        return torch.cat([user_BU[:, : self.state_width], self.tracker(history_BLF)], dim=1)
