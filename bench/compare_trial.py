"""Runs `cola train` and transformers' Trainer + PEFT in turn on the same model and data; see bench/compare_trial."""
import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

from spread import spread, text_of


def parse_arguments():
    parser = argparse.ArgumentParser(prog="bench/compare_trial")
    parser.add_argument("--model", required=True, help="Hugging Face folder")
    parser.add_argument("--train", help="JSONL of prompt and completion")
    parser.add_argument("--task", help="cb or sst2, in place of --train")
    parser.add_argument("--task-data", help="folder of the task's files")
    parser.add_argument("--num-train", type=int, default=150)
    parser.add_argument("--num-dev", type=int, default=100)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--dtype", default="bf16")
    parser.add_argument("--rounds", type=int, default=3, help="of both sides, in turn (default 3)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def split_of(options, folder):
    """Records of --train as two files of the sizes asked for."""
    with open(options.train) as lines:
        records = list(lines)
    count = options.num_train + options.num_dev
    if count > len(records):
        sys.exit(f"compare_trial: {options.train} has {len(records)} records, {count} are asked for")
    random.Random(0).shuffle(records)
    train, dev = folder / "train.jsonl", folder / "dev.jsonl"
    train.write_text("".join(records[: options.num_train]))
    dev.write_text("".join(records[options.num_train : count]))
    return train, dev


def timed(command, environment=None):
    """Wall-clock seconds of the whole process, and what it printed."""
    start = time.perf_counter()
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=environment)
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        sys.exit(f"compare_trial: {' '.join(map(str, command))} failed with status {done.returncode}:\n{done.stderr.strip()}")
    return seconds, json.loads(done.stdout.splitlines()[-1])


def main():
    options = parse_arguments()
    if bool(options.task) == bool(options.train) or bool(options.task) != bool(options.task_data):
        sys.exit("compare_trial: give --train, or --task with --task-data")
    if min(options.rounds, options.num_train, options.num_dev) < 1:
        sys.exit("compare_trial: --rounds, --num-train and --num-dev are at least 1")
    for path in filter(None, (options.model, options.train, options.task_data)):
        if not os.path.exists(path):
            sys.exit(f"compare_trial: {path}: no such file or folder")
    common = ["--model", options.model, "--batch-size", options.batch_size, "--learning-rate", options.learning_rate,
              "--dtype", options.dtype, "--threads", options.threads]
    # glibc keeps large blocks instead of returning them every step: the peer at its fastest.
    tuned = os.environ | {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 36),
                          "MALLOC_TOP_PAD_": str(1 << 28), "OMP_NUM_THREADS": str(options.threads),
                          "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    own, theirs, details = [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if options.task:
            data = ["--task", options.task, "--task-data", options.task_data, "--num-train", options.num_train,
                    "--num-dev", options.num_dev]
        else:
            train, dev = split_of(options, folder)
            data = ["--train", train, "--dev", dev]
        for number in range(options.rounds):
            seconds, result = timed([os.environ["COLA"], "train", *common, *data, "--method", "lora",
                                     "--epochs", 1, "--quiet", "--json", "--out", folder / f"cola-{number}"])
            own.append(seconds)
            seconds, detail = timed([sys.executable, pathlib.Path(__file__).with_name("trial_peft.py"), *common,
                                     *data, "--out", folder / f"peft-{number}"], tuned)
            theirs.append(seconds)
            details.append({"cola": result, "peft": detail})
    row = {"work": options.task or os.path.basename(options.train), "num_train": options.num_train,
           "num_dev": options.num_dev, "batch_size": options.batch_size, "dtype": options.dtype,
           "threads": options.threads, "versions": details[0]["peft"]["versions"], "cola_seconds": spread(own),
           "peft_seconds": spread(theirs), "slower_than_cola": spread([b / a for a, b in zip(own, theirs)]),
           "details": details}
    if options.json:
        print(json.dumps(row))
        return
    print(f"{row['work']}: {options.num_train} to train on, {options.num_dev} to evaluate, {options.rounds} runs in turn")
    print(", ".join(f"{name} {version}" for name, version in row["versions"].items()))
    print(f"cola {text_of(row['cola_seconds'], 1)} s, PEFT {text_of(row['peft_seconds'], 1)} s: "
          f"{text_of(row['slower_than_cola'], 2)} times as long")


main()
