#!/usr/bin/env python3
"""Writes files that include several sources each, and their compile commands: what clang-tidy spends on a source is
spent on the headers it includes, and sources together include them once.

usage: tidy_units.py BUILD_DIR SOURCE_DIR OUT_DIR

Sources that are compiled alike are put together, up to eight, where none mentions a name of another's unnamed
namespace."""
import json
import re
import sys
from collections import defaultdict
from pathlib import Path

MOST_SOURCES = 8


def local_names(text):
    """Names that are defined in the unnamed namespaces of a source."""
    names = set()
    for body in re.findall(r"^namespace \{$(.*?)^\}  // namespace$", text, re.S | re.M):
        for line in body.splitlines():
            if line and line[0] not in " }/#":
                names.update(re.findall(r"\b(?:struct|class|enum|using)\s+(\w+)", line)[:1])
                names.update(re.findall(r"(\w+)\s*[(={\[;]", line)[:1])
    return names


def main(build, sources, out):
    sources = str(Path(sources).resolve()) + "/"
    alike = defaultdict(dict)
    for entry in json.loads((Path(build) / "compile_commands.json").read_text()):
        file = entry["file"]
        if file.startswith(sources) and file.endswith(".cpp"):
            command = re.sub(r" -o \S+", "", entry["command"]).replace(file, "{file}")
            alike[command, entry["directory"]][file] = None
    out = Path(out).resolve()
    out.mkdir(parents=True, exist_ok=True)
    units, done = [], set()
    for (command, directory), files in alike.items():
        groups = []  # sources, their local names, all their words
        for file in sorted(files.keys() - done):
            done.add(file)
            text = Path(file).read_text()
            names, words = local_names(text), set(re.findall(r"\w+", text))
            for group, group_names, group_words in groups:
                if len(group) < MOST_SOURCES and not names & group_words and not words & group_names:
                    group.append(file)
                    group_names |= names
                    group_words |= words
                    break
            else:
                groups.append(([file], names, words))
        for group, _, _ in groups:
            unit = out / f"unit_{len(units)}.cpp"
            unit.write_text("".join(f'#include "{file}"\n' for file in group))
            units.append({"directory": directory, "command": command.replace("{file}", str(unit)), "file": str(unit)})
    (out / "compile_commands.json").write_text(json.dumps(units, indent=1))
    print(f"tidy: {len(done)} sources in {len(units)} units")


main(*sys.argv[1:])
