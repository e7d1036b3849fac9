#!/usr/bin/env python3
"""Compares `cola tokenize` with the Python package `tokenizers` on random strings: mixed scripts, NFD text, marks, control
characters, code, emoji sequences, spaces, added tokens, characters new in Unicode 15 and 16.

    python tools/parity/tokenizer.py build/release/cola FOLDER... [--count 10000] [--seed 1] [--lists 1000]

A FOLDER has tokenizer.json, vocab.json with merges.txt (GPT-2's, OPT's), or tokenizer.model (Llama 2's), which is converted.
Compared are the ids of each string, what they decode to with and without special tokens, and what random lists of ids
decode to. Prints a line for each folder and the first differences; exit status 1 where there is any.
Written with tokenizers 0.23.3 and sentencepiece 0.2.3.
"""
import argparse
import json
import random
import subprocess
import sys
from pathlib import Path

from tokenizers import AddedToken, ByteLevelBPETokenizer, Tokenizer, decoders, models, normalizers

RANGES = {
    "latin": [(0x20, 0x7E)] * 4 + [(0xA0, 0x24F)],
    "european": [(0x370, 0x3FF), (0x400, 0x52F), (0x10A0, 0x10FF), (0x1E00, 0x1FFF)],
    "semitic": [(0x590, 0x5F4), (0x600, 0x6FF), (0x8A0, 0x8FF)],
    "indic": [(0x900, 0xDFF)],
    "south-east": [(0xE00, 0x109F), (0x1780, 0x17FF), (0x1A20, 0x1AFF), (0x1B00, 0x1BFF)],
    "cjk": [(0x3000, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0x1100, 0x11FF), (0xFF00, 0xFFEF), (0xF900, 0xFAFF)],
    "marks": [(0x300, 0x36F), (0x483, 0x487), (0x591, 0x5BD), (0x64B, 0x65F), (0x1AB0, 0x1ACE), (0x1DC0, 0x1DFF),
              (0x20D0, 0x20F0), (0xFE20, 0xFE2F), (0x8D3, 0x8E1), (0x1E8D0, 0x1E8D6), (0x3099, 0x309A)],
    "symbols": [(0x2000, 0x206F), (0x2070, 0x27BF), (0x2900, 0x2BFF), (0x1D400, 0x1D7FF)],
    "emoji": [(0x1F300, 0x1F64F), (0x1F680, 0x1FAFF), (0x1F1E6, 0x1F1FF), (0x200D, 0x200D), (0xFE0E, 0xFE0F),
              (0x1F3FB, 0x1F3FF)],
    "controls": [(0, 0x1F), (0x7F, 0x9F), (0x200B, 0x200F), (0x2028, 0x202E), (0x180E, 0x180E), (0xFEFF, 0xFEFF)],
    "unicode 15 and 16": [(0x11F00, 0x11F59), (0x1E4D0, 0x1E4F9), (0x31350, 0x323AF), (0x2EBF0, 0x2EE5D),
                          (0x10D40, 0x10D8F), (0x105C0, 0x105F3), (0x11380, 0x113E2), (0x16100, 0x16139),
                          (0x16D40, 0x16D79), (0x1CC00, 0x1CCF9), (0x13460, 0x143FA), (0x1E5D0, 0x1E5FF),
                          (0x10EC2, 0x10EFF), (0x1C89, 0x1C8A), (0xA7CB, 0xA7DC), (0x1FA75, 0x1FAFF)],
    "since unicode 9": [(0x10F00, 0x10FFF), (0x11800, 0x11950), (0x119A0, 0x11AA2), (0x11D00, 0x11DA9),
                        (0x1E100, 0x1E2FF), (0x16FE0, 0x16FF1), (0x9FE, 0x9FE), (0xC3C, 0xC3C), (0x1DF6, 0x1DFA)],
    "anything": [(0, 0xD7FF), (0xE000, 0x10FFFF)],
}
SPACES = [" ", "  ", "    ", "\t", "\n", "\n\n", "\r\n", "\r", "\u00a0", "\u3000", "\u2003", "\u0085", "\u2028", "\v", "\f",
          "\u200b", "\u180e", "\u2581", "\u1680", "\u202f", "\x1c"]
