#!/usr/bin/env python3
"""Works out every figure of a finished sweep's tables anew, from its plan and its trials' files alone.

    python tools/statistics/check_tables.py DIR

Needs Python 3.11, numpy 2.4, scipy 1.17.1 and statsmodels 0.15.0. DIR is a sweep's folder for which `cola sweep`
has made the tables. Prints for results.json, results.csv, tests.csv, rates.csv, trials.csv, results.md, .txt and
.tex how many figures (numbers, names, reasons, empty cells) were compared, each one that differs, and how far the
resampled ones lie from their expectation. Exit status: 0 when all agree, 1 where any differs, 2 without tables.

How near is the same:
  - names, counts and reasons: equal;
  - numbers: 1e-9 of themselves or of 1 (sums may be added in another order);
  - limits of bootstrap intervals: the program takes a quantile q of 10,000 resampled means, between the k-th and the
    next of them. The part F of all resamples below the k-th is distributed as Beta(k + 1, 10,000 - k), whatever the
    means are. F of the program's limit is estimated here with 100,000 resamples of our own, and must lie within the
    central 1 - 2e-7 of that, widened by 5 standard errors of our estimate. Means of few questions are discrete: F
    jumps at a limit, and it is enough that the jump meets that range;
  - p values of 100,000 random sign flips: (1 + k) / 100,001 with a whole k that Binomial(100,000, p) has within its
    central 1 - 2e-7, p exact where the differences are whole numbers; else drawn here too, 5 standard errors of both;
    mid-p likewise, (1 + k) / 200,002;
  - Holm's p: of the p values in the table;
  - texts of tables: half a unit of the last digit.
"""
import csv
import json
import math
import re
import sys
from pathlib import Path

import numpy as np
from scipy import stats

import text_tables
from figures import AnyText, Bootstrap, Holm, SignFlips, close, holm, results, summary
from sweep_folder import read_sweep

RESAMPLES, DRAWN_RESAMPLES, DRAWN_FLIPS, ERRORS = 10_000, 100_000, 100_000, 5.0


