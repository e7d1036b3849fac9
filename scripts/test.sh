#!/usr/bin/env bash
# Installs what is missing, builds everything and runs all tests; arguments go to ctest (-R NAME, ...).
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

"$root/scripts/install_dependencies.sh" build test
cd "$root"
cmake --preset release -DCOLA_CUDA_ARCHITECTURES=90  # where nvcc is: one, to see that it compiles and links
cmake --build --preset release --parallel "$(nproc)"
ctest --preset release --output-on-failure --parallel "$(nproc)" "$@"
