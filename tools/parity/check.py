#!/usr/bin/env python3
"""Checks that transformers and PEFT load what cola writes of a model, and compute with it what cola computes.

    python tools/parity/check.py --cola build/release/cola --model FOLDER...

For each folder: cola trains a chain of two links on all linear layers for a few steps, writes the merged folder and exports
the chain as one adapter. transformers loads the merged folder, PEFT the adapter on the base model; what both predict behind
every prefix of a fixed text is compared with `cola eval --run`, all in float32. Compared are log-probabilities, which are
logits but for a number that all of a row have in common: `cola eval --task` gives them as candidates' scores, of a task
whose candidates are the vocabulary (or 256 tokens of it). The tokenizer for that is made here, so the folder needs none.
Prints a line a model with the largest differences; exit status 1 where one is above 1e-4, or something does not load.
Written with transformers 5.24.0 and PEFT 0.21.2.
"""
import argparse
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import Module
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel
from transformers.utils import logging

LIMIT = 1e-4
TOKENS = 40  # of the text
CANDIDATES = 256
STEPS, LEARNING_RATE = 6, 1e-2


class CheckFailed(Exception):
    """A line that says what does not hold."""


def run_cola(program: Path, *arguments: object) -> None:
    result = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    if result.returncode != 0:
        raise CheckFailed(f"cola {arguments[0]}: {result.stderr.strip()}")


def write_lines(file: Path, records: list[dict]) -> None:
    file.write_text("".join(json.dumps(record) + "\n" for record in records))


class Text:
    """Token ids of a text, the candidates behind each of its prefixes, and cola's files for both."""

    def __init__(self, vocabulary: int, folder: Path) -> None:
        numbers = torch.Generator().manual_seed(1)
        self.ids = torch.randint(vocabulary, (TOKENS,), generator=numbers)
        self.candidates = torch.randperm(vocabulary, generator=numbers)[:CANDIDATES].sort().values
        self.folder = folder
        self.write_tokenizer()
        self.write_task()
        rows = [self.ids.tolist(), self.ids[::2].flip(0).tolist()]
        write_lines(folder / "train.jsonl", [{"input_ids": row, "labels": row} for row in rows])

    def write_tokenizer(self) -> None:
        """Each token is a character for private use."""
        used = sorted({*self.ids.tolist(), *self.candidates.tolist()})
        self.letters = {token: chr(0xF0000 + i) for i, token in enumerate(used)}
        vocabulary = {letter: token for token, letter in self.letters.items()}
        (self.folder / "tokenizer.json").write_text(json.dumps({
            "version": "1.0", "added_tokens": [], "normalizer": None, "pre_tokenizer": None, "post_processor": None,
            "decoder": None, "model": {"type": "BPE", "vocab": vocabulary, "merges": []}}))

    def write_task(self) -> None:
        candidates = [self.letters[token] for token in self.candidates.tolist()]
        text = "".join(self.letters[token] for token in self.ids.tolist())
        prefixes = [text[:length] for length in range(1, TOKENS + 1)]
        write_lines(self.folder / "prefixes.jsonl", [{"text": prefix, "next": candidates[0]} for prefix in prefixes])
        (self.folder / "task.toml").write_text(
            'train = "prefixes.jsonl"\nvalidation = "prefixes.jsonl"\nprompt = "{text}"\nlabel = "next"\n'
            f"candidates = {json.dumps(candidates, ensure_ascii=False)}\n")

    def cola(self, program: Path, *model: object) -> Tensor:
        """[TOKENS, candidates]: log-probabilities behind each prefix, by `cola eval`."""
        predictions = self.folder / "predictions.jsonl"
        run_cola(program, "eval", *model, "--tokenizer", self.folder, "--task", self.folder / "task.toml", "--task-data",
                 self.folder, "--dtype", "f32", "--device", "cpu", "--predictions", predictions)
        lines = [json.loads(line) for line in predictions.read_text().splitlines()]
        return torch.tensor([line["scores"] for line in sorted(lines, key=lambda line: int(line["id"]))])

    def library(self, model: Module) -> Tensor:
        """The same by transformers, each prefix alone."""
        with torch.no_grad():
            rows = [model(input_ids=self.ids[None, :length]).logits[0, -1] for length in range(1, TOKENS + 1)]
        return torch.log_softmax(torch.stack(rows), dim=-1)[:, self.candidates]


def read_model(folder: Path) -> PreTrainedModel:
    model, found = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    if wrong := {kind: sorted(names) for kind, names in found.items() if names}:
        raise CheckFailed(f"{folder.name} as transformers reads it: {wrong}")
    return model.eval()


def read_adapter(base: Path, folder: Path) -> PeftModel:
    model = PeftModel.from_pretrained(read_model(base), folder)
    applied = get_peft_model_state_dict(model).keys()
    if different := applied ^ load_file(folder / "adapter_model.safetensors").keys():
        raise CheckFailed(f"tensors of the adapter that PEFT lacks or does not know: {sorted(different)}")
    return model.eval()


def check(program: Path, model: Path, scratch: Path) -> dict[str, float]:
    """The largest differences, by what was loaded."""
    text = Text(AutoConfig.from_pretrained(model).get_text_config().vocab_size, scratch)
    run, merged, adapter = scratch / "run", scratch / "merged", scratch / "adapter"
    run_cola(program, "train", "--model", model, "--train", scratch / "train.jsonl", "--out", run, "--method", "cola",
             "--links", 2, "--lora-r", 4, "--lora-alpha", 8, "--target-modules", "all-linear", "--max-steps", STEPS,
             "--learning-rate", LEARNING_RATE, "--lr-scheduler", "constant", "--dtype", "f32", "--device", "cpu", "--quiet")
    run_cola(program, "merge", "--run", run, "--merge-dtype", "f32", "--out", merged)
    run_cola(program, "export", "--run", run, "--out", adapter)
    before, after = text.cola(program, "--model", model), text.cola(program, "--run", run)
    if not (after - before).abs().max() > 100 * LIMIT:
        raise CheckFailed("training changed too little for a comparison")

    def difference(ours: Tensor, loaded: Module) -> float:
        largest = (ours - text.library(loaded)).abs().max().item()
        return largest if largest == largest else float("inf")

    return {"base": difference(before, read_model(model)), "merged": difference(after, read_model(merged)),
            "adapter": difference(after, read_adapter(model, adapter))}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cola", type=Path, required=True, metavar="PROGRAM", help="the program, as build/release/cola")
    parser.add_argument("--model", type=Path, nargs="+", required=True, metavar="FOLDER", help="Hugging Face model folders")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", FutureWarning)  # the packages' own
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    failed = False
    for model in arguments.model:
        try:
            with tempfile.TemporaryDirectory() as scratch:
                differences = check(arguments.cola, model, Path(scratch))
        except CheckFailed as error:
            failed = True
            print(f"{model.name}: failed: {error}", flush=True)
            continue
        largest = max(differences.values())
        failed |= largest > LIMIT
        print(f"{model.name}: largest difference {largest:.1e} ("
              + ", ".join(f"{name} {value:.1e}" for name, value in differences.items())
              + f"){', above ' + str(LIMIT) if largest > LIMIT else ''}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
