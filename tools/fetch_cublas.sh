#!/usr/bin/env bash
# Puts cuBLASLt (headers, libraries) into FOLDER, for an nvcc that came without it:
#   tools/fetch_cublas.sh FOLDER
#   cmake --preset release -DCOLA_CUDA=ON -DCMAKE_PREFIX_PATH=FOLDER
# From NVIDIA's package on PyPI, as large as 450 MB to fetch and 600 MB to keep; needs pip. Does nothing where it is there.
set -euo pipefail
[[ $# -eq 1 && $1 != -* ]] || { echo "usage: tools/fetch_cublas.sh FOLDER" >&2; exit 2; }
mkdir -p "$1"
folder="$(cd "$1" && pwd)"
[[ ! -e "$folder/lib/libcublasLt.so" ]] || exit 0

nvcc="${CUDACXX:-$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)}"
release="$("$nvcc" --version | sed -n 's/.*release \([0-9.]*\),.*/\1/p')"
case "${release%%.*}" in
  12) package="nvidia-cublas-cu12==${release}.*" ;;
  13) package="nvidia-cublas==${release}.*" ;;
  *) echo "fetch_cublas.sh: nvcc ${release:-is not found}: 12 or 13 has a package" >&2; exit 1 ;;
esac

scratch="$(mktemp -d "$folder/fetch.XXXXXX")"
trap 'rm -rf "$scratch"' EXIT
python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$scratch" "$package"
python3 -m zipfile -e "$scratch"/*.whl "$scratch"
packed="$(dirname "$(find "$scratch/nvidia" -path '*/include/cublasLt.h')")/.."
mkdir -p "$folder/include" "$folder/lib"
cp "$packed"/include/cublas*.h "$folder/include/"
mv "$packed"/lib/libcublas.so.* "$packed"/lib/libcublasLt.so.* "$folder/lib/"
for library in cublas cublasLt; do
  ln -sf "$(basename "$folder/lib/lib$library".so.*)" "$folder/lib/lib$library.so"
done
echo "cuBLASLt: $folder" >&2
