"""Data: files, named sets and arrays become batches of NumPy arrays. Knows nothing of networks or tensors.

load(name or path) gives a Dataset with train, validation and test parts; DataLoader and SequenceLoader
cut a part into batches; load_part brings new data into the form that a network was trained on.
"""

from deltarule.data.array_dataset import from_arrays
from deltarule.data.array_preprocessing import ArrayPreprocessing
from deltarule.data.arrays import Arrays
from deltarule.data.csv_file import read_csv
from deltarule.data.dataset import Dataset, Part
from deltarule.data.idx_file import read_idx, read_idx_folder
from deltarule.data.loader import DataLoader
from deltarule.data.new_data import load_part
from deltarule.data.npz_file import read_npz
from deltarule.data.one_hot import one_hot
from deltarule.data.padding import Padded, pad_sequences
from deltarule.data.preprocessing import Preprocessing
from deltarule.data.registry import NAMED_SETS, NamedSet, names
from deltarule.data.sequence_loader import SequenceLoader
from deltarule.data.source import load, load_again
from deltarule.data.split import Rows, split_contiguous, split_rows
from deltarule.data.standardise import Standardise
from deltarule.data.table import Table
from deltarule.data.table_dataset import from_table
from deltarule.data.table_preprocessing import TablePreprocessing
from deltarule.data.targets import TargetEncoding
from deltarule.data.text_dataset import from_text
from deltarule.data.text_file import Text, read_text
from deltarule.data.text_preprocessing import TextPreprocessing
from deltarule.data.vocabulary import Vocabulary

__all__ = [
    "NAMED_SETS",
    "ArrayPreprocessing",
    "Arrays",
    "DataLoader",
    "Dataset",
    "NamedSet",
    "Padded",
    "Part",
    "Preprocessing",
    "Rows",
    "SequenceLoader",
    "Standardise",
    "Table",
    "TablePreprocessing",
    "TargetEncoding",
    "Text",
    "TextPreprocessing",
    "Vocabulary",
    "from_arrays",
    "from_table",
    "from_text",
    "load",
    "load_again",
    "load_part",
    "names",
    "one_hot",
    "pad_sequences",
    "read_csv",
    "read_idx",
    "read_idx_folder",
    "read_npz",
    "read_text",
    "split_contiguous",
    "split_rows",
]
