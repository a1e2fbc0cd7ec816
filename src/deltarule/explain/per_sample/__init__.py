"""How a gradient is split by sample, read from the formulas of the record, for `samples.py`."""
