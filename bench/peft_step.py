"""One LoRA training step of transformers + PEFT on the CPU, as bench/compare_peft runs it: forward, backward, AdamW.
Random weights in the compute dtype, random token ids, loss on all tokens, r = 8, alpha = 16 on q_proj and v_proj.
usage: peft_step.py SHAPE DTYPE BATCH_SIZE SEQ_LENGTH STEPS THREADS [checkpointing]
Prints one JSON object: median seconds_per_step of STEPS after a warm-up, peak_rss_bytes from the warm-up on."""
import json
import statistics
import sys
import time

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM, OPTConfig, OPTForCausalLM


def opt(hidden_size, num_hidden_layers, num_attention_heads):
    return OPTForCausalLM, OPTConfig(
        vocab_size=50272, hidden_size=hidden_size, word_embed_proj_dim=hidden_size, num_hidden_layers=num_hidden_layers,
        num_attention_heads=num_attention_heads, ffn_dim=4 * hidden_size, max_position_embeddings=2048, dropout=0.0,
        attention_dropout=0.0)


def llama(hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, num_key_value_heads):
    return LlamaForCausalLM, LlamaConfig(
        vocab_size=32000, hidden_size=hidden_size, intermediate_size=intermediate_size,
        num_hidden_layers=num_hidden_layers, num_attention_heads=num_attention_heads,
        num_key_value_heads=num_key_value_heads, max_position_embeddings=4096, tie_word_embeddings=False)


SHAPES = {
    "opt-125m": lambda: opt(768, 12, 12),
    "opt-1.3b": lambda: opt(2048, 24, 32),
    "opt-6.7b": lambda: opt(4096, 32, 32),
    "tinyllama-1.1b": lambda: llama(2048, 5632, 22, 32, 4),
    "llama-2-7b": lambda: llama(4096, 11008, 32, 32, 32),
}


def build_model(shape, dtype, checkpointing):
    model_class, config = SHAPES[shape]()
    config.use_cache = False
    torch.manual_seed(0)
    default = torch.get_default_dtype()
    torch.set_default_dtype(dtype)  # the weights are made in it: no second copy
    model = model_class(config)
    torch.set_default_dtype(default)
    target = LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj", "v_proj"], r=8, lora_alpha=16, lora_dropout=0.0)
    model = get_peft_model(model, target)
    if checkpointing:
        model.base_model.model.gradient_checkpointing_enable()
        model.base_model.model.enable_input_require_grads()
    return model.train(), config.vocab_size


def peak_resident_bytes():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) * 1024


def main():
    shape, dtype, batch_size, seq_length, steps, threads = sys.argv[1:7]
    torch.set_num_threads(int(threads))
    model, vocab_size = build_model(shape, {"f32": torch.float32, "bf16": torch.bfloat16}[dtype],
                                    "checkpointing" in sys.argv[7:])
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, weight_decay=0.0)
    generator = torch.Generator().manual_seed(1)
    with open("/proc/self/clear_refs", "w") as reset:  # the peak of building the model does not count
        reset.write("5")
    seconds = []
    for _ in range(int(steps) + 1):
        ids = torch.randint(4, vocab_size, (int(batch_size), int(seq_length)), generator=generator)
        start = time.perf_counter()
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds_per_step": statistics.median(seconds[1:]), "loss": loss.item(),
                      "peak_rss_bytes": peak_resident_bytes()}))


main()
