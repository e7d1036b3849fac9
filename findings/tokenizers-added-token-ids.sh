#!/usr/bin/env bash
# tokenizers 0.23.3: the "id" that tokenizer.json gives an added token is not the id that it gets. Added tokens are numbered in
# the file's order from the vocabulary's token count on, whatever the file says, without a word.
#
# Seen: a vocabulary of 3 tokens and the added tokens <a> "id": 10 and <b> "id": 7 give <a> 3 and <b> 4; saving the tokenizer
# writes the new ids. A model whose table was laid out by the file's ids (rows 7 and 10) is then fed other rows.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tokenizers==0.23.3
"$folder/venv/bin/python" - "$folder/tokenizer.json" <<'PYTHON'
import json, sys

token = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
with open(sys.argv[1], "w") as file:
    json.dump({"version": "1.0", "truncation": None, "padding": None, "normalizer": None, "pre_tokenizer": None,
               "post_processor": None, "decoder": None,
               "added_tokens": [{"id": 10, "content": "<a>", **token}, {"id": 7, "content": "<b>", **token}],
               "model": {"type": "BPE", "vocab": {"x": 0, "y": 1, "z": 2}, "merges": []}}, file)

import tokenizers
tokenizer = tokenizers.Tokenizer.from_file(sys.argv[1])
ids = tokenizer.encode("x<a>y<b>z").ids
saved = {t["content"]: t["id"] for t in json.loads(tokenizer.to_str())["added_tokens"]}
print(f"tokenizers {tokenizers.__version__}: ids {ids}, saved again as {saved}; the file says <a> 10, <b> 7")
assert ids == [0, 3, 1, 4, 2] and saved == {"<a>": 3, "<b>": 4}, "the behaviour has changed"
PYTHON
