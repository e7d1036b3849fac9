"""What training beside a quantised base costs in dev loss: `cola train` with the base in bf16, q8_0 and q4_0, the same
seeds, data and steps. A finished run is not repeated.

    python3 bench/quantized_quality.py --cola build/release/cola --model MODEL --train T.jsonl --dev D.jsonl --out FOLDER
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

bases = ("none", "q8_0", "q4_0")


def parse_arguments():
    parser = argparse.ArgumentParser()
    for name in ("cola", "model", "train", "dev", "out"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--max-steps", type=int, default=490)
    parser.add_argument("--learning-rate", default="1e-3")
    parser.add_argument("--links", default="1")
    return parser.parse_args()


def run(options, base, seed):
    """The results of one run; from its folder's log if it has ended before."""
    folder = pathlib.Path(options.out) / f"{base}-{seed}"
    log = folder / "log.jsonl"
    if not (log.exists() and '"event":"end"' in log.read_text()):
        command = [options.cola, "train", "--model", options.model, "--train", options.train, "--dev", options.dev,
                   "--out", str(folder), "--dtype", "bf16", "--quantize-base", base, "--seed", str(seed), "--links",
                   options.links, "--max-steps", str(options.max_steps), "--eval-steps", str(options.max_steps),
                   "--learning-rate", options.learning_rate, "--json"]
        command += ["--resume"] * folder.exists()
        done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            sys.exit(f"quantized_quality: {' '.join(command)} failed")
    events = [json.loads(line) for line in log.read_text().splitlines()]
    return [event for event in events if event["event"] == "end"][-1]


def main():
    options = parse_arguments()
    losses = {base: [] for base in bases}
    for seed in range(1, options.seeds + 1):
        for base in bases:
            losses[base].append(run(options, base, seed)["dev_loss"])
            print(f"seed {seed}  {base:5}  dev loss {losses[base][-1]:.4f}", file=sys.stderr, flush=True)
    rows = []
    for base in bases:
        row = {"quantize_base": base, "dev_losses": losses[base], "mean": statistics.mean(losses[base])}
        if options.seeds > 1:
            row["spread"] = statistics.stdev(losses[base])
            row["mean_difference"] = statistics.mean(a - b for a, b in zip(losses[base], losses["none"]))
        rows.append(row)
    print(json.dumps({"steps": options.max_steps, "learning_rate": options.learning_rate, "links": options.links,
                      "results": rows}, indent=2))


if __name__ == "__main__":
    main()
