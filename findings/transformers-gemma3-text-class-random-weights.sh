#!/usr/bin/env bash
# transformers 5.24.0: a Gemma 3 folder with a vision tower, opened by the text-only class, gives a model of random weights. The class
# takes the folder's text_config, so everything seems to fit, but no tensor's name does: from_pretrained returns, with a report of
# missing tensors as its only sign and no exception.
#
# Seen (torch 2.13.0): logits of the text-only class differ from the whole model's and from one call to the next under another seed;
# the whole model gives the same logits from the same folder every time (largest differences 0.35, 0.38 and 0).
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0
"$folder/venv/bin/pip" install --quiet transformers==5.24.0
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" - "$folder/model" <<'PYTHON'
import sys, torch, transformers
from transformers import Gemma3Config, Gemma3ForCausalLM, Gemma3ForConditionalGeneration

transformers.logging.set_verbosity_error()
text = dict(vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, head_dim=8, max_position_embeddings=64, sliding_window=8)
vision = dict(hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14)
torch.manual_seed(0)
whole = Gemma3ForConditionalGeneration(Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4))
whole.save_pretrained(sys.argv[1])
ids = torch.tensor([[2, 5, 9, 7]])

@torch.no_grad()
def logits(model_class, seed):
    torch.manual_seed(seed)
    return model_class.from_pretrained(sys.argv[1]).eval()(input_ids=ids).logits

same = logits(Gemma3ForConditionalGeneration, 1) - logits(Gemma3ForConditionalGeneration, 2)
first, second = logits(Gemma3ForCausalLM, 1), logits(Gemma3ForCausalLM, 2)
apart = first - logits(Gemma3ForConditionalGeneration, 1)
print(f"transformers {transformers.__version__}, largest differences of logits: whole model loaded twice {same.abs().max():.1e}, "
      f"text-only class loaded twice {(first - second).abs().max():.1e}, text-only class from the whole model {apart.abs().max():.1e}")
assert same.abs().max() == 0, "the whole model is not loaded from the folder"
assert (first - second).abs().max() > 1e-3 and apart.abs().max() > 1e-3, "the behaviour has changed"
PYTHON