class Report:
    """Counts figures and keeps what differs."""

    def __init__(self):
        self.counts, self.differences, self.limits, self.deviations = {}, [], [], []

    def check(self, file, where, holds, told, expected):
        self.counts[file] = self.counts.get(file, 0) + 1
        if not holds:
            self.differences.append(f"{file}: {where}: {told!r}, expected {expected!r}")
        return holds

    def value(self, file, where, told, expected):
        """Compares anything that JSON has with what `figures` says it should be."""
        if isinstance(expected, dict):
            names = sorted(told) if isinstance(told, dict) else told
            if self.check(file, where + " (names)", names == sorted(expected), names, sorted(expected)):
                for key, item in expected.items():
                    self.value(file, f"{where}.{key}", told[key], item)
        elif isinstance(expected, list):
            length = len(told) if isinstance(told, list) else told
            if self.check(file, where + " (length)", length == len(expected), length, len(expected)):
                for i, item in enumerate(expected):
                    self.value(file, f"{where}[{i}]", told[i], item)
        elif isinstance(expected, Bootstrap):
            if self.check(file, where, isinstance(told, float) or isinstance(told, int), told, "a limit"):
                self.limits.append((file, where, told, expected))
        elif isinstance(expected, SignFlips):
            self.sign_flips(file, where, told, expected)
        elif isinstance(expected, Holm):
            pass  # by holm_columns, when all p values are known
        elif isinstance(expected, AnyText):
            self.check(file, where, isinstance(told, str) and told != "", told, "a text")
        elif isinstance(expected, float) and not isinstance(told, bool) and isinstance(told, (int, float)):
            self.check(file, where, close(told, expected), told, expected)
        else:
            same = told == expected and isinstance(told, bool) == isinstance(expected, bool)
            self.check(file, where, same, told, expected)

    def sign_flips(self, file, where, told, expected):
        extreme = told * (DRAWN_FLIPS + 1) - (0.5 if expected.mid else 1.0)
        counted = 2 * extreme if expected.mid else extreme
        whole = abs(counted - round(counted)) < 1e-6
        if expected.error == 0.0:
            low, high = stats.binom.ppf([1e-7, 1 - 1e-7], DRAWN_FLIPS, expected.p)
            near = low <= round(extreme) <= high
            error = math.sqrt(expected.p * (1 - expected.p) / DRAWN_FLIPS)
        else:
            error = math.hypot(expected.error, math.sqrt(expected.p * (1 - expected.p) / DRAWN_FLIPS))
            near = abs(told - expected.p) <= ERRORS * error + 2 / DRAWN_FLIPS
        if 20 < expected.p * DRAWN_FLIPS < DRAWN_FLIPS - 20:  # beyond, the error is no scale
            self.deviations.append((told - expected.p) / error)
        self.check(file, where, whole and near, told, f"{expected.p} by sign flips")

    def holm_columns(self, tests):
        for column in ("p", "p_seeds"):
            of = [t for t in tests if t.get(column) is not None]
            for test, p in zip(of, holm([t[column] for t in of])):
                where = f"{test['task']}, {test['a']}, {test['b']}: {column}_holm"
                self.value("results.json", where, test[column + "_holm"], p)

    def resolve_limits(self):
        """Resamples the questions of all limits, those of as many questions together."""
        rng = np.random.default_rng(19790101)
        sizes = {}
        for limit in self.limits:
            sizes.setdefault(len(limit[3].sums), []).append(limit)
        for n, limits in sizes.items():
            sums = np.array([limit[3].sums for limit in limits]).T
            counts = np.array([limit[3].counts for limit in limits]).T
            told = np.array([limit[2] for limit in limits])
            below, up_to = np.zeros(len(limits)), np.zeros(len(limits))
            for _ in range(20):
                times = rng.multinomial(n, np.full(n, 1 / n), DRAWN_RESAMPLES // 20).astype(float)
                means = (times @ sums) / (times @ counts)
                below += np.sum(means < told - 1e-9, axis=0)
                up_to += np.sum(means <= told + 1e-9, axis=0)
            for (file, where, value, limit), low, high in zip(limits, below / DRAWN_RESAMPLES, up_to / DRAWN_RESAMPLES):
                q = limit.share
                least, most = quantile_range(q)
                if 20 < q * RESAMPLES < RESAMPLES - 20:
                    error = math.sqrt(q * (1 - q) * (1 / RESAMPLES + 1 / DRAWN_RESAMPLES))
                    self.deviations.append(max(low - q, q - high, 0.0) / error)
                self.check(file, where, low <= most and high >= least, value,
                           f"the quantile {q:.5f}; {low:.5f} to {high:.5f} of the resamples lie below")


def quantile_range(q):
    """What part of all resamples may lie below a quantile of RESAMPLES of them, as DRAWN_RESAMPLES tell it."""
    below = int(q * (RESAMPLES - 1))
    above = min(below + 1, RESAMPLES - 1)
    least = stats.beta.ppf(1e-7, below + 1, RESAMPLES - below)
    most = stats.beta.ppf(1 - 1e-7, above + 1, RESAMPLES - above)
    return (least - ERRORS * math.sqrt(least * (1 - least) / DRAWN_RESAMPLES),
            most + ERRORS * math.sqrt(most * (1 - most) / DRAWN_RESAMPLES))


def options_text(*settings):
    return ";".join(f"{option}={value}" for setting in settings for option, value in setting.items())


def truth(value):
    return "true" if value else "false"


def results_lines(data):
    for row in data["rows"]:
        scored, average = "reason" not in row, lambda v: sum(v) / len(v) if v else None
        get = row.get
        names = (get("official") or {}).items()
        yield {"task": row["task"], "method": row["method"], "label": row["label"], "learning_rate": get("learning_rate"),
               "metric": get("metric", ""), "seeds": len(get("scores", [])), "mean": get("mean"), "spread": get("spread"),
               "correct": row["pooled"]["correct"] if scored else None, "total": row["pooled"]["total"] if scored else None,
               "interval_low": row["pooled"]["interval"][0] if scored else None,
               "interval_high": row["pooled"]["interval"][1] if scored else None,
               "relative_gain": get("relative_gain"), "links": average(get("links")),
               "tested_links": average(get("tested_links")), "hf_flos": get("hf_flos", 0.0),
               "hf_flos_saved": get("hf_flos_saved", 0.0), "real_flops": get("real_flops", 0.0),
               "at_grid_edge": truth(get("at_grid_edge", False)), "questions": get("questions"),
               "official": {name: None if value is None else value["mean"] for name, value in names},
               "chosen": options_text(get("chosen", {})), "dev_score": average(get("dev_scores")), "tries": row["tries"],
               "gain_over": get("gain_over") or "",
               "status": ("provisional" if row["provisional"] else "scored") if scored else row["reason"]}


def tests_lines(data):
    same = ("task", "a", "b", "difference", "smallest_difference", "test", "questions", "a_higher", "b_higher", "p",
            "mid_p", "p_holm",
            "seeds", "p_seeds", "p_seeds_holm", "reason")
    for test in data["tests"]:
        low, high = test.get("interval") or (None, None)
        yield {key: test.get(key) for key in same} | {"interval_low": low, "interval_high": high}


def rates_lines(data):
    for rate in data["rates"]:
        yield {"task": rate["task"], "method": rate["method"], "label": rate["label"],
               "chosen_options": options_text(rate["chosen_options"]), "learning_rate": rate["learning_rate"],
               "seeds": len(rate["seeds"]), "dev_score": rate["dev_score"], "dev_loss": rate["dev_loss"],
               "test_score": rate["mean"], "test_spread": rate["spread"], "chosen": truth(rate["chosen"]),
               "diverged": truth(rate["diverged"])}


def trials_lines(trials):
    measured = ("dev_score", "dev_loss", "test_score", "correct", "total", "different_answers", "most_common_share", "tied",
                "seconds", "hf_flos", "real_flops")
    for trial in trials:
        line = {"trial": trial.id, "task": trial.task, "method": trial.method,
                "settings": options_text(dict(trial.setting), dict(trial.tuned)), "learning_rate": trial.rate,
                "seed": trial.seed, "status": trial.state, "diverged": truth(trial.state == "diverged")}
        if trial.state != "finished":
            yield line | dict.fromkeys(measured)
            continue
        test, (answers, share, ties, _) = trial.test, summary(trial)
        yield line | {"dev_score": test.get("dev_score"), "dev_loss": test.get("dev_loss"), "test_score": test["score"],
                      "correct": test.get("correct"), "total": test["total"], "different_answers": answers,
                      "most_common_share": share, "tied": ties, "seconds": test.get("seconds") or 0.0,
                      "hf_flos": test.get("hf_flos") or 0.0, "real_flops": test.get("real_flops") or 0.0}


def official_cell(text):
    """name=value;name= as a table."""
    pairs = [part.rsplit("=", 1) for part in text.split(";")] if text else []
    return {name: float(value) if value else None for name, value in pairs}


def check_csv(report, folder, file, expected):
    with open(folder / file, newline="") as stream:
        told = list(csv.DictReader(stream))
    expected = list(expected)
    if not report.check(file, "lines", len(told) == len(expected), len(told), len(expected)):
        return
    for i, (line, right) in enumerate(zip(told, expected)):
        if not report.check(file, f"line {i + 2} (columns)", set(line) == set(right), sorted(line), sorted(right)):
            continue
        for column, value in right.items():
            cell, where = line[column], f"line {i + 2}, {column}"
            if value is None or isinstance(value, str):
                report.check(file, where, cell == (value or ""), cell, value or "")
            elif isinstance(value, dict):
                report.value(file, where, official_cell(cell), value)
            elif re.fullmatch(r"-?\d+(\.\d+)?(e[+-]\d+)?", cell):
                report.check(file, where, close(float(cell), value), cell, value)
            else:
                report.check(file, where, False, cell, value)


def filled_in(told, expected):
    """What was expected, with the figures that are drawn as the table has them."""
    if isinstance(expected, dict):
        return {key: filled_in(told.get(key), item) for key, item in expected.items()}
    if isinstance(expected, list):
        return [filled_in(t, e) for t, e in zip(told, expected)]
    return told if isinstance(expected, (Bootstrap, SignFlips, Holm, AnyText)) else expected


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder, report = Path(sys.argv[1]), Report()
    if not (folder / "results.json").exists():
        print(f"{folder} has no results.json")
        return 2
    plan, trials = read_sweep(folder)
    told, expected = json.loads((folder / "results.json").read_text()), results(plan, trials)
    report.value("results.json", "results", told, expected)
    if not report.differences:  # else nothing says which figures belong to which
        report.holm_columns(told["tests"])
        report.resolve_limits()
        data = filled_in(told, expected)
        check_csv(report, folder, "results.csv", results_lines(data))
        check_csv(report, folder, "tests.csv", tests_lines(data))
        check_csv(report, folder, "rates.csv", rates_lines(data))
        check_csv(report, folder, "trials.csv", trials_lines(trials))
        text_tables.check(report, folder, data, len(trials))
    for file, count in report.counts.items():
        print(f"{file}: {count} figures compared")
    if report.deviations:
        far = np.abs(report.deviations)
        print(f"{len(far)} figures of resampling: at most {far.max():.1f} standard errors away, {np.mean(far > 2):.1%} of "
              "them more than 2")
    for difference in report.differences:
        print("DIFFERS " + difference)
    print(f"total: {sum(report.counts.values())} figures, {len(report.differences)} differences")
    return 1 if report.differences else 0


if __name__ == "__main__":
    sys.exit(main())
