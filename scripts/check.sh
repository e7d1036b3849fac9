#!/usr/bin/env bash
# Checks beyond the tests; installs the tools that are missing.
#   scripts/check.sh [format|tidy|asan|browser]...     default: all four
#   scripts/check.sh format --fix              formats the sources in place
# format: clang-format-19 on every source; tidy: clang-tidy-19 on src/; asan: the tests under
# AddressSanitizer and UndefinedBehaviorSanitizer; browser: the page of `cola report` in headless Chromium.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$root"

fix=false
stages=()
for argument in "$@"; do
  case $argument in
    --fix) fix=true ;;
    format | tidy | asan | browser) stages+=("$argument") ;;
    *)
      echo "check.sh: unknown argument '$argument': use format, tidy, asan, browser or --fix" >&2
      exit 2
      ;;
  esac
done
if [[ $fix == true && ${stages[*]} != format ]]; then
  echo "check.sh: --fix goes with the format stage only: scripts/check.sh format --fix" >&2
  exit 2
fi
[[ ${#stages[@]} -gt 0 ]] || stages=(format tidy asan browser)

check_format() {
  scripts/install_dependencies.sh format
  local options=(--dry-run --Werror)
  [[ $fix == false ]] || options=(-i)
  local folders=()
  for folder in include src tests bench tools; do
    [[ ! -d $folder ]] || folders+=("$folder")
  done
  if ! find "${folders[@]}" \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' \) -print0 |
    xargs -0 --no-run-if-empty clang-format-19 "${options[@]}"; then
    echo "check.sh: the sources are not formatted; run: scripts/check.sh format --fix" >&2
    return 1
  fi
  echo "format: done"
}

check_tidy() {
  scripts/install_dependencies.sh build test tidy
  cmake --preset release -B build/tidy -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON  # GCC's are not clang's
  # Several sources a piece, with their headers once: 12 minutes on two cores; one by one a tenth of them took 8.
  scripts/tidy_units.py build/tidy src build/tidy/units
  # The compile commands are GCC's; clang does not know all of its options. libstdc++ 12's own stable_sort uses
  # something deprecated.
  run-clang-tidy-19 -quiet -p build/tidy/units -j "$(nproc)" -checks=-bugprone-suspicious-include \
    -extra-arg=-Wno-unknown-warning-option -extra-arg=-Wno-ignored-optimization-argument \
    -extra-arg=-Wno-deprecated-declarations '.*'
  echo "tidy: done"
}

check_asan() {
  scripts/install_dependencies.sh build test
  cmake --preset asan
  cmake --build --preset asan --parallel "$(nproc)"
  UBSAN_OPTIONS=print_stacktrace=1 ctest --preset asan --output-on-failure --parallel "$(nproc)"
  echo "asan: done"
}

check_browser() {
  scripts/install_dependencies.sh build test browser
  cmake --preset release
  cmake --build --preset release --parallel "$(nproc)" --target test_report
  build/release/tests/test_report --gtest_filter='Browser.*'
  echo "browser: done"
}

for stage in "${stages[@]}"; do
  "check_$stage"
done
