#!/usr/bin/env bash
# Everything of cola that needs an NVIDIA GPU, checked and measured by one command.
#   tools/gpu_check.sh                        build here, then run all stages
#   tools/gpu_check.sh --bundle DIR           build, and put what a machine with a GPU needs into DIR (no GPU needed)
#   DIR/gpu_check.sh --prebuilt DIR           run a bundle: needs the NVIDIA driver and CUDA's libraries, nothing else
#   ... --stages ops,runs                     some stages: ops runs ranks suite sanitizer bench-small bench-large offload
#   ... --results FOLDER                      where logs and the table go (default gpu-check-results)
# COLA_TASK_DATA (a folder with CB and SQuAD) and COLA_TOKENIZER (OPT's) in the environment: benchmarks on them too.
# Each stage ends within 8 minutes. Exit status 1 if one failed.
set -uo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
architectures="${COLA_CUDA_ARCHITECTURES:-90}"
stages=(ops runs ranks suite sanitizer bench-small bench-large offload)
results=gpu-check-results
prebuilt=""
bundle=""
while (($#)); do
  case "$1" in
    --bundle) bundle="$2"; shift 2 ;;
    --prebuilt) prebuilt="$2"; shift 2 ;;
    --stages) IFS=, read -ra stages <<<"$2"; shift 2 ;;
    --results) results="$2"; shift 2 ;;
    *) echo "gpu_check.sh: unknown argument $1" >&2; exit 2 ;;
  esac
done

build() {
  local root="$here/.."
  cmake -S "$root" -B "$root/build/gpu-check" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCOLA_ONEDNN=OFF \
    -DCOLA_CUDA=ON "-DCOLA_CUDA_ARCHITECTURES=$architectures" &&
    cmake --build "$root/build/gpu-check" --parallel "$(nproc)" --target cola_cli cola_cuda cuda_tests test_train
}

# Programs, the module, the libraries that are neither the C library's nor CUDA's, and the tests' files.
make_bundle() {
  local root="$here/.." built="$here/../build/gpu-check" to="$1"
  mkdir -p "$to/bin/lib/cola" "$to/lib" "$to/files"
  cp "$built/cola" "$built"/tests/test_{cuda,train} "$to/bin/"
  [[ ! -x "$built/tests/test_cuda_ranks" ]] || cp "$built/tests/test_cuda_ranks" "$to/bin/"  # where MPI is on
  cp "$built/lib/cola/libcola_cuda.so" "$to/bin/lib/cola/"
  strip "$to"/bin/{cola,test_*} "$to/bin/lib/cola/libcola_cuda.so"
  ldd "$to"/bin/{cola,test_*} | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u |
    grep -Ev '/(libc|libm|libdl|libpthread|librt|libresolv|libcublas.*|libcudart.*|libcuda)\.so' |
    xargs -I{} cp -L {} "$to/lib/"
  cp -r "$root/tests/files/." "$to/files/"
  cp "$here/gpu_check.sh" "$to/"
  du -sh "$to"
}

if [[ -n "$bundle" ]]; then
  build && make_bundle "$bundle"
  exit
fi
if [[ -z "$prebuilt" ]]; then
  build || exit 1
  bin="$here/../build/gpu-check"
  tests="$bin/tests"
  export COLA_TEST_FILES="$here/../tests/files"
else
  prebuilt="$(cd "$prebuilt" && pwd)"
  bin="$prebuilt/bin"
  tests="$bin"
  export COLA_TEST_FILES="$prebuilt/files"
  export LD_LIBRARY_PATH="$prebuilt/lib:${LD_LIBRARY_PATH:-}"
fi
export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:-}:/usr/local/cuda/lib64"
data="${COLA_TASK_DATA:-}"
tokenizer="${COLA_TOKENIZER:-}"
export PATH="$PATH:/usr/local/cuda/bin"
mkdir -p "$results"
results="$(cd "$results" && pwd)"
table="$results/table.txt"
: >"$table"
failed=0

# run NAME COMMAND...: its log, and a line of the table; what is skipped for want of a device has not passed.
run() {
  local name="$1" start status
  shift
  start=$(date +%s)
  timeout --kill-after=10 470 "$@" >"$results/$name.log" 2>&1
  status=$?
  if grep -qE 'no CUDA device|: no NCCL' "$results/$name.log"; then status="no device or NCCL"; fi
  [[ "$status" == 0 ]] || failed=1
  printf '%-28s %-10s %5s s\n' "$name" "$([[ "$status" == 0 ]] && echo passed || echo "FAILED ($status)")" \
    "$(($(date +%s) - start))" | tee -a "$table"
}