WORDS = """the of I'm DON'T it's 1,234.56 0x1F 3.14e-10 naïve Straße e-mail foo_bar camelCase XMLHttp http://a.b/c?d=e%20f
    don’t O'Neil's we'LL y'all 12345678 2024年 ２０２４ ½ ①② x² ſ's K'd Ǆ ﬁn ㎏ Å Ω ñandú Tiếng Việt привет мир مرحبا שלום
    नमस्ते 안녕하세요 日本語 ภาษาไทย 👨‍👩‍👧 👍🏽 🇩🇪 ❤️ 1️⃣ 🫨 <0x0A> <h1> ĠĊ ▁▁ \u0344 \u0958 \u0f73 \u2adc \ufb2c \u1e9b\u0323""".split()
CODE = ["for (int i = 0; i < n; ++i) {\n\t\tx[i] += y->z;\n\t}\n", "def f(x, *a):\n    return {'k': a[0]}  # note\n\n\n",
        "SELECT * FROM t WHERE a <> 'b''c';", "<div class=\"x\">\n  <p>&nbsp;</p>\n</div>", "$x =~ s/\\s+$//g;", "#include <a.h>\r\n",
        "\\frac{a}{b} \\\\ \\alpha_{i}^{2}", "| a | b |\n|---|:-:|\n", "```sh\n$ ls -la | wc -l >> out 2>&1\n```\n", "!!!???...---"]


def random_text(rng, tokens):
    import unicodedata
    kinds = list(RANGES)

    def characters():
        ranges = RANGES[rng.choice(kinds)]
        return "".join(chr(rng.randint(*rng.choice(ranges))) for _ in range(rng.randint(1, 8)))

    def marked():
        """Letters, each with marks, in a form of Unicode's."""
        text = "".join(rng.choice("aeiouAEOncsyqअかαи한ᄀ ") + "".join(chr(rng.randint(*rng.choice(RANGES["marks"])))
                       for _ in range(rng.randint(0, 3))) for _ in range(rng.randint(1, 6)))
        return unicodedata.normalize(rng.choice(["NFC", "NFD", "NFKC", "NFKD"]), text) if rng.random() < 0.5 else text

    def added():
        token = rng.choice(tokens) if tokens else ""
        cut = rng.randint(0, len(token))
        return rng.choice([token, token, token, token[cut:], token[:cut], token.upper()])

    pieces = [characters, marked, added, lambda: rng.choice(SPACES) * rng.choice([1, 1, 1, 2, 3, 17]), lambda: rng.choice(WORDS),
              lambda: rng.choice(WORDS), lambda: rng.choice(SPACES), lambda: rng.choice(CODE),
              lambda: str(rng.randrange(10 ** rng.randint(1, 12))),
              lambda: unicodedata.normalize("NFD", rng.choice(WORDS))]
    text = "".join(rng.choice(pieces)() for _ in range(rng.randint(1, 14)))
    return "".join(c for c in text if not 0xD800 <= ord(c) <= 0xDFFF)


def random_ids(rng, size, special, accent):
    ids = []
    for _ in range(rng.randint(1, 14)):
        pick = rng.random()
        if pick < 0.15 and special:
            ids.append(rng.choice(special))
        elif pick < 0.45:
            ids.append(rng.choice(accent))
        else:
            ids.append(rng.randrange(min(600, size) if pick < 0.7 else size))
    return ids


def open_package(folder):
    if (folder / "tokenizer.json").exists():
        return Tokenizer.from_file(str(folder / "tokenizer.json"))
    if (folder / "vocab.json").exists():
        tokenizer = ByteLevelBPETokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))._tokenizer
        # Without a configuration the special tokens are by default OPT's or GPT-2's.
        is_opt = tokenizer.token_to_id("</s>") == 2
        tokenizer.add_special_tokens(["</s>", "<pad>"] if is_opt else ["<|endoftext|>"])
        return tokenizer
    return convert_sentencepiece(folder / "tokenizer.model")


