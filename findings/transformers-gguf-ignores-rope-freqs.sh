#!/usr/bin/env bash
# transformers 5.24.0: a GGUF file of a Llama 3.1-like model is loaded with plain rotary embeddings. Such a file has no key for the
# scaling: it carries the factors of the frequencies as the tensor rope_freqs.weight, which llama.cpp applies. from_pretrained drops
# the tensor without a word, the configuration says rope_type "default", and the model computes something else, the more so the further
# apart two tokens are. Nothing fails, so a comparison of a quantised file with its original by transformers measures this, too.
#
# Seen (torch 2.13.0, gguf 0.19.0, random weights in f32 without quantisation): logits of 300 tokens differ by up to 7.0, the largest
# being 6.6; once the frequencies are divided by the factors by hand, they are equal.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0
"$folder/venv/bin/pip" install --quiet transformers==5.24.0 gguf==0.19.0 accelerate==1.15.0
cd "$folder"
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" - <<'PYTHON'
import gguf, numpy, torch, transformers
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
width, heads, layers, vocabulary, theta = 64, 4, 2, 32, 500000.0
head = width // heads
torch.manual_seed(0)
original = LlamaForCausalLM(LlamaConfig(
    hidden_size=width, intermediate_size=96, num_hidden_layers=layers, num_attention_heads=heads, vocab_size=vocabulary,
    num_key_value_heads=heads, max_position_embeddings=4096, rms_norm_eps=1e-5, tie_word_embeddings=False,
    initializer_range=0.2, rope_parameters={
        "rope_type": "llama3", "rope_theta": theta, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64})).eval()
frequencies = original.model.rotary_emb.inv_freq.clone()
factors = theta ** -(torch.arange(0, head, 2) / head) / frequencies

writer = gguf.GGUFWriter("model.gguf", "llama")
writer.add_block_count(layers)
writer.add_context_length(4096)
writer.add_embedding_length(width)
writer.add_feed_forward_length(96)
writer.add_head_count(heads)
writer.add_head_count_kv(heads)
writer.add_layer_norm_rms_eps(1e-5)
writer.add_rope_freq_base(theta)
writer.add_rope_dimension_count(head)
writer.add_vocab_size(vocabulary)
writer.add_tokenizer_model("llama")
writer.add_token_list([f"token {i}" for i in range(vocabulary)])
writer.add_token_scores([0.0] * vocabulary)
names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, layers)
for name, tensor in original.state_dict().items():
    if "q_proj" in name or "k_proj" in name:  # GGUF has the rows of each head in the order of its rotary pairs
        tensor = tensor.reshape(heads, 2, head // 2, width).transpose(1, 2).reshape(width, width)
    writer.add_tensor(names.get_name(name, try_suffixes=(".weight",)), numpy.ascontiguousarray(tensor.numpy()))
writer.add_tensor("rope_freqs.weight", factors.float().numpy())
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()

loaded = AutoModelForCausalLM.from_pretrained(".", gguf_file="model.gguf", dtype=torch.float32).eval()
ids = torch.arange(300)[None] % vocabulary
with torch.no_grad():
    expected = original(ids).logits
    apart = (loaded(ids).logits - expected).abs().max().item()
    loaded.model.rotary_emb.inv_freq = frequencies
    repaired = (loaded(ids).logits - expected).abs().max().item()
print(f"transformers {transformers.__version__}: rope_type {loaded.config.rope_parameters['rope_type']}, logits differ by up to "
      f"{apart:.2f} (largest {expected.abs().max():.1f}), with the file's factors by {repaired:.1e}")
assert loaded.config.rope_parameters["rope_type"] == "default" and apart > 0.1, "the behaviour has changed"
assert repaired < 1e-4, "the file does not hold the model"
PYTHON
