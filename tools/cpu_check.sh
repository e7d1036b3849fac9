#!/usr/bin/env bash
# How fast cola is on this processor, by one command: medians of alternating runs, each beside the peak of its own run.
#   tools/cpu_check.sh                        with build/release/cola
#   ... --cola PROGRAM --threads N            another build; how many threads (default: all)
#   ... --stages steps,chain                  some stages: gemm steps memory large task generate chain growth levers,
#                                             and, not among all: amx (products, ops and steps on tiles)
#   ... --rounds 5                            alternating runs of each figure
#   ... --results FOLDER                      where logs and the table go (default cpu-check-results)
# COLA_TASK_DATA (a folder with CB) and COLA_TOKENIZER (OPT's) in the environment: the stage `task`.
# Nothing else should run meanwhile. Exit status 1 if a run failed.
set -uo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cola="$here/../build/release/cola"
threads=0
rounds=5
results=cpu-check-results
stages=(gemm steps memory large task generate chain growth levers)
while (($#)); do
  case "$1" in
    --cola) cola="$2"; shift 2 ;;
    --threads) threads="$2"; shift 2 ;;
    --stages) IFS=, read -ra stages <<<"$2"; shift 2 ;;
    --rounds) rounds="$2"; shift 2 ;;
    --results) results="$2"; shift 2 ;;
    *) echo "cpu_check.sh: unknown argument $1" >&2; exit 2 ;;
  esac
done
mkdir -p "$results"
results="$(cd "$results" && pwd)"
table="$results/table.txt"
: >"$table"
failed=0

# number FILE KEY: a figure of a benchmark's JSON.
number() { grep -o "\"$2\": *[-0-9.e+]*" "$1" | head -1 | sed 's/.*: *//'; }
# median NUMBER...
median() { printf '%s\n' "$@" | sort -g | awk '{ all[NR] = $1 } END { print NR % 2 ? all[(NR + 1) / 2] : (all[NR / 2] + all[NR / 2 + 1]) / 2 }'; }

