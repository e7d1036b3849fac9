"""Reads a sweep's folder: the trials that its plan.toml asks for, and what each of them measured.

Used by check_tables.py and made_sweeps.py. Written from docs/formats.md and docs/command-line.md, so that it
shares no code with the program that is checked.
"""
import json
import math
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
LISTS = {"ranks": "numbers", "alphas": "numbers", "target-modules": "texts", "initial-link": "texts", "tied-link": "texts"}
LONGEST_ERROR = 200  # bytes
EVALUATION = {"num-train", "num-dev", "bos-token-id", "no-share-prefix", "max-length", "dtype", "tokenizer", "data-seed"}


def option_order():
    """Names of the training options in the order of their documentation, which is that of a plan's grids."""
    return re.findall(r'visit\(\s*"([^"]+)"', (REPOSITORY / "src/train/option_fields.h").read_text())


def rate_text(rate):
    """1e-3, 8e-4, 2.5e-5: the shortest text of the number, always with a power of ten but for 1 to 10."""
    mantissa, exponent = f"{float(rate):.16e}".split("e")
    for places in range(17):  # the shortest that is read back as the same
        text = f"{float(rate):.{places}e}"
        if float(text) == float(rate):
            mantissa, exponent = text.split("e")
            break
    return mantissa if int(exponent) == 0 else f"{mantissa}e{int(exponent)}"


def value_text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(value_text(entry) for entry in value)
    return rate_text(value) if isinstance(value, float) else str(value)


def is_grid(name, value):
    if not isinstance(value, list):
        return False
    kind = LISTS.get(name)
    if kind is None or not value:
        return True
    return any(isinstance(v, list) or (kind == "numbers" and isinstance(v, str)) for v in value)


def label_of(method, setting):
    return " ".join([method, *(f"{option} {value}" for option, value in setting)])


@dataclass
class Trial:
    """One trial of the plan, and what its folder says."""
    id: str
    task: str
    method: str
    trains: bool
    setting: tuple  # of (option, text)
    tuned: tuple
    rate: float | None
    seed: int
    state: str = "not finished"  # finished, diverged, failed
    error: str | None = None  # of a failed trial; None where it is cut, or the trial's files cannot be read
    test: dict = field(default_factory=dict)
    predictions: list = field(default_factory=list)

    @property
    def row(self):
        return (self.task, self.method, self.setting)


def safe(text):
    """As it stands in a trial's name."""
    return "".join(c if re.match(r"[A-Za-z0-9.+_,-]", c) else "-" for c in text)


def task_name(reference):
    return tomllib.loads(Path(reference).read_text())["name"] if reference.endswith(".toml") else reference


def expand(plan):
    """The trials of a plan: by task, method, setting, options of 'choose', learning rate, seed."""
    order, trials, choose = option_order(), [], plan.get("choose", [])
    for reference in plan["tasks"]:
        task = safe(task_name(reference))
        for method in plan["method"]:
            kind = method.get("method", "cola")
            trains = kind not in ("zero-shot", "icl")
            options = {}
            for layer in (plan.get("train", {}), plan.get("task", {}).get(task, {}), method):
                options |= {k: v for k, v in layer.items()
                            if k not in ("name", "method", "demonstrations") and (trains or k in EVALUATION)}
            axes = sorted((name for name in options if is_grid(name, options[name])), key=order.index)
            tuned = [a for a in axes if trains and a in choose and a != "learning-rate"]
            shown = [a for a in axes if a not in tuned and a != "learning-rate"]
            rates = options.get("learning-rate", 1e-5 if kind == "full" else 1e-4)
            rates = [float(r) for r in (rates if isinstance(rates, list) else [rates])] if trains else [None]

            def grid(names):
                points = [()]
                for name in names:
                    points = [p + ((name, value_text(v)),) for p in points for v in options[name]]
                return points

            for setting in grid(shown):
                for chosen in grid(tuned):
                    for rate in rates:
                        base = "-".join([task, method.get("name", kind)] + [safe(o + v) for o, v in setting + chosen])
                        base += f"-lr{rate_text(rate)}" if trains else ""
                        for seed in plan["seeds"] if trains else plan["seeds"][:1]:
                            trials.append(Trial(f"{base}-seed{seed}", task, method.get("name", kind), trains, setting,
                                                chosen, rate, seed))
    return trials


def refuse_constant(name):
    raise ValueError(f"{name} is no JSON")


def parse(text):
    value = json.loads(text, parse_constant=refuse_constant)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def number(value):
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return value


def read_trial(folder, trial):
    """Fills in what the folder says. Files that cannot be read make a failed trial."""
    test, error = folder / "test.json", folder / "error.txt"
    if not test.exists():
        if error.exists():
            trial.state = "failed"
            first = error.read_text(errors="replace").split("\n", 1)[0]
            trial.error = re.sub(r"[\x00-\x1f\x7f]", "?", first) or "failed"
            if len(first.encode()) > LONGEST_ERROR:  # the tables have its beginning
                trial.error = None
        return
    try:
        trial.test = parse(test.read_text())
        if trial.test["id"] != trial.id:
            raise ValueError("of another trial")
        if trial.test.get("diverged") is not None:
            trial.state = "diverged"
            return
        number(trial.test["score"])
        if not isinstance(trial.test.get("official") or {}, dict):
            raise ValueError("'official' is no object")
        lines = (folder / "predictions.jsonl").read_text().split("\n")
        for line in lines if lines[-1] else lines[:-1]:
            entry = parse(line)
            number(entry["score"])
            gold = entry.get("gold") or []
            if not isinstance(entry["id"], str) or not isinstance(gold, list) or not all(isinstance(g, str) for g in gold):
                raise ValueError("an id is no text, or right answers are no list of texts")
            trial.predictions.append(entry)
        if len(trial.predictions) != trial.test["total"]:
            raise ValueError("predictions and test.json differ")
        trial.state = "finished"
    except (ValueError, KeyError, OSError, TypeError):
        trial.state, trial.predictions = "failed", []


def read_sweep(folder):
    """The plan, and its trials as the folder has them."""
    plan = tomllib.loads((folder / "plan.toml").read_text())
    trials = expand(plan)
    for trial in trials:
        read_trial(folder / "trials" / trial.id, trial)
    return plan, trials
