#!/usr/bin/env bash
# Compiles the CUDA module, warnings as errors, for every architecture from 80 to 120 that this nvcc knows: on any machine with
# nvcc, a GPU or not. Where cuBLASLt is missing it is fetched into build/cublas (tools/fetch_cublas.sh).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

nvcc="${CUDACXX:-$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)}"
known="$("$nvcc" --list-gpu-arch)"
architectures=()
for architecture in 80 86 89 90 100 120; do
  [[ "$known" != *compute_$architecture* ]] || architectures+=("$architecture-real")
done

scripts/install_dependencies.sh build
configure() {
  cmake -G Ninja -B build/cuda-module -DCMAKE_BUILD_TYPE=Release -DCOLA_WERROR=ON -DCOLA_BUILD_TESTS=OFF -DCOLA_CUDA=ON \
    "-DCOLA_CUDA_ARCHITECTURES=$(IFS=';'; echo "${architectures[*]}")" "$@"
}
if ! configure >build/cuda-module.log 2>&1; then
  if ! grep -q 'cuBLASLt' build/cuda-module.log; then
    cat build/cuda-module.log >&2
    exit 1
  fi
  tools/fetch_cublas.sh build/cublas
  configure "-DCMAKE_PREFIX_PATH=$PWD/build/cublas"
fi
cmake --build build/cuda-module --parallel "$(nproc)" --target cola_cuda
echo "CUDA module: compiled for ${architectures[*]}"
