#!/usr/bin/env bash
# PEFT 0.21.2: saving an adapter sorts the keys of alpha_pattern, and the first key that matches a module decides its scale: an
# adapter with overlapping keys computes something else after save_pretrained and from_pretrained, without a word.
#
# Seen (torch 2.13.0, transformers 5.24.0): alpha_pattern {"q_proj": 32, "layers.0.self_attn.q_proj": 8} has scale 4.0 in layer 0
# when it is trained, 1.0 once it is loaded again.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0
"$folder/venv/bin/pip" install --quiet transformers==5.24.0 peft==0.21.2
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" - "$folder/adapter" <<'PYTHON'
import copy, sys, torch, transformers, peft

torch.manual_seed(0)
base = transformers.LlamaForCausalLM(transformers.LlamaConfig(
    vocab_size=32, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2))
model = peft.get_peft_model(copy.deepcopy(base), peft.LoraConfig(
    r=8, lora_alpha=8, target_modules=["q_proj"], init_lora_weights=False,
    alpha_pattern={"q_proj": 32, "layers.0.self_attn.q_proj": 8}))
model.save_pretrained(sys.argv[1])
again = peft.PeftModel.from_pretrained(copy.deepcopy(base), sys.argv[1])

scale = lambda m: m.base_model.model.model.layers[0].self_attn.q_proj.scaling["default"]
ids = torch.arange(8)[None]
with torch.no_grad():
    difference = (model.eval()(ids).logits - again.eval()(ids).logits).abs().max().item()
print(f"PEFT {peft.__version__}: scale of layer 0 {scale(model)} trained, {scale(again)} loaded; logits differ by {difference:.3g}")
assert scale(model) == 4.0 and scale(again) == 1.0 and difference > 0, "the behaviour has changed"
PYTHON
