"""Small networks get one thread for their matrix products."""

import pytest

from deltarule.cli.assembly import build_model
from deltarule.cli.threads import threads_for
from deltarule.data import load
from deltarule.nn import models


@pytest.mark.parametrize(("hidden", "expected"), [([64], 1), ([4096, 4096], None)])
def test_small_networks_get_one_thread(hidden, expected):
    dataset = load("digits")
    options = {**models.defaults_for("mlp", dataset.input_shape, 10, "classification"), "hidden": hidden}
    config = {
        "task": "classification",
        "batch_size": 32,
        "sequence_length": None,
        "seed": 0,
        "dtype": "float32",
    }
    config["model"] = {"name": "mlp", "options": options}
    assert threads_for(build_model(config), dataset, config) == expected