# alternate NAME=ARGUMENTS...: `cola bench ARGUMENTS` of each in turn, `rounds` times; a line of the table each.
alternate() {
  local round entry name
  for ((round = 1; round <= rounds; ++round)); do
    for entry in "$@"; do
      name="${entry%%=*}"
      # shellcheck disable=SC2086  # the arguments are words
      "$cola" bench ${entry#*=} --json --threads "$threads" >"$results/$name.$round.json" 2>"$results/$name.$round.log" ||
        { echo "$name FAILED: $(tail -1 "$results/$name.$round.log")" | tee -a "$table"; failed=1; }
    done
  done
  for entry in "$@"; do
    name="${entry%%=*}"
    local line="$name" key values
    for key in seconds_per_step questions_per_second fraction_of_peak peak_flops_per_second flops_per_step \
      tokens_per_second fraction_of_bandwidth peak_rss_bytes; do
      values=()
      for ((round = 1; round <= rounds; ++round)); do values+=("$(number "$results/$name.$round.json" "$key")"); done
      [[ -z "${values[0]}" ]] || line+="  $key $(median "${values[@]}")"
    done
    echo "$line" | tee -a "$table"
  done
}

# products SHAPE...: `cola bench gemm` of each.
products() {
  local shape
  for shape in "$@"; do
    "$cola" bench gemm --shape "$shape" --rows 512,1024,2048 --dtype bf16 --threads "$threads" 2>"$results/gemm-$shape.log" |
      tee "$results/gemm-$shape.txt" | tee -a "$table" || failed=1
  done
}

step="step --batch-size 8 --seq-length 128"
for stage in "${stages[@]}"; do
  echo "== $stage" | tee -a "$table"
  case "$stage" in
    gemm)
      products opt-1.3b llama-2-7b ;;
    amx)
      if ! grep -q amx_bf16 /proc/cpuinfo; then
        echo "skipped: this processor has no AMX" | tee -a "$table"
        continue
      fi
      products opt-125m smollm2-135m opt-1.3b
      for length in 128 1024; do
        "$cola" bench ops --shape opt-1.3b --dtype bf16 --batch-size $((1024 / length)) --seq-length "$length" \
          --threads "$threads" 2>"$results/ops-$length.log" | tee "$results/ops-$length.txt" | tee -a "$table" || failed=1
      done
      alternate "opt-125m=$step --shape opt-125m --dtype bf16 --steps 3" \
        "smollm2-135m=$step --shape smollm2-135m --dtype bf16 --steps 3" \
        "smollm2-135m-all-linear=$step --shape smollm2-135m --dtype bf16 --steps 3 --target-modules all-linear" \
        "opt-1.3b=$step --shape opt-1.3b --dtype bf16 --steps 1" ;;
    steps)
      alternate "opt-125m-bf16=$step --shape opt-125m --dtype bf16 --steps 3" \
        "opt-125m-f32=$step --shape opt-125m --dtype f32 --steps 3" \
        "opt-1.3b-bf16=$step --shape opt-1.3b --dtype bf16 --steps 1" \
        "tinyllama-1.1b-bf16=$step --shape tinyllama-1.1b --dtype bf16 --steps 1" ;;
    memory)
      alternate "opt-1.3b=$step --shape opt-1.3b --dtype bf16 --steps 1" \
        "opt-1.3b-recomputed=$step --shape opt-1.3b --dtype bf16 --steps 1 --activation-checkpointing" ;;
    large)
      large="step --dtype bf16 --batch-size 4 --seq-length 256 --steps 1"
      rounds=1 alternate "llama-2-7b=$large --shape llama-2-7b" "opt-6.7b=$large --shape opt-6.7b" ;;
    task)
      if [[ -z "${COLA_TASK_DATA:-}" || -z "${COLA_TOKENIZER:-}" ]]; then
        echo "skipped: COLA_TASK_DATA and COLA_TOKENIZER are not set" | tee -a "$table"
        continue
      fi
      cb="step --shape opt-1.3b --dtype bf16 --batch-size 8 --steps 2 --rounds 1 --task cb --bos-token-id 0"
      cb+=" --task-data $COLA_TASK_DATA/CB --tokenizer $COLA_TOKENIZER"
      alternate "cb-shared=$cb" "cb-padded=$cb --no-share-prefix --pad-batches" ;;
    generate) alternate "generate=generate --shape opt-1.3b --dtype bf16 --batch-size 1 --rounds 1" ;;
    chain)
      alternate "lora=$step --shape opt-125m --steps 3" \
        "cola-merge=$step --shape opt-125m --steps 3 --method cola --links 3 --tie merge" \
        "cola-stack=$step --shape opt-125m --steps 3 --method cola --links 3 --tie stack" ;;
    growth)
      base="step --shape opt-125m --steps 2"
      entries=()
      for sequences in 1 2 4 8 16; do
        entries+=("tokens-$((sequences * 128))=$base --batch-size $sequences --seq-length 128")
      done
      for length in 32 512 1024; do
        entries+=("length-$length=$base --batch-size $((1024 / length)) --seq-length $length")
      done
      for rank in 32 128; do entries+=("rank-$rank=$step --shape opt-125m --steps 2 --lora-r $rank"); done
      for links in 2 4 8; do
        entries+=("links-$links=$step --shape opt-125m --steps 2 --method cola --links $links --tie stack")
      done
      for shape in opt-350m opt-1.3b; do entries+=("size-$shape=$step --shape $shape --steps 1"); done
      alternate "${entries[@]}" ;;
    levers)
      alternate "step=$step --shape opt-125m --steps 2" \
        "full=$step --shape opt-125m --steps 2 --method full" \
        "all-linear=$step --shape opt-125m --steps 2 --target-modules all-linear" \
        "recomputed=$step --shape opt-125m --steps 2 --activation-checkpointing" \
        "f32=$step --shape opt-125m --steps 2 --dtype f32" "bf16=$step --shape opt-125m --steps 2 --dtype bf16" \
        "generate-1=generate --shape opt-125m --batch-size 1 --prompt-tokens 64 --rounds 1" \
        "generate-32=generate --shape opt-125m --batch-size 32 --prompt-tokens 64 --rounds 1" ;;
    *) echo "cpu_check.sh: no stage $stage" >&2; exit 2 ;;
  esac
done
exit "$failed"
