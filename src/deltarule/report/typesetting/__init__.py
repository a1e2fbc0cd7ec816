"""The formulas' LaTeX as MathML for pages, as plain text for terminals, and in LaTeX documents.

notation.py reads the LaTeX into the trees of formula_tree.py, which mathml.py and plain.py write.
"""
