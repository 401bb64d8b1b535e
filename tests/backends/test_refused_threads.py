"""Where the system gives no more threads, those that are there do the work, to the same bits."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from makers import COMPILED_HERE

# Refuses every thread but the next so many.
LIBRARY = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

static int left = 1 << 30, refused = 0;
void give_threads(int count) { left = count; }
int refusals(void) { return refused; }
int pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*body)(void *), void *context) {
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) =
        dlsym(RTLD_NEXT, "pthread_create");
    if (left <= 0) return ++refused, EAGAIN;
    --left;
    return create(thread, how, body, context);
}
"""

PROGRAM = """
import ctypes, sys
import numpy as np
from cases import Case
from gradstep.backends import get

backend, library = get(sys.argv[1]), ctypes.CDLL(sys.argv[2])
case = Case("any", n=300, d=900, hidden=(20,), k=5, batch_size=50, epochs=2, dtype="uint8")
plan, data, objective, block = case.plan(), case.data(), case.objective, case.parameters("float32")

def results(n_threads):
    state, session = case.state("float32"), backend.session(plan, data, [data], n_threads=n_threads)
    session.train(state, 0, case.updates)
    yield state.parameters
    yield np.array(session.evaluate(block)[0][:3])
    yield backend.scores(objective, data, block, n_threads=n_threads)
    yield backend.loss_and_gradient(objective, data, block, n_threads=n_threads)[1]
    yield backend.sums_of_bytes(data.X, n_threads)

wanted = list(results(1))
for count in (0, 1, 2):
    library.give_threads(count)
    for found, expected in zip(results(4), wanted, strict=True):
        np.testing.assert_array_equal(found, expected)
assert library.refusals() > 0
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs a C compiler and a linker that lets a function be replaced")
    path = tmp_path_factory.mktemp("threads") / "refuse.so"
    command = [compiler, "-shared", "-fPIC", "-o", str(path), "-x", "c", "-", "-ldl"]
    subprocess.run(command, input=LIBRARY, text=True, check=True)
    return path


@pytest.mark.parametrize("name", COMPILED_HERE)
def test_a_team_is_as_large_as_the_system_lets_it_be(name: str, library: Path) -> None:
    environment = {
        "LD_PRELOAD": str(library),
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path]),
    }
    command = [sys.executable, "-c", PROGRAM, name, str(library)]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
