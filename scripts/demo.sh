#!/usr/bin/env bash
# Installs what is missing, builds cola and runs `cola demo` with this script's arguments.
# Only the demo writes to standard output.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

"$root/scripts/install_dependencies.sh" build test >&2
(
  cd "$root"
  cmake --preset release
  cmake --build --preset release --parallel "$(nproc)" --target cola_cli
) >&2
exec "$root/build/release/cola" demo "$@"
