#!/usr/bin/env python3
"""Reads what a virtual machine of run.sh reported: checks it, or writes the table of docs/ebpf.md.

    report.py check FOLDER          prints the results of a kernel; exit 1 if one is not as it must be
    report.py table PAGE FOLDER...  replaces the part of the page between the markers
"""
import json, pathlib, re, sys

BEGIN, END = '<!-- kernels: begin -->', '<!-- kernels: end -->'
# Since which version each ability must be available: the table "Requirements and fallbacks" of docs/ebpf.md.
SINCE = {
    'kernel-tables': (4, 19), 'all-namespaces': (4, 19), 'owners': (4, 19), 'owners-of-others': (4, 19),
    'ebpf-owner-changes': (5, 12), 'ebpf-udp-peers': (5, 12), 'ebpf-events': (5, 12), 'ebpf-watch': (5, 12), 'ebpf-owners': (5, 12),
    'ebpf-accepts': (6, 3), 'ebpf-tap': (5, 12), 'ebpf-reads': (6, 3),
}
# Since when Debian's kernels have MPTCP; before, a test of it fails as `socket` does.
MPTCP_SINCE = (5, 16)
NO_MPTCP = 'the kernel has no MPTCP'


def read(folder):
    """The report of a kernel; what is absent stays empty, so that it is found wanting."""
    folder = pathlib.Path(folder)
    result = folder / 'result.log'
    text = result.read_text(errors='replace') if result.exists() else ''
    lines = re.sub(r'\x1b\[[0-9;]*m', '', text).replace('\r', '').splitlines()
    report = {'kernel': '', 'abilities': [], 'modules': {}, 'tests': [], 'is_done': False, 'run': (folder / 'run').read_text().split()}
    output = []
    for line in lines:
        if not line.startswith('@@ '):
            output.append(line)
            continue
        _, what, rest = (line + ' ').split(' ', 2)
        words = rest.split()
        if what == 'kernel':
            report['kernel'] = words[0]
        elif what == 'version':
            report['version'] = rest.strip()
        elif what == 'module':
            report['modules'][words[0]] = words[1]
        elif what == 'abilities':
            try:
                report['abilities'] = json.loads(rest)['abilities']
            except ValueError:
                pass
        elif what == 'begin':
            output = []
        elif what == 'end':
            report['tests'].append({'program': words[0], 'name': words[1], 'outcome': outcome(words[2], output),
                                    'seconds': int(words[3]), 'output': output})
        elif what == 'done':
            report['is_done'] = True
    for test in report['tests']:
        if has_no_mptcp(report, test):
            test['outcome'] = 'ignored'
            test['output'].append(f"{test['name']} is ignored: {NO_MPTCP}")
    return report


def outcome(code, output):
    """What became of the one test that was asked for."""
    text = '\n'.join(output)
    if code == '0' and re.search(r'test result: ok\. 1 passed', text):
        return 'passed'
    if code == '0' and re.search(r'test result: ok\. 0 passed; 0 failed; 1 ignored', text):
        return 'ignored'
    if 'running 0 tests' in text:
        return 'unknown'
    return 'failed'


def has_no_mptcp(report, test):
    return 'mptcp' in test['name'] and version(report) < MPTCP_SINCE and 'Protocol not supported' in '\n'.join(test['output'])


def version(report):
    numbers = re.match(r'(\d+)\.(\d+)', report['kernel'])
    return tuple(int(number) for number in numbers.groups()) if numbers else (0, 0)


def missing(report):
    return {ability['name']: ability['missing'] for ability in report['abilities'] if ability['missing']}


def why_ignored(test):
    return next((line.split(' is ignored: ', 1)[1] for line in test['output'] if ' is ignored: ' in line), 'no reason reported')


def faults(report, listed):
    """What is not as it must be."""
    if not report['is_done']:
        yield f'the kernel did not reach the end of the tests (of {len(listed)}, {len(report["tests"])} ended)'
    if not report['abilities']:
        yield '`conns abilities` printed nothing'
    for name, why in missing(report).items():
        if version(report) >= SINCE.get(name, (0, 0)):
            yield f'{name} must be available, and is not: {why}'
    run = {(test['program'], test['name']) for test in report['tests']}
    for program, name in listed:
        if (program, name) not in run:
            yield f'{program} {name} was not run'
    for module, state in report['modules'].items():
        if state == 'failed':
            yield f'the module {module} could not be loaded'
    for test in report['tests']:
        shown = f"{test['program']} {test['name']}"
        if test['outcome'] == 'ignored' and 'by eBPF here: ' not in why_ignored(test) and why_ignored(test) != NO_MPTCP:
            yield f'{shown} was skipped: {why_ignored(test)}'
        elif test['outcome'] in ('failed', 'unknown'):
            yield f"{shown}: {test['outcome']}\n    " + '\n    '.join(test['output'][-12:])


def count(report, word):
    return sum(test['outcome'] == word for test in report['tests'])


def check(folder):
    listed = [tuple(line.split()) for line in (pathlib.Path(__file__).parent / 'tests.txt').read_text().splitlines()
              if line and not line.startswith('#')]
    report = read(folder)
    for test in report['tests']:
        why = f': {why_ignored(test)}' if test['outcome'] == 'ignored' else ''
        print(f"{test['outcome']:8} {test['seconds']:4} s  {test['program']} {test['name']}{why}")
    for name, why in missing(report).items():
        print(f'missing         {name}: {why}')
    print('modules         ' + ', '.join(f'{module} {state}' for module, state in report['modules'].items()))
    found = list(faults(report, listed))
    for fault in found:
        print(f'FAULT    {fault}')
    print(f"{report['kernel'] or 'no kernel'}: {count(report, 'passed')} passed, {count(report, 'ignored')} without the ability, "
          f"{len(found)} faults")
    return not found


def sentence(text):
    return ' '.join(text.split()).replace('|', '\\|')


def table(page, folders):
    reports = [read(folder) for folder in folders]
    lines = ['| Linux | package | run | tests passed | not run, the ability is missing | missing there, as `conns abilities` reports it |',
             '| --- | --- | --- | --: | --: | --- |']
    notes = {}
    for report in reports:
        cells = []
        for name, why in missing(report).items():
            number = notes.setdefault(sentence(why), len(notes) + 1)
            cells.append(f'`{name}` ({number})')
        date, package, accelerator = report['run']
        if version(report) < MPTCP_SINCE:
            cells.append('MPTCP (the kernel has none)')
        lines.append(f"| {report['kernel']} | {package} | {date}, {'software' if accelerator == 'tcg' else accelerator} | "
                     f"{count(report, 'passed')} | {count(report, 'ignored')} | {', '.join(cells) or 'nothing'} |")
    lines.append('')
    lines += [f'{number}. {why}' for why, number in notes.items()]
    path = pathlib.Path(page)
    text = path.read_text()
    head, rest = text.split(BEGIN, 1)
    _, tail = rest.split(END, 1)
    path.write_text(head + BEGIN + '\n' + '\n'.join(lines).rstrip() + '\n' + END + tail)


if __name__ == '__main__':
    if sys.argv[1:2] == ['check'] and len(sys.argv) == 3:
        sys.exit(0 if check(sys.argv[2]) else 1)
    if sys.argv[1:2] == ['table'] and len(sys.argv) > 3:
        table(sys.argv[2], sys.argv[3:])
        sys.exit(0)
    sys.exit(__doc__)
