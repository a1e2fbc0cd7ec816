"""Loops over plain arrays: the arithmetic under the operations. No Tensor, no validation."""
