"""evaluate, predict, generate, check and runs, on runs that were trained before."""

from __future__ import annotations

import csv
import io
import shutil

import numpy as np
import pytest

from deltarule.cli.check import check_parameter
from deltarule.cli.generate import written
from deltarule.cli.saved_run import open_run
from deltarule.errors import GradientError
from deltarule.training import RunFolder
from tests.cli.conftest import call, records, write_flowers, write_prices


def table(result) -> list[dict[str, str]]:
    assert result.exit_code == 0, result.output
    return list(csv.DictReader(io.StringIO(result.stdout)))


# ---- evaluate


@pytest.mark.parametrize("name", ["flowers", "prices"])
def test_evaluate_gives_the_metrics_that_training_reported(trained, name):
    (record,) = records(call("evaluate", trained[name], "--json"))
    reported = RunFolder(trained[name]).read_json("results")
    measured = {key: value for key, value in record.items() if key.startswith("test_")}
    assert measured
    assert measured == {key: reported[key] for key in measured}


def test_evaluate_measures_other_parts_and_other_weights(trained):
    (train,) = records(call("evaluate", trained["flowers"], "--part", "train", "--json"))
    (last,) = records(call("evaluate", trained["flowers"], "--last", "--json"))
    assert train["rows"] == RunFolder(trained["flowers"]).config["data"]["sizes"]["train"]
    assert "train_accuracy" in train
    assert last["epoch"] == 20


def test_evaluate_takes_new_data_and_prints_a_line_for_each_metric(trained, tmp_path):
    new = write_flowers(tmp_path / "new.csv", rows=9)
    result = call("evaluate", trained["flowers"], "--data", new, "--confusion", "--top-k", 2)
    assert result.exit_code == 0, result.output
    assert "accuracy" in result.stdout
    assert "top 2 accuracy" in result.stdout
    matrix = [line.split() for line in result.stdout.splitlines()[-3:]]
    assert [row[0] for row in matrix] == ["ant", "bee", "cat"]
    assert sum(int(count) for row in matrix for count in row[1:]) == 9


def test_evaluate_of_a_text_gives_perplexity(trained):
    (record,) = records(call("evaluate", trained["text"], "--json"))
    assert record["validation_perplexity"] == pytest.approx(np.exp(record["validation_loss"]))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["{xor}", "--part", "test"], 3, "the run has no test part"),
        (["{prices}", "--confusion"], 2, "expect classes"),
        (["{flowers}", "--top-k", "4"], 2, "at most 3"),
        (["{flowers}", "--data", "{prices.csv}"], 3, "prices.csv"),
        (["{flowers}", "--data", "{flowers.csv}", "--part", "test"], 2, "Give one of them"),
        (["{flowers}", "--encoding", "latin-1"], 2, "expect --data"),
        (["{flowers.csv}"], 4, "there is no such run folder"),
        (["nowhere"], 4, "there is no such run folder"),
    ],
)
def test_evaluate_refuses(trained, arguments, code, said):
    result = call("evaluate", *(argument.format(**_Names(trained)) for argument in arguments))
    assert result.exit_code == code, result.output
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


class _Names(dict):
    """The paths of `trained` for str.format, which takes the dot of a file's name for an attribute."""

    def __init__(self, trained):
        super().__init__({name.partition(".")[0]: path for name, path in trained.items() if "." not in name})
        for name, path in trained.items():
            if "." in name:
                self[name.partition(".")[0]] = _Path(self.get(name.partition(".")[0], ""), path)


class _Path(str):
    def __new__(cls, run, path):
        made = super().__new__(cls, run)
        made.csv = made.txt = path
        return made


# ---- predict


def test_predict_gives_the_class_of_each_row_in_order(trained, tmp_path):
    new = tmp_path / "new.csv"
    new.write_text("length,width,colour\n1.2,3,red\n3.2,4,blue\n5.2,5,red\n")
    rows = table(call("predict", trained["flowers"], new))
    assert [row["row"] for row in rows] == ["1", "2", "3"]
    assert [row["prediction"] for row in rows] == ["ant", "bee", "cat"]


def test_probabilities_add_up_and_the_best_guess_is_the_prediction(trained):
    flowers = trained["flowers.csv"]
    plain = table(call("predict", trained["flowers"], flowers))
    probable = table(call("predict", trained["flowers"], flowers, "--probabilities"))
    guesses = table(call("predict", trained["flowers"], flowers, "--top-k", 2))
    for row, probabilities, guess in zip(plain, probable, guesses, strict=True):
        shares = {name: float(probabilities[f"probability of {name}"]) for name in ("ant", "bee", "cat")}
        assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
        assert max(shares, key=shares.get) == row["prediction"] == guess["prediction 1"]
        assert float(guess["probability 1"]) >= float(guess["probability 2"])


