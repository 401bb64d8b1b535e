"""Data sets: CIFAR-10, handwritten digits, and one's own tables."""

from typing import TYPE_CHECKING

from gradstep.datasets.arrays import load_npy, load_npz
from gradstep.datasets.cifar10 import load_cifar10
from gradstep.datasets.digits import load_digits
from gradstep.datasets.download import cache_folder
from gradstep.datasets.sets import DataSet, Rows
from gradstep.datasets.tables import load_csv, load_rows
from gradstep.utils.names import module_getattr

__all__ = [
    "DataSet",
    "Rows",
    "cache_folder",
    "load_cifar10",
    "load_csv",
    "load_digits",
    "load_npy",
    "load_npz",
    "load_rows",
]

if not TYPE_CHECKING:  # who checks types shall know what is not there
    __getattr__ = module_getattr("gradstep.datasets", __all__)
