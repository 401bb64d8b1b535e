#!/usr/bin/env bash
# Build the site into build/docs/html, every warning an error, and check that its links lead somewhere.
# The environment has the extra [docs]; what is further given goes to sphinx-build.
set -euo pipefail

cd "$(dirname "$0")/.."
export MPLBACKEND=agg PYTHONDONTWRITEBYTECODE=1
out=build/docs
rm -rf docs/reference/generated docs/gallery "$out/html"
python -m sphinx -b html -W --keep-going -j 2 -d "$out/doctrees" "$@" docs "$out/html"
python tools/check_links.py "$out/html"
