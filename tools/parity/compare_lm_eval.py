#!/usr/bin/env python3
"""Compares the predictions of `cola eval --task` with the samples that lm_eval logs for the same questions.

    python tools/parity/compare_lm_eval.py predictions.jsonl samples_cola_sst2_DATE.jsonl

Per candidate: cola's mean log-probability times its number of tokens, against lm_eval's sum; then the differences
between candidates, in which what lm_eval adds to all of them (a prompt's final newline) falls out.
"""
import json
import sys


def read(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def main():
    ours = {line["id"]: [s * n for s, n in zip(line["scores"], line["tokens"])] for line in read(sys.argv[1])}
    theirs = {str(line["doc_id"]): [float(r[0]) for r in line["filtered_resps"]] for line in read(sys.argv[2])}
    if not ours.keys() & theirs.keys():
        sys.exit("no question is in both files")
    sums, gaps = [], []
    for name in ours.keys() & theirs.keys():
        difference = [a - b for a, b in zip(ours[name], theirs[name], strict=True)]
        sums += [abs(d) for d in difference]
        gaps += [abs(d - difference[0]) for d in difference[1:]]
    print(f"{len(ours.keys() & theirs.keys())} questions in both")
    print(f"largest difference of a candidate's sum:         {max(sums):.2g}")
    print(f"largest difference between two candidates' sums: {max(gaps):.2g}")


main()
