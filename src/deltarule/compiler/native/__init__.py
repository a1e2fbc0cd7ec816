"""A recorded program as native code: views of memory, fused loops, products with epilogues, one function."""
