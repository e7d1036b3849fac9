#!/usr/bin/env python3
"""Writes tests/files/metrics: what Python and the official scripts make of characters, answers and predictions.

    python tools/parity/metrics.py tests/files/metrics

Needs lm_eval, which has the official scripts of SQuAD 1.1 (ReCoRD's has the same functions) and of DROP, and
scikit-learn; versions are in the files.
"""
import json
import random
import re
import sys
import unicodedata
from importlib.metadata import version
from pathlib import Path

from lm_eval.tasks.drop import utils as drop
from lm_eval.tasks.qasper import metrics as squad_script
from lm_eval.tasks.super_glue.cb.aggregate import cb_multi_fi
from sklearn.metrics import f1_score


def characters():
    """Every character of Python's Unicode: its lower case, and its part in the rules for words and final sigma."""
    points = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    assigned = [c for c in points if unicodedata.category(chr(c)) != "Cn"]

    def ranges(holds):
        found = []
        for c in assigned:
            if not holds(chr(c)):
                continue
            if found and found[-1][1] == c - 1:
                found[-1][1] = c
            else:
                found.append([c, c])
        return found

    after = lambda text: text.lower().endswith("\u03c2")  # a final sigma
    return {
        "python": sys.version.split()[0],
        "unicode": unicodedata.unidata_version,
        "assigned": ranges(lambda c: True),
        "lower": {str(c): chr(c).lower() for c in assigned if chr(c).lower() != chr(c)},
        "upper": {str(c): chr(c).upper() for c in assigned if chr(c).upper() != chr(c)},
        "sigma_is_final_behind": ranges(lambda c: after(c + "\u03a3")),
        "sigma_is_final_behind_letter_and": ranges(lambda c: after("a" + c + "\u03a3")),
        "sigma_is_not_final_before": ranges(lambda c: ("a\u03a3" + c).lower()[1] == "\u03c3"),
        "sigma_is_not_final_before_letter_and": ranges(lambda c: ("a\u03a3" + c + "a").lower()[1] == "\u03c3"),
        "word": ranges(lambda c: re.match(r"\w", c)),
        "whitespace": ranges(str.isspace),
        "decimal": ranges(lambda c: unicodedata.decimal(c, None) is not None),
    }


ANSWERS = [
    "The Eiffel Tower", "an apple, a pear & the plum", "U.S.", "O\u2019Neil's", "state-of-the-art", "", "...", "a", "The",
    "\u039f\u0394\u039f\u03a3 \u039f\u0394\u039f\u03a3\u0391", "\u03a3", "\u0391\u03a3.", "\u0391.\u03a3", "\u0391\u03a3'\u0391", "\u0391\u03a3\u00ad\u0301",
    "\u0130stanbul", "I\u0307stanbul", "\u2163 Corps", "\u24b6 and \u24cf", "STRASSE Stra\u00dfe \u1e9e", "\ufb01rst", "\u01c5emal",
    "the\u2013cat", "a\u0301 cat", "the\u0301", "an\u203fa the\u00b2 2a", "\u2460the", "new\u00a0york", "a\u2003b\u001cc\u0085d\u180ee",
    "\uff34\uff28\uff25 the", "\u10a0\u13a0\uab70\U00010400\U0001e900\U00016e40", "na\u00efve co\u00f6perate", "5 a.m.", "THE a AN", "a-the-an", "caf\u00e9 the",
    "\u0661\u0662 the \u00bd a\u00bd", "\u4e00the\u4e00", "_the_", "a_the b", "\u30c4the", "don\u2019t a\u2019the", "x \u05d0the\u05d0 y", "\u0915\u094dthe\u094d a",
]


