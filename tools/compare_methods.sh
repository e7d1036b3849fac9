#!/usr/bin/env bash
# Compares LoRA, COLA (2 and 3 links) and full fine-tuning on one model and data set: the same epochs, the learning rate
# of each method chosen on dev from a grid that is widened until the best is not at an edge, then three seeds.
# usage: tools/compare_methods.sh COLA_PROGRAM MODEL TRAIN.jsonl DEV.jsonl OUT_DIR [EPOCHS] [THREADS]
# Prints one line a method: best learning rate, dev loss of each seed, mean, sample standard deviation.
set -euo pipefail
program=$1 model=$2 train=$3 dev=$4 out=$5 epochs=${6:-3} threads=${7:-2}
mkdir -p "$out"

# Factors of about 2 between neighbours; full fine-tuning starts lower.
rates=(0.00005 0.0001 0.0002 0.0005 0.001 0.002 0.005 0.01 0.02 0.05 0.1 0.2)

# run NAME RATE SEED OPTION...: prints the best dev loss ("9999" if the run diverged); a finished run is not repeated.
run() {
  local name=$1 rate=$2 seed=$3
  shift 3
  local folder="$out/$name-$rate-$seed"
  if [[ ! -s "$folder.loss" ]]; then
    rm -rf "$folder"
    "$program" train --model "$model" --train "$train" --dev "$dev" --out "$folder" --epochs "$epochs" \
      --learning-rate "$rate" --seed "$seed" --threads "$threads" --quiet --json "$@" >"$folder.json" 2>"$folder.err" || true
    sed -n 's/.*"best_dev_loss":\([0-9.]*\).*/\1/p' "$folder.json" >"$folder.loss"
    [[ -s "$folder.loss" ]] || echo 9999 >"$folder.loss"
    rm -rf "$folder"
  fi
  cat "$folder.loss"
}

less() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a < b) }'; }

# compare NAME FIRST_INDEX OPTION...: climbs from rates[FIRST_INDEX] until both neighbours are worse.
compare() {
  local name=$1 best=$2
  shift 2
  local loss neighbour moved=1
  loss=$(run "$name" "${rates[best]}" 42 "$@")
  while ((moved)); do
    moved=0
    for neighbour in $((best + 1)) $((best - 1)); do
      local other
      other=$(run "$name" "${rates[neighbour]}" 42 "$@")
      if less "$other" "$loss"; then
        best=$neighbour loss=$other moved=1
        break
      fi
    done
  done
  local losses=("$loss")
  for seed in 43 44; do losses+=("$(run "$name" "${rates[best]}" "$seed" "$@")"); done
  printf '%s\n' "${losses[@]}" | awk -v name="$name" -v rate="${rates[best]}" '
    { x[NR] = $1; sum += $1; line = line " " $1 }
    END { mean = sum / NR; for (i in x) square += (x[i] - mean) ^ 2
          printf "%s lr %s:%s mean %.4f spread %.4f\n", name, rate, line, mean, sqrt(square / (NR - 1)) }'
}

"$program" eval --model "$model" --data "$dev" --threads "$threads" --json 2>/dev/null |
  sed -n 's/.*"loss":\([0-9.]*\).*/before: dev loss \1/p'
compare lora 6 --method lora
compare cola2 6 --method cola --links 2
compare cola3 6 --method cola --links 3
compare full 4 --method full
