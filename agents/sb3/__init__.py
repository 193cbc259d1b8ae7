"""Agents of stable-baselines3 behind our protocol, as peers."""
