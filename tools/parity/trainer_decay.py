#!/usr/bin/env python3
"""Writes trainer_decay.safetensors into each model folder of tests/files/parity: what transformers' Trainer makes of
weight decay. 20 steps of all weights in float64 on the batch of inputs.safetensors: AdamW, learning rate 1e-3, constant,
no clipping, weight decay 0.1, which the Trainer gives neither norms nor biases.

    python tools/parity/trainer_decay.py tests/files/parity

The files hold `losses` [20], before each step, and the vectors (norms, biases) after the last by name, all f32; versions
are in their metadata.
"""
import os
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

STEPS = 20


class RecordingTrainer(Trainer):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.losses = []

    def compute_loss(self, model, inputs, *args, **kwargs):
        loss = super().compute_loss(model, inputs, *args, **kwargs)
        self.losses.append(loss.item())
        return loss


def train(folder, scratch):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager")
    inputs = load_file(folder / "inputs.safetensors")
    rows = [{key: value[i] for key, value in inputs.items()} for i in range(len(inputs["input_ids"]))]
    arguments = TrainingArguments(
        output_dir=scratch, per_device_train_batch_size=len(rows), max_steps=STEPS, learning_rate=1e-3, weight_decay=0.1,
        lr_scheduler_type="constant", max_grad_norm=0.0, optim="adamw_torch", use_cpu=True, report_to=[],
        save_strategy="no", disable_tqdm=True)
    trainer = RecordingTrainer(model=model, args=arguments, train_dataset=rows)
    trainer.train()
    tensors = {name: value.detach().float() for name, value in model.named_parameters() if value.dim() == 1}
    tensors["losses"] = torch.tensor(trainer.losses, dtype=torch.float32)
    return tensors


def main():
    torch.set_num_threads(1)
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    versions = {name: version(name) for name in ("torch", "transformers", "accelerate")}
    for config in sorted(Path(sys.argv[1]).glob("*/config.json")):
        with tempfile.TemporaryDirectory() as scratch:
            tensors = train(config.parent, scratch)
        save_file(tensors, config.parent / "trainer_decay.safetensors", metadata=versions)
        print(config.parent.name, tensors["losses"][[0, -1]].tolist())


main()
