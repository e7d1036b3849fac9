#!/usr/bin/env bash
# Installs, through apt-get, the Debian packages that are missing; does nothing where all are there.
#   scripts/install_dependencies.sh [build|test|format|tidy|fuzz|browser]...     default: build test
set -euo pipefail

build_packages=(
  g++ cmake ninja-build pkg-config
  libdnnl-dev              # matrix products (oneDNN)
  ocl-icd-opencl-dev       # needed by the CMake files of libdnnl-dev only: they ask for OpenCL
  libfmt-dev               # text formatting
  nlohmann-json3-dev       # JSON
  libtomlplusplus-dev      # TOML
  libcli11-dev             # command line
  libsentencepiece-dev     # Llama-2's tokenizer
  libonig-dev              # pre-tokenizer patterns (Oniguruma)
  libicu-dev               # Unicode: case of letters, words, normalization
  libzip-dev               # PyTorch .bin files
  zlib1g-dev               # data in gzip files
  libzstd-dev              # data in zstd files
  libxxhash-dev            # checksums and content hashes (its headers alone)
  libeigen3-dev            # dense linear algebra of `cola theory`
  libspectra-dev           # top singular pair in `cola theory`: Lanczos iterations on Eigen's matrices
  libopenmpi-dev           # training over several processes (MPI)
)
test_packages=(
  libgtest-dev
  gnuplot-nox              # run-time tool: draws what `--plot` asks for
  openmpi-bin              # mpirun
  qemu-user                # runs the backend's tests as an older processor would
)
format_packages=(clang-format-19)
tidy_packages=(clang-tidy-19 libomp-19-dev)
fuzz_packages=(clang-19 libclang-rt-19-dev libomp-19-dev)
browser_packages=(chromium)

[[ $# -gt 0 ]] || set -- build test
packages=()
for group in "$@"; do
  case $group in
    build) packages+=("${build_packages[@]}") ;;
    test) packages+=("${test_packages[@]}") ;;
    format) packages+=("${format_packages[@]}") ;;
    tidy) packages+=("${tidy_packages[@]}") ;;
    fuzz) packages+=("${fuzz_packages[@]}") ;;
    browser) packages+=("${browser_packages[@]}") ;;
    *)
      echo "install_dependencies.sh: unknown group '$group': use build, test, format, tidy, fuzz or browser" >&2
      exit 2
      ;;
  esac
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "install_dependencies.sh: this system has no apt-get; it installs on Debian and its relatives only." >&2
  echo "Install the equivalents of these Debian 12 packages: ${packages[*]}" >&2
  echo "then: cmake --preset release && cmake --build --preset release" >&2
  exit 1
fi

is_installed() {
  # "installed" once for each architecture that the package is installed for
  dpkg-query --show --showformat '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

missing=()
for package in "${packages[@]}"; do
  is_installed "$package" || missing+=("$package")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

as_root=()
if [[ $EUID -ne 0 ]]; then
  if ! command -v sudo >/dev/null; then
    echo "install_dependencies.sh: missing packages: ${missing[*]}" >&2
    echo "Installing them needs root or sudo. As root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

echo "Installing with apt-get, and what they depend on: ${missing[*]}" >&2
apt_get() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get "$@" >&2
}
apt_get update -q
apt_get install -q --yes --no-install-recommends "${missing[@]}"
