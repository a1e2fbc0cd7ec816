"""Recurrent operations: one step (a cell), and one layer over a whole sequence in one direction."""

from deltarule.operations.recurrence.elman import rnn, rnn_cell
from deltarule.operations.recurrence.gated_unit import gru, gru_cell
from deltarule.operations.recurrence.long_short_term import lstm, lstm_cell

__all__ = ["gru", "gru_cell", "lstm", "lstm_cell", "rnn", "rnn_cell"]
