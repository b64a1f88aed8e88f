"""Measures a classifier: accuracy and calibration, fidelity to its teacher, claims from seeds and images."""
