#!/usr/bin/env python3
"""Compares the tokens of preference pairs, and which of them are scored, with those that TRL's DPOTrainer makes.

    python tools/parity/preference_tokens.py --cola build/release/cola --data ../shared

Run with TRL 1.16.0 and transformers 5.24.0. --data is a folder with chat_templates/ and tokenizers/. Texts and chats, in
the forms that both read, go through published tokenizers and templates; `cola inspect --data --objective dpo` has to show the
same ids with the same prompt. Prints the number of compared pairs and tokens; exit status 1 where one differs.
"""
import argparse
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import datasets
import transformers
import trl

FOLDERS = [("llama3_1", "llama-3.1-8b-instruct"), ("qwen3", "qwen3"), ("qwen3", "qwen2.5-7b-instruct"), ("gemma3", None)]

TEXTS = [
    {"prompt": "The capital of France is", "chosen": " Paris.", "rejected": " Lyon."},
    {"prompt": "The answer is ", "chosen": "yes", "rejected": "no"},
    {"prompt": "The ans", "chosen": "wer is 4", "rejected": "er is 5"},
    {"prompt": "One\n\n", "chosen": "\nTwo", "rejected": "Three\n"},
    {"prompt": "Same start:", "chosen": " well, yes", "rejected": " well, no"},
    {"prompt": "Zürich", "chosen": " liegt am See. ☃", "rejected": " liegt in Ö."},
]


def turn(role, content):
    return {"role": role, "content": content}


CHATS = [
    {"prompt": [turn("user", "Hi")], "chosen": [turn("assistant", "Hello!")], "rejected": [turn("assistant", "What?")]},
    {"prompt": [turn("system", "Be brief."), turn("user", "2+2?"), turn("assistant", "4"), turn("user", "3+3?")],
     "chosen": [turn("assistant", "6")], "rejected": [turn("assistant", "It is six.")]},
    {"chosen": [turn("user", "Why?"), turn("assistant", "So.")],
     "rejected": [turn("user", "Why?"), turn("assistant", "Because so.")]},
    {"prompt": [turn("user", "Hi")], "chosen": [turn("assistant", "Ja, gerne")], "rejected": [turn("assistant", "Ja, nein")]},
]


def inspected(cola, folder, records):
    file = folder / "pairs.jsonl"
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    command = [cola, "inspect", "--data", file, "--tokenizer", folder, "--objective", "dpo", "--count", "1000", "--json"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    for pair in json.loads(result.stdout)["pairs"]:
        begin = pair["prompt_tokens"]
        chosen, rejected = pair["chosen"]["ids"], pair["rejected"]["ids"]
        yield {"prompt_ids": chosen[:begin], "chosen_ids": chosen[begin:], "rejected_ids": rejected[begin:]}


def expected(tokenizer, folder, records):
    config = transformers.LlamaConfig(vocab_size=len(tokenizer), hidden_size=8, intermediate_size=8,
                                      num_hidden_layers=1, num_attention_heads=1)
    model, reference = (transformers.LlamaForCausalLM(config) for _ in range(2))
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    arguments = trl.DPOConfig(output_dir=str(folder / "out"), report_to="none", use_cpu=True, bf16=False,
                              disable_tqdm=True)
    trainer = trl.DPOTrainer(model=model, ref_model=reference, args=arguments, processing_class=tokenizer,
                             train_dataset=datasets.Dataset.from_list(records))
    for row in trainer.train_dataset:
        yield {key: list(row[key]) for key in ("prompt_ids", "chosen_ids", "rejected_ids")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cola", required=True)
    parser.add_argument("--data", required=True, type=Path)
    args = parser.parse_args()
    pairs = tokens = different = 0
    for name, template in FOLDERS:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            for file in (args.data / "tokenizers" / name).iterdir():
                if file.suffix in (".json", ".txt", ".model") and not file.name.startswith("golden"):
                    shutil.copy(file, folder)
            if template is not None:
                shutil.copy(args.data / "chat_templates" / f"{template}.jinja", folder / "chat_template.jinja")
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
            # Each form by itself: TRL takes the form of the first row for all.
            groups = [TEXTS] + ([[chat] for chat in CHATS] if template is not None else [])
            for records in groups:
                for record, ours, theirs in zip(records, inspected(args.cola, folder, records),
                                                expected(tokenizer, folder, records), strict=True):
                    pairs += 1
                    tokens += sum(len(ids) for ids in theirs.values())
                    if ours != theirs:
                        different += 1
                        print(f"{name}, {template}: {json.dumps(record)}\n  cola {ours}\n  TRL  {theirs}")
    print(f"TRL {trl.__version__}, transformers {transformers.__version__}: {pairs} pairs, {tokens} tokens, {different} differ")
    raise SystemExit(different > 0)


if __name__ == "__main__":
    main()
