"""RecSim's environments as batched ports, and presets of them on which myopic play loses."""
