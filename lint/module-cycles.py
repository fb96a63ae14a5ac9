#!/usr/bin/env python3
"""Fails if modules of a crate depend on each other in a circle.

A module is a file below src/. It depends on the files that define the items its paths name; re-exports are followed.
A submodule may use items of the module that contains it, but not those of the crate's root. #[cfg(test)] is ignored."""
import pathlib, re, sys, tempfile

NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|b?r(#*)".*?"\1|b?"(?:\\.|[^"\\])*"|b?\'(?:\\.[^\']*|[^\\\'])\'', re.S)
USE = re.compile(r'\b(pub(?:\([^)]*\))?\s+)?use\s+([^;]+);')
PATH = re.compile(r'(?<![\w:])[A-Za-z_]\w*(?:::[A-Za-z_]\w*)+')
ITEM = r'\b(?:fn|struct|enum|trait|type|const|static|union|macro_rules!)\s+%s\b'

def item_end(text, at):
    """The end of the item that goes on at `at`."""
    depth = 0
    while at < len(text) and (depth or text[at - 1] not in ';}'):
        depth += {'{': 1, '}': -1}.get(text[at], 0)
        at += 1
    return at

def code(text):
    """The text without comments, strings and items under #[cfg(test)], and the names of modules under #[cfg(test)]."""
    text, tests, test = NOISE.sub(' ', text), set(), '#[cfg(test)]'
    while (start := text.find(test)) >= 0:
        end = item_end(text, start + len(test))
        tests.update(re.findall(r'\bmod\s+(\w+)\s*;', text[start:end]))
        text = text[:start] + text[end:]
    for inline in re.finditer(r'\bmod\s+\w+\s*\{', text):  # `super` in such a module is the file
        end = item_end(text, inline.end() - 1)
        text = text[:inline.end()] + text[inline.end():end].replace('super::', ' self::') + text[end:]
    return text, tests

def imports(tree, prefix=()):
    """(name, path) of each leaf of a use tree."""
    head, brace, rest = tree.strip().partition('{')
    head, _, alias = head.strip().partition(' as ')
    path = prefix + tuple(part.strip() for part in head.split('::') if part)
    if not brace:
        path = path[:-1] if path[-1] == 'self' and len(path) > 1 else path
        return [(alias.strip() or path[-1], path)]
    depth, parts = 0, ['']
    for c in rest.rstrip()[:-1]:
        depth += {'{': 1, '}': -1}.get(c, 0)
        parts = parts + [''] if c == ',' and not depth else parts[:-1] + [parts[-1] + c]
    return [leaf for part in parts if part.strip() for leaf in imports(part, path)]

def dependencies(src):
    """The modules of a crate, each with those it depends on, and their files."""
    texts, files, tests = {}, {}, set()
    for file in sorted(src.rglob('*.rs')):
        parts = file.relative_to(src).with_suffix('').parts
        module = () if parts in (('lib',), ('main',)) else parts[:-1] if parts[-1] == 'mod' else parts
        text, names = code(file.read_text())
        texts[module], files[module] = texts.get(module, '') + text, file
        tests |= {module + (name,) for name in names}
    texts = {m: text for m, text in texts.items() if not any(m[:n + 1] in tests for n in range(len(m)))}
    leaves = {m: [(pub, *leaf) for pub, tree in USE.findall(text) for leaf in imports(tree)] for m, text in texts.items()}
    names = {m: {name: path for _, name, path in all if name != '*'} for m, all in leaves.items()}

    def definer(at, path, hops=0):
        """The module that defines what `path` names in module `at`; None if that is a module or in another crate."""
        for place, name in enumerate(path if hops < 9 else ()):
            if name in ('crate', 'super'):
                at = () if name == 'crate' else at[:-1]
            elif at + (name,) in texts:
                at += (name,)
            elif names[at].get(name, (name,))[0] != name:
                return definer(at, names[at][name] + path[place + 1:], hops + 1)
            elif name != 'self':
                globs = [] if place == 0 or re.search(ITEM % re.escape(name), texts[at]) else leaves[at]
                found = [definer(at, p[:-1] + path[place:], hops + 1) for _, n, p in globs if n == '*' != name]
                return next(filter(None, found), at if place else None)

    graph = {}
    for module, text in texts.items():
        body = USE.sub(' ', text)
        paths = [path for pub, name, path in leaves[module] if not pub or re.search(rf'\b{re.escape(name)}\b', body)]
        found = {definer(module, path) for path in paths + [tuple(path.split('::')) for path in PATH.findall(body)]}
        graph[module] = {m for m in found - {None, module} if m == () or m != module[:len(m)]}
    return graph, files

def cycle_from(graph, start):
    """A shortest way from a module back to it, if there is one, and every module it leads to."""
    ways, seen, cycle = [(start,)], set(), ()
    for way in ways:
        cycle = cycle or ((*way, start) if start in graph[way[-1]] else ())
        new = sorted(graph[way[-1]] - seen)
        seen.update(new)
        ways += [(*way, module) for module in new]
    return cycle, seen

def cycles(src):
    """A shortest cycle of each set of modules that all depend on each other."""
    (graph, files), sets = dependencies(src), {}
    found = {module: cycle_from(graph, module) for module in graph}
    for module, (cycle, reached) in found.items():
        sets.setdefault(frozenset(m for m in reached if module in found[m][1]), []).append(cycle)
    lines = [(' -> '.join(str(files[m]) for m in min(all, key=len)), len(several)) for several, all in sets.items() if several]
    return [f'module cycle: {line} ({several} modules depend on each other)' for line, several in lines]

def self_test():
    """A small crate without cycles passes, and with each way to make one it fails."""
    with tempfile.TemporaryDirectory() as folder:
        src = pathlib.Path(folder)
        write = lambda **texts: [(src / f'{name}.rs').write_text(text) for name, text in texts.items()]
        write(lib='mod a; mod b; mod c; pub use a::A;', a='use crate::b::B; struct A;', b='struct B; fn b() { super::c::c() }')
        write(c='#[cfg(test)] mod tests { use crate::A; } fn c() { "crate::A"; } // crate::A')
        assert not cycles(src), 'a tree without cycles is refused'
        for text in ('use crate::A;', 'use super::{a::{self, A as X}};', 'fn d() { crate::a::A::new() }', 'use super::a::*;'):
            write(c=text + ' fn c() {}')
            assert cycles(src), f'a cycle is not found: {text}'

if __name__ == '__main__':
    self_test()
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else '.')
    members = re.findall(r'"([^"]+)"', re.search(r'(?s)members = \[(.*?)\]', (root / 'Cargo.toml').read_text())[1])
    found = [line for member in members for line in cycles(root / member / 'src')]
    sys.exit('\n'.join(found) if found else print(f'module-cycles: none in {len(members)} crates'))
