"""Agents that rank slates: fixed baselines, tabular Q-learning, DQN, SlateQ."""

AGENTS = {
    "random": "agents.baselines:Random",
    "popularity": "agents.baselines:Popularity",
    "cosine": "agents.baselines:Cosine",
    "myopic": "agents.slateq:Myopic",
    "qlearning": "agents.qlearning:QLearning",
    "dqn": "agents.dqn:DQN",
    "dqn_slate": "agents.full_slate:FullSlate",
    "pqn": "agents.pqn:PQN",
    "wolpertinger": "agents.wolpertinger:Wolpertinger",
    "slateq": "agents.slateq:SlateQ",
    "slateq_given": "agents.slateq:SlateQGiven",
    "slateq_clicks": "agents.slateq_clicks:SlateQClicks",
    "reinforce": "agents.reinforce:Reinforce",
    "actor_critic": "agents.actor_critic:ActorCritic",
    "linucb": "agents.bandits:LinUCB",
    "lints": "agents.bandits:LinTS",
    "mmr": "agents.rules:MMR",
    "topic_capped": "agents.rules:TopicCapped",
    "sb3_dqn": "agents.sb3.dqn:SB3DQN",
    "sb3_ppo": "agents.sb3.on_policy:SB3PPO",
    "sb3_a2c": "agents.sb3.on_policy:SB3A2C",
    "sb3_maskable_ppo": "agents.sb3.maskable_ppo:SB3MaskablePPO",
}
"""Name to class. A line here is all that a new agent needs beside its own file."""

__all__ = ["AGENTS"]
