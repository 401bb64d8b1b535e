#!/usr/bin/env bash
# The tests with the oldest or the newest versions of everything that gradstep needs.
#
#     tools/check_bounds.sh oldest|newest [ARGUMENTS OF PYTEST]
#
# "oldest" are the lower bounds of pyproject.toml, to the letter; "newest" is what an index has today. Makes an
# environment of its own in a temporary folder, with the Python named by PYTHON.
set -euo pipefail
cd "$(dirname "$0")/.."

usage="usage: tools/check_bounds.sh oldest|newest [ARGUMENTS OF PYTEST]"
case ${1:-} in
    oldest | newest) which=$1 ;;
    *) echo "$usage" >&2 && exit 2 ;;
esac
shift

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
PATH=$work/venv/bin:$PATH
export PIP_DISABLE_PIP_VERSION_CHECK=1 MPLBACKEND=agg

touch "$work/constraints"
if [ "$which" = oldest ]; then
    python - <<'PYTHON' >"$work/constraints"
import re
import tomllib

with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)["project"]
extras = project["optional-dependencies"]
needed = [*project["dependencies"], *extras["test"], *extras["dask"], *extras["optuna"]]
for name, bound in re.findall(r"^([\w-]+)>=([\d.]+)$", "\n".join(needed), re.MULTILINE):
    print(f"{name}=={bound}")
# What those need themselves, as it was in their time: of later ones they warn, and warnings are errors here.
print("scipy<1.15\npyparsing<3.2")
PYTHON
fi
pip install --quiet --constraint "$work/constraints" '.[test]'
pip list
python -m pytest "$@"
