"""The figures of a sweep's tables, worked out anew from its plan and its trials' files.

Used by check_tables.py. Arithmetic is scipy's and statsmodels'; what is drawn at random there is a Bootstrap or
a SignFlips here, against which a figure is held within the error that its draws have.
"""
import math
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from sweep_folder import label_of


@dataclass
class Bootstrap:
    """A limit of the expanded percentile interval of sum(sums) / sum(counts) over resampled questions."""
    sums: np.ndarray
    counts: np.ndarray
    upper: bool

    @property
    def share(self):
        """The part of the resamples that lies below the limit."""
        n = len(self.sums)
        tail = stats.norm.cdf(stats.t.ppf(0.025, n - 1) * math.sqrt(n / (n - 1)))
        return 1 - tail if self.upper else tail


@dataclass
class SignFlips:
    """The p or mid-p value of random sign flips of more differences than are enumerated."""
    p: float
    error: float  # standard error of p, where it is itself drawn
    mid: bool = False


@dataclass
class Holm:
    """Holm's adjustment of a column of p values, which is taken from the table."""
    column: str


@dataclass
class AnyText:
    """Any text that is not empty."""


def close(a, b):
    return abs(a - b) <= 1e-9 * max(1.0, abs(a), abs(b))


def mean(values):
    return math.fsum(values) / len(values)


def spread(values):
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def mean_or_none(values):
    return mean(values) if values and all(v is not None for v in values) else None


# Choice of rates

def candidates(trials):
    """Trials by row, then by what is chosen among: both in the plan's order."""
    rows = {}
    for trial in trials:
        rows.setdefault(trial.row, {}).setdefault((trial.tuned, trial.rate), []).append(trial)
    return rows


def finished(trials):
    return [t for t in trials if t.state == "finished"]


def rank(trials, seeds):
    """Best first: high dev score, then low dev loss."""
    trials = [t for t in finished(trials) if t.seed in seeds]
    scores = [t.test.get("dev_score") for t in trials]
    losses = [t.test.get("dev_loss") for t in trials]
    exact = None if None in scores else sum(Fraction(s).limit_denominator(10**6) for s in scores) / len(scores)
    loss = mean_or_none(losses)
    return (-1 if exact is None else exact), (math.inf if loss is None else loss)


def choose(row):
    """The chosen key of a row (None with a reason), and whether more of its trials are to come."""
    alive = {key: trials for key, trials in row.items() if all(t.state != "diverged" for t in trials)}
    opened = {key: trials for key, trials in alive.items() if finished(trials)}
    if not alive:
        return None, "diverged" if len(row) == 1 else "all rates diverged", False
    if not opened:
        failed = all(t.state == "failed" for trials in alive.values() for t in trials)
        return None, "failed" if failed else "not finished", False
    seeds = set.intersection(*({t.seed for t in finished(trials)} for trials in opened.values()))
    if not seeds:
        return None, "not chosen: its rates have finished with other seeds", False
    dev = [t.test.get(name) for trials in opened.values() for t in finished(trials) if t.seed in seeds
           for name in ("dev_score", "dev_loss")]
    if len(opened) > 1 and all(value is None for value in dev):
        return None, "not chosen: there is no dev score", False
    ranks = {key: rank(trials, seeds) for key, trials in opened.items()}
    best_score = max(score for score, _ in ranks.values())
    tied = [key for key, (score, _) in ranks.items() if best_score - score < Fraction(1, 10**9)]
    best_loss = min(ranks[key][1] for key in tied)
    chosen = next(k for k in tied if ranks[k][1] == best_loss or close(ranks[k][1], best_loss))
    unfinished = any(t.state != "finished" for trials in alive.values() for t in trials)
    return chosen, "", unfinished and len(row) > 1


# Scores by question

def by_question(trials):
    """Ids, sums of scores and counts of the answers that several trials gave, which count alike."""
    sums, counts = {}, Counter()
    most = max(len(trial.predictions) for trial in trials)
    for trial in trials:
        weight = most / len(trial.predictions)
        for entry in trial.predictions:
            sums.setdefault(entry["id"], []).append(weight * entry["score"])
            counts[entry["id"]] += weight
    ids = sorted(sums)
    return ids, np.array([math.fsum(sums[i]) for i in ids]), np.array([float(counts[i]) for i in ids])


def questions_of(trial):
    return Counter(entry["id"] for entry in trial.predictions)


