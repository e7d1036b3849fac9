"""Runs `cola bench step` and peft_step.py in turn and prints both beside each other; see bench/compare_peft."""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

from spread import spread, text_of


def parse_arguments():
    parser = argparse.ArgumentParser(prog="bench/compare_peft")
    parser.add_argument("--shapes", default="opt-125m", help="comma-separated; default opt-125m; none: \"\"")
    parser.add_argument("--config", action="append", default=[], help="config.json of a model in place of a shape "
                        "(repeatable)")
    parser.add_argument("--target-modules", default="q_proj,v_proj", help="comma-separated names, or all-linear")
    parser.add_argument("--dtypes", default="bf16,f32", help="comma-separated; default bf16,f32")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--seq-length", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each side, in turn; the median is taken")
    parser.add_argument("--steps", type=int, default=3, help="timed steps of a run")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--activation-checkpointing", action="store_true", help="on both sides")
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.add_argument("--no-compile", action="store_true", help="PEFT without torch.compile only")
    parser.add_argument("--task", help="questions of a task in place of random tokens, with --task-data and --tokenizer")
    parser.add_argument("--task-data")
    parser.add_argument("--tokenizer")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def run(command, environment=None, may_fail=False):
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != 0 and may_fail:
        return None
    if done.returncode != 0:
        sys.exit(f"compare_peft: {' '.join(command)} failed:\n{done.stderr.strip()}")
    return json.loads(done.stdout.splitlines()[-1])


def cola_command(options, shape, dtype):
    command = [os.environ["COLA"], "bench", "step", "--shape", shape, "--dtype", dtype, "--device", options.device,
               "--target-modules", options.target_modules, "--batch-size", str(options.batch_size), "--steps", str(options.steps), "--threads",
               str(options.threads), "--json"]
    if options.task:
        command += ["--task", options.task, "--task-data", options.task_data, "--tokenizer", options.tokenizer]
    else:
        command += ["--seq-length", str(options.seq_length)]
    return command + ["--activation-checkpointing"] * options.activation_checkpointing


def peft_command(options, shape, dtype, batches):
    script = str(pathlib.Path(__file__).with_name("peft_step.py"))
    command = [sys.executable, script, "--shape", shape, "--dtype", dtype, "--device", options.device,
               "--target-modules", options.target_modules, "--batch-size", str(options.batch_size), "--steps", str(options.steps), "--threads", str(options.threads)]
    command += ["--batches", batches] if options.task else ["--seq-length", str(options.seq_length)]
    return command + ["--activation-checkpointing"] * options.activation_checkpointing


def compare(options, shape, dtype, folder):
    batches = str(pathlib.Path(folder) / "batches.jsonl")
    if options.task:  # the same questions, each candidate whole, for PEFT
        run(cola_command(options, shape, dtype) + ["--no-share-prefix", "--write-batches", batches])
    # glibc keeps large blocks instead of returning them every step: the peer at its fastest.
    tuned = os.environ | {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 36),
                          "MALLOC_TOP_PAD_": str(1 << 28), "OMP_NUM_THREADS": str(options.threads)}
    results = {"cola": [], "peft": []} | ({} if options.no_compile else {"compiled": []})
    for number in range(options.rounds):
        results["cola"].append(run(cola_command(options, shape, dtype)))
        results["peft"].append(run(peft_command(options, shape, dtype, batches), tuned))
        if "compiled" in results:
            compiled = run(peft_command(options, shape, dtype, batches) + ["--compile"], tuned, may_fail=number == 0)
            if compiled is None:
                print(f"compare_peft: {shape} {dtype}: torch.compile does not work here", file=sys.stderr)
                del results["compiled"]
            else:
                results["compiled"].append(compiled)
    peaks = [result["peak_flops_per_second"] for result in results["cola"]]
    flops = results["cola"][0]["reference_flops_per_step" if options.task else "model_flops_per_step"]
    memory = "peak_rss_bytes" if options.device == "cpu" else "peak_device_bytes"

    def side(runs):
        seconds = [result["seconds_per_step"] for result in runs]
        own = results["cola"]
        return {"seconds_per_step": statistics.median(seconds),
                "fraction_of_peak": spread([flops / s / peak for s, peak in zip(seconds, peaks)]),
                "slower_than_cola": spread([s / ours["seconds_per_step"] for s, ours in zip(seconds, own)]),
                "peak_bytes": max(result[memory] for result in runs), "runs": seconds}

    return {"shape": shape, "dtype": dtype, "peak_flops_per_second": statistics.median(peaks),
            "versions": results["peft"][0]["versions"], "sides": {name: side(runs) for name, runs in results.items()}}


def main():
    options = parse_arguments()
    with tempfile.TemporaryDirectory() as folder:
        rows = [compare(options, shape, dtype, folder)
                for shape in [*filter(None, options.shapes.split(",")), *options.config]
                for dtype in options.dtypes.split(",")]
    work = options.task or options.seq_length
    if options.json:
        print(json.dumps({"batch_size": options.batch_size, "work": work, "device": options.device,
                          "target_modules": options.target_modules, "results": rows}))
        return
    print(f"{options.batch_size} x {work}, {options.device}, {options.threads} threads, {options.rounds} runs in turn")
    print(", ".join(f"{name} {version}" for name, version in rows[0]["versions"].items()))
    print(f"{'shape':<16}{'dtype':<6}{'':<10}{'s/step':>9}{'of peak':>24}{'times cola':>22}{'MiB':>8}")
    for row in rows:
        for name, side in row["sides"].items():
            print(f"{row['shape'][-15:]:<16}{row['dtype']:<6}{name:<10}{side['seconds_per_step']:>9.4f}"
                  f"{text_of(side['fraction_of_peak'], 3):>24}{text_of(side['slower_than_cola'], 2):>22}"
                  f"{side['peak_bytes'] / 2**20:>8.0f}")


main()
