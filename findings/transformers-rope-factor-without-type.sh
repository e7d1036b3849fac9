#!/usr/bin/env bash
# transformers 5.24.0: rotary fields of a Llama configuration that do not fit are passed over, not refused. A rope_scaling with a
# factor and no type is read as no scaling at all (a line in the log names the key as unrecognized); partial_rotary_factor, which
# other families act on, is ignored without a word.
#
# Seen (torch 2.13.0): both give the logits of the plain model to the last bit.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0
"$folder/venv/bin/pip" install --quiet transformers==5.24.0
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" - "$folder" <<'PYTHON'
import json, pathlib, sys, torch, transformers

torch.manual_seed(0)
plain = pathlib.Path(sys.argv[1], "plain")
transformers.LlamaForCausalLM(transformers.LlamaConfig(
    vocab_size=32, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2)).save_pretrained(plain)

def logits(**fields):
    """Of the same weights with these fields in config.json, in the form that files have had since Llama 2."""
    folder = pathlib.Path(sys.argv[1], "changed")
    folder.mkdir(exist_ok=True)
    (folder / "model.safetensors").write_bytes((plain / "model.safetensors").read_bytes())
    config = json.loads((plain / "config.json").read_text())
    config.pop("rope_parameters", None)
    (folder / "config.json").write_text(json.dumps({**config, "rope_theta": 10000.0, **fields}))
    model = transformers.LlamaForCausalLM.from_pretrained(folder).eval()
    with torch.no_grad():
        return model(torch.arange(24)[None]).logits

reference = logits()
without_type = torch.equal(reference, logits(rope_scaling={"factor": 4.0}))
with_type = torch.equal(reference, logits(rope_scaling={"rope_type": "linear", "factor": 4.0}))
partial = torch.equal(reference, logits(partial_rotary_factor=0.5))
print(f"transformers {transformers.__version__}: equal to the plain model: factor without a type {without_type}, "
      f"linear with a factor {with_type}, partial_rotary_factor 0.5 {partial}")
assert without_type and partial and not with_type, "the behaviour has changed"
PYTHON
