"""Recurrent layers over whole sequences: forward, and backward through time, on plain arrays."""
