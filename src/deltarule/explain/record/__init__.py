"""What was recorded, as everything else in explain reads it: a trace at every granularity, and its notation.

trace.py        steps and values with their gradients, groups re-run open
notation.py     one symbol for every value; layers.py, letters.py and names_inside.py find them
level.py        what adds up to a gradient among the steps that stand side by side
arithmetic.py   upstream times local gradient, and the shares of several uses
"""
