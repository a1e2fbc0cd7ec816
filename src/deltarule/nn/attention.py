"""Attention as the layers use it; the operation is in operations/attention.py."""

from __future__ import annotations

from deltarule.operations.attention import attention_weights, scaled_dot_product_attention

__all__ = ["attention_weights", "scaled_dot_product_attention"]
