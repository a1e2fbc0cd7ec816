"""Trainings compared with one thing changed: the same seed and data, all curves side by side."""