def convert_sentencepiece(file):
    """A BPE model of sentencepiece as tokenizer.json files of Llama 2 have it: transformers' LlamaConverter, legacy."""
    from sentencepiece import SentencePieceProcessor
    model = SentencePieceProcessor(model_file=str(file))
    pieces = [model.id_to_piece(i) for i in range(model.get_piece_size())]
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    merges = []
    for piece, i in vocabulary.items():
        parts = [(piece[:k], piece[k:]) for k in range(1, len(piece)) if piece[:k] in vocabulary and piece[k:] in vocabulary]
        merges += [(left, right, model.get_score(i)) for left, right in sorted(parts, key=lambda p: [vocabulary[x] for x in p])]
    merges.sort(key=lambda merge: (merge[2], len(merge[0]), len(merge[1])), reverse=True)
    tokenizer = Tokenizer(models.BPE(vocabulary, [merge[:2] for merge in merges], unk_token=model.id_to_piece(model.unk_id()),
                                     fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(),
                                           decoders.Strip(" ", 1, 0)])
    control = [AddedToken(p, normalized=False) for i, p in enumerate(pieces) if model.is_control(i) or model.is_unknown(i)]
    tokenizer.add_special_tokens(control)
    return tokenizer


def run_cola(program, folder, records, *options):
    lines = "".join(json.dumps(r) + "\n" for r in records)
    result = subprocess.run([program, "tokenize", "--tokenizer", str(folder), *options, "-"], input=lines.encode(),
                            stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in result.stdout.split(b"\n")[:-1]]


def compare(what, inputs, expected, found, show):
    wrong = [(i, e, f) for i, e, f in zip(inputs, expected, found, strict=True) if e != f]
    for i, e, f in wrong[:show]:
        print(f"  {what} of {ascii(i)}:\n    package {ascii(e)}\n    cola    {ascii(f)}")
    return len(wrong)


def check(program, folder, arguments):
    rng = random.Random(arguments.seed)
    tokenizer = open_package(folder)
    added = tokenizer.get_added_tokens_decoder()
    tokens = [token.content for token in added.values()]
    texts = [random_text(rng, tokens) for _ in range(arguments.count)]
    ids = [e.ids for e in tokenizer.encode_batch(texts, add_special_tokens=False)]
    size = tokenizer.get_vocab_size(with_added_tokens=True)
    special = [i for i, token in added.items() if token.special][:8]
    accent = tokenizer.encode("é漢😀\x00", add_special_tokens=False).ids
    lists = [random_ids(rng, size, special, accent) for _ in range(arguments.lists)]
    found = [r["ids"] for r in run_cola(program, folder, [{"text": t} for t in texts], "--no-special-tokens")]
    wrong = [compare("ids", texts, ids, found, arguments.show)]
    for skip in (False, True):
        every = ids + lists
        options = ["--no-special-tokens"] if skip else []
        found = [r["text"] for r in run_cola(program, folder, [{"ids": i} for i in every], *options)]
        expected = tokenizer.decode_batch(every, skip_special_tokens=skip)
        wrong.append(compare(f"text (special tokens {'left out' if skip else 'kept'})", every, expected, found, arguments.show))
    print(f"{folder.name}: {wrong[0]} of {len(texts)} strings have other ids; of {len(texts) + len(lists)} lists of ids {wrong[1]} "
          f"decode otherwise, {wrong[2]} without special tokens", flush=True)
    return sum(wrong)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--count", type=int, default=10000, help="random strings")
    parser.add_argument("--lists", type=int, default=1000, help="random lists of ids")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=3, help="differences shown of each kind")
    arguments = parser.parse_args()
    return 1 if sum([check(arguments.program, folder, arguments) for folder in arguments.folders]) else 0


sys.exit(main())
