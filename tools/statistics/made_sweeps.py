#!/usr/bin/env python3
"""Makes ten sweeps of invented trials, has cola make their tables, and checks every figure of these.

    python tools/statistics/made_sweeps.py OUT --cola PROGRAM

Needs what check_tables.py needs. OUT must be new or empty; each sweep's folder in it is named after what it is about.
Prints a line a sweep: its trials, cola's exit status, figures compared and those that differ, which follow it. Ends
with the totals. Exit status: 0 when all figures agree and cola ended as it should (with 1 where a trial failed, else
0), 1 otherwise.
"""
import argparse
import re
import subprocess
import sys
from pathlib import Path

from made import MadeSweep

SWEEPS = []
RATES = "learning-rate = [1e-3, 3e-4, 1e-4]\n"


def sweep(plan):
    """Registers a function that fills in the trials of a plan."""
    def register(fill):
        SWEEPS.append((fill.__name__.replace("_", "-"), plan, fill))
        return fill
    return register


def ability(trial):
    """Of a method, a little other with each rate and seed."""
    return sum(map(ord, trial.method)) % 5 * 0.3 + (0.0 if trial.rate is None else 100 * trial.rate) + 0.05 * trial.seed


def plan_of(tasks, seeds, methods, train=RATES, top='vary = "seed"\n'):
    names = ", ".join(f'"{task}"' for task in tasks)
    listed = "".join(f"[[method]]\n{method}\n" for method in methods)
    return f"tasks = [{names}]\nseeds = {list(seeds)}\n{top}[train]\n{train}{listed}"


FOUR = ['method = "zero-shot"', 'method = "icl"', 'method = "lora"', 'method = "cola"']
LORA = '\ngain-over = "lora"\n'


@sweep(plan_of(["cb"], [7], FOUR, top='vary = "seed"' + LORA))
def fixed_one_seed(made):
    for trial in made.trials:
        made.finish(trial, made.entries(made.ids(56), made.right(made.ids(56), ability(trial))))


@sweep(plan_of(["cb", "rte"], [0, 1], FOUR, top='vary = "seed"' + LORA))
def fixed_two_seeds(made):
    for trial in made.trials:
        ids = made.ids(56 if trial.task == "cb" else 277)
        made.finish(trial, made.entries(ids, made.right(ids, ability(trial))))


@sweep(plan_of(["cb", "copa"], [0, 1, 2, 3, 4], FOUR, top='vary = "both"' + LORA))
def fixed_five_seeds_in_any_order(made):
    """Each trial has the questions in an order of its own; copa's right answers are texts of the questions."""
    for trial in made.trials:
        ids = [str(i) for i in made.rng.permutation(made.ids(100 if trial.task == "copa" else 56))]
        entries = list(made.entries(ids, made.right(ids, ability(trial))))
        for entry in entries:
            if trial.task == "copa":
                entry["gold"] = ["text of " + entry["id"]]
        made.finish(trial, entries)


@sweep(plan_of(["sst2"], range(10), FOUR[:1] + FOUR[2:] + ['method = "lora"\nname = "lora-2"\nlora-r = 2'],
               train="learning-rate = [3e-4, 1e-4]\n", top='vary = "seed"' + LORA))
def ten_seeds_of_500_questions(made):
    for trial in made.trials:
        made.finish(trial, made.entries(made.ids(500), made.right(made.ids(500), ability(trial), noise=0.3)))


@sweep(plan_of(["boolq"], [0, 1, 2, 3, 4], FOUR, top=LORA))
def questions_drawn_for_each_seed(made):
    """Seeds share part of their questions. Untrained rows are tested on the first seed's alone."""
    pool = made.ids(150)
    drawn = [[str(i) for i in made.rng.choice(pool, 60, replace=False)] for _ in range(5)]
    for trial in made.trials:
        ids = drawn[trial.seed]
        made.finish(trial, made.entries(ids, made.right(ids, ability(trial))))


