"""A data set to a ladder of recommenders: split, rungs, metrics, intervals, in stages that resume."""
