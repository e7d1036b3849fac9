"""The cells of results.md, .txt and .tex, as the figures of results.json make them.

Used by check_tables.py. A cell is a text in which numbers stand as a Number, so that a text that rounds a half the
other way is no difference.
"""
import re
from dataclasses import dataclass

from sweep_folder import rate_text

MOST_NAMED = 10


@dataclass
class Number:
    value: float
    places: int = 2
    signed: bool = False

    def agrees(self, text):
        if not re.fullmatch(r"[+-]\d+\.\d+" if self.signed else r"-?\d+\.\d+", text):
            return False
        return len(text.split(".")[1]) == self.places and abs(float(text) - self.value) <= 0.5 * 10**-self.places + 1e-9


@dataclass
class Bases:
    """Names every row that a line of gains is over."""
    labels: set

    def agrees(self, text):
        return text.lstrip().startswith("gain over") and all(re.search(rf"\b{re.escape(label)}(?![^\s,;:)])", text)
                                                             for label in self.labels)


def agrees(cell, text):
    """A cell is a text or a list of texts and numbers."""
    if isinstance(cell, Bases):
        return cell.agrees(text)
    parts = cell if isinstance(cell, list) else [cell]
    pattern = "".join(r"([+-]?\d+\.\d+)" if isinstance(p, Number) else re.escape(str(p)) for p in parts)
    found = re.fullmatch(pattern, text)
    return bool(found) and all(n.agrees(t) for n, t in zip((p for p in parts if isinstance(p, Number)), found.groups()))


def percent(score):
    return ["-"] if score is None else [Number(100 * score)]


def mean_and_spread(mean, spread):
    return percent(mean) if spread is None else [*percent(mean), " ± ", *percent(spread)]


def p_cell(p):
    return ["-"] if p is None else ["< 0.0001"] if p < 0.0001 else [Number(p, 4)]


def to(interval, signed):
    return [Number(100 * interval[0], 2, signed), " to ", Number(100 * interval[1], 2, signed)]


def with_options(text, options):
    return " ".join([text, *(f"{option} {value}" for option, value in options.items())])


def flops(value):
    return f"{value:.2e}" if value > 0 else "-"


def span(values):
    return "-" if not values else str(min(values)) if min(values) == max(values) else f"{min(values)}-{max(values)}"


def paper(data):
    rows = [["Method", *data["tasks"]]]
    by = {(row["label"], row["task"]): row for row in data["rows"]}
    for label in dict.fromkeys(row["label"] for row in data["rows"]):
        scores, gains, bases = [label], [], []
        for task in data["tasks"]:
            row = by.get((label, task))
            scores.append("-" if row is None else
                          ("diverged" if "diverged" in row["reason"] else "-") if "reason" in row else
                          mean_and_spread(row["mean"], row["spread"]) + ["‡" if row["provisional"] else ""])
            gain = row and row.get("relative_gain")
            gains.append("-" if gain is None else [Number(100 * gain, 2, True), "%"])
            bases += [] if gain is None else [row["gain_over"]]
        rows.append(scores)
        if bases:
            rows.append([Bases(set(bases)), *gains])
    if data["majority"]:
        rows.append(["(majority class)", *(percent(data["majority"].get(task)) for task in data["tasks"])])
    return rows


def scores(data):
    rows = [["Task", "Method", "Rate", "Questions", "Seeds", "Mean", "Correct", "95% interval", "Dev", "Tries"]]
    for row in data["rows"]:
        tries = str(row["tries"]) if row["tries"] else "-"
        if "reason" in row:
            rows.append([row["task"], row["label"], "-", "-", "-", row["reason"], "-", "-", "-", tries])
            continue
        star, pooled, dev = "*" if row["at_grid_edge"] else "", row["pooled"], row["dev_scores"]
        rate = row["learning_rate"]
        rows.append([row["task"] + (" (F1)" if row["metric"] == "f1" else ""), row["label"],
                     "-" if rate is None else with_options(rate_text(rate) + star, row["chosen"]),
                     str(row["questions"]), str(len(row["scores"])),
                     percent(row["mean"]) + ["‡" if row["provisional"] else ""],
                     "-" if pooled["correct"] is None else f"{pooled['correct']} of {pooled['total']}",
                     to(pooled["interval"], False),
                     percent(sum(dev) / len(dev) if dev else None) + ["†" if row["chosen_on_dev"] else ""], tries])
    return rows


def differences(data):
    rows = [["Task", "A", "B", "Difference", "95% interval", "Smallest"]]
    for test in data["tests"]:
        if "reason" in test:
            rows.append([test["task"], test["a"], test["b"], "-", test["reason"], "-"])
            continue
        rows.append([test["task"], test["a"], test["b"], [Number(100 * test["difference"], 2, True)],
                     "-" if test["interval"] is None else to(test["interval"], True), percent(test["smallest_difference"])])
    return rows


