"""A small GPT: embeddings of tokens and positions, causal Transformer blocks, norm first, GELU."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.rows.row import Array, Row, Shapes


@dataclass(frozen=True)
class GPT(Row):
    """The blocks are TransformerEncoderLayers without dropout, four times as wide inside."""

    depth: int = 4
    width: int = 128
    heads: int = 4
    time: int = 128
    vocabulary: int = 65

    def shapes(self) -> Shapes:
        width = self.width
        shapes: Shapes = {
            "tokens.weight": (self.vocabulary, width),
            "positions.weight": (self.time, width),
        }
        for layer in range(self.depth):
            block = f"blocks.{layer}"
            shapes |= {
                f"{block}.self_attn.in_proj_weight": (3 * width, width),
                f"{block}.self_attn.in_proj_bias": (3 * width,),
                f"{block}.self_attn.out_proj.weight": (width, width),
                f"{block}.self_attn.out_proj.bias": (width,),
                f"{block}.linear1.weight": (4 * width, width),
                f"{block}.linear1.bias": (4 * width,),
                f"{block}.linear2.weight": (width, 4 * width),
                f"{block}.linear2.bias": (width,),
                f"{block}.norm1.weight": (width,),
                f"{block}.norm1.bias": (width,),
                f"{block}.norm2.weight": (width,),
                f"{block}.norm2.bias": (width,),
            }
        shapes |= {"norm.weight": (width,), "norm.bias": (width,)}
        return shapes | {"output.weight": (self.vocabulary, width), "output.bias": (self.vocabulary,)}

    def one_batch(self, generator: np.random.Generator) -> tuple[Array, Array]:
        tokens = generator.integers(0, self.vocabulary, (self.batch, self.time + 1))
        return tokens[:, :-1].copy(), tokens[:, 1:].reshape(-1)

    def build(self, nn: Any, functions: Any) -> Any:
        row = self

        class Network(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.tokens = nn.Embedding(row.vocabulary, row.width)
                self.positions = nn.Embedding(row.time, row.width)
                self.blocks = nn.ModuleList(
                    [
                        nn.TransformerEncoderLayer(
                            row.width,
                            row.heads,
                            4 * row.width,
                            dropout=0.0,
                            activation="gelu",
                            batch_first=True,
                            norm_first=True,
                        )
                        for _ in range(row.depth)
                    ]
                )
                self.norm = nn.LayerNorm(row.width)
                self.output = nn.Linear(row.width, row.vocabulary)
                self.mask = functions.causal_mask(row.time)

            def forward(self, x: Any) -> Any:
                x = self.tokens(x) + self.positions.weight
                for block in self.blocks:
                    x = block(x, src_mask=self.mask, is_causal=True)
                return self.output(self.norm(functions.reshape(x, (-1, row.width))))

        return Network()

    def in_jax(self, layers: Any, values: dict[str, Any], x: Any) -> Any:
        x = values["tokens.weight"][x] + values["positions.weight"]
        for layer in range(self.depth):
            block = f"blocks.{layer}"
            normal = layers.layer_norm(values, f"{block}.norm1", x)
            x = x + layers.causal_attention(values, f"{block}.self_attn", normal, self.heads)
            normal = layers.layer_norm(values, f"{block}.norm2", x)
            inner = layers.gelu(layers.linear(values, f"{block}.linear1", normal))
            x = x + layers.linear(values, f"{block}.linear2", inner)
        x = layers.layer_norm(values, "norm", x.reshape(-1, self.width))
        return layers.linear(values, "output", x)

    def multiply_adds(self) -> tuple[int, int]:
        block = 12 * self.width**2 + 2 * self.time * self.width
        return self.batch * self.time * (self.depth * block + self.width * self.vocabulary), 0

    def tiny(self) -> GPT:
        return replace(self, depth=2, width=8, heads=2, time=6, vocabulary=7, batch=3)


ROWS = [GPT("gpt", "GPT, 4 layers, width 128, 128 tokens, batch 16", 16)]
MORE_ROWS = [
    GPT(
        "gpt-adamw",
        "GPT, 4 layers, width 128, 128 tokens, batch 16, AdamW",
        16,
        optimizer="adamw",
        learning_rate=0.001,
    )
]
