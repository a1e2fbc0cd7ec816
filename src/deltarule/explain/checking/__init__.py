"""Checking derivations by hand: what is wrong with a gradient, found by trying the mistakes that people make.

Two ways lead to a cause, and each cause is proved by numbers before it is named.

1. A formula of the user is mended: small changes of its tree are tried until it gives the right numbers
   (`corrections.py`).
2. The right backward pass is spoilt: small changes of the formulas that the operations state are tried until
   the pass gives the user's wrong numbers (`faults.py`, `suspects.py`).
"""
