"""Tokenising and rendering chats, cola and its peers in turn; see bench/compare_text."""
import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jinja2
import jinja2.ext
import jinja2.sandbox
import numpy
import tokenizers

from spread import spread, text_of

TOKENIZERS = ("llama3_1", "qwen3", "opt", "gemma3", "llama2")
TEMPLATES = ("llama-3.1-8b-instruct", "qwen3", "deepseek-v3")
REPOSITORY = Path(__file__).resolve().parent.parent


def parse_arguments():
    parser = argparse.ArgumentParser(prog="bench/compare_text")
    parser.add_argument("--data", required=True, type=Path, help="folder with tokenizers/, text/ and chat_templates/")
    parser.add_argument("--rounds", type=int, default=5, help="of both sides, in turn (default 5)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--conversations", type=int, default=10000)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"compare_text: {' '.join(map(str, command))} failed with status {done.returncode}:\n{done.stderr.strip()}")
    return done.stdout


def pieces(text, length=2000):
    return [text[begin:begin + length] for begin in range(0, len(text), length)]


def english(folder, most=8_000_000):
    texts = []
    for file in sorted((folder / "text").glob("*/*")):
        if file.suffix == ".txt":
            texts += pieces(file.read_text())
        elif file.suffix == ".jsonl":
            for line in file.read_text().splitlines():
                texts.append("\n".join(value for value in json.loads(line).values() if isinstance(value, str)))
    return texts if sum(map(len, texts)) < most else texts[:len(texts) * most // sum(map(len, texts))]


def code():
    names = run(["git", "-C", REPOSITORY, "ls-files", "*.cpp", "*.h", "*.py", "*.cmake", "*.cu"]).split()
    return [(REPOSITORY / name).read_text() for name in names]


def peer_tokenizer(folder):
    if (folder / "tokenizer.json").exists():
        return tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    if (folder / "vocab.json").exists():
        peer = tokenizers.ByteLevelBPETokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))._tokenizer
        peer.add_special_tokens(["</s>", "<pad>"])  # those that OPT's configuration names
        return peer
    try:  # sentencepiece's file, converted
        import transformers
        return transformers.AutoTokenizer.from_pretrained(folder)._tokenizer
    except Exception:
        return None


def checksum(encodings):
    ids = numpy.array([token for one in encodings for token in one.ids], dtype=numpy.uint64)
    numbers = numpy.arange(1, len(ids) + 1, dtype=numpy.uint64)
    with numpy.errstate(over="ignore"):
        return len(ids), int((numbers * (ids + numpy.uint64(1))).sum(dtype=numpy.uint64))


def compare_tokenizers(args, temporary):
    for kind, texts in (("English", english(args.data)), ("code", code())):
        file = temporary / f"{kind}.jsonl"
        file.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
        for name in TOKENIZERS:
            folder = args.data / "tokenizers" / name
            peer = peer_tokenizer(folder)
            if peer is None:
                print(f"{name}: skipped: the package cannot read it", file=sys.stderr)
                continue
            size = sum(len(text.encode()) for text in texts)
            ours, theirs = [], []
            encodings = peer.encode_batch_fast(texts, add_special_tokens=False)
            tokens, total = checksum(encodings)
            for _ in range(args.rounds):
                result = json.loads(run([os.environ["COLA"], "bench", "tokenize", "--tokenizer", folder, "--data", file,
                                         "--rounds", "1", "--threads", str(args.threads), "--json"]))
                ours.append(result["bytes_per_second"] / 1e6)
                start = time.perf_counter()
                peer.encode_batch_fast(texts, add_special_tokens=False)
                theirs.append(size / (time.perf_counter() - start) / 1e6)
            same = (result["tokens"], result["checksum"]) == (tokens, total)
            yield {"what": "tokenize", "of": name, "text": kind, "bytes": size, "tokens": tokens, "ids_equal": same,
                   "unit": "MB/s", "cola": spread(ours), "peer": spread(theirs),
                   "ratio": spread([a / b for a, b in zip(ours, theirs)])}


def environment():
    made = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                                        extensions=[jinja2.ext.loopcontrols])
    made.filters["tojson"] = lambda value, **kwargs: json.dumps(value, ensure_ascii=False)
    made.globals["strftime_now"] = lambda form: datetime.datetime.now().strftime(form)
    return made


def conversation(number, turns=6):
    messages = [{"role": "system", "content": f"You are assistant number {number}."}]
    for turn in range(turns // 2):
        messages.append({"role": "user", "content": f"Question {turn} of {number}: " + "what is this about? " * 8})
        messages.append({"role": "assistant", "content": f"Answer {turn}: " + "it is about chats and their templates. " * 12})
    return messages


def compare_templates(args, temporary):
    chats = [conversation(number) for number in range(args.conversations)]
    file = temporary / "chats.jsonl"
    file.write_text("".join(json.dumps({"messages": chat}) + "\n" for chat in chats))
    tokens = {"bos_token": "<s>", "eos_token": "</s>"}
    for name in TEMPLATES:
        path = args.data / "chat_templates" / f"{name}.jinja"
        template = environment().from_string(path.read_text())
        ours, whole, theirs = [], [], []
        options = ["--chat-template", path, "--special-tokens", json.dumps(tokens)]
        for _ in range(args.rounds):
            ours.append(json.loads(run([os.environ["COLA"], "bench", "template", *options, "--data", file, "--rounds", "1",
                                        "--threads", str(args.threads), "--json"]))["chats_per_second"])
            start = time.perf_counter()
            run([os.environ["COLA"], "template", *options, file])
            whole.append(len(chats) / (time.perf_counter() - start))
            start = time.perf_counter()
            for chat in chats:
                template.render(messages=chat, tools=None, documents=None, add_generation_prompt=False, **tokens)
            theirs.append(len(chats) / (time.perf_counter() - start))
        yield {"what": "render", "of": name, "conversations": len(chats), "unit": "conversations/s", "cola": spread(ours),
               "peer": spread(theirs), "ratio": spread([a / b for a, b in zip(ours, theirs)])}
        yield {"what": "render, JSON in and out", "of": name, "conversations": len(chats), "unit": "conversations/s",
               "cola": spread(whole), "peer": spread(theirs), "ratio": spread([a / b for a, b in zip(whole, theirs)])}


def main():
    args = parse_arguments()
    os.environ["RAYON_NUM_THREADS"] = str(args.threads)
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        for compare in (compare_tokenizers, compare_templates):
            for row in compare(args, Path(temporary)):
                rows.append(row)
                same = "" if row.get("ids_equal", True) else "  IDS DIFFER"
                print(f"{row['what']} {row['of']} {row.get('text', '')}: cola {text_of(row['cola'], 1)}, peer "
                      f"{text_of(row['peer'], 1)} {row['unit']}, ratio {text_of(row['ratio'], 2)}{same}",
                      file=sys.stderr if args.json else sys.stdout, flush=True)
    if args.json:
        print(json.dumps({"threads": args.threads, "rounds": args.rounds, "tokenizers": tokenizers.__version__,
                          "jinja2": jinja2.__version__, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
