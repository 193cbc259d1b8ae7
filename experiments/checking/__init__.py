"""What an environment and an agent have to do, as plain functions that say in a sentence what does not hold."""