def test_predictions_of_a_regression_are_in_the_unit_of_the_data(trained, tmp_path):
    new = tmp_path / "new.csv"
    new.write_text("area,rooms\n50,2\n70,4\n")
    prices = [float(row["price"]) for row in table(call("predict", trained["prices"], new))]
    assert prices == pytest.approx([100_025, 120_035], rel=0.1)


def test_predict_writes_a_file(trained, tmp_path):
    out = tmp_path / "said.csv"
    result = call("predict", trained["flowers"], trained["flowers.csv"], "--out", out)
    assert (result.exit_code, result.output) == (0, "")
    assert out.read_text() == call("predict", trained["flowers"], trained["flowers.csv"]).stdout


def test_predict_takes_arrays_like_the_training_data(tmp_path):
    run = tmp_path / "run"
    call("train", "digits", "mlp", "--hidden", 16, "--epochs", 1, "--run-folder", run, "--quiet")
    np.savez(tmp_path / "one.npz", x=np.zeros((2, 64)))
    assert len(table(call("predict", run, tmp_path / "one.npz"))) == 2
    np.savez(tmp_path / "wrong.npz", x=np.zeros((2, 63)))
    wrong = call("predict", run, tmp_path / "wrong.npz")
    assert wrong.exit_code == 3
    assert "(1, 8, 8)" in wrong.stderr


@pytest.mark.parametrize(
    ("run", "data", "options", "code", "said"),
    [
        ("text", "hello.txt", [], 2, "Use deltarule generate"),
        ("prices", "prices.csv", ["--probabilities"], 2, "expect classes"),
        ("flowers", "flowers.csv", ["--top-k", "9"], 2, "at most 3"),
        ("flowers", "flowers.csv", ["--top-k", "2", "--probabilities"], 2, "Give one of them"),
        ("flowers", "missing.csv", [], 3, "missing.csv"),
        ("flowers", "flowers.csv", ["--out", "no/such/folder.csv"], 4, "no/such"),
    ],
)
def test_predict_refuses(trained, run, data, options, code, said):
    result = call("predict", trained[run], trained.get(data, data), *options)
    assert result.exit_code == code, result.output
    assert said in result.stderr
    assert result.stdout == ""


def test_predict_says_that_hinge_scores_are_no_probabilities(tmp_path):
    run = tmp_path / "run"
    call("train", "xor", "--loss", "hinge", "--epochs", 1, "--run-folder", run, "--quiet")
    result = call("predict", run, "xor", "--probabilities")
    assert result.exit_code == 2
    assert "hinge" in result.stderr
    assert len(table(call("predict", run, "xor"))) == 4


# ---- generate


def test_generate_continues_the_prompt(trained):
    result = call("generate", trained["text"], "--prompt", "hello wor", "--length", 20, "--temperature", 0)
    assert result.exit_code == 0, result.output
    assert result.stdout == "hello world, hello world, hello\n"[:29] + "\n"


def test_generate_repeats_with_a_seed(trained):
    def text(seed):
        return call("generate", trained["text"], "--temperature", 2, "--seed", seed).stdout

    assert text(1) == text(1) != text(2)
    assert len(text(1)) == 501


def test_generate_keeps_to_the_k_most_probable(trained):
    greedy = call("generate", trained["text"], "--length", 30, "--temperature", 0).stdout
    assert (
        call("generate", trained["text"], "--length", 30, "--top-k", 1, "--temperature", 5).stdout == greedy
    )
    assert call("generate", trained["text"], "--length", 30, "--top-p", 1e-9).stdout == greedy


def test_generate_leaves_unknown_characters_out_with_a_note(trained):
    result = call("generate", trained["text"], "--prompt", "hézllo", "--length", 1)
    assert result.exit_code == 0
    assert result.stdout.startswith("hllo")
    assert "'z' 'é'" in result.stderr
    assert result.stderr.count("\n") == 1


def test_the_carried_state_equals_reading_the_whole_text_anew(trained):
    saved = open_run(trained["text"])
    vocabulary = saved.preprocessing.vocabulary
    text = "".join(written(saved.model, vocabulary, "hello", 12, np.random.default_rng(0), temperature=0))
    longer = "".join(
        written(saved.model, vocabulary, "hello" + text[:6], 6, np.random.default_rng(0), temperature=0)
    )
    assert text[6:] == longer


@pytest.mark.parametrize(
    ("run", "options", "said"),
    [
        ("flowers", [], "Use deltarule predict"),
        ("text", ["--temperature", "-1"], "--temperature"),
        ("text", ["--top-k", "0"], "--top-k"),
        ("text", ["--top-p", "1.5"], "--top-p"),
        ("text", ["--length", "0"], "--length"),
    ],
)
def test_generate_refuses(trained, run, options, said):
    result = call("generate", trained[run], *options)
    assert result.exit_code == 2
    assert said in result.stderr


# ---- check


