"""Loops over plain arrays: the arithmetic under the operations. No Tensor, no validation.

The files here are what operations call. Each function hands arrays of float32 and float64 to machine code,
where there is some for it, and does everything else with NumPy; the plain NumPy form is also what native code
is tested against. `native` is where machine code is written; threads.py says on how many threads it runs.
"""
