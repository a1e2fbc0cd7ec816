"""Native kernels: Python that writes LLVM code for the running processor. Imports nothing at start.

From the outside in, a call passes through:

products, convolutions, poolings,   functions of arrays: which routine, how many threads, which memory;
normalisations, softmaxes, reduced, None where NumPy is to do it
attentions, recurrence, embeddings,
layouts, formulas, updating
entry                               a routine as a built-in function of Python, 33 ns a call
routine, code, values               the language that routines are written in: Routine, Unit, then what a body
                                    computes with (loops, masks, vectors, pointers)
compilation                         LLVM's object code, and the folder where it is kept
team, runtime                       the threads: their start, their barriers, their sleep
processor                           the vectors and registers that code is written for
workspace, memory                   scratch memory that stays; the C library's share in it

Routines, each a frozen dataclass that writes one function:

matrix_product, row_product,        products, what follows them done in registers (epilogue.py); tile.py is
batched_product                     the innermost loop, sums.py and transposition.py help
convolution and convolution_*       convolutions by tiles of channels-last memory, and their gradients
recurrence_*                        whole sequences of LSTM, GRU and simple cells
attention and attention_*           attention without the matrix of its weights
softmax, cross_entropy, pooling,    along rows, columns, spans or windows
row_, column_, span_normalisation
embedding                           rows of a table, and sums into them
elementwise, reductions, loop_nest  formulas and sums over arrays; loop_nest, for the compiler, over views
vector_functions, functions,        exp, tanh, log, sin and their kin for vectors
trigonometry, power, coefficients
update_rules, updates, finite       optimisers, and whether numbers are finite

A Unit is text until it is compiled, so everything here can be read: `print(unit.text())` and
`print(compilation.assembly(unit.text()))`. CONTRIBUTING.md says how a kernel is added.
"""
