"""How a gradient is split by sample, read from the formulas of the record.

samples.py         `sample_gradients`: what is asked for
pulls.py           the record that comes back: who pulls hardest, and how noisy a batch is
labelling.py       which values of a graph belong to which sample, and where samples meet
contributions.py   what each use of a parameter adds to its gradient, sample by sample
"""
