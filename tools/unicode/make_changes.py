#!/usr/bin/env python3
"""Writes src/text/unicode_16_changes.inc: what Unicode 15 and 16 changed, as the regular expressions of the Python
package `tokenizers` (Oniguruma 6.9.10 inside) classify code points, against an installed libonig 6.9.8 (Unicode 14).

    python3 tools/unicode/make_changes.py > src/text/unicode_16_changes.inc

Written with tokenizers 0.23.3 and Debian 12's libonig5 6.9.8-1.
"""
import ctypes

import tokenizers
from tokenizers import Regex, pre_tokenizers

CATEGORIES = "Cc Cf Cn Co Ll Lm Lo Lt Lu Mc Me Mn Nd Nl No Pc Pd Pe Pf Pi Po Ps Sc Sk Sm So Zl Zp Zs".split()
FLAGS = {"Alphabetic": "alphabetic", "Lowercase": "lowercase", "Uppercase": "uppercase", "Emoji": "emoji",
         "Emoji_Modifier_Base": "modifier_base"}
SCRIPTS = """Arabic Balinese Common Cyrillic Devanagari Egyptian_Hieroglyphs Garay Gurung_Khema Han Hiragana Kannada
             Katakana Kawi Khitan_Small_Script Khojki Kirat_Rai Lao Latin Myanmar Nag_Mundari Ol_Onal Sunuwar Todhri
             Tulu_Tigalari""".split()


class Encoding(ctypes.Structure):
    """The beginning of OnigEncodingType."""
    pointer = ctypes.c_void_p
    _fields_ = [("mbc_enc_len", pointer), ("name", ctypes.c_char_p), ("max", ctypes.c_int), ("min", ctypes.c_int),
                ("is_mbc_newline", pointer), ("mbc_to_code", pointer), ("code_to_mbclen", pointer),
                ("code_to_mbc", pointer), ("mbc_case_fold", pointer), ("apply_all_case_fold", pointer),
                ("get_case_fold_codes_by_str", pointer), ("property_name_to_ctype", pointer),
                ("is_code_ctype", pointer), ("get_ctype_code_range", pointer)]


UTF8 = Encoding.in_dll(ctypes.CDLL("libonig.so.5"), "OnigEncodingUTF8")
CODE = ctypes.c_uint
PROPERTY = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 3)(UTF8.property_name_to_ctype)
RANGES = ctypes.CFUNCTYPE(ctypes.c_int, CODE, ctypes.POINTER(CODE), ctypes.POINTER(ctypes.POINTER(CODE)))(
    UTF8.get_ctype_code_range)


def library_members(name):
    """The code points, surrogates apart, that have a property in the installed library."""
    text = ctypes.create_string_buffer(name.replace("_", "").lower().encode())
    begin = ctypes.addressof(text)
    ctype = PROPERTY(ctypes.addressof(UTF8), begin, begin + len(text.value))
    if ctype < 0:
        return set()
    ranges = ctypes.POINTER(CODE)()
    assert RANGES(ctype, ctypes.byref(CODE()), ctypes.byref(ranges)) == 0
    return {c for i in range(ranges[0]) for c in range(ranges[1 + 2 * i], ranges[2 + 2 * i] + 1)
            if not 0xD800 <= c <= 0xDFFF}


def members(name, code_points, text):
    """Which of the code points, those of the text, have a property."""
    split = pre_tokenizers.Split(Regex(r"\p{%s}+" % name), "removed", invert=True)
    return {c for _, (begin, end) in split.pre_tokenize_str(text) for c in code_points[begin:end]}


def main():
    every = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
    text = "".join(map(chr, every))
    category, changed = {}, set()
    for name in CATEGORIES:
        now = members(name, every, text)
        changed |= now ^ library_members(name)
        category.update((c, name) for c in now)
    for name in ("Alphabetic", "Lowercase", "Uppercase"):
        changed |= members(name, every, text) ^ library_members(name)
    changed = sorted(changed)
    text = "".join(map(chr, changed))
    flags = {name: members(name, changed, text) for name in FLAGS}
    script = {c: name for name in SCRIPTS for c in members(name, changed, text) - library_members(name)}
    runs = []
    for c in changed:
        what = (category[c], " | ".join(word for name, word in FLAGS.items() if c in flags[name]), script.get(c, ""))
        if runs and runs[-1][1] == c - 1 and runs[-1][2] == what:
            runs[-1][1] = c
        else:
            runs.append([c, c, what])
    print("// Code points that Unicode 15 or 16 added, or of which they changed the category, Alphabetic, Lowercase or")
    print("// Uppercase, with what they are in Unicode 16; the script where it changed.")
    print(f"// Written by tools/unicode/make_changes.py with tokenizers {tokenizers.__version__}; not edited by hand.")
    for first, last, (name, words, script_name) in runs:
        print(f'{{0x{first:04X}, 0x{last:04X}, "{name}", {words or 0}, "{script_name}"}},')


main()
