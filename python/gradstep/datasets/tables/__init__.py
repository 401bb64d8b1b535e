"""Tables in text files: how they are written, what their columns are, and what becomes of them."""

from gradstep.datasets.tables.layout import Layout
from gradstep.datasets.tables.loaders import load_csv
from gradstep.datasets.tables.more_rows import TableRows, load_rows, read_rows, schema_by_place

__all__ = ["Layout", "TableRows", "load_csv", "load_rows", "read_rows", "schema_by_place"]
