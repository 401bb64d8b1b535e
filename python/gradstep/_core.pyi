"""The compiled core: what cpp/bindings/ registers. `gradstep.backends.cpp` is its only caller."""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

_T = TypeVar("_T", np.float32, np.float64)

class SparseX:
    def __init__(
        self, values: npt.NDArray[Any], starts: npt.NDArray[Any], inputs: npt.NDArray[Any], d: int
    ) -> None: ...

class Rows:
    def __init__(
        self,
        X: npt.NDArray[Any] | SparseX,
        targets: npt.NDArray[Any],
        weight: npt.NDArray[np.float64] | None,
        mean: npt.NDArray[np.float64],
        inverse_scale: npt.NDArray[np.float64],
        index: npt.NDArray[np.int32] | None = None,
        mapped: bool = False,
    ) -> None: ...

class RowsLostError(OSError): ...

class Models:
    def __init__(
        self,
        isa: str,
        sizes: npt.NDArray[np.int64],
        l2: npt.NDArray[np.float64],
        loss: str,
        loss_numbers: npt.NDArray[np.float64],
        activations: list[str],
        activation_numbers: npt.NDArray[np.float64],
        rule: str,
        dropout: tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]] | None = None,
        limits: npt.NDArray[np.float64] | None = None,
        averages: bool = False,
    ) -> None: ...

class Session:
    def __init__(
        self,
        models: Models,
        rows: Rows,
        most_rows: int,
        evaluated: list[Rows],
        doubles: bool,
        n_threads: int,
        images: tuple[int, int, int, bool] | None,
    ) -> None: ...
    def train(
        self,
        row_indices: npt.NDArray[np.int32],
        starts: npt.NDArray[np.int64],
        numbers: npt.NDArray[np.float64],
        parameters: npt.NDArray[Any],
        slots: npt.NDArray[Any],
        updates: npt.NDArray[np.int64],
        finite: npt.NDArray[np.bool_],
        draws: npt.NDArray[np.int16] | None,
        divisors: npt.NDArray[np.float64] | None,
        penalties: npt.NDArray[np.float64] | None,
        decays: npt.NDArray[np.float64] | None,
        shares: npt.NDArray[np.float64] | None,
        should_stop: Callable[[], bool],
        drop_keys: npt.NDArray[np.uint64] | None = None,
        part_ends: npt.NDArray[np.int64] | None = None,
    ) -> npt.NDArray[np.float64]: ...
    def evaluate(
        self, parameters: npt.NDArray[Any], with_scores: bool
    ) -> tuple[npt.NDArray[np.float64], list[npt.NDArray[Any]]]: ...

class FullBatch:
    def __init__(self, models: Models, rows: Rows, doubles: bool, n_threads: int) -> None: ...
    def loss_and_gradient(
        self, parameters: npt.NDArray[_T], active: npt.NDArray[np.bool_] | None = None
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[_T]]: ...

chunk_rows: int

def evaluate(
    models: Models,
    rows: Rows,
    parameters: npt.NDArray[Any],
    n_threads: int,
    sums: npt.NDArray[np.float64] | None = None,
    before: int = 0,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]: ...
def scores(models: Models, rows: Rows, parameters: npt.NDArray[_T], n_threads: int) -> npt.NDArray[_T]: ...
def sort(words: npt.NDArray[np.uint64]) -> None: ...
def sums_of_bytes(
    X: npt.NDArray[np.uint8], n_threads: int, mapped: bool = False
) -> npt.NDArray[np.uint64]: ...
def names() -> dict[str, dict[str, Any]]: ...
def isas() -> list[str]: ...
def build_config() -> dict[str, Any]: ...
def measure(isa: str, n_threads: int) -> tuple[int, float, float, float, float]: ...
