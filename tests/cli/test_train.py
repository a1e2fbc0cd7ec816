"""`deltarule train`: what it prints, what it leaves, and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest

from deltarule.training import RunFolder
from tests.cli.conftest import call, records, write_flowers, write_prices
from tests.data.files import write_mnist_like


def test_json_gives_an_object_for_each_epoch_and_the_results(tmp_path):
    result = call(
        *(
            "train",
            "digits",
            "--epochs",
            2,
            "--hidden",
            16,
            "--json",
            "--seed",
            3,
            "--run-folder",
            tmp_path / "run",
        )
    )
    first, second, final = records(result)
    assert [first["epoch"], second["epoch"]] == [1, 2]
    assert second["train_loss"] < first["train_loss"]
    assert {"validation_loss", "validation_accuracy", "learning_rate", "seconds"} <= set(first)
    assert {"test_accuracy", "test_loss", "validation_loss", "validation_accuracy", "train_loss"} <= set(
        final
    )
    assert final["run_folder"] == str(tmp_path / "run")
    assert 0.3 < final["test_accuracy"] <= 1
    assert final["epochs"] == 2
    assert result.stderr == ""


def test_the_same_seed_gives_the_same_network_and_another_seed_another(tmp_path):
    def losses(seed, name):
        result = call(
            *("train", "digits", "mlp", "--epochs", 1, "--hidden", 8, "--dropout", 0.2, "--json"),
            *("--seed", seed, "--run-folder", tmp_path / name),
        )
        return records(result)[-1]["test_loss"]

    assert losses(1, "a") == losses(1, "b") != losses(2, "c")


def test_plain_lines_say_the_accuracy_the_folder_and_what_to_type_next(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = call("train", "digits", "--epochs", 2, "--hidden", 16)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert sum(line.startswith("epoch ") for line in lines) == 2
    assert any("test accuracy" in line and "%" in line for line in lines)
    assert "runs/digits-lenet-1" in result.stdout
    for command in ("evaluate", "predict", "check", "train --resume"):
        assert f"deltarule {command} runs/digits-lenet-1" in result.stdout
    assert (tmp_path / "runs" / "digits-lenet-1" / "config.json").is_file()


def test_a_second_run_gets_a_folder_of_its_own(tmp_path):
    folders = [
        records(call("train", "xor", "--epochs", 1, "--json", "--runs", tmp_path))[-1]["run_folder"]
        for _ in range(2)
    ]
    assert folders == [str(tmp_path / "xor-mlp-1"), str(tmp_path / "xor-mlp-2")]


def test_a_name_that_is_taken_is_refused(tmp_path):
    arguments = ("train", "xor", "--epochs", 1, "--runs", tmp_path, "--name", "mine", "--quiet")
    assert call(*arguments).exit_code == 0
    again = call(*arguments)
    assert again.exit_code == 4
    assert "holds a run" in again.stderr


def test_quiet_prints_nothing(tmp_path):
    result = call("train", "xor", "--epochs", 1, "--quiet", "--run-folder", tmp_path / "run")
    assert (result.exit_code, result.output) == (0, "")


def test_the_task_the_loss_and_the_unit_are_found_from_the_data(trained):
    flowers, prices, text = (RunFolder(trained[name]).config for name in ("flowers", "prices", "text"))
    assert (flowers["task"], flowers["loss"]["name"]) == ("classification", "cross_entropy")
    assert (prices["task"], prices["loss"]["name"]) == ("regression", "squared")
    assert (text["task"], text["loss"]["name"]) == ("text", "cross_entropy")
    results = RunFolder(trained["prices"]).read_json("results")
    assert results["test_r2"] > 0.9
    # In the unit of the prices, which spread over 80,000, though training sees standardised ones.
    assert 10 < results["test_mae"] < 20_000
    assert RunFolder(trained["flowers"]).read_json("results")["test_accuracy"] > 0.9
    assert RunFolder(trained["xor"]).read_json("results")["train_loss"] < 0.1
    assert RunFolder(trained["text"]).read_json("results")["validation_loss"] < 1.0


def test_a_folder_of_idx_files_brings_its_own_test_part(tmp_path):
    folder = write_mnist_like(tmp_path / "mnist", train=40, test=10)
    result = call("train", folder, "--epochs", 1, "--json", "--run-folder", tmp_path / "run")
    assert "test_accuracy" in records(result)[-1]
    assert RunFolder(tmp_path / "run").config["data"]["sizes"]["test"] == 10


@pytest.mark.parametrize("model", ["mlp", "lenet", "cnn", "rnn", "gru", "lstm"])
def test_every_model_trains_on_images(tmp_path, model):
    folder = tmp_path / "images.npz"
    random = np.random.default_rng(0)
    np.savez(folder, x=random.integers(0, 255, (24, 8, 8)).astype(np.uint8), y=np.arange(24) % 2)
    result = call("train", folder, model, "--epochs", 1, "--json", "--run-folder", tmp_path / "run")
    assert records(result)[-1]["model"] == model


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"])
def test_every_optimizer_lowers_the_loss(tmp_path, optimizer):
    result = call(
        *("train", "xor", "--samples", 40, "--hidden", 8, "--epochs", 8, "--optimizer", optimizer, "--json"),
        *("--run-folder", tmp_path / "run"),
    )
    *epochs, _ = records(result)
    assert epochs[-1]["train_loss"] < epochs[0]["train_loss"]


@pytest.mark.parametrize(
    ("options", "shows"),
    [
        (["--schedule", "step", "--step-epochs", 1, "--decay", 0.5], lambda rates: rates[1] < rates[0]),
        (["--schedule", "exponential", "--decay", 0.5], lambda rates: rates[1] < rates[0]),
        (["--schedule", "cosine"], lambda rates: rates[-1] < 1e-9 < rates[0]),
        (["--schedule", "cosine", "--warm-up", 2], lambda rates: rates[0] < rates[1] > rates[-1]),
        (["--warm-up", 3], lambda rates: rates[0] < rates[1]),
        (
            ["--schedule", "plateau", "--step-epochs", 1, "--decay", 0.5, "--learning-rate", 1e-6],
            lambda rates: rates[-1] < rates[0],
        ),
    ],
)
def test_schedules_move_the_learning_rate(tmp_path, options, shows):
    result = call(
        *("train", "xor", "--samples", 20, "--batch-size", 5, "--epochs", 8, "--json", *options),
        *("--optimizer", "sgd", "--run-folder", tmp_path / "run"),
    )
    assert shows([record["learning_rate"] for record in records(result)[:-1]])


@pytest.mark.parametrize(
    "options",
    [
        ["--l1", 0.1],
        ["--l2", 0.1],
        ["--elastic", 0.1, "--l1-ratio", 0.3],
        ["--weight-decay", 0.1, "--optimizer", "adamw"],
        ["--clip-norm", 0.01, "--optimizer", "sgd"],
        ["--clip-value", 0.001, "--optimizer", "sgd"],
        ["--loss", "hinge"],
        ["--loss", "squared"],
        ["--label-smoothing", 0.2],
        ["--init", "orthogonal"],
        ["--activation", "tanh"],
        ["--dropout", 0.5],
        ["--batch-size", 1],
        ["--batch-size", "full"],
        ["--layers", 2],
        ["--hidden", "none"],
        ["--batch-norm"],
        ["--dtype", "float64"],
        ["--no-standardise"],
        ["--validation-fraction", 0.3],
        ["--split-seed", 5],
    ],
    ids=lambda options: options[0].lstrip("-") + str(options[1:2]),
)
def test_every_option_does_something(tmp_path, options, plain_loss):
    assert _final_loss(tmp_path, options) != plain_loss


@pytest.fixture(scope="module")
def plain_loss(tmp_path_factory):
    return _final_loss(tmp_path_factory.mktemp("plain"), [])


def _final_loss(folder, options):
    result = call(
        *("train", "spirals", "--samples", 60, "--epochs", 3, "--hidden", 8, "--json"),
        *(*options, "--run-folder", folder / "run"),
    )
    return records(result)[-2]["train_loss"]


def test_early_stopping_ends_the_run_and_says_so(tmp_path):
    result = call(
        *("train", "spirals", "--samples", 60, "--epochs", 500, "--patience", 2, "--optimizer", "sgd"),
        *("--learning-rate", 5, "--run-folder", tmp_path / "run", "--json"),
    )
    final = records(result)[-1]
    assert final["epochs"] < 500
    assert "did not improve for 2 epochs" in final["stop_reason"]
    assert final["best_epoch"] == final["epochs"] - 2


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["digitz"], 3, "Did you mean 'digits'?"),
        (["digits", "mpl"], 2, "Did you mean 'mlp'?"),
        (["digits", "--epoch", "2"], 2, "No such option"),
        (["digits", "--epochs", "0"], 2, "--epochs"),
        (["digits", "--batch-size", "some"], 2, "or full"),
        (["digits", "--hidden", "12,x"], 2, "128,64"),
        (["digits", "--momentum", "0.9"], 2, "--momentum does nothing without --optimizer"),
        (["digits", "--loss", "huber"], 2, "does not fit the task classification"),
        (["digits", "--step-epochs", "2"], 2, "--step-epochs does nothing"),
        (["digits", "--l1-ratio", "0.5"], 2, "--l1-ratio does nothing"),
        (["digits", "--sequence-length", "8"], 2, "--sequence-length does nothing"),
        (["digits", "mlp", "--channels", "3"], 2, "the model mlp has no --channels"),
        (["digits", "mlp", "--model", "cnn"], 2, "two models"),
        (["digits", "lenet", "--hidden", "12", "--layers", "2"], 2, "--layers"),
        (["digits", "--target", "x"], 2, "takes no option 'target'"),
        (["xor", "lenet"], 2, "input_shape expected (channels, height, width)"),
        (["xor", "--patience", "3"], 2, "--patience does nothing"),
        (
            ["digits", "--test-fraction", "0.6", "--validation-fraction", "0.5"],
            2,
            "leave nothing to train on",
        ),
        (["digits", "--run-folder", "x", "--name", "y"], 2, "--run-folder is a whole path"),
        (["digits", "--name", "a/b"], 2, "without folders"),
        (["python-help", "--batch-size", "9999999"], 3, "batch_size"),
        (["python-help", "mlp"], 2, "task"),
        ([], 2, "Missing argument 'DATA'"),
        (["xor", "--batch-size", "full", "--resume", "nowhere"], 2, "--batch-size"),
        (["--resume", "nowhere"], 4, "no such run folder"),
    ],
)
def test_wrong_calls_get_one_line_and_leave_nothing(tmp_path, monkeypatch, arguments, code, said):
    monkeypatch.chdir(tmp_path)
    result = call("train", *arguments)
    assert result.exit_code == code, result.output
    assert said in result.stderr
    assert result.stderr.startswith("deltarule: ")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_malformed_file_is_named_with_its_line(tmp_path):
    path = write_flowers(tmp_path / "flowers.csv")
    path.write_text(path.read_text() + "1,2,3\n")
    result = call("train", path, "--runs", tmp_path / "runs")
    assert result.exit_code == 3
    assert f"{path}: line 62: expected 4 fields" in result.stderr
    assert not (tmp_path / "runs").exists()


def test_a_run_that_diverges_names_the_operation(tmp_path):
    path = write_prices(tmp_path / "prices.csv")
    result = call(
        *("train", path, "--no-standardise", "--no-standardise-targets", "--optimizer", "sgd"),
        *("--learning-rate", 1000, "--epochs", 50, "--run-folder", tmp_path / "run", "--json"),
    )
    assert result.exit_code == 1
    assert "is not finite at epoch" in result.stderr
    assert "--learning-rate" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_place_that_cannot_be_written_to(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    result = call("train", "xor", "--epochs", 1, "--runs", blocked / "runs")
    assert result.exit_code == 4
    assert str(blocked) in result.stderr
    assert "Traceback" not in result.output


def test_notes_of_the_data_are_passed_on(tmp_path):
    path = write_flowers(tmp_path / "flowers.csv")
    path.write_text(path.read_text() + "1,2,red,\n")
    shown = call("train", path, "--epochs", 1, "--run-folder", tmp_path / "a")
    assert "1 rows without a target are left out" in shown.stdout
    notes = records(call("train", path, "--epochs", 1, "--json", "--run-folder", tmp_path / "b"))[-1]["notes"]
    assert any("without a target" in note for note in notes)


def test_the_model_can_be_named_by_an_option(tmp_path):
    result = call(
        *("train", "digits", "--model", "rnn", "--epochs", 1, "--hidden", 8, "--json"),
        *("--run-folder", tmp_path / "run"),
    )
    assert records(result)[-1]["model"] == "rnn"
    assert json.loads((tmp_path / "run" / "config.json").read_text())["model"]["options"]["hidden"] == 8


def test_a_run_is_compiled_unless_that_is_refused(tmp_path):
    options = ("train", "sine", "--epochs", 8, "--seed", 3, "--batch-size", 8, "--quiet")
    losses = []
    for name, more in (("fast", ()), ("plain", ("--no-compile",))):
        folder = tmp_path / name
        assert call(*options, *more, "--run-folder", folder).exit_code == 0
        run = RunFolder(folder)
        assert run.config["compile"] is (name == "fast")
        compiled = run.load("last").values["compiled"]
        assert bool(compiled) is (name == "fast")
        losses.append([record["validation_loss"] for record in run.history()])
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    assert losses[0] != losses[1]


def test_resuming_keeps_to_the_choice(tmp_path):
    run = tmp_path / "run"
    call("train", "xor", "--epochs", 2, "--no-compile", "--run-folder", run)
    assert call("train", "--resume", run, "--epochs", 3, "--quiet").exit_code == 0
    assert RunFolder(run).load("last").values["compiled"] == {}
    refused = call("train", "--resume", run, "--epochs", 4, "--no-compile")
    assert refused.exit_code == 2
    assert "--no-compile cannot change" in refused.stderr
