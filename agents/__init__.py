"""Agents that rank slates: fixed baselines, tabular Q-learning, DQN, SlateQ."""

AGENTS = {
    "random": "agents.baselines:Random",
    "popularity": "agents.baselines:Popularity",
    "cosine": "agents.baselines:Cosine",
    "myopic": "agents.slateq:Myopic",
    "qlearning": "agents.qlearning:QLearning",
    "dqn": "agents.dqn:DQN",
    "slateq": "agents.slateq:SlateQ",
}
"""Name to class. A line here is all that a new agent needs beside its own file."""

__all__ = ["AGENTS"]
