#!/usr/bin/env python3
"""Compares the tokens that carry loss with transformers' assistant masks, which TRL trains on (assistant_only_loss).

    python tools/parity/chat_masks.py --cola build/release/cola --data ../shared

Run with transformers 5.24.0. --data is a folder with chat_templates/ and tokenizers/. Each pair of a published tokenizer
and a published template with {% generation %} renders the conversations of chat_templates/ that a data file may have,
one of them in ShareGPT's form and one in Alpaca's, some with tools; `cola inspect --data` has to show the same ids and the same marks.
Prints the number of compared sequences and tokens; exit status 1 where one differs.
"""
import argparse
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import transformers

PAIRS = [("llama3_1", "trl-llama3-training"), ("qwen3", "trl-qwen3-training"), ("qwen3", "trl-qwen2.5-training"),
         ("gemma3", "trl-gemma3-training"), ("deepseek_v3", "trl-deepseekv3-training"), ("qwen3", "trl-phi3.5-training")]


def inspected(cola, folder, record):
    """The report and the sequence that a record becomes, or None where cola refuses it or has nothing to train."""
    file = folder / "data.jsonl"
    file.write_text(json.dumps(record) + "\n")
    command = [cola, "inspect", "--data", file, "--tokenizer", folder, "--max-length", "100000", "--json"]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        return None
    shown = json.loads(result.stdout)
    return shown["report"], shown["sequences"][0]


def with_objects(messages):
    """Arguments of tool calls that are JSON text as objects: what servers give a template, and cola where it is needed."""
    messages = json.loads(json.dumps(messages))
    for message in messages:
        for call in message.get("tool_calls") or []:
            function = call.get("function", call)
            if isinstance(function.get("arguments"), str):
                function["arguments"] = json.loads(function["arguments"])
    return messages


def records_of(name, conversation):
    """The conversation as a line of data, and one in ShareGPT's and one in Alpaca's form, too."""
    yield {key: value for key, value in conversation.items() if value is not None}
    if name == "multi_turn":
        names = {"system": "system", "user": "human", "assistant": "gpt"}
        yield {"conversations": [{"from": names[m["role"]], "value": m["content"]} for m in conversation["messages"]]}
    if name == "alpaca":
        yield {"instruction": "Add the numbers.", "input": "1 2", "output": "3"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cola", required=True)
    parser.add_argument("--data", required=True, type=Path)
    args = parser.parse_args()
    conversations = json.loads((args.data / "chat_templates" / "conversations.json").read_text())["conversations"]
    conversations["alpaca"] = {"messages": [{"role": "user", "content": "Add the numbers.\n1 2"},
                                            {"role": "assistant", "content": "3"}]}
    sequences = tokens = different = 0
    for tokenizer, template in PAIRS:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            for name in ("tokenizer.json", "tokenizer_config.json"):
                shutil.copy(args.data / "tokenizers" / tokenizer / name, folder)
            shutil.copy(args.data / "chat_templates" / f"{template}.jinja", folder / "chat_template.jinja")
            reference = transformers.AutoTokenizer.from_pretrained(folder)
            for name, conversation in conversations.items():
                for record in records_of(name, conversation):
                    found = inspected(args.cola, folder, record)
                    if found is None:
                        continue
                    report, shown = found
                    messages = conversation["messages"]
                    try:
                        expected = reference.apply_chat_template(
                            with_objects(messages) if report["parsed_arguments"] else messages, tools=conversation.get("tools"), documents=conversation.get("documents"),
                            return_dict=True, return_assistant_tokens_mask=True)
                    except Exception:  # the template refuses it
                        continue
                    mask = [bool(mark) for mark in expected["assistant_masks"]]
                    mask[0] = False  # a first token is never predicted
                    sequences += 1
                    tokens += len(mask)
                    if shown["ids"] != expected["input_ids"] or shown["trained"] != mask:
                        different += 1
                        print(f"{tokenizer} {template} {name}: other {'marks' if shown['ids'] == expected['input_ids'] else 'ids'}")
    print(f"transformers {transformers.__version__}: {sequences} sequences, {tokens} tokens, {different} differ")
    raise SystemExit(different > 0)


if __name__ == "__main__":
    main()
