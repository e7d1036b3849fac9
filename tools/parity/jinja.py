#!/usr/bin/env python3
"""Makes tests/files/jinja/cases.json: small templates with what Jinja2 makes of them with transformers' settings.

    python tools/parity/jinja.py

Written with transformers 5.24.0 and Jinja2 3.1.6. A case has a template, variables and the output, or what was raised:
"refusal" (raise_exception, with its message), "error" (anything else).
"""
import datetime
import json
from pathlib import Path

import jinja2
import transformers
from transformers.utils import chat_template_utils

OUT = Path(__file__).resolve().parents[2] / "tests" / "files" / "jinja" / "cases.json"

CHAT = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes"}]
VALUES = {
    "word": "Wörld", "text": "  two words\n", "empty": "", "zero": 0, "seven": 7, "real": 2.5, "none": None, "yes": True,
    "list": [3, 1, 2], "words": ["b", "A", "c"], "nested": {"a": {"b": [10, 20]}, "items": 5, "key": "v"}, "chat": CHAT,
    "people": [{"name": "Zoe", "age": 3}, {"name": "adam", "age": 5}, {"age": 4}], "large": 12345678901234567890123,
    "floats": [1.0, 1e20, 1e-7, -0.0, 0.1, 1e16, 123456789.125, 1e15], "odd": "é\u2028\x7f\x1b\"'\\\t😀", "quote": "it's",
    "html": "<a href=\"x\">&'", "lines": "one\r\ntwo\n\nthree",
}

