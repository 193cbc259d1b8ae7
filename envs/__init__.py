"""Recommendation environments: ``import envs`` registers them with Gymnasium.

import gymnasium as gym, envs
env = gym.make_vec("slatelab/Movies-v0", num_envs=512, as_tensors=True)
"""

from typing import Any

from envs.registration import known_ids, make_simulator, register, simulator_class

ENVIRONMENTS = {
    "slatelab/Movies-v0": "envs.movies:Movies",
    "slatelab/MoviesMyopic-v0": "envs.movies:MoviesMyopic",
    "slatelab/Ratings-v0": "envs.ratings:Ratings",
    "slatelab/InterestEvolution-v0": "envs.recsim.interest_evolution:InterestEvolution",
    "slatelab/InterestExploration-v0": "envs.recsim.interest_exploration:InterestExploration",
    "slatelab/InterestExplorationHard-v0": "envs.recsim.interest_exploration_hard:InterestExplorationHard",
    "slatelab/LongTermSatisfaction-v0": "envs.recsim.long_term_satisfaction:LongTermSatisfaction",
    "slatelab/LongTermSatisfactionHard-v0": "envs.recsim.long_term_satisfaction_hard:LongTermSatisfactionHard",
    "slatelab/Boredom-v0": "envs.boredom.simulator:Boredom",
    "slatelab/BoredomRerank-v0": "envs.boredom.simulator:BoredomRerank",
    "slatelab/Shop-v0": "envs.shop.simulator:Shop",
    "slatelab/ShopMyopic-v0": "envs.shop.simulator:ShopMyopic",
    "slatelab/News-v0": "envs.news.simulator:News",
    "slatelab/NewsMyopic-v0": "envs.news.simulator:NewsMyopic",
    "slatelab/Feed-v0": "envs.feed.simulator:Feed",
    "slatelab/FeedMyopic-v0": "envs.feed.simulator:FeedMyopic",
}
"""Id to the class of its simulator. A line here is all that a new environment needs beside its own file."""

for _env_id, _simulator in ENVIRONMENTS.items():
    register(_env_id, _simulator)

__all__ = ["ENVIRONMENTS", "known_ids", "make_simulator", "read_titles", "register", "simulator_class"]


def read_titles(titles: Any) -> Any:
    """Return the texts of ``info["titles"]``, which holds them as UTF-8 bytes: an array of strings, (..., K).

    Args:
        titles: (..., K, W) uint8, an array or a tensor.
    """
    from envs.adapters import title_bytes  # torch takes its time

    return title_bytes.read_titles(titles)
