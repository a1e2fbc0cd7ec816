"""What workers read stays until the process ends, although Python clears its modules before."""

import os
import subprocess
import sys
import textwrap

PROGRAM = textwrap.dedent(
    """
    import ctypes, gc, time
    import numpy as np
    import deltarule as dr
    from deltarule.kernels.native import compilation, team

    matrix = dr.tensor(np.ones((512, 512), np.float32))
    for _ in range(5):
        matrix @ matrix
    # What Python does when it shuts down: modules let go of what they hold, and the memory is used again.
    compilation._kept.clear()
    for module in (compilation, team):
        for name in dir(module):
            if hasattr(getattr(module, name), "cache_clear"):
                getattr(module, name).cache_clear()
    gc.collect()
    used_again = [ctypes.create_string_buffer(bytes([1]) * 700) for _ in range(20_000)]
    time.sleep(0.2)
    """
)


def test_workers_outlive_what_modules_hold():
    for _ in range(3):
        environment = {**os.environ, "DELTARULE_NUM_THREADS": "2"}
        finished = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True
        )
        assert finished.returncode == 0, finished.stderr