TEMPLATES = [
    # white space
    "a\n{% if yes %}\n  b\n{% endif %}\nc\n", "  {% if yes %}x{% endif %}  \n y", "{{ word }}\n\n", "a  {%- if yes -%}  b  {%- endif -%}  c",
    "a {{- word -}} b", "{# c #}\nx {#- d -#} y", "  {%+ if yes %}x{% endif +%}\ny", "a\r\nb\rc\n", "x\n  {# c #}\n  y", "{{ '}}' }}{{ {'a': {}}['a'] }}",
    "{%- for x in list %}\n  {{ x }}\n{%- endfor %}\n", "\t {% set x = 1 %}\n{{ x }}", "{% if yes %}\n\n{% endif %}|", "  {{ word }}  \n  {%- set y = 1 %}",
    # literals and operators
    "{{ 1 + 2 * 3 - 4 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 6 / 3 }}", "{{ 1_000 }} {{ 1.5e3 }} {{ 2.0 }} {{ -1.5 }}",
    "{{ 'a' 'b' }} {{ \"\\n\\t\\x41\\u00e9\\101\\q\" }}", "{{ 'a' ~ 1 ~ none ~ 2.0 ~ yes }}", "{{ 'ab' * 3 }}|{{ 2 * 'x' }}",
    "{{ [1, 2] + [3] }} {{ (1, 2) }} {{ (1,) }} {{ () }} {{ {'a': 1, 'b': [none, true]} }}", "{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1.0 }} {{ true == 1 }}",
    "{{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }} {{ 'a' in 'cat' }} {{ 3 in list }} {{ 'key' in nested }} {{ 'z' not in 'cat' }}",
    "{{ not yes }} {{ not none }} {{ yes and 'x' }} {{ empty or 'y' }} {{ zero and 1 }}", "{{ 'a' if yes else 'b' }} {{ 'a' if empty }}|",
    "{{ 'a' if not yes else 'b' if zero else 'c' }}", "{{ -list[0] }} {{ - 3 | abs }} {{ +5 }}", "{{ 1 + 'a' }}", "{{ 'a' + 1 }}", "{{ none + 'a' }}",
    "{{ 2 ** 3 }}", "{{ 5 % 0 }}", "{{ 1 / 0 }}", "{{ 'a' < 1 }}", "{{ large }} {{ floats }}", "{{ none }} {{ yes }} {{ real }}",
    # names, members, items
    "{{ missing }}|{{ nested.missing }}|{{ nested['missing'] }}|{{ list[9] }}|{{ word[99] }}", "{{ missing.x }}", "{{ nested.missing.x }}", "{{ nested.a.b[1] }}",
    "{{ nested['items'] }} {{ nested.key }}", "{{ nested.items() }}", "{{ nested.items()[0] }}|", "{{ nested.items() | length }}", "{{ (list | map('string')) | length }}", "{% if [] | map('upper') %}yes{% endif %}", "{{ nested.items() | tojson }}", "{{ range(3) }}", "{{ range(3)[1] }}{{ range(4)[1:] | list }}", "{% set g = list | select('odd') %}{% for x in g %}{{ x }}{% endfor %}{% for x in g %}{{ x }}{% endfor %}", "{{ none.x }}|{{ none['x'] }}", "{{ word[1] }}{{ word[-1] }}{{ word[1:3] }}{{ word[::-1] }}{{ word[::2] }}",
    "{{ list[1:] }} {{ list[:-1] }} {{ list[::-1] }} {{ list[5:] }} {{ list[-9:2] }} {{ list[2:0:-1] }}", "{{ list['x'] }}|{{ 5[0] }}|", "{{ missing is defined }} {{ word is defined }}",
    "{{ nested._x }}|", "{{ list.append(4) }}", "{{ nested.pop('key') }}", "{{ list.index(2) }} {{ list.count(1) }}", "{{ nested.get('key') }} {{ nested.get('z') }} {{ nested.get('z', 4) }}",
    "{% for k, v in nested.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k in nested %}{{ k }}{% endfor %}", "{{ nested.keys() | list }} {{ nested.values() | list }}", "{{ 'x'.foo }}|{{ 'x'['upper']() }}",
    "{% set d = {0: 'z', 512: 'm', 'a': 1, none: 2, 1.5: 3} %}{{ d[0] }}{{ d[512.0] }}{{ d[true] }}|{{ d.a }}{{ d[none] }}{{ 512 in d }} {{ d }} {{ d | tojson }}", "{% for k in {3: 1, 1: 2} %}{{ k + 1 }}{% endfor %}{{ {3: 1, 1: 2} | dictsort }}", "{{ {[1]: 2} }}", "{{ {(1, 2): 2} | tojson }}", "{{ {(1, 2): 3}[(1, 2)] }}",
    # statements
    "{% for x in list %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.revindex0 }};{% endfor %}",
    "{% for x in list %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {% endfor %}", "{% for x in list if x > 1 %}{{ x }}{{ loop.last }}{% endfor %}", "{% for x in missing %}x{% else %}none{% endfor %}",
    "{% for a, b in [[1, 2], [3, 4]] %}{{ a }}{{ b }}{% endfor %}", "{% for a, b in [[1, 2, 3]] %}{% endfor %}", "{% for x in 'añb' %}{{ x }}.{% endfor %}", "{% for x in 5 %}{% endfor %}", "{% for x in none %}{% endfor %}",
    "{% for x in list %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %} {% for x in list %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in list %}{% for y in words %}{{ loop.index }}{{ loop.depth }}{% endfor %}{{ loop.index }}{% endfor %}", "{% for x in list %}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% set x = 1 %}{% for i in list %}{{ x }}{% set x = i %}{{ x }}{% endfor %}{{ x }}", "{% set x = 1 %}{% if yes %}{% set x = 2 %}{% endif %}{{ x }}", "{% set ns = namespace(n=0, s='a') %}{% for i in list %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}{{ ns.s }}{{ ns.q }}|",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set x %}a{{ word }}{% endset %}{{ x }}{{ x | length }}", "{% set x | upper %}abc{% endset %}{{ x }}", "{% filter upper %}a{{ word }}{% endfilter %}",
    "{% macro m(a, b='x') %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}{{ m(1, 2) }}{{ m(b=3, a=4) }}{{ m() }}", "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{% endmacro %}{{ m(z=2) }}",
    "{% set x = 1 %}{% macro m() %}{{ x }}{% endmacro %}{% set x = 2 %}{{ m() }}", "{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(4) }}", "{% macro m(a, b=a) %}{{ b }}{% endmacro %}{{ m(3) }}",
    "{% for x in list %}{% macro m() %}[{{ x }}]{% endmacro %}{{ m() }}{% endfor %}", "{{ m() }}{% macro m() %}a{% endmacro %}", "{% macro m(a, b) %}{{ a }}-{{ b }}{% endmacro %}{{ m(*[1, 2]) }}{{ m(**{'a': 3, 'b': 4}) }}",
    "{{ raise_exception('No, ' ~ word) }}", "{% if empty %}a{% elif zero %}b{% elif seven %}c{% else %}d{% endif %}", "{% unknown %}", "{% if yes %}", "{{ 1 + }}", "{{ x | nofilter }}", "{{ x is notest }}", "{% endfor %}",
    "a{% generation %}b{{ word }}{% endgeneration %}c{% generation %}d{% endgeneration %}", "{% for m in chat %}{{ m.role }}:{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}{% endif %}\n{% endfor %}",
    "{% set x = 1 %}{% generation %}{% set x = 2 %}{{ x }}{% endgeneration %}{{ x }}", "{{ strftime_now('%d %B %Y, %H:%M:%S %a %j') }}", "{{ range(3) | list }} {{ range(1, 7, 2) | list }} {{ range(3, 0, -1) | list }}", "{{ dict(a=1, b=2) }}",
    # filters
    "{{ text | trim }}|{{ 'xxaxx' | trim('x') }}|{{ 5 | trim }}", "{{ list | length }} {{ word | length }} {{ nested | length }} {{ missing | length }} {{ list | count }}", "{{ 5 | length }}", "{{ missing | default('d') }} {{ empty | default('d') }}|{{ empty | default('d', true) }} {{ none | d('x') }}",
    "{{ list | join(', ') }} {{ words | join }} {{ people | join('/', attribute='age') }} {{ 'abc' | join('-') }} {{ [1, none, 2.0] | join(' ') }}", "{{ word | upper }} {{ word | lower }} {{ 'hELLO wORLD' | capitalize }} {{ \"it's a-b (c)\" | title }}",
    "{{ 'aXbX' | replace('X', 'y') }} {{ 'aXbX' | replace('X', 'y', 1) }} {{ 5 | replace('5', '6') }}", "{{ words | sort }} {{ list | sort(reverse=true) }} {{ words | sort(case_sensitive=true) }} {{ chat | sort(attribute='content') | map(attribute='content') | list }}",
    "{{ nested | dictsort }} {{ {'b': 1, 'A': 2} | dictsort(reverse=true) }} {{ {'b': 1, 'a': 2} | dictsort(by='value') }}", "{{ nested | items | list }}", "{{ list | items | list }}", "{{ missing | items | list }}",
    "{{ people | selectattr('name') | list | length }} {{ people | selectattr('age', '>', 3) | list }}", "{{ people | selectattr('age', 'gt', 3) | map(attribute='age') | list }} {{ people | rejectattr('name', 'defined') | list }}", "{{ list | select('odd') | list }} {{ list | reject('odd') | list }} {{ [0, 1] | select | list }}",
    "{{ people | map(attribute='name') | list }} {{ people | map(attribute='name', default='?') | list }} {{ words | map('upper') | join }} {{ words | map('replace', 'b', 'z') | list }}", "{{ none | selectattr('x') | list }}{{ none | map('upper') | list }}",
    "{{ list | min }} {{ list | max }} {{ words | min }} {{ [] | max }}|{{ people | max(attribute='age') }}", "{{ [1, 1, 2, 'a', 'A'] | unique | list }} {{ list | sum }} {{ people | sum(attribute='age') }}", "{{ list | first }} {{ list | last }} {{ [] | first }}| {{ list | reverse | list }} {{ 'abc' | reverse }}",
    "{{ '12' | int }} {{ ' 3.9 ' | int }} {{ 'x' | int }} {{ 'x' | int(5) }} {{ 2.9 | int }} {{ '1.5' | float }} {{ -3 | abs }} {{ real | string }}", "{{ lines | indent }}|{{ 'a\nb' | indent(2, true) }}|{{ 'a\n\nb' | indent(2, blank=true) }}|{{ 'a\nb' | indent('> ') }}",
    "{{ html | e }} {{ html | escape | e }} {{ html | safe }}", "{{ ('<b>' | safe) + html }}", "{{ html + ('<b>' | safe) }}", "{{ ('<b>' | safe) ~ html }} {{ [html, '<b>' | safe] | join }}", "{{ ('x<b>' | safe).replace('x', html) }}", "{{ ('<B>' | safe) | lower }}{{ (('<b> ' | safe) | trim) + '<' }}",
    "{{ nested | tojson }} {{ odd | tojson }} {{ odd | tojson(ensure_ascii=true) }} {{ floats | tojson }} {{ large | tojson }}", "{{ nested | tojson(indent=2) }} {{ [] | tojson(indent=4) }} {{ {} | tojson(indent=1) }} {{ [[]] | tojson(indent='\t') }}",
    "{{ {'b': 1, 'a': [1, 2]} | tojson(sort_keys=true) }} {{ {'b': 1, 'a': [1, 2]} | tojson(separators=(',', ':')) }}", "{{ missing | tojson }}", "{{ (1, 2) | tojson }} {{ none | tojson }} {{ true | tojson }}",
    # tests
    "{{ word is string }} {{ seven is string }} {{ seven is number }} {{ real is float }} {{ seven is integer }} {{ yes is number }} {{ yes is boolean }} {{ none is none }}", "{{ list is iterable }} {{ word is iterable }} {{ seven is iterable }} {{ nested is mapping }} {{ list is mapping }} {{ list is sequence }} {{ nested is sequence }} {{ missing is iterable }}",
    "{{ yes is true }} {{ 1 is true }} {{ yes is false }} {{ missing is undefined }} {{ word is not none }} {{ 4 is even }} {{ 9 is divisibleby 3 }} {{ 2 is in list }} {{ 2 is eq 2 }} {{ 'a' is lower }} {{ 'A' is upper }}", "{{ seven is gt 3 and yes is true }} {{ missing is not defined or yes }}",
    # methods
    "{{ text.strip() }}|{{ text.lstrip() }}|{{ text.rstrip() }}|{{ 'xyx'.strip('x') }}|{{ '\u3000a\u00a0'.strip() }}", "{{ 'a,b,,c'.split(',') }} {{ ' a  b '.split() }} {{ 'a,b,c'.split(',', 1) }} {{ 'a b c'.rsplit(' ', 1) }} {{ ' a b c'.split(None, 1) }} {{ lines.splitlines() }}",
    "{{ word.startswith('W') }} {{ word.endswith(('x', 'd')) }} {{ word.upper() }} {{ word.lower() }} {{ word.title() }} {{ 'aB cD'.capitalize() }} {{ \"they're bill's\".title() }}", "{{ 'aXbX'.replace('X', '-') }} {{ 'abc'.replace('', '-') }} {{ 'aXbX'.replace('X', '-', 1) }} {{ 'a'.join(['1', '2']) }} {{ 'abcb'.find('b') }} {{ 'abcb'.rfind('b') }} {{ 'x'.find('y') }}",
    "{{ 'a{}c{}'.format(1, 'x') }} {{ '{1}{0}{n}'.format(1, 2, n=3) }} {{ '{{}}'.format() }}", "{{ 'abcabc'.count('bc') }} {{ 'prefix-x'.removeprefix('prefix-') }} {{ 'x.txt'.removesuffix('.txt') }} {{ '12'.isdigit() }} {{ 'ab'.isalpha() }}", "{{ 'ß'.upper() }} {{ 'İ'.lower() }} {{ 'ΑΣ'.lower() }} {{ 'ǆ'.capitalize() }}",
    "{{ ' a b  '.split(None, 1) }} {{ ' a  b c '.split(none, 1) }} {{ '  a b c'.rsplit(none, 1) }} {{ 'a b'.split(none, 5) }} {{ 'a '.split(none, 0) }}",
    "{{ 'ß'.capitalize() }} {{ 'ΑΣ'.capitalize() }} {{ 'ΑΣ ΒΣ'.title() }} {{ 'ΑΣ ΒΣ' | title }} {{ 'ΑΣ' | capitalize }} {{ 'ŉa ǆb' | title }} {{ 'ŉa ǆb'.title() }}",
    "{{ '{}{0}'.format(1) }}", "{{ '{99999999999999999999}'.format(1) }}", "{{ '1_000' | int }}", "{{ '12345678901234567890123' | int }}", "{{ '1e19' | int }}", "{{ '+-5' | int }}{{ '+5' | int }}{{ 'inf' | int(3) }}{{ 'nan' | int(4) }}{{ '1e3' | int }} {{ '' | int(7) }} {{ '1e' | float(2.5) }} {{ '.5' | float }} {{ '5.' | float }}",
    "{{ '1e400' | float }}", "{{ 9007199254740993 == 9007199254740992.0 }} {{ 9007199254740993 > 9007199254740992.0 }} {{ large == 5 }} {{ large != large }}", "{{ large == 1e22 }}", "{{ large > 5 }}", "{{ [1] < (1, 2) }}", "{{ nested.keys() == nested.keys() }}",
    "{% set g = list | select('odd') %}{{ 3 in g }}{{ g | list }}", "{{ list | select('odd') | last }}", "{{ list | select('odd') | first }} {{ list | select('odd') | reverse }}", "{{ ['a'] | sum(start='b') }}",
    "{% set ns = namespace() %}{% for x in [1] %}{% macro m() %}{{ x }}{% endmacro %}{% set ns.m = m %}{% endfor %}{{ ns.m() }}", "  {{+ 'a' +}}", "  {{+ 5 }}", "{%+ set x = 1 %}{{ x }}",
    "{{ ','.join([1]) }}", "{{ word.split('') }}", "{{ 'x'() }}", "{{ [quote, odd, none, 1.0, {'a': 'b'}] }}", "{{ words | string | upper }}", "{{ people }}",
]


