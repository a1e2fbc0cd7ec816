"""The formulas of a whole computation, checked against the engine, and the NumPy program that they make.

derivation.py         forward, the delta recursion and the gradients
statement_writer.py   from the formula records of single operations to statements of the whole;
                      local_names.py: what their names are called there; brackets.py: those that are 0 here
condensing.py         a gradient that is used once is put where it is used; handwriting.py, as by hand
formula_check.py      every statement evaluated and compared with the engine
program.py            the statements as a program; layout.py: its long lines and comments
"""