def score_of(trial):
    return mean([entry["score"] for entry in trial.predictions])


def interval_of_mean(trials):
    if len(trials) == 1 and trials[0].test.get("correct") is not None:
        test = trials[0].test
        return list(map(float, proportion_confint(test["correct"], test["total"], method="wilson")))
    _, sums, counts = by_question(trials)
    shares, n = sums / counts, len(sums)
    if n == 1 or np.ptp(shares) <= 1e-9:
        return list(map(float, proportion_confint(round(float(np.mean(shares)), 12) * n, n, method="wilson")))
    p = sums.sum() / counts.sum()
    if trials[0].test.get("correct") is not None and min(p, 1 - p) * n < 10:  # few right, or few wrong
        variance = n / (n - 1) * np.sum((sums - p * counts) ** 2) / counts.sum() ** 2
        variance = np.average([variance, p * (1 - p) / n], weights=[n - 1, 2])  # two questions whose answers are alike
        answers = min(max(p * (1 - p) / variance, n), max(n, counts.sum()))
        z = stats.norm.ppf(0.975)
        limits = sorted(np.roots([1 + z * z / answers, -(2 * p + z * z / answers), p * p]))  # of Wilson's equation
        return list(map(float, limits))
    return [Bootstrap(sums, counts, False), Bootstrap(sums, counts, True)]


def summary(trial):
    """What is said of a trial's answers: different ones, share of the most common, ties, majority class."""
    entries = trial.predictions
    if not entries:
        return 0, 0.0, 0, None
    answers = Counter(entry.get("prediction") or "" for entry in entries)
    right = Counter(text for entry in entries for text in set(entry.get("gold") or []))
    listed = [sorted((s for s in np.atleast_1d(entry["scores"]) if s is not None), reverse=True)
              for entry in entries if entry.get("scores") is not None]
    ties = sum(len(s) > 1 and s[0] == s[1] for s in listed)
    classes = len(listed) == len(entries) and 0 < len(right) <= 20 and 2 * len(right) <= len(entries)
    return (len(answers), answers.most_common(1)[0][1] / len(entries), ties,
            right.most_common(1)[0][1] / len(entries) if classes else None)


# Paired tests

def pair(a, b):
    """Pairs of trials of two rows, or why there are none."""
    if a["trained"] and b["trained"] or not (a["trained"] or b["trained"]):
        couples = [(s, t) for s in a["of"] for t in b["of"] if s.seed == t.seed]
    else:
        couples = [(s, t) for s in a["of"] for t in b["of"]]
    same = [(s, t) for s, t in couples if questions_of(s) == questions_of(t)]
    if same:
        return same, ""
    return [], "tested on other questions" if couples else "no seed that both have finished"


def single_flips(higher, lower):
    """p and mid-p of McNemar's exact test."""
    total = higher + lower
    if total == 0:
        return 1.0, 0.5
    p = float(mcnemar([[0, higher], [lower, 0]], exact=True).pvalue)
    return p, p - float(stats.binom.pmf(higher, total, 0.5)) * (0.5 if higher == lower else 1.0)


