#!/usr/bin/env python3
"""Compares a run on a GGUF base with llama.cpp: the exported adapter on the base and on its F32 rewriting, and
merged files, by the log-probabilities of every token of some rows.

    python gguf.py --cola build/release/cola --run RUN --data dev.jsonl [--rows 20] [--threads 2]

What is right is the model merged by cola in f32, computed by transformers in f32; cola's own loss on the rows is
printed beside its. Needs llama-cpp-python, torch and transformers; versions are printed.
"""
import argparse
import ctypes
import json
import pathlib
import subprocess
import tempfile

import llama_cpp
import numpy
import torch
import transformers

arguments = argparse.ArgumentParser(description=__doc__)
arguments.add_argument("--cola", required=True)
arguments.add_argument("--run", required=True)
arguments.add_argument("--data", required=True, help="rows with prompt and completion, or text")
arguments.add_argument("--rows", type=int, default=20)
arguments.add_argument("--threads", type=int, default=2)
options = arguments.parse_args()


def cola(*words):
    return subprocess.run([options.cola, *map(str, words)], check=True, capture_output=True, text=True).stdout


def rewritten_as_f32(source, target):
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = 0
    parameters.allow_requantize = True
    code = llama_cpp.llama_model_quantize(str(source).encode(), str(target).encode(), ctypes.byref(parameters))
    assert code == 0, code
    return target


def log_probabilities(logits, ids):
    rows = torch.log_softmax(torch.as_tensor(logits[: len(ids) - 1], dtype=torch.float64), dim=-1)
    return rows[torch.arange(len(ids) - 1), torch.as_tensor(ids[1:])].numpy()


class LlamaCpp:
    """One model with an adapter or none; the cache is in f32."""

    def __init__(self, file, adapter=None):
        self.model = llama_cpp.Llama(str(file), n_ctx=512, n_batch=512, n_threads=options.threads, logits_all=True,
                                     verbose=False, lora_path=str(adapter) if adapter else None, type_k=0, type_v=0,
                                     n_threads_batch=options.threads, flash_attn=False)

    def score(self, ids):
        self.model.reset()
        self.model.eval(ids)
        return log_probabilities(numpy.array(self.model.scores[: len(ids)]), ids)


def main():
    print(f"llama-cpp-python {llama_cpp.__version__}, torch {torch.__version__}, transformers {transformers.__version__}")
    torch.set_num_threads(options.threads)
    base = json.loads((pathlib.Path(options.run) / "chain.json").read_text())["base_model"]
    rows = [json.loads(line) for line in open(options.data)][: options.rows]
    texts = [row["text"] if "text" in row else row["prompt"] + row["completion"] for row in rows]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "rows.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
        cola("merge", "--run", options.run, "--merge-dtype", "f32", "--out", folder / "hf")
        cola("export", "--run", options.run, "--format", "gguf", "--out", folder / "adapter.gguf")
        for kind in ("f32", "f16"):
            cola("merge", "--run", options.run, "--format", "gguf", "--type", kind, "--out", folder / f"{kind}.gguf")
        f32 = rewritten_as_f32(base, folder / "base-f32.gguf")
        tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(folder / "hf" / "tokenizer.json"))
        ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
        model = transformers.AutoModelForCausalLM.from_pretrained(folder / "hf", dtype=torch.float32)
        with torch.no_grad():
            right = [log_probabilities(model(torch.tensor([row])).logits[0], row) for row in ids]
        loss = -numpy.concatenate(right).mean()
        ours = json.loads(cola("eval", "--run", options.run, "--data", folder / "rows.jsonl", "--no-eos",
                               "--train-on-prompt", "--dtype", "f32", "--json"))["loss"]
        print(f"loss: cola {ours:.6f}, transformers on the merged folder {loss:.6f}")
        print(f"{'llama.cpp on':42}  mean |difference|  largest  of log-probabilities")
        for title, file, adapter in [("the adapter on the base as F32", f32, folder / "adapter.gguf"),
                                     ("the adapter on the base itself", base, folder / "adapter.gguf"),
                                     ("the merged file, f32", folder / "f32.gguf", None),
                                     ("the merged file, f16", folder / "f16.gguf", None),
                                     ("the base as F32 alone (must be far)", f32, None)]:
            engine = LlamaCpp(file, adapter)
            errors = numpy.concatenate([numpy.abs(engine.score(row) - good) for row, good in zip(ids, right)])
            print(f"{title:42}  {errors.mean():17.6f}  {errors.max():7.4f}")


main()
