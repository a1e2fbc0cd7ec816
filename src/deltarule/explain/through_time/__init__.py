"""What happens to a gradient on its way back through time, and along single paths.

flow.py    contributions of each step of the loss through each use of a weight, Jacobians, rates, horizons
paths.py   how many paths there are from a loss to a tensor, and the largest ones
"""
