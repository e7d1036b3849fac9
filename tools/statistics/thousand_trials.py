#!/usr/bin/env python3
"""Times how long cola takes to make the tables of a thousand finished trials.

    python tools/statistics/thousand_trials.py OUT --cola PROGRAM [--limit SECONDS]

Needs Python 3.11 and numpy 2.4. OUT must be new or empty. Makes two sweeps of invented trials with 277 questions each
in it: 5 tasks, 8 methods, 5 rates, 5 seeds (140 pairs of rows), and 1 task, 40 methods, 5 rates, 5 seeds (780 pairs).
Prints for each the seconds that `cola sweep --collect` takes, the median of three runs. Exit status: 1 where one takes
more than --limit (default 10), or makes no tables.
"""
import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

from made import MadeSweep

QUESTIONS = 277


def plan(tasks, methods):
    names = ", ".join(f'"{task}"' for task in tasks)
    listed = "".join(f'[[method]]\nmethod = "lora"\nname = "lora-{i}"\nlora-r = {i + 1}\n' for i in range(methods))
    return (f'tasks = [{names}]\nseeds = [0, 1, 2, 3, 4]\nvary = "seed"\ngain-over = "lora-0"\n[train]\n'
            f"learning-rate = [1e-3, 5e-4, 3e-4, 1e-4, 5e-5]\n{listed}")


def seconds(program, folder):
    start = time.monotonic()
    ended = subprocess.run([program, "sweep", "--collect", "--out", folder], stdout=subprocess.DEVNULL)
    if ended.returncode != 0:
        sys.exit(f"cola ended with {ended.returncode}")
    return time.monotonic() - start


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("out", type=Path)
    options.add_argument("--cola", required=True, help="the program")
    options.add_argument("--limit", type=float, default=10.0, help="seconds (default 10)")
    given = options.parse_args()
    if given.out.exists() and any(given.out.iterdir()):
        sys.exit(f"{given.out} is not empty")
    slow = False
    for name, tasks, methods in (("five-tasks", ["cb", "rte", "wic", "wsc", "boolq"], 8), ("forty-methods", ["rte"], 40)):
        made = MadeSweep(given.out / name, plan(tasks, methods), seed=1)
        ids = made.ids(QUESTIONS)
        for trial in made.trials:
            made.finish(trial, made.entries(ids, made.right(ids, 0.3)))
        took = [seconds(given.cola, made.folder) for _ in range(3)]
        slow = slow or statistics.median(took) > given.limit
        print(f"{name}: {len(made.trials)} trials of {QUESTIONS} questions, {statistics.median(took):.2f} s "
              f"({', '.join(f'{t:.2f}' for t in took)})", flush=True)
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
