"""A program ends with a status of its own, whatever its daemon threads are doing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from makers import HERE

# All that a backend does, for ever, each in a thread of its own.
PROGRAM = """
import sys, threading
import numpy as np
from cases import Case
from gradstep.backends import get

backend, n_threads = get(sys.argv[1]), int(sys.argv[2])
case = Case("any", n=2000, d=100, hidden=(50,), batch_size=100, epochs=20, dtype="uint8")
plan, data, parameters = case.plan(), case.data(), case.parameters("float32")
session = backend.session(plan, data, [data], n_threads=n_threads)
works = [
    lambda: backend.session(plan, data, n_threads=n_threads).train(
        case.state("float32"), 0, case.updates, should_stop=lambda: False),
    lambda: session.evaluate(parameters),
    lambda: backend.scores(case.objective, data, parameters, n_threads=n_threads),
    lambda: backend.loss_and_gradient(case.objective, data, parameters, n_threads=n_threads),
    lambda: backend.sums_of_bytes(data.X, n_threads),
]
begun = [threading.Event() for _ in works]

def work(do, event):
    while True:
        do()
        event.set()

for do, event in zip(works, begun):
    threading.Thread(target=work, args=(do, event), daemon=True).start()
for event in begun:
    event.wait()
sys.exit(7)
"""


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("name", HERE)
def test_a_program_ends_while_daemon_threads_work(name: str, n_threads: int) -> None:
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    command = [sys.executable, "-c", PROGRAM, name, str(n_threads)]
    environment = os.environ | {"PYTHONPATH": path}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 7, done.stderr
