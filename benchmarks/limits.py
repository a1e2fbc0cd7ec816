"""What limits the rows that fall short of a target: measured, never guessed. Kept by hand.

(row, target as benchmarks/targets.py names it) -> one or two sentences with the measurement. The page shows
an entry only where its target is missed, and says where one is missing.
"""

LIMITS: dict[tuple[str, str], str] = {
    ("mlp-1024", "compiled, best peer"): (
        "the step runs at nine tenths of the limit, and so does JAX's. The product for the first layer's "
        "weight gradient runs at 386 Gflop/s where the others run at 444 to 459: its left operand (2 MiB, "
        "summed over 1,024 samples) is read anew for each panel of 32 columns and does not fit the second "
        "cache."
    ),
    ("mlp-online", "eager, PyTorch eager"): (
        "Python between the operations. Of 57 us, the layers take 14, the loss 7, the backward pass 28 and "
        "the update 7; the compiled step with all of its checks takes 2.3."
    ),
    ("mlp-1", "eager, PyTorch eager"): (
        "about 70 us of 172 are native code that moves memory (2.1 MB of weights are read forward, their "
        "gradients written, then read with the weights by the update, which alone takes 30 us); the rest is "
        "Python. The compiled step, where the update happens in the gradients' products, takes 49 us."
    ),
    ("lstm-inference", "eager, PyTorch eager"): (
        "about 0.25 ms of 0.43 are native code at the bandwidth of the second cache: each of 64 steps reads "
        "1 MB of recurrent weights, and both threads meet after each step. The compiled call takes 0.29 ms."
    ),
}
