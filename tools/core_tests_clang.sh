#!/usr/bin/env bash
# The core built by Clang, and its tests. GCC and Clang do not fuse the same multiplications and additions
# (docs/adr/0037-what-is-fused.md): what is promised has to hold for either.
#
#     tools/core_tests_clang.sh [COMPILER]
#
# Takes the newest Clang there is; on Debian and Ubuntu root installs one where there is none. GRADSTEP_ISAS
# in the environment names the instruction sets, "all" for all of them.
set -euo pipefail
cd "$(dirname "$0")/.."

newest_clang() {
    local version
    for version in {30..14}; do
        ! command -v "clang++-$version" || return 0
    done
    command -v clang++
}

if [ $# -gt 0 ]; then
    compiler=$1
elif ! compiler=$(newest_clang); then
    if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
        echo "error: there is no Clang here, and it takes root and apt-get to install it" >&2
        exit 1
    fi
    apt-get update --quiet
    DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes --no-install-recommends clang
    compiler=$(newest_clang)
fi

# Beside the baseline, which has 16 registers and fuses nothing: one set that fuses, with 32 where it can be run.
fusing=avx2
! grep -qw avx512f /proc/cpuinfo || fusing=avx512
cmake --preset clang -DCMAKE_CXX_COMPILER="$compiler" -DGRADSTEP_WERROR=ON -DGRADSTEP_ISAS="${GRADSTEP_ISAS:-$fusing}"
cmake --build --preset clang
ctest --preset clang
