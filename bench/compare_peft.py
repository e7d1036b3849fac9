"""Runs `cola bench step` and peft_step.py in turn and prints both beside each other; see bench/compare_peft."""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile


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
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda; there also PEFT under torch.compile")
    parser.add_argument("--no-compile", action="store_true", help="on cuda: PEFT without torch.compile only")
    parser.add_argument("--task", help="questions of a task in place of random tokens, with --task-data and --tokenizer")
    parser.add_argument("--task-data")
    parser.add_argument("--tokenizer")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def run(command, environment=None):
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        sys.exit(f"compare_peft: {' '.join(command)} failed:\n{done.stderr.strip()}")
    return json.loads(done.stdout.splitlines()[-1])


def cola_command(options, shape, dtype):
    command = [os.environ["COLA"], "bench", "step", "--shape", shape, "--dtype", dtype, "--device", options.device,
               "--batch-size", str(options.batch_size), "--steps", str(options.steps), "--threads",
               str(options.threads), "--json"]
    if options.task:
        command += ["--task", options.task, "--task-data", options.task_data, "--tokenizer", options.tokenizer]
    else:
        command += ["--seq-length", str(options.seq_length)]
    return command + ["--activation-checkpointing"] * options.activation_checkpointing


def peft_command(options, shape, dtype, batches):
    script = str(pathlib.Path(__file__).with_name("peft_step.py"))
    command = [sys.executable, script, "--shape", shape, "--dtype", dtype, "--device", options.device, "--batch-size",
               str(options.batch_size), "--steps", str(options.steps), "--threads", str(options.threads)]
    command += ["--batches", batches] if options.task else ["--seq-length", str(options.seq_length)]
    return command + ["--activation-checkpointing"] * options.activation_checkpointing


def compare(options, shape, dtype, folder):
    batches = str(pathlib.Path(folder) / "batches.jsonl")
    if options.task:  # the same questions, each candidate whole, for PEFT
        run(cola_command(options, shape, dtype) + ["--no-share-prefix", "--write-batches", batches])
    # glibc keeps large blocks instead of returning them every step: the peer at its fastest.
    tuned = os.environ | {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 36),
                          "MALLOC_TOP_PAD_": str(1 << 28), "OMP_NUM_THREADS": str(options.threads)}
    results = {"cola": [], "peft": []}
    if options.device != "cpu" and not options.no_compile:
        results["compiled"] = []
    for _ in range(options.rounds):
        results["cola"].append(run(cola_command(options, shape, dtype)))
        results["peft"].append(run(peft_command(options, shape, dtype, batches), tuned))
        if "compiled" in results:
            results["compiled"].append(run(peft_command(options, shape, dtype, batches) + ["--compile"], tuned))
    peak = max(result["peak_flops_per_second"] for result in results["cola"])
    flops = results["cola"][0]["reference_flops_per_step" if options.task else "model_flops_per_step"]
    memory = "peak_rss_bytes" if options.device == "cpu" else "peak_device_bytes"

    def side(runs):
        seconds = statistics.median(result["seconds_per_step"] for result in runs)
        return {"seconds_per_step": seconds, "fraction_of_peak": flops / seconds / peak,
                "peak_bytes": max(result[memory] for result in runs),
                "runs": [result["seconds_per_step"] for result in runs]}

    row = {"shape": shape, "dtype": dtype, "peak_flops_per_second": peak,
           "sides": {name: side(runs) for name, runs in results.items()}}
    peers = [figures["seconds_per_step"] for name, figures in row["sides"].items() if name != "cola"]
    row["speedup"] = min(peers) / row["sides"]["cola"]["seconds_per_step"]
    return row


def main():
    options = parse_arguments()
    with tempfile.TemporaryDirectory() as folder:
        rows = [compare(options, shape, dtype, folder)
                for shape in options.shapes.split(",") for dtype in options.dtypes.split(",")]
    work = options.task or options.seq_length
    if options.json:
        print(json.dumps({"batch_size": options.batch_size, "work": work, "device": options.device, "results": rows}))
        return
    print(f"{options.batch_size} x {work}, {options.device}, {options.threads} threads, {options.rounds} runs in turn")
    print(f"{'shape':<16}{'dtype':<6}{'':<10}{'s/step':>9}{'of peak':>9}{'MiB':>8}")
    for row in rows:
        for name, side in row["sides"].items():
            print(f"{row['shape']:<16}{row['dtype']:<6}{name:<10}{side['seconds_per_step']:>9.4f}"
                  f"{side['fraction_of_peak']:>9.3f}{side['peak_bytes'] / 2**20:>8.0f}")
        print(f"{'':<32}{row['speedup']:.2f} times as fast; peak {row['peak_flops_per_second'] / 1e9:.0f} GFLOP/s")


main()
