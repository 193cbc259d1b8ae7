"""The frame of environments over a catalogue of texts: a hidden world, what a system sees of it, what is on offer."""
