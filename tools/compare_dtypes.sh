#!/usr/bin/env bash
# Whether bf16 trains as f32 does: dev loss after every epoch in both, the same seeds.
# usage: tools/compare_dtypes.sh COLA_PROGRAM MODEL TRAIN.jsonl DEV.jsonl OUT_DIR [OPTION OF cola train]...
# Prints for each epoch mean and sample standard deviation over SEEDS (default "42 43 44") of f32, the mean of bf16, and the
# difference of the means in units of that deviation. Exit status 1 if one is larger than 1.
set -euo pipefail
program=$1 model=$2 train=$3 dev=$4 out=$5
shift 5
mkdir -p "$out"
for seed in ${SEEDS:-42 43 44}; do
  for dtype in f32 bf16; do
    rm -rf "$out/$dtype-$seed"
    "$program" train --model "$model" --train "$train" --dev "$dev" --out "$out/$dtype-$seed" --dtype "$dtype" \
      --seed "$seed" --quiet "$@" >"$out/$dtype-$seed.txt"
    # DTYPE EPOCH LOSS; epoch 0 is before the first step
    grep '"event":"eval"' "$out/$dtype-$seed/log.jsonl" | sed 's/.*"dev_loss":\([-0-9.e]*\).*/\1/' | awk -v d="$dtype" '{ print d, NR - 1, $1 }'
  done
done | awk '
  { count[$1, $2]++; sum[$1, $2] += $3; square[$1, $2] += $3 ^ 2; if ($2 > epochs) epochs = $2 }
  END { if (count["bf16", 0] < 2) { print "compare_dtypes.sh: fewer than two seeds were trained" > "/dev/stderr"; exit 1 }
        for (e = 0; e <= epochs; ++e) {
          n = count["f32", e]; mean = sum["f32", e] / n; other = sum["bf16", e] / count["bf16", e]
          if (e == 0) { printf "before: f32 %.4f, bf16 %.4f\n", mean, other; continue }
          spread = sqrt((square["f32", e] - n * mean ^ 2) / (n - 1)); far = (other - mean) / spread
          printf "epoch %d: f32 %.4f +- %.4f, bf16 %.4f, difference %+.2f of the spread\n", e, mean, spread, other, far
          if (far > 1 || far < -1) failed = 1 }
        exit failed }'