# bench NAME ARGUMENTS...: `cola bench` on the device; the table gets the figures that it printed.
bench() {
  local name="$1"
  shift
  run "$name" "$bin/cola" bench "$@" --device cuda
  grep -E '^(seconds|questions|tokens|fraction|peak|weights|read|loss)' "$results/$name.log" | sed 's/^/    /' | tee -a "$table"
}

nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null | tee -a "$table"
for stage in "${stages[@]}"; do
  case "$stage" in
    ops) run ops "$tests/test_cuda" --gtest_filter='-CudaNccl.*:CudaRun.*:*CudaTrajectory.*' ;;
    runs) run runs "$tests/test_cuda" --gtest_filter='CudaRun.*:*CudaTrajectory.*' ;;
    # NCCL on one device, and a process on each of all there are.
    ranks)
      run nccl "$tests/test_cuda" --gtest_filter='CudaNccl.*'
      devices=$(nvidia-smi --list-gpus | wc -l)
      if ((devices > 1)) && [[ -x "$tests/test_cuda_ranks" ]] && command -v mpirun >/dev/null; then
        run "ranks-$devices" mpirun --allow-run-as-root --bind-to none -n "$devices" "$tests/test_cuda_ranks"
      else
        echo "ranks-$devices: not run: needs two GPUs, mpirun and a cola built with MPI" | tee -a "$table"
      fi ;;
    # The CPU's own tests of training: with --device auto they run on the GPU, with the same tolerances.
    suite) run suite "$tests/test_train" --gtest_filter='Parity/Trajectory.*:*Resume*:*Checkpoint*:*TrainOption*' ;;
    sanitizer)
      for tool in memcheck racecheck; do
        run "$tool" compute-sanitizer --tool "$tool" --error-exitcode 1 "$tests/test_cuda" \
          --gtest_filter='CudaElementwise.*:CudaRows.*:CudaProducts.Lora:CudaProducts.CrossEntropy:CudaAttention.*:CudaReplays.*'
      done ;;
    bench-small)
      bench step-opt-125m step --shape opt-125m --dtype bf16 --batch-size 8 --seq-length 128 --steps 20
      bench step-opt-1.3b-8x32 step --shape opt-1.3b --dtype bf16 --batch-size 8 --seq-length 32 --steps 20
      bench step-opt-1.3b-8x512 step --shape opt-1.3b --dtype bf16 --batch-size 8 --seq-length 512 --steps 20
      bench generate-opt-1.3b generate --shape opt-1.3b --dtype bf16
      for task in CB:cb SQuAD:squad; do
        [[ -n "$data" && -n "$tokenizer" ]] || continue
        bench "step-opt-1.3b-${task#*:}" step --shape opt-1.3b --dtype bf16 --batch-size 8 --task "${task#*:}" \
          --task-data "$data/${task%:*}" --tokenizer "$tokenizer" --steps 15
      done ;;
    bench-large)
      bench step-llama-2-7b step --shape llama-2-7b --dtype bf16 --batch-size 4 --seq-length 1024 --steps 10
      bench step-llama-2-7b-recomputed step --shape llama-2-7b --dtype bf16 --batch-size 4 --seq-length 1024 \
        --steps 5 --activation-checkpointing ;;
    # Seconds a step and the device's memory with the base on the host and on the device: the same losses. Then a model
    # that 24 GB do not hold.
    offload)
      shape=(step --shape llama-2-7b --dtype bf16 --batch-size 4 --seq-length 1024 --steps 5)
      bench step-llama-2-7b-on-device "${shape[@]}"
      bench step-llama-2-7b-offloaded "${shape[@]}" --offload-base
      bench step-llama-2-7b-offloaded-recomputed "${shape[@]}" --offload-base --activation-checkpointing
      bench step-llama-2-13b-offloaded step --shape llama-2-13b --dtype bf16 --batch-size 4 --seq-length 1024 \
        --steps 3 --offload-base --activation-checkpointing ;;
    *) echo "gpu_check.sh: no stage $stage" >&2; exit 2 ;;
  esac
done
echo
cat "$table"
exit "$failed"