class FixedDate(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2026, 3, 9, 14, 5, 6)


def render(template: str) -> dict:
    case = {"template": template}
    try:
        compiled = chat_template_utils._compile_jinja_template(template)
        if "generation" in template:
            # As for a conversation: what the blocks wrote, too.
            case["output"], spans = chat_template_utils._render_with_assistant_indices(compiled, [], None, None, False, **VALUES)
            case["spans"] = [list(span) for span in spans]
        else:
            case["output"] = compiled.render(**VALUES)
    except jinja2.exceptions.TemplateError as error:
        if type(error) is jinja2.exceptions.TemplateError:
            case["refusal"] = str(error)
        else:
            case["error"] = f"{type(error).__name__}: {error}"
    except Exception as error:  # whatever a template makes Python raise
        case["error"] = f"{type(error).__name__}: {error}"
    return case


def main():
    chat_template_utils.datetime = FixedDate
    cases = [render(template) for template in TEMPLATES]
    head = {"transformers": transformers.__version__, "jinja2": jinja2.__version__, "variables": VALUES}
    OUT.parent.mkdir(exist_ok=True)
    lines = ",\n".join(json.dumps(case) for case in cases)
    OUT.write_text(json.dumps(head)[:-1] + ', "cases": [\n' + lines + "\n]}\n", encoding="ascii")
    print(f"{len(cases)} cases, {sum('error' in case for case in cases)} errors")


if __name__ == "__main__":
    main()
