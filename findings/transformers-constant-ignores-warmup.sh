#!/usr/bin/env bash
# transformers 5.24.0: with lr_scheduler_type "constant" the Trainer ignores warmup_steps without a word. The warm-up that was asked
# for is only there under another name, "constant_with_warmup"; every other schedule honours it.
#
# Seen (torch 2.13.0): the first three rates of ten steps at 1e-3 with warmup_steps 4 are 1e-3 throughout with "constant", and 0,
# 2.5e-4, 5e-4 with "constant_with_warmup" and "linear".
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0
"$folder/venv/bin/pip" install --quiet transformers==5.24.0 accelerate
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys, warnings, torch, transformers

class Linear(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def forward(self, x, labels):
        return {"loss": (self.layer(x) - labels).square().mean()}

class Rates(transformers.TrainerCallback):
    def __init__(self):
        self.seen = []

    def on_step_begin(self, args, state, control, optimizer=None, **_):
        self.seen.append(optimizer.param_groups[0]["lr"])

def rates(schedule):
    """The learning rate of each of ten steps."""
    recorder = Rates()
    trainer = transformers.Trainer(
        Linear(), transformers.TrainingArguments(
            output_dir=sys.argv[1] + "/out", max_steps=10, learning_rate=1e-3, lr_scheduler_type=schedule, warmup_steps=4,
            report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True, use_cpu=True),
        train_dataset=[{"x": torch.ones(1), "labels": torch.ones(1)}] * 40, callbacks=[recorder])
    trainer.train()
    return recorder.seen

with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    constant = rates("constant")
with_warmup, linear = rates("constant_with_warmup"), rates("linear")
print(f"transformers {transformers.__version__}, first rates: constant {constant[:3]}, constant_with_warmup {with_warmup[:3]}, "
      f"linear {linear[:3]}; warnings about the warm-up: {sum('warm' in str(w.message).lower() for w in told)}")
assert constant == [1e-3] * 10, "the behaviour has changed"
assert with_warmup[:3] == linear[:3] == [0.0, 2.5e-4, 5e-4], "the behaviour has changed"
assert not any("warm" in str(w.message).lower() for w in told), "it says so now"
PYTHON
