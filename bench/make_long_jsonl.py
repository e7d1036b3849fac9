#!/usr/bin/env python3
"""Writes a JSONL file of texts as long as is asked for, from the stories of ../shared/text over and over.

  bench/make_long_jsonl.py FILE GIGABYTES
"""

import itertools
import json
import pathlib
import sys

TEXTS = pathlib.Path(__file__).resolve().parents[2] / "shared" / "text"
PIECE = 2000  # characters of a record


def pieces():
    for file in sorted(TEXTS.glob("*/*")):
        if file.suffix in (".txt", ".jsonl"):
            text = file.read_text(errors="replace")
            yield from (text[at : at + PIECE] for at in range(0, len(text), PIECE))


def main():
    file, size = sys.argv[1], float(sys.argv[2]) * 1e9
    lines = [json.dumps({"text": piece}) + "\n" for piece in pieces()]
    written = 0
    with open(file, "w", encoding="utf-8") as output:
        for line in itertools.cycle(lines):
            if written >= size:
                break
            written += output.write(line)


main()
