"""Runs `cola bench step` and peft_step.py in turn and prints both beside each other; see bench/compare_peft."""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys


def parse_arguments():
    parser = argparse.ArgumentParser(prog="bench/compare_peft")
    parser.add_argument("--shapes", default="opt-125m", help="comma-separated; default opt-125m")
    parser.add_argument("--dtypes", default="bf16,f32", help="comma-separated; default bf16,f32")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--seq-length", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each side, in turn; the median is taken")
    parser.add_argument("--steps", type=int, default=3, help="timed steps of a run")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--activation-checkpointing", action="store_true", help="on both sides")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def run(command, environment=None):
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        sys.exit(f"compare_peft: {' '.join(command)} failed:\n{done.stderr.strip()}")
    return json.loads(done.stdout.splitlines()[-1])


def run_cola(options, shape, dtype):
    command = [os.environ["COLA"], "bench", "step", "--shape", shape, "--dtype", dtype, "--batch-size",
               str(options.batch_size), "--seq-length", str(options.seq_length), "--steps", str(options.steps),
               "--threads", str(options.threads), "--json"]
    return run(command + ["--activation-checkpointing"] * options.activation_checkpointing)


def run_peft(options, shape, dtype):
    script = str(pathlib.Path(__file__).with_name("peft_step.py"))
    command = [sys.executable, script, shape, dtype, str(options.batch_size), str(options.seq_length),
               str(options.steps), str(options.threads)]
    # glibc keeps large blocks instead of returning them every step: the peer at its fastest.
    tuned = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 36), "MALLOC_TOP_PAD_": str(1 << 28),
             "OMP_NUM_THREADS": str(options.threads)}
    return run(command + ["checkpointing"] * options.activation_checkpointing, os.environ | tuned)


def compare(options, shape, dtype):
    cola, peft = [], []
    for _ in range(options.rounds):
        cola.append(run_cola(options, shape, dtype))
        peft.append(run_peft(options, shape, dtype))
    peak = max(result["peak_flops_per_second"] for result in cola)
    flops = cola[0]["model_flops_per_step"]

    def side(results):
        seconds = statistics.median(result["seconds_per_step"] for result in results)
        return {"seconds_per_step": seconds, "fraction_of_peak": flops / seconds / peak,
                "peak_rss_bytes": max(result["peak_rss_bytes"] for result in results),
                "runs": [result["seconds_per_step"] for result in results]}

    row = {"shape": shape, "dtype": dtype, "peak_flops_per_second": peak, "cola": side(cola), "peft": side(peft)}
    row["speedup"] = row["peft"]["seconds_per_step"] / row["cola"]["seconds_per_step"]
    return row


def main():
    options = parse_arguments()
    rows = [compare(options, shape, dtype) for shape in options.shapes.split(",") for dtype in options.dtypes.split(",")]
    if options.json:
        print(json.dumps({"batch_size": options.batch_size, "seq_length": options.seq_length, "results": rows}))
        return
    print(f"{options.batch_size} x {options.seq_length} tokens, {options.threads} threads, {options.rounds} runs in turn")
    print(f"{'shape':<16}{'dtype':<6}{'':<6}{'s/step':>9}{'of peak':>9}{'MiB':>8}")
    for row in rows:
        for name in ("cola", "peft"):
            side = row[name]
            print(f"{row['shape']:<16}{row['dtype']:<6}{name:<6}{side['seconds_per_step']:>9.3f}"
                  f"{side['fraction_of_peak']:>9.3f}{side['peak_rss_bytes'] / 2**20:>8.0f}")
        print(f"{'':<28}{row['speedup']:.2f} times as fast; peak {row['peak_flops_per_second'] / 1e9:.0f} GFLOP/s")


main()
