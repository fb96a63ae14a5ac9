#!/usr/bin/env python3
"""Collects corpus/filter: the filters of docs/filter.md and of core/tests/query_filter.rs, one a line.

Run anywhere: `python3 fuzz/record/filters.py`.
"""

import os
import re

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
# The first string of a tuple, as Rust writes it.
FIRST = re.compile(r'\(\s*"((?:[^"\\]|\\.)*)",', re.S)
ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\", "'": "'", "0": "\0"}


def main():
    page = read("docs/filter.md")
    tests = read("core/tests/query_filter.rs")
    keep("accepted.txt", blocks(page, "filter") + table(tests, "CASES"))
    errors = [block.split("\n")[1].strip() for block in re.findall(r"```error\n(.*?)```", page, re.S)]
    keep("refused.txt", errors + table(tests, "REFUSED"))


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def blocks(page, language):
    return [line for block in re.findall("```%s\n(.*?)```" % language, page, re.S) for line in block.splitlines()]


def table(tests, name):
    start = tests.index("const %s:" % name)
    return [unescape(text) for text in FIRST.findall(tests[start:tests.index("\n];", start)])]


def unescape(text):
    text = re.sub(r"\\u\{([0-9a-fA-F]+)\}", lambda found: chr(int(found.group(1), 16)), text)
    return re.sub(r"\\(.)", lambda found: ESCAPES[found.group(1)], text)


def keep(name, filters):
    lines = list(dict.fromkeys(line for line in filters if line.strip() and "\n" not in line))
    folder = os.path.join(ROOT, "corpus/filter")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write("".join(line + "\n" for line in lines))
    print("%-16s %d" % (name, len(lines)))


if __name__ == "__main__":
    main()