@sweep(plan_of(["squad", "drop"], [0, 1, 2], FOUR + ['method = "full"\nlearning-rate = 1e-5'], top='vary = "seed"' + LORA))
def f1(made):
    """Half of drop's trials are all but the same; cola lacks a seed, and so does an official score."""
    for trial in made.trials:
        if trial.method == "cola" and trial.seed == 1:
            continue
        ids = made.ids(90)
        scores = made.f1(ids, ability(trial))
        if trial.task == "drop":
            scores = [1 / 3 if i < 80 else s for i, s in enumerate(scores)]
        match = None if trial.method == "full" and trial.seed == 2 else float(sum(s == 1.0 for s in scores)) / 90
        made.finish(trial, made.entries(ids, scores, candidates=False), metric="f1",
                    official={"exact_match": match, "f1": float(sum(scores)) / 90})


@sweep(plan_of(["cb", "wic"], [0, 1, 2], ['method = "zero-shot"', 'method = "lora"\nlora-r = [1, 4, 16]',
                                          'method = "cola"\nranks = ["4,4", "4,2"]\nlora-alpha = [8, 16]',
                                          'method = "cola"\nname = "cola-4"\nlora-r = 4'],
               top='vary = "seed"' + LORA))
def grid_with_gains(made):
    """With wic lora's first rank diverges: the gains there are over the second."""
    for trial in made.trials:
        if trial.task == "wic" and trial.setting == (("lora-r", "1"),) and trial.seed == 0:
            made.diverge(trial)
            continue
        ids = made.ids(56 if trial.task == "cb" else 638)
        made.finish(trial, made.entries(ids, made.right(ids, ability(trial) + len(trial.setting) * 0.2)))


@sweep(plan_of(["rte"], [0, 1, 2],
               ['method = "lora"\nlora-r = [4, 8]', 'method = "cola"\nranks = ["8,6", "8,4"]\nlora-alpha = [8, 16]',
                'method = "cola"\nname = "cola-tied"', 'method = "cola"\nname = "cola-lossless"\nlinks = 3',
                'method = "cola"\nname = "cola-short"\nlinks = 4'],
               top='vary = "seed"\nchoose = ["ranks", "lora-r"]' + LORA))
def choices_and_ties(made):
    """Sums of dev scores that are equal but for rounding, with other losses or none; rates that lack seeds."""
    dev = {1e-3: (0.1, 0.2, 0.3), 3e-4: (0.3, 0.2, 0.1), 1e-4: (0.2, 0.2, 0.2)}
    loss = {1e-3: 2.0, 3e-4: 1.0, 1e-4: 1.0}
    for trial in made.trials:
        more = {}
        if trial.method in ("cola-tied", "cola-lossless"):
            more = {"dev": dev[trial.rate][trial.seed], "loss": loss[trial.rate]}
        if trial.method == "cola-lossless":
            more["dev_loss"] = None
        if trial.method == "cola-short":
            if trial.rate == 1e-3 and trial.seed == 2 or trial.rate == 1e-4:
                continue
            more = {"dev": 0.9 if trial.seed == 2 else (0.5 if trial.rate == 1e-3 else 0.4)}
        ids = made.ids(277)
        made.finish(trial, made.entries(ids, made.right(ids, ability(trial))), **more)


@sweep(plan_of(["cb", "wsc", "wic"], [0, 1, 2], FOUR[:1] + FOUR[2:] + [
    'method = "lora"\nname = "right"\nlora-r = 2', 'method = "lora"\nname = "wrong"\nlora-r = 3',
    'method = "lora"\nname = "same"\nlora-r = 4', 'method = "lora"\nname = "constant"\nlora-r = 5',
    'method = "lora"\nname = "half"\nlora-r = 6', 'method = "lora"\nname = "twice"\nlora-r = 7'],
    train="learning-rate = 1e-4\n", top='vary = "seed"' + LORA))
def extremes(made):
    """All right, all wrong, the same with each seed, one answer, tied scores; wsc has one question, wic two."""
    size = {"cb": 56, "wsc": 1, "wic": 2}
    same = {task: made.right(made.ids(count)) for task, count in size.items()}
    for trial in made.trials:
        ids = made.ids(size[trial.task])
        scores = {"right": [1.0] * len(ids), "wrong": [0.0] * len(ids), "same": same[trial.task],
                  "half": [float((trial.seed + i) % 2) for i in range(len(ids))]}
        entries = list(made.entries(ids, scores.get(trial.method, made.right(ids, ability(trial)))))
        if trial.method == "constant":
            for entry in entries[:-1]:
                entry |= {"prediction": "Yes", "score": float(entry["gold"] == ["Yes"]), "scores": [-1.0, -1.0, -2.0]}
        if trial.method == "twice":  # every question has the id of its neighbour too
            entries += list(made.entries(ids, made.right(ids, 1.0)))
        made.finish(trial, entries)


