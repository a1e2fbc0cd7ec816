"""Formulas as expression trees: built, evaluated with NumPy, and written as LaTeX and as code."""
