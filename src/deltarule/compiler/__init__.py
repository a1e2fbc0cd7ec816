"""`dr.compile`: a call of a function is recorded once as a program, plain data, and replayed.

recording   listens to operations, gradients, updates, writes and random numbers while a call runs
program     what was recorded: values and instructions
simplify    removes what nothing needs, computes common parts once, folds constants
guards      what the recording took for granted, checked before each replay
source      the program as readable Python, and the function that it defines
replay      arrays in, arrays out: where values come from, and where results go
compiled    the object that `dr.compile` returns
"""

from deltarule.compiler.compiled import Compiled, compile
from deltarule.compiler.program import Instruction, Place, Program, Rule, Value

__all__ = ["Compiled", "Instruction", "Place", "Program", "Rule", "Value", "compile"]
