"""Native kernels: Python that writes LLVM code for the running processor. Imports nothing at start."""
