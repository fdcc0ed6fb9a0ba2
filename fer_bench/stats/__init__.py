"""Inference on scores: what is resampled, what is held fixed, and when it misleads, stands in every docstring."""