def squad(draw):
    words = ["the", "a", "Cat", "cat", "Dog.", "dog", "an", "24,000", "24000", "\u039f\u03a3", "\u03bf\u03c2", "\u0130", "i\u0307", "-", "x"]
    pairs = [(p, [g]) for p in ANSWERS for g in draw.sample(ANSWERS, 3)] + [(a, [a.lower()]) for a in ANSWERS]
    for _ in range(100):
        text = lambda: " ".join(draw.choices(words, k=draw.randint(0, 5)))
        pairs.append((text(), [text() for _ in range(draw.randint(1, 3))]))
    normalized = squad_script.normalize_answer
    return {
        "lm_eval": version("lm_eval"),
        "python": sys.version.split()[0],
        "normalized": [[a, normalized(a)] for a in ANSWERS],
        "scores": [
            {"prediction": p, "answers": golds,
             "exact_match": max(float(normalized(p) == normalized(g)) for g in golds),
             "f1": max(float(squad_script.f1_abstractive([p], [g])) for g in golds)}
            for p, golds in pairs
        ],
    }


def drop_cases(draw):
    numbers = ["5", "5.0", "05", "1,000", "1000", "$5", "5%", "3.5", "1e3", ".5", "5.", "1_000", "1__0", "inf", "NaN", "infinity",
               "\u0665", "0x10", "five", "1e400", "12-15", "12,", "(12)", "1e-2", "+5", "e5", "1.2.3", "\u00b2", "16000000000000000000",
               "0.1", "5th", "123456789012345680", "1e16", "0.00001", "1\u0660", "\n5", "\u20035", "5\u00a0yards"]
    words = ["the", "Smith", "smith", "a", "yards", "touchdown-pass", "Jones,", "jones", "O\u03a3", "-", "", "an"] + numbers[:8]
    spans = ["Tom Brady", "Brady", "the Patriots", "New York-Giants", "24 yards", "24-yard", "", " ", "the", "20 March 1999"] + numbers
    cases = [(p, [[g]]) for p in spans for g in draw.sample(spans, 4)]
    for _ in range(300):
        text = lambda: " ".join(draw.choices(words, k=draw.randint(0, 4)))
        cases.append((text(), [[text() for _ in range(draw.randint(1, 4))] for _ in range(draw.randint(1, 3))]))
    scored = [drop.process_results({"answers": [tuple(g) for g in golds]}, [p]) for p, golds in cases]
    return {
        "lm_eval": version("lm_eval"),
        "python": sys.version.split()[0],
        "normalized": [[s, drop._normalize(s)] for s in spans],
        "scores": [
            {"prediction": p, "annotations": g, "exact_match": s["em"], "f1": float(s["f1"])}
            for (p, g), s in zip(cases, scored)
        ],
    }


def classes(draw):
    cb, multirc = [], []
    for _ in range(60):
        size = draw.randint(1, 12)
        kinds = draw.sample(range(3), draw.randint(1, 3))
        gold, predicted = draw.choices(kinds, k=size), draw.choices(range(draw.randint(1, 3)), k=size)
        cb.append({"gold": gold, "predicted": predicted, "f1_macro": float(cb_multi_fi(list(zip(predicted, gold)))),
                   "f1_macro_present": float(f1_score(gold, predicted, average="macro"))})
        gold, predicted = draw.choices(range(2), k=size), draw.choices(range(draw.randint(1, 2)), k=size)
        multirc.append({"gold": gold, "predicted": predicted, "f1_a": float(f1_score(gold, predicted))})
    return {"scikit-learn": version("scikit-learn"), "lm_eval": version("lm_eval"), "cb": cb, "multirc": multirc}


def main():
    folder = Path(sys.argv[1])
    draw = random.Random(0)
    for name, content in [("characters", characters()), ("squad", squad(draw)), ("drop", drop_cases(draw)),
                          ("classes", classes(draw))]:
        text = json.dumps(content, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
        (folder / f"{name}.json").write_text(re.sub(r'(?<=[\]}]),(?="[a-z_]+":|\{"prediction)', ",\n", text) + "\n")


main()