def sign_flips(differences, rng):
    """p and mid-p of sign flips: of all, of the distribution of whole numbers' sums, or drawn."""
    values = differences[np.abs(differences) > 1e-12 * np.abs(differences).sum()]
    observed, rounding = abs(math.fsum(values)), 1e-9 * np.abs(values).sum()

    def extreme(sums):
        """For each sum 1 where it is as extreme as the observed one, and for mid-p 1/2 where no more than that."""
        near = np.abs(np.abs(sums) - observed) <= rounding
        more = np.abs(sums) > observed + rounding
        return (near | more).astype(float), more + 0.5 * near

    if len(values) <= 20:
        sums = np.zeros(1)
        for value in values:
            sums = np.concatenate([sums + value, sums - value])
        return tuple(float(np.mean(part)) for part in extreme(sums))
    whole = np.round(values).astype(int)
    if np.abs(values - whole).max() < 1e-9:  # the distribution of the sum, one question after another
        size = int(np.abs(whole).sum())
        chances = np.zeros(2 * size + 1)
        chances[size] = 1.0
        for step in np.abs(whole):
            chances = 0.5 * (np.roll(chances, step) + np.roll(chances, -step))
        return tuple(float(min(1.0, chances @ part)) for part in extreme(np.arange(-size, size + 1)))
    draws, parts = 400_000, []
    for _ in range(20):
        signs = rng.integers(0, 2, (draws // 20, len(values)), dtype=np.int8) * 2.0 - 1.0
        parts.append(extreme(signs @ values))
    p, mid = (np.concatenate(of) for of in zip(*parts))
    # The observed flip is one more, as extreme as itself.
    return (SignFlips(float((p.sum() + 1) / (draws + 1)), float(p.std() / math.sqrt(draws))),
            SignFlips(float((mid.sum() + 0.5) / (draws + 1)), float(mid.std() / math.sqrt(draws)), mid=True))


def paired_t(differences):
    if len(differences) < 2:
        return None
    if np.ptp(differences) <= 1e-11 * np.abs(differences).max():
        return 1.0 if np.all(differences == 0) else None
    return float(stats.ttest_1samp(differences, 0.0).pvalue)


def compare(a, b, rng):
    test = {"task": a["task"], "a": a["label"], "b": b["label"]}
    couples, reason = pair(a, b)
    if reason:
        return test | {"reason": reason}
    ids, sums, counts = by_question([s for s, _ in couples])
    ids_b, sums_b, _ = by_question([t for _, t in couples])
    assert ids == ids_b
    n, differences = len(ids), sums - sums_b
    differences[np.abs(differences) < 1e-12 * counts] = 0.0
    higher, lower = int(np.sum(differences > 0)), int(np.sum(differences < 0))
    single = len(couples) == 1 and a["metric"] == "accuracy"
    p, mid_p = single_flips(higher, lower) if single else sign_flips(differences, rng)
    scaled = differences * n / counts.sum()
    varies = n > 1 and np.ptp(scaled) > 1e-11 * max(np.abs(scaled).max(), 1e-300)
    seed_differences = np.array([score_of(s) - score_of(t) for s, t in couples])
    seed_differences[np.abs(seed_differences) < 1e-15] = 0.0
    p_seeds = paired_t(seed_differences)
    power = stats.t.ppf(0.975, n - 1) + stats.t.ppf(0.8, n - 1) if varies else None
    return test | {
        "difference": float(differences.sum() / counts.sum()),
        "interval": [Bootstrap(differences, counts, False), Bootstrap(differences, counts, True)] if varies else None,
        "smallest_difference": float(power * np.std(scaled, ddof=1) / math.sqrt(n)) if varies else None,
        "test": "mcnemar" if single else "sign-flip", "questions": n, "a_higher": higher, "b_higher": lower,
        "p": p, "mid_p": mid_p, "p_holm": Holm("p"), "seeds": len(couples), "p_seeds": p_seeds,
        "p_seeds_holm": None if p_seeds is None else Holm("p_seeds")}


def holm(p):
    return list(map(float, multipletests(p, method="holm")[1])) if p else []


# Rows

def settings_agree(a, b):
    return all(dict(b).get(option, value) == value for option, value in a)


def official(trials):
    names = sorted({name for t in trials for name in (t.test.get("official") or {})})
    if not names:
        return None
    result = {}
    for name in names:
        scores = [(t.test.get("official") or {}).get(name) for t in trials]
        result[name] = None if None in scores else {"scores": scores, "mean": mean(scores), "spread": spread(scores)}
    return result


def make_row(key, row):
    """A row as results.json has it, and under "of", "trained" and "key" what others need."""
    task, method, setting = key
    chosen, reason, provisional = choose(row)
    trained = next(iter(row.values()))[0].trains
    result = {"task": task, "method": method, "setting": dict(setting), "label": label_of(method, setting),
              "tries": len(row) if trained else 0, "key": key, "trained": trained, "of": []}
    if reason:
        return result | {"reason": reason}
    tuned, rate = chosen
    of = finished(row[chosen])
    tests = [t.test for t in of]
    rates = [other for _, other in row if other is not None]
    correct = [t.get("correct") for t in tests]
    total = [t["total"] for t in tests]
    correct = None if None in correct else correct
    scores = [t["score"] for t in tests]
    costs = {name: mean([t.get(name) or 0.0 for t in tests]) for name in ("hf_flos", "hf_flos_saved", "real_flops")}
    links = [t.get("links") or 0 for t in tests]
    return result | costs | {
        "of": of, "chosen": dict(tuned), "learning_rate": rate,
        "at_grid_edge": bool(rates) and any(r < rate for r in rates) != any(r > rate for r in rates),
        "chosen_on_dev": sum(bool(finished(t)) and all(o.state != "diverged" for o in t) for t in row.values()) > 1, "provisional": provisional, "metric": tests[0]["metric"],
        "seeds": [t.seed for t in of], "scores": scores, "mean": mean(scores), "spread": spread(scores),
        "correct": correct, "total": total, "questions": len(by_question(of)[0]),
        "pooled": {"correct": None if correct is None else sum(correct), "total": sum(total),
                   "interval": interval_of_mean(of)},
        "official": official(of), "relative_gain": None, "gain_over": None,
        "dev_scores": [t["dev_score"] for t in tests if t.get("dev_score") is not None], "links": links,
        "tested_links": [t["tested_links"] if t.get("tested_links") is not None else n for t, n in zip(tests, links)],
        "trials": [t.id for t in of]}


def set_gain(row, rows, gain_over):
    if row["method"] == gain_over:
        return
    base = next((other for other in rows if other["of"] and other["task"] == row["task"]
                 and other["method"] == gain_over and settings_agree(other["key"][2], row["key"][2])), None)
    couples, reason = pair(row, base) if base else ([], "no base")
    if reason:
        return
    own, others = mean([score_of(s) for s, _ in couples]), mean([score_of(t) for _, t in couples])
    if others != 0:
        row["relative_gain"], row["gain_over"] = (own - others) / others, base["label"]


def rates_of(key, row):
    chosen = choose(row)[0]
    for (tuned, rate), trials in row.items():
        of = finished(trials)
        scores = [t.test["score"] for t in of]
        if rate is not None:
            yield {"task": key[0], "method": key[1], "label": label_of(key[1], key[2]), "chosen_options": dict(tuned),
                   "learning_rate": rate, "seeds": [t.seed for t in of],
                   "dev_score": mean_or_none([t.test.get("dev_score") for t in of]),
                   "dev_loss": mean_or_none([t.test.get("dev_loss") for t in of]),
                   "mean": mean(scores) if scores else None, "spread": spread(scores),
                   "chosen": (tuned, rate) == chosen, "diverged": any(t.state == "diverged" for t in trials)}


def majority(trials):
    tasks = {}
    for trial in finished(trials):
        share = summary(trial)[3]
        if trial.test["metric"] == "accuracy" and share is not None:
            tasks.setdefault(trial.task, {}).setdefault(trial.seed, share)
    return {task: mean(list(seeds.values())) for task, seeds in tasks.items()}


def warnings(rows):
    for row in rows:
        for trial in row["of"]:
            _, share, ties, _ = summary(trial)
            total = len(trial.predictions)
            if share >= 0.95 and total > 1:
                yield {"trial": trial.id, "text": f"gives one answer to {100 * share:.0f} % of the questions"}
            if ties:
                yield {"trial": trial.id, "text": f"has {ties} of {total} questions whose best candidates score the same: "
                                                  "the first counts"}


def results(plan, trials):
    """What results.json should be."""
    rng = np.random.default_rng(20240229)
    groups = candidates(trials)
    rows = [make_row(key, row) for key, row in groups.items()]
    gain_over = plan.get("gain-over", "")
    for row in rows:
        if row["of"]:
            set_gain(row, rows, gain_over)
    scored = [row for row in rows if row["of"]]
    tests = [compare(a, b, rng) for i, a in enumerate(scored) for b in scored[i + 1:]
             if a["task"] == b["task"] and (a["method"] == b["method"] or settings_agree(a["key"][2], b["key"][2]))]
    tasks = list(dict.fromkeys(t.task for t in trials))
    shown = [{k: v for k, v in row.items() if k not in ("of", "trained", "key")} for row in rows]
    return {"name": plan.get("name", "sweep"), "model": plan["model"].rstrip("/").rsplit("/", 1)[-1], "tasks": tasks,
            "seeds": plan["seeds"], "rows": shown, "tests": tests,
            "rates": [rate for key, row in groups.items() for rate in rates_of(key, row)],
            "majority": majority(trials), "gain_over": gain_over,
            "diverged": [t.id for t in trials if t.state == "diverged"],
            "failed": [{"trial": t.id, "text": t.error if t.error is not None else AnyText()}
                       for t in trials if t.state == "failed"],
            "missing": [t.id for t in trials if t.state == "not finished"], "warnings": list(warnings(rows))}
