"""Trains one run, from its recipe to its final weights and what they answer."""
