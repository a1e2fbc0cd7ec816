"""`deltarule generate`: a language model writes, character by character."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np

from deltarule.autodiff.recording import no_grad
from deltarule.autodiff.tensor import Tensor
from deltarule.cli.program import Command, report
from deltarule.cli.sampling import check_sampling, draw, token_probabilities
from deltarule.cli.saved_run import RUN, WEIGHTS, open_run
from deltarule.data import Vocabulary
from deltarule.errors import DataError
from deltarule.kernels.threads import limited_threads
from deltarule.nn.module import Module

EXAMPLES = (
    ("deltarule generate runs/python-help-lstm-1", "500 characters"),
    ('deltarule generate runs/python-help-lstm-1 --prompt "The if statement"', "that go on from a prompt"),
    ("deltarule generate runs/python-help-lstm-1 --temperature 0.5", "more careful"),
    ("deltarule generate runs/python-help-lstm-1 --top-p 0.9 --seed 7", "repeatable, without odd characters"),
)


@click.command(cls=Command, examples=EXAMPLES)
@RUN
@click.option("--prompt", default="", help="Text that the network goes on from; it is written first.")
@click.option("--length", type=click.IntRange(1), default=500, show_default=True, help="Characters to write.")
@click.option(
    "--temperature",
    type=click.FloatRange(0),
    default=1.0,
    show_default=True,
    help="Below 1 more careful, above 1 more daring; 0 always takes the most probable character.",
)
@click.option("--top-k", type=click.IntRange(1), help="Only from the k most probable characters.")
@click.option(
    "--top-p",
    type=click.FloatRange(0, 1, min_open=True),
    help="Only from the fewest characters whose probabilities add up to p.",
)
@click.option("--seed", type=click.IntRange(0), help="The same text every time.  [default: another text]")
@WEIGHTS
def generate(
    run: Path,
    prompt: str,
    length: int,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    seed: int | None,
    best: bool,
) -> None:
    """Let the language model of RUN write.

    Characters of the prompt that the training text does not have are left out, with a note.
    """
    check_sampling(temperature, top_k, top_p)
    saved = open_run(run, best)
    saved.require_task(text=True, command="generate")
    vocabulary = saved.preprocessing.vocabulary
    if vocabulary is None:
        raise DataError(str(saved.folder.path), "the run has no vocabulary", "Its config.json was changed.")
    known = "".join(each for each in prompt if each in vocabulary and each != vocabulary.replacement)
    unknown = sorted(set(prompt) - set(known))
    if unknown:
        report(f"note: left out of the prompt, as the training text has none: {' '.join(map(repr, unknown))}")
    click.echo(known, nl=False)
    random = np.random.default_rng(seed)
    # One character at a time is too little for several threads.
    with limited_threads(1):
        for character in written(saved.model, vocabulary, known, length, random, temperature, top_k, top_p):
            click.echo(character, nl=False)
    click.echo()


def written(
    model: Module,
    vocabulary: Vocabulary,
    prompt: str,
    length: int,
    random: np.random.Generator,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> Iterator[str]:
    """The characters that a language model writes after a prompt, one after the other.

    model    forward(tokens (batch, time), state) -> (logits (batch, time, tokens), state)
    prompt   characters of the vocabulary; a line feed or else the first character stands for an empty one
    """
    start = prompt or ("\n" if "\n" in vocabulary else vocabulary.symbols[0])
    tokens = vocabulary.encode(start)
    # The symbol that stands for unknown characters is nothing that one can write.
    unwanted = None if vocabulary.replacement is None else vocabulary.symbols.index(vocabulary.replacement)
    state = None
    for _ in range(length):
        with no_grad():
            logits, state = model(Tensor(tokens[np.newaxis]), state)
        scores = logits.numpy()[0, -1].astype(np.float64)
        if unwanted is not None:
            scores[unwanted] = scores.min() - 1e3
        chosen = draw(token_probabilities(scores, temperature, top_k, top_p), random)
        tokens = np.array([chosen])
        yield vocabulary.symbols[chosen]
