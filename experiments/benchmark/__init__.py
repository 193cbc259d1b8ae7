"""Agents times environments times seeds: plan, workers, records, scoreboard."""
