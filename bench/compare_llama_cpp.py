"""Runs `cola bench generate` and llama.cpp in turn on the same GGUF files; see bench/compare_llama_cpp."""
import argparse
import json
import os
import subprocess
import sys
import time

import llama_cpp
import numpy

from spread import spread, text_of


def parse_arguments():
    parser = argparse.ArgumentParser(prog="bench/compare_llama_cpp")
    parser.add_argument("files", nargs="*", help="GGUF files")
    parser.add_argument("--dtype", default="bf16", help="cola's compute dtype (default bf16)")
    parser.add_argument("--prompt-tokens", type=int, default=512)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=9, help="of both sides, in turn (default 9)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--peer", help=argparse.SUPPRESS)  # one file: the peer's own process
    return parser.parse_args()


def peer(options):
    """One generation of llama.cpp after one that is not counted: greedy, as cola bench generate times it."""
    model = llama_cpp.Llama(options.peer, n_ctx=options.prompt_tokens + options.new_tokens, n_threads=options.threads,
                            n_threads_batch=options.threads, n_batch=options.prompt_tokens, verbose=False,
                            n_gpu_layers=0)
    prompt = [3 + 7 * i % (model.n_vocab() - 3) for i in range(options.prompt_tokens)]

    def most_likely():  # without the binding's sampler, which is no part of what is compared
        logits = llama_cpp.llama_get_logits_ith(model.ctx, -1)
        return int(numpy.ctypeslib.as_array(logits, (model.n_vocab(),)).argmax())

    def generate(count):
        model.reset()
        start = time.perf_counter()
        model.eval(prompt)
        token = most_likely()
        first = time.perf_counter()
        for _ in range(count - 1):
            model.eval([token])
            token = most_likely()
        return first - start, time.perf_counter() - first

    generate(2)
    prompt_seconds, seconds = generate(options.new_tokens)
    print(json.dumps({"prompt_tokens_per_second": options.prompt_tokens / prompt_seconds,
                      "tokens_per_second": (options.new_tokens - 1) / seconds}))


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"compare_llama_cpp: {' '.join(command)} failed with status {done.returncode}:\n{done.stderr.strip()}")
    return json.loads(done.stdout.splitlines()[-1])


def compare(options, file):
    common = ["--prompt-tokens", str(options.prompt_tokens), "--new-tokens", str(options.new_tokens), "--threads",
              str(options.threads)]
    own_command = [os.environ["COLA"], "bench", "generate", "--model", file, "--device", "cpu", "--dtype",
                   options.dtype, "--rounds", "1", "--json", *common]
    own, theirs = [], []
    for _ in range(options.rounds):
        own.append(run(own_command))
        theirs.append(run([sys.executable, __file__, "--peer", file, *common]))
    row = {"file": os.path.basename(file), "dtype": options.dtype, "product_kernel": own[0]["product_kernel"],
           "fraction_of_bandwidth": spread([result["fraction_of_bandwidth"] for result in own])}
    for key in ("prompt_tokens_per_second", "tokens_per_second"):
        row[key] = {"cola": spread([result[key] for result in own]), "llama.cpp": spread([r[key] for r in theirs]),
                    "ratio": spread([a[key] / b[key] for a, b in zip(own, theirs)])}
    return row


def main():
    options = parse_arguments()
    if options.peer:
        return peer(options)
    if not options.files:
        sys.exit("compare_llama_cpp: no file: name one or more GGUF files")
    rows = [compare(options, file) for file in options.files]
    if options.json:
        print(json.dumps({"llama_cpp_python": llama_cpp.__version__, "prompt_tokens": options.prompt_tokens,
                          "new_tokens": options.new_tokens, "threads": options.threads, "rounds": options.rounds,
                          "results": rows}))
        return None
    print(f"llama-cpp-python {llama_cpp.__version__}, {options.prompt_tokens} + {options.new_tokens} tokens, "
          f"{options.threads} threads, {options.rounds} runs in turn")
    for row in rows:
        print(f"{row['file']}, {row['dtype']}: {text_of(row['fraction_of_bandwidth'], 3)} of the read bandwidth")
        for key in ("prompt_tokens_per_second", "tokens_per_second"):
            figures = row[key]
            print(f"  {key:<26}cola {text_of(figures['cola'], 1)}, llama.cpp {text_of(figures['llama.cpp'], 1)}, "
                  f"{text_of(figures['ratio'], 2)} times")
    return None


main()