@pytest.mark.parametrize("name", ["xor", "flowers", "prices", "text"])
def test_the_gradients_of_every_run_are_right(trained, name):
    (record,) = records(call("check", trained[name], "--json"))
    assert record["passed"]
    assert record["largest_error"] < 1e-6
    assert set(record["parameters"]) == {key for key, _ in open_run(trained[name]).model.named_parameters()}


def test_check_covers_dropout_and_regularisation(tmp_path):
    run = tmp_path / "run"
    call(
        *("train", "spirals", "--samples", 30, "--hidden", 6, "--epochs", 1, "--dropout", 0.4),
        *("--l2", 0.1, "--elastic", 0.1, "--activation", "tanh", "--run-folder", run, "--quiet"),
    )
    (record,) = records(call("check", run, "--samples", 16, "--json"))
    assert record["passed"]


@pytest.mark.parametrize(
    "options",
    [
        ["mlp", "--hidden", "8,8", "--batch-norm"],
        ["cnn", "--channels", "3", "--hidden", "8"],
        ["lenet", "--channels", "2,3", "--hidden", "8"],
        ["rnn", "--hidden", "6", "--layers", "2"],
        ["gru", "--hidden", "6", "--bidirectional"],
        ["lstm", "--hidden", "6"],
    ],
    ids=lambda options: options[0],
)
def test_the_gradients_of_every_model_are_right(tmp_path, options):
    run = tmp_path / "run"
    data = tmp_path / "images.npz"
    random = np.random.default_rng(0)
    np.savez(data, x=random.integers(0, 255, (30, 6, 6)).astype(np.uint8), y=np.arange(30) % 3)
    call("train", data, *options, "--epochs", 1, "--run-folder", run, "--quiet")
    (record,) = records(call("check", run, "--samples", 4, "--json"))
    assert record["passed"]


def test_check_prints_a_line_for_each_parameter(trained):
    result = call("check", trained["flowers"])
    assert result.exit_code == 0
    assert "hidden.linear1.weight" in result.stdout
    assert "all 4 gradients are right" in result.stdout


def test_a_wrong_gradient_gives_exit_code_1_and_the_operation(trained, monkeypatch):
    from deltarule.operations.linear import LINEAR

    kernel = LINEAR.backward_kernel

    def wrong(*arguments, **options):
        return tuple(None if each is None else -each for each in kernel(*arguments, **options))

    monkeypatch.setattr(type(LINEAR), "backward_kernel", lambda self, *a, **o: wrong(*a, **o))
    result = call("check", trained["flowers"])
    assert result.exit_code == 1
    assert "linear" in result.stderr
    assert "WRONG" in result.stdout
    saved = open_run(trained["flowers"])
    with pytest.raises(GradientError):
        check_parameter(
            saved.model.astype("float64"),
            "output.bias",
            lambda: (saved.model(np.ones((2, 4))) ** 2).sum(),
        )


# ---- runs


def test_runs_are_listed_with_their_results(trained, tmp_path):
    for name in ("flowers", "text"):
        shutil.copytree(trained[name], tmp_path / name)
    (tmp_path / "no run").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{")
    listed = {record["run_folder"]: record for record in records(call("runs", tmp_path, "--json"))}
    assert len(listed) == 3
    assert listed[str(tmp_path / "flowers")]["test_accuracy"] > 0.9
    assert "damaged" in listed[str(tmp_path / "broken")]["error"]
    plain = call("runs", tmp_path).stdout
    assert "test accuracy" in plain
    assert "validation loss" in plain


def test_no_runs_yet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "no runs in runs" in call("runs").stdout
    assert call("runs", "elsewhere").exit_code == 4


def test_a_run_is_found_by_its_name_in_the_folder_runs(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained["xor"], tmp_path / "runs" / "xor-mlp-1")
    assert call("evaluate", "xor-mlp-1").exit_code == 0
    wrong = call("evaluate", "xor-mlp-2")
    assert wrong.exit_code == 4
    assert "Did you mean runs/xor-mlp-1?" in wrong.stderr


def test_a_configuration_that_was_edited_is_refused(trained, tmp_path):
    shutil.copytree(trained["xor"], tmp_path / "run")
    config = tmp_path / "run" / "config.json"
    config.write_text(config.read_text().replace('"hidden": [\n        8', '"hidden": [\n        9'))
    result = call("evaluate", tmp_path / "run")
    assert result.exit_code == 4
    assert "does not fit the model" in result.stderr


def test_prices_are_not_predicted_from_a_table_without_the_columns(trained, tmp_path):
    path = write_prices(tmp_path / "other.csv")
    path.write_text(path.read_text().replace("area", "surface"))
    result = call("predict", trained["prices"], path)
    assert result.exit_code == 3
    assert "area" in result.stderr


def test_a_run_that_a_script_made_is_refused_with_what_it_lacks(tmp_path):
    RunFolder.create(tmp_path / "run", {"task": "classification"})
    result = call("evaluate", tmp_path / "run")
    assert result.exit_code == 4
    assert "it lacks data, model" in result.stderr