@sweep(plan_of(["cb", "rte", "wsc"], [0, 1, 2, 3], FOUR + [
    'method = "cola"\nname = "dead"\nlinks = 3', 'method = "cola"\nname = "others"\nlinks = 4',
    'method = "cola"\nname = "patchy"\nlinks = 5', 'method = "cola"\nname = "apart"\nlinks = 6',
    'method = "cola"\nname = "broken"\nlinks = 7'], top='vary = "seed"' + LORA))
def unfinished_and_broken(made):
    """Nothing of wsc is finished; trials fail, diverge, lack, have other questions, and files that say nothing."""
    breaks = 0
    for number, trial in enumerate(made.trials):
        if trial.task == "wsc":
            continue
        ids = made.ids(56, first=100 if trial.method == "others" and trial.task == "rte" else 0)
        if trial.method == "others" and trial.seed == 3:
            ids = ids[:-1] + ["another"]
        if trial.method == "dead" and trial.seed == 1:
            made.diverge(trial)
            continue
        if trial.method == "patchy" and number % 3 == 0 or trial.method == "cola" and trial.seed == 2:
            made.fail(trial)
            continue
        if trial.method == "apart" and (trial.rate == 1e-3) == (trial.seed < 2) or trial.method == "lora" and number % 5 == 0:
            continue
        made.finish(trial, made.entries(ids, made.right(ids, ability(trial))))
        if trial.method == "broken":
            break_trial(made.folder / "trials" / trial.id, breaks)
            breaks += 1


def break_trial(place, way):
    """Does to a finished trial what crashes, full disks and hands do."""
    test, predictions = place / "test.json", place / "predictions.jsonl"
    lines = predictions.read_text().splitlines(keepends=True)
    if way == 0:
        test.write_text("")
    elif way == 1:
        test.write_text(test.read_text()[:100])
    elif way == 2:
        predictions.write_text("".join(lines[:-1]))
    elif way == 3:
        predictions.write_text("".join(lines)[:-20])
    elif way == 4:
        predictions.unlink()
    elif way == 5:
        test.write_text(re.sub(r'"score": [^,]+', '"score": null', test.read_text()))
    elif way == 6:
        predictions.write_text(re.sub(r'"score": [^,]+', '"score": NaN', lines[0]) + "".join(lines[1:]))
    elif way == 7:
        predictions.write_text(re.sub(r'"score": [^,]+', '"score": null', lines[0]) + "".join(lines[1:]))
    elif way == 8:
        test.write_text("[]\n")


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("out", type=Path)
    options.add_argument("--cola", required=True, help="the program")
    given = options.parse_args()
    if given.out.exists() and any(given.out.iterdir()):
        sys.exit(f"{given.out} is not empty")
    figures = differences = wrong_ends = 0
    for seed, (name, plan, fill) in enumerate(SWEEPS):
        made = MadeSweep(given.out / name, plan, seed)
        fill(made)
        cola = subprocess.run([given.cola, "sweep", "--collect", "--out", made.folder], capture_output=True, text=True)
        check = subprocess.run([sys.executable, Path(__file__).parent / "check_tables.py", made.folder], capture_output=True,
                               text=True)
        total = re.search(r"^total: (\d+) figures, (\d+) differences$", check.stdout, re.MULTILINE)
        failed = re.search(r'"failed": \[\],?\n', (made.folder / "results.json").read_text()) is None if total else False
        wrong_ends += not total or cola.returncode != int(failed)
        print(f"{name}: {len(made.trials)} trials, cola {cola.returncode}, {total[0] if total else 'no tables'}", flush=True)
        for line in check.stdout.splitlines():
            if line.startswith("DIFFERS"):
                print("  " + line)
        if total:
            figures, differences = figures + int(total[1]), differences + int(total[2])
        else:
            print(cola.stderr + check.stdout + check.stderr)
    print(f"{len(SWEEPS)} sweeps: {figures} figures, {differences} differences, {wrong_ends} wrong ends")
    return 1 if differences or wrong_ends else 0


if __name__ == "__main__":
    sys.exit(main())
