"""How agents learn: targets, returns, replay, exploration, the optimiser and its loops."""
