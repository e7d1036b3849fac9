"""One LoRA training step of transformers + PEFT, as bench/compare_peft runs it: forward, backward, AdamW. Random weights
in the compute dtype, r = 8, alpha = 16, SDPA attention; random token ids with loss on all tokens, or the
batches that `cola bench step --write-batches` wrote: whole candidates, padded on the right to the longest. On a
GPU AdamW is the fused one.
Prints one JSON object: the median seconds_per_step, peak_rss_bytes (from the warm-up on) or peak_device_bytes, and the
versions of what ran."""
import argparse
import json
import re
import statistics
import time

import peft
import torch
import transformers
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, OPTConfig


def opt(hidden_size, num_hidden_layers, num_attention_heads):
    return OPTConfig(
        vocab_size=50272, hidden_size=hidden_size, word_embed_proj_dim=hidden_size, num_hidden_layers=num_hidden_layers,
        num_attention_heads=num_attention_heads, ffn_dim=4 * hidden_size, max_position_embeddings=2048, dropout=0.0,
        attention_dropout=0.0)


def llama(hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, num_key_value_heads):
    return LlamaConfig(
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
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}
PAD_TO = 8  # as the reference's collator


def parse_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shape", required=True, help=f"{', '.join(SHAPES)}, or a config.json")
    parser.add_argument("--target-modules", default="q_proj,v_proj", help="comma-separated names, or all-linear")
    parser.add_argument("--dtype", choices=DTYPES, default="bf16")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--seq-length", type=int, default=128)
    parser.add_argument("--batches", help="file of cola bench step --write-batches, in place of random tokens")
    parser.add_argument("--steps", type=int, default=3, help="timed steps; with --batches times that all are run")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--activation-checkpointing", action="store_true")
    parser.add_argument("--adapters-in-compute-dtype", action="store_true", help="PEFT keeps them in f32 by default")
    parser.add_argument("--compile", action="store_true", help="torch.compile of the model")
    return parser.parse_args()


def build_model(options):
    made = SHAPES.get(options.shape)
    config = made() if made else AutoConfig.from_pretrained(options.shape)
    config.use_cache = False
    config._attn_implementation = "sdpa"
    torch.manual_seed(0)
    torch.set_default_dtype(DTYPES[options.dtype])  # the weights are made in it: no second copy
    with torch.device(options.device):
        model = AutoModelForCausalLM.from_config(config)
    torch.set_default_dtype(torch.float32)
    targets = options.target_modules.split(",")
    lora = LoraConfig(task_type="CAUSAL_LM", target_modules="all-linear" if targets == ["all-linear"] else targets, r=8,
                      lora_alpha=16, lora_dropout=0.0)
    model = get_peft_model(model, lora, autocast_adapter_dtype=not options.adapters_in_compute_dtype)
    if options.activation_checkpointing:
        model.base_model.model.gradient_checkpointing_enable()
        model.base_model.model.enable_input_require_grads()
    model.train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    fused = {"fused": True} if options.device != "cpu" else {}
    optimizer = torch.optim.AdamW(trained, lr=1e-4, weight_decay=0.0, **fused)
    # Batches of a task have lengths of their own: one graph with symbolic sizes.
    return torch.compile(model, dynamic=bool(options.batches)) if options.compile else model, optimizer, config.vocab_size


def random_batches(options, vocab_size):
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(4, vocab_size, (options.batch_size, options.seq_length), generator=generator)
    return [{"input_ids": ids.to(options.device)}]


def padded_batches(options):
    """Of each batch: ids [C, T], attention_mask, loss [C, T-1] where the next token is a target, the offsets of each
    question's candidates and the gold ones (none: a language-model loss)."""
    batches = []
    with open(options.batches) as lines:
        for line in lines:
            batch = json.loads(line)
            width = -(-max(map(len, batch["ids"])) // PAD_TO) * PAD_TO
            ids = torch.zeros(len(batch["ids"]), width, dtype=torch.long)
            mask, loss = torch.zeros_like(ids), torch.zeros(len(ids), width - 1)
            for row, (sequence, positions) in enumerate(zip(batch["ids"], batch["loss_positions"])):
                ids[row, : len(sequence)] = torch.tensor(sequence)
                mask[row, : len(sequence)] = 1
                loss[row, positions] = 1.0
            batches.append({"input_ids": ids.to(options.device), "attention_mask": mask.to(options.device),
                            "loss": loss.to(options.device), "question_offsets": batch["question_offsets"],
                            "gold": batch["gold"]})
    return batches


def loss_of(model, batch):
    if "loss" not in batch:
        return model(input_ids=batch["input_ids"], labels=batch["input_ids"]).loss
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, :-1].float()
    nll = torch.nn.functional.cross_entropy(logits.transpose(1, 2), batch["input_ids"][:, 1:], reduction="none")
    loss, offsets = batch["loss"], batch["question_offsets"]
    if not batch["gold"]:
        return (nll * loss).sum() / loss.sum()
    scores = -(nll * loss).sum(1) / loss.sum(1)
    questions = [torch.log_softmax(scores[begin:end], 0)[gold - begin]
                 for begin, end, gold in zip(offsets, offsets[1:], batch["gold"])]
    return -torch.stack(questions).mean()


def peak_resident_bytes():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) * 1024


def versions():
    onednn = re.search(r"(?:MKL-DNN|oneDNN) v([\d.]+)", torch.__config__.show())
    return {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__,
            "oneDNN of torch": onednn[1] if onednn else "none"}


def main():
    options = parse_arguments()
    torch.set_num_threads(options.threads)
    on_gpu = options.device != "cpu"
    model, optimizer, vocab_size = build_model(options)
    batches = padded_batches(options) if options.batches else random_batches(options, vocab_size)
    with open("/proc/self/clear_refs", "w") as reset:  # the peak of building the model does not count
        reset.write("5")

    def step(batch):
        loss = loss_of(model, batch)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss

    def round_of_steps():
        start = time.perf_counter()
        for batch in batches:
            loss = step(batch)
            if on_gpu:
                torch.cuda.synchronize()
        return (time.perf_counter() - start) / len(batches), loss

    for _ in range(3 if options.compile else 1):
        round_of_steps()
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    seconds = []
    for _ in range(options.steps):
        taken, loss = round_of_steps()
        seconds.append(taken)
    questions = [len(batch.get("gold") or batch["input_ids"]) for batch in batches]
    median = statistics.median(seconds)
    print(json.dumps({
        "seconds_per_step": median, "examples_per_second": sum(questions) / len(questions) / median,
        "tokens_per_step": sum(batch["input_ids"].numel() for batch in batches) / len(batches), "loss": loss.item(),
        "peak_rss_bytes": peak_resident_bytes(), "versions": versions(),
        "peak_device_bytes": torch.cuda.max_memory_allocated() if on_gpu else 0}))


main()
