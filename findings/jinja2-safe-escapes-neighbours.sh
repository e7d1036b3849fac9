#!/usr/bin/env bash
# Jinja2 3.1.6 (MarkupSafe 3.0.3): the filter `safe` does not only say "leave this text as it is". The text it gives is of another
# type, and whatever plain text is added to it by `+`, put in by `replace`, or joined, is escaped for HTML, also where autoescape
# is off, as transformers renders chat templates. A template that marks its own header `safe` thus changes a user's message, which
# it does not touch, from a < b to a &lt; b. `~` and printing one after the other do not.
#
# Seen: {{ '<user>' | safe + content }} gives <user>a &lt; b, {{ ('<user>' | safe) ~ content }} gives <user>a < b.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet jinja2==3.1.6 markupsafe==3.0.3

cat >"$work/check.py" <<'PYTHON'
from jinja2.sandbox import ImmutableSandboxedEnvironment

environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)  # autoescape is off
seen = {}
for source in ("{{ '<user>' | safe + content }}",
               "{{ ('<user>' | safe) + content }}",
               "{{ content + ('</s>' | safe) }}",
               "{{ ('<user>@' | safe).replace('@', content) }}",
               "{{ ('<user>' | safe) ~ content }}",
               "{{ '<user>' | safe }}{{ content }}"):
    seen[source] = environment.from_string(source).render(content="a < b")
    print(f"{source:52} {seen[source]}")
escaped = [text.replace("<user>", "").replace("</s>", "") for text in list(seen.values())[1:4]]
assert escaped == ["a &lt; b"] * 3, escaped
assert list(seen.values())[4:] == ["<user>a < b"] * 2
PYTHON
"$work/venv/bin/python" "$work/check.py"
