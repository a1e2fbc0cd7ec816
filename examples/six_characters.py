"""A character RNN that learns to continue a phrase of six characters: after "h", "ello!".

The two l's need memory: after the first comes an l, after the second an o.
"""

import deltarule as dr

PHRASE = "hello!"


class CharacterRNN(dr.nn.Module):
    """One-hot characters -> recurrent layer -> scores of the next character."""

    def __init__(self, characters: int, hidden: int):
        self.characters = characters
        self.rnn = dr.nn.RNN(characters, hidden)
        self.output = dr.nn.Linear(hidden, characters)

    def forward(self, ids, state=None):
        hidden, state = self.rnn(dr.one_hot(ids, self.characters), state)
        return self.output(hidden), state


def train(seed: int = 0, steps: int = 150) -> tuple[CharacterRNN, list[str], list[float]]:
    """The trained model, its vocabulary, and the loss (nats per character) of every step."""
    dr.manual_seed(seed)
    vocabulary = sorted(set(PHRASE))
    ids = dr.tensor([[vocabulary.index(character) for character in PHRASE]])
    model = CharacterRNN(len(vocabulary), hidden=8)
    optimizer = dr.optim.Adam(model.parameters(), lr=0.05)
    losses = []
    for _ in range(steps):
        scores, _ = model(ids[:, :-1])
        loss = dr.cross_entropy(scores.reshape(-1, len(vocabulary)), ids[:, 1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return model, vocabulary, losses


def continue_phrase(model: CharacterRNN, vocabulary: list[str], start: str, length: int) -> str:
    """The most probable continuation, one character at a time with the state carried along."""
    text, state = start, None
    ids = dr.tensor([[vocabulary.index(character) for character in start]])
    with dr.no_grad():
        while len(text) < length:
            scores, state = model(ids, state)
            chosen = int(scores[0, -1].argmax())
            text += vocabulary[chosen]
            ids = dr.tensor([[chosen]])
    return text


def main() -> tuple[str, float]:
    model, vocabulary, losses = train()
    return continue_phrase(model, vocabulary, PHRASE[0], len(PHRASE)), losses[-1]


if __name__ == "__main__":
    text, loss = main()
    print(f"after {PHRASE[0]!r} the network writes {text!r} (loss {loss:.4f} nats per character)")
