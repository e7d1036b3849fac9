"""One trial of transformers' Trainer + PEFT, as bench/compare_trial runs it beside `cola train`: load the model, tokenise,
train one LoRA (r = 8, alpha = 16, q_proj and v_proj) with AdamW on batches grouped by length, evaluate the dev part,
save the adapter. Data: JSONL of prompt and completion (loss on completions), or the questions of CB or SST-2, whose
loss is the cross-entropy of the candidates' mean log-likelihoods. Prints one JSON object."""
import argparse
import csv
import json
import pathlib
import random
import time

import peft
import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments

PAD_TO = 8  # as the reference's collator


def parse_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--train", help="JSONL of prompt and completion, with --dev")
    parser.add_argument("--dev")
    parser.add_argument("--task", choices=TASKS)
    parser.add_argument("--task-data")
    parser.add_argument("--num-train", type=int, help="questions of a task")
    parser.add_argument("--num-dev", type=int)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="bf16")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", required=True)
    return parser.parse_args()


def json_lines(path):
    with open(path) as lines:
        return [json.loads(line) for line in lines]


def cb_rows(folder):
    labels = ["entailment", "contradiction", "neutral"]
    return [(f"Suppose {row['premise']} Can we infer that \"{row['hypothesis']}\"? Yes, No, or Maybe?\n",
             ["Yes", "No", "Maybe"], labels.index(row["label"])) for row in json_lines(folder / "train.jsonl")]


def sst2_rows(folder):
    with open(folder / "train.tsv") as lines:
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [(f"{row['sentence'].strip()} It was", [" terrible", " great"], int(row["label"])) for row in rows]


TASKS = {"cb": cb_rows, "sst2": sst2_rows}


def rows_of(options, tokenizer):
    """(prompt, candidates, index of the gold one) to train on, and of the dev part. A completion is the only candidate."""
    if options.task:
        rows = TASKS[options.task](pathlib.Path(options.task_data))
        random.Random(0).shuffle(rows)
        return rows[: options.num_train], rows[options.num_train : options.num_train + options.num_dev]
    return [[(row["prompt"], [row["completion"] + tokenizer.eos_token], 0) for row in json_lines(path)]
            for path in (options.train, options.dev)]


def examples_of(rows, tokenizer):
    examples = []
    for prompt, candidates, gold in rows:
        start = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        whole = [start + tokenizer(text, add_special_tokens=False)["input_ids"] for text in candidates]
        # input_ids: what batches are grouped by the length of
        examples.append({"candidates": whole, "first": len(start), "gold": gold, "input_ids": max(whole, key=len)})
    return examples


def collate(examples):
    candidates = [(ids, example["first"]) for example in examples for ids in example["candidates"]]
    width = -(-max(len(ids) for ids, _ in candidates) // PAD_TO) * PAD_TO
    input_ids = torch.zeros(len(candidates), width, dtype=torch.long)
    mask, targets = torch.zeros_like(input_ids), torch.zeros(len(candidates), width - 1)
    for row, (ids, first) in enumerate(candidates):
        input_ids[row, : len(ids)] = torch.tensor(ids)
        mask[row, : len(ids)] = 1
        targets[row, first - 1 : len(ids) - 1] = 1.0
    return {"input_ids": input_ids, "attention_mask": mask, "targets": targets,
            "counts": [len(example["candidates"]) for example in examples],
            "gold": [example["gold"] for example in examples]}


class TrialTrainer(Trainer):
    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        ids, targets = inputs["input_ids"], inputs["targets"]
        logits = model(input_ids=ids, attention_mask=inputs["attention_mask"]).logits[:, :-1].float()
        nll = torch.nn.functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
        if max(inputs["counts"]) == 1:
            loss = (nll * targets).sum() / targets.sum()
        else:
            scores = (-(nll * targets).sum(1) / targets.sum(1)).split(inputs["counts"])
            loss = -torch.stack([torch.log_softmax(score, 0)[gold] for score, gold in zip(scores, inputs["gold"])]).mean()
        return (loss, {}) if return_outputs else loss

    def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None):
        with torch.no_grad():
            return self.compute_loss(model, self._prepare_inputs(inputs)), None, None


def main():
    options = parse_arguments()
    torch.set_num_threads(options.threads)
    start = time.perf_counter()
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[options.dtype]
    model = AutoModelForCausalLM.from_pretrained(options.model, dtype=dtype, attn_implementation="sdpa")
    model.config.use_cache = False
    model = peft.get_peft_model(model, peft.LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj", "v_proj"], r=8,
                                                       lora_alpha=16, lora_dropout=0.0))
    train, dev = (examples_of(rows, tokenizer) for rows in rows_of(options, tokenizer))
    arguments = TrainingArguments(
        options.out, use_cpu=True, num_train_epochs=1, per_device_train_batch_size=options.batch_size,
        per_device_eval_batch_size=options.batch_size, learning_rate=options.learning_rate, weight_decay=0.0,
        train_sampling_strategy="group_by_length", remove_unused_columns=False,
        save_strategy="no", eval_strategy="no", logging_strategy="no", report_to=[], disable_tqdm=True)
    trainer = TrialTrainer(model, arguments, train_dataset=train, eval_dataset=dev, data_collator=collate)
    loaded = time.perf_counter()
    trainer.train()
    trained = time.perf_counter()
    loss = trainer.evaluate()["eval_loss"]
    evaluated = time.perf_counter()
    model.save_pretrained(options.out)
    print(json.dumps({"load_seconds": loaded - start, "train_seconds": trained - loaded,
                      "eval_seconds": evaluated - trained, "eval_loss": loss,
                      "versions": {"torch": torch.__version__, "transformers": transformers.__version__,
                                   "peft": peft.__version__}}))


if __name__ == "__main__":
    main()