def tests(data):
    rows = [["Task", "A", "B", "Questions", "A : B", "p", "Holm", "Seeds", "p by seed", "Holm"]]
    for t in data["tests"]:
        if "reason" not in t:
            rows.append([t["task"], t["a"], t["b"], str(t["questions"]), f"{t['a_higher']} : {t['b_higher']}", p_cell(t["p"]),
                         p_cell(t["p_holm"]), str(t["seeds"]), p_cell(t["p_seeds"]), p_cell(t["p_seeds_holm"])])
    return rows


def official(data):
    rows = [["Task", "Method", "Official metric", "Mean"]]
    for row in data["rows"]:
        for name, value in sorted((row.get("official") or {}).items()):
            rows.append([row["task"], row["label"], name,
                         "-" if value is None else mean_and_spread(value["mean"], value["spread"])])
    return rows


def rates(data):
    rows = [["Task", "Method", "Rate", "Seeds", "Dev", "Dev loss", "Test", "Choice"]]
    several = {(row["task"], row["label"]) for row in data["rows"] if row["tries"] > 1}
    for rate in data["rates"]:
        if (rate["task"], rate["label"]) in several:
            loss = rate["dev_loss"]
            rows.append([rate["task"], rate["label"], with_options(rate_text(rate["learning_rate"]), rate["chosen_options"]),
                         str(len(rate["seeds"])), percent(rate["dev_score"]), "-" if loss is None else [Number(loss, 4)],
                         "-" if rate["mean"] is None else mean_and_spread(rate["mean"], rate["spread"]),
                         "chosen" if rate["chosen"] else "diverged" if rate["diverged"] else ""])
    return rows


def cost(data):
    rows = [["Task", "Method", "Links", "Tested", "hf_flos", "saved", "real_flops"]]
    for row in data["rows"]:
        if "reason" not in row and row["tries"]:
            rows.append([row["task"], row["label"], span(row["links"]), span(row["tested_links"]), flops(row["hf_flos"]),
                         flops(row["hf_flos_saved"]), flops(row["real_flops"])])
    return rows


def notes(data, trials):
    """The lines below the tables."""
    failed = [f"{note['trial']} ({note['text']})" for note in data["failed"]]
    for what, of in (("Diverged, never chosen", data["diverged"]), ("Failed", failed), ("Not finished", data["missing"])):
        if of:
            named = " ".join(of[:MOST_NAMED]) + (" ..." if len(of) > MOST_NAMED else "")
            yield f"{what}: {len(of)} of {trials} trials: {named}"
    for note in data["warnings"][:MOST_NAMED]:
        yield f"Warning: {note['trial']} {note['text']}"
    if len(data["warnings"]) > MOST_NAMED:
        yield f"and {len(data['warnings']) - MOST_NAMED} more warnings"


def markdown_tables(text):
    """Cells of each table."""
    tables, current = [], []
    for line in text.splitlines() + [""]:
        if line.startswith("| "):
            cells = re.split(r"(?<!\\) \| ", line[2:].removesuffix(" |"))
            current.append([cell.replace("\\|", "|") for cell in cells])
        elif not line.startswith("|") and current:
            tables.append(current)
            current = []
    return tables


def check(report, folder, data, trials):
    text = (folder / "results.md").read_text()
    told = markdown_tables(text)
    expected = [t for t in (make(data) for make in (paper, scores, differences, tests, official, rates, cost)) if len(t) > 1]
    if not report.check("results.md", "tables", len(told) == len(expected), len(told), len(expected)):
        return
    for table, right in zip(told, expected):
        name = " ".join(table[0])
        if not report.check("results.md", f"{name}: rows", len(table) == len(right), len(table), len(right)):
            continue
        for i, (row, cells) in enumerate(zip(table, right)):
            if report.check("results.md", f"{name}: row {i}: cells", len(row) == len(cells), row, cells):
                for cell, value in zip(row, cells):
                    report.check("results.md", f"{name}: row {i}", agrees(value, cell), cell, value)
    lines = text.splitlines()
    for note in notes(data, trials):
        report.check("results.md", "note", note in lines, "", note)
    same_cells(report, folder, told)


def same_cells(report, folder, tables):
    """The other two forms have the cells of the first, row by row."""
    plain = [" ".join(line.split()) for line in (folder / "results.txt").read_text().splitlines()]
    latex = (folder / "results.tex").read_text()
    for command, sign in (("$\\pm$", "±"), ("$^\\dagger$", "†"), ("$^\\ddagger$", "‡"), ("$<$", "<"), ("$>$", ">"), ("$-$", "-")):
        latex = latex.replace(command, sign)
    latex = [line.removesuffix(" \\\\") for line in re.sub(r"\\([&%$#_{}])", r"\1", latex).splitlines()]
    plain_at = latex_at = 0
    for table in tables:
        for row in table:
            words, cells = " ".join(" ".join(row).split()), " & ".join(row)
            for file, lines, at, line in (("results.txt", plain, plain_at, words), ("results.tex", latex, latex_at, cells)):
                report.check(file, "row", line in lines[at:], "", line)
            plain_at = plain.index(words, plain_at) + 1 if words in plain[plain_at:] else plain_at
            latex_at = latex.index(cells, latex_at) + 1 if cells in latex[latex_at:] else latex_at
