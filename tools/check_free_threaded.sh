#!/usr/bin/env bash
# Fits in several threads at once, in a Python without the GIL: PYTHON=python3.14t tools/check_free_threaded.sh
#
# Numba and safetensors are taken where they have wheels for it; training needs neither.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
"$python" -c "
import sysconfig
if not sysconfig.get_config_var('Py_GIL_DISABLED'):
    raise SystemExit('this Python has a GIL: PYTHON is to name one without')"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m venv "$work/venv"
PATH=$work/venv/bin:$PATH
export PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHON_GIL=0 MPLBACKEND=agg

pip install --quiet --only-binary=:all: numpy scikit-learn pytest pytest-timeout pytest-xdist hypothesis
for package in numba safetensors rich matplotlib jinja2; do
    pip install --quiet --only-binary=:all: "$package" || echo "without $package"
done
GRADSTEP_REQUIRE_NATIVE=1 pip install --no-deps .
cd tests
python -c "
import sys

from gradstep import _core

assert not sys._is_gil_enabled(), 'the core has switched the GIL on'
print('no GIL,', ', '.join(_core.isas()))"
cd ..
python -m pytest --numprocesses=0 tests/utils/test_busy.py tests/backends/test_core.py \
    tests/estimators/test_trainer.py tests/search/test_equals_separate_fits.py "$@"
