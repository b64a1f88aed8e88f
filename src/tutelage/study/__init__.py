"""Runs many trainings for one claim: studies, searches, comparisons."""
