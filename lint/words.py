#!/usr/bin/env python3
"""Fails if a private word stands in code, comments, docs or messages, and names the standard term.

Names are split into words first: `fooBar`, `foo_bar` and `FOO_BAR` are all `foo bar`. With paths as arguments only files
below these are checked."""
import pathlib, re, subprocess, sys

# Patterns over words in lower case, and what to write instead.
WORDS = {
    r'beats?': 'update',
    r'slips?|slipped': 'lateness',
    r'(?<!line )feeds?': 'update receiver',
    r'shelf|shelves': 'response cache',
    r'happenings?': 'lifecycle event',
    r'(?<!of )courses?': 'lifecycle',
    r'openings': 'opened',
    r'(?<!line )endings?': 'closed',
    r'look(s|ed|ing)?(?! ?(up|like|alike)\b)': 'sample, read, search',
    r'glances?': 'sample',
    r'heart': 'sampler',
    r'reins': 'control',
    r'ears': 'event drain',
    r'hears?|heard|hearing': 'read, apply, receive',
    r'tells?|told|untold|telling': 'report, send, show',
    r'says?|said|saying|unsaid': 'report, state, print',
    r'deaf': 'without events',
    r'believed?|believes|belief|grounds': 'inferred, cached, evidence',
    r'unmet': 'pending',
    r'remember(s|ed)?': 'history, cache',
    r'(?<!monotonic )coarse(?! clock)': 'degraded',
    r'gone(?<!410 gone)(?<!code::gone)': 'removed, closed',
    r'standby': 'fallback',
    r'(take|takes|taking|took|taken) over': 'fall back, adopt',
    r'seats?': 'client slot',
    r'stages?': 'phase, fixture',
    r'houses?': 'server context',
    r'ledgers?': 'bytes in flight',
    r'entrances?': 'ingress',
    r'doors?': 'request guard',
    r'gates?': 'access config',
    r'shut(?! ?(down|rd|wr)\b)': 'rejection, closed',
    r'holders?': 'owner',
    r'faces?|faced': 'agent',
    r'spoken': 'served',
    r'pieces?': 'chunk',
    r'stubs?': 'minisock',
    r'rolls?': 'slab',
    r'hoards?': 'memory hog',
    r'crowds?': 'idle load',
    r'customers?': 'probe client',
    r'zoo': 'fixture sockets',
    r'laws?': 'schedule',
    r'whoever|whomever|whom': 'the caller, the client, the kernel',
    r'strangers?|somebody|anybody|nobody|everybody': 'client, peer, caller',
    r'so many|so often|so long|so few': 'a number, an interval, a limit',
    r'other than': 'unlike, except',
    r'left out': 'omitted, delegated',
    r'the one idea': 'Invariant:, or nothing',
}
# Names of constants.
CONSTANTS = {r'[A-Z0-9_]+_MOST': 'MAX_…', r'([A-Z0-9_]+_)?EVERY': '…_INTERVAL'}
# The user of that name, and names in quotes that others chose.
ALLOWED = re.compile(r'(?<=["\'`=])nobody(?=["\'`:\s])|root,nobody|nobody:nogroup|temporal::Pieces|Pieces::parse|set_piece_hashes')
SKIPPED = re.compile(r'(corpus|bench/runs|target|fuzz/corpus)/|.*/target/|(.*/)?Cargo\.lock$|web/dist/|web/package-lock\.json$|LICENSE|CHANGELOG\.md$|docs/words\.md$|lint/words\.py$')

WORD = re.compile('|'.join(rf'\b(?P<w{n}>{word})\b' for n, word in enumerate(WORDS)))
CONSTANT = re.compile('|'.join(rf'\b(?P<c{n}>{name})\b' for n, name in enumerate(CONSTANTS)))

def findings(line):
    """(what was found, what to write) for each private word of a line."""
    line = ALLOWED.sub('', line)
    found = [(match, 'c', CONSTANTS) for match in CONSTANT.finditer(line)]
    words = re.sub(r'(?<=[a-z0-9])(?=[A-Z])|_', ' ', line).lower()
    found += [(match, 'w', WORDS) for match in WORD.finditer(words)]
    for match, prefix, table in found:
        yield match[0], next(term for n, term in enumerate(table.values()) if match[f'{prefix}{n}'])

def files(root):
    """The files of the repository: those that git knows or could add, without git all."""
    git = ['git', '-C', str(root), 'ls-files', '--cached', '--others', '--exclude-standard']
    listed = subprocess.run(git, capture_output=True, text=True) if (root / '.git').exists() else None
    names = listed.stdout.splitlines() if listed else [str(f.relative_to(root)) for f in root.rglob('*') if f.is_file()]
    return sorted(name for name in names if not SKIPPED.match(name) and (root / name).is_file())

def self_test():
    """Private words are found in every way of writing names, and none in the terms of others."""
    for line in ('a beat later', 'fn look_again()', 'struct FaceError', 'const WAITING_MOST: u8', 'TAKEN_EVERY', 'EVERY,', 'as_nobody()',
                 'The one idea: a', 'SO_MANY', 'gate', 'is gone', 'takes over', 'looks it over'):
        assert list(findings(line)), f'not found: {line}'
    for line in ('look up', 'dns_lookup::lookup_addr', 'looked up', 'interface', 'surface', 'heartbeat', 'gateway', 'shutdown', 'SHUT_WR',
                 'StatusCode::GONE', 'user = "nobody"', 'of course', 'MonotonicCoarse', 'every', 'line feed', 'almost_MOSTLY'):
        assert not list(findings(line)), f'found: {line}: {list(findings(line))}'

if __name__ == '__main__':
    self_test()
    root, count = pathlib.Path(__file__).resolve().parent.parent, 0
    below = tuple(sys.argv[1:])
    for name in files(root):
        if below and not name.startswith(below):
            continue
        text = (root / name).read_text(errors='replace')
        for number, line in enumerate([name] + (text.splitlines() if '\0' not in text else [])):
            for word, term in findings(line):
                print(f'{name}:{number}: {word} -> {term}')
                count += 1
    sys.exit(f'words: {count} private words' if count else print('words: no private words'))
