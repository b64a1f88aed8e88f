"""Runs many trainings for one claim: studies, searches, comparisons."""

SEEDS = (0, 1, 2, 3, 4)
"""Those of a study where none are given."""
