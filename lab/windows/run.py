#!/usr/bin/env python3
"""Runs conns.exe in wine, and compares its answers with the sockets that three programs have opened there.
This wine has no round trip times: a library of the test stands in for those.

    python3 lab/windows/run.py PATH/conns.exe

Exits with 1 after a difference, and if wine or the compiler of the test programs is missing: nothing is skipped.
The sockets of the host are in wine's tables too; rows are compared whose local end is one of a test program.
"""
import contextlib, json, os, pathlib, shutil, socket, subprocess, sys, tempfile, time, urllib.request

HERE = pathlib.Path(__file__).parent
CLIENTS = ('client.exe', 'second.exe')
MEASURED = 'measured'
"""The folder of conns.exe with a library that reports round trip times."""
COMPILER = 'x86_64-w64-mingw32-gcc'
BUILTIN = b'Wine builtin DLL'
"""The mark of a library of wine."""
SECONDS = 120
"""For one program to end. The first start makes wine's configuration, which takes longest."""


class Wine:
    """Wine with a configuration of its own in `folder`."""

    def __init__(self, folder):
        self.folder = folder
        self.program = packaged('wine64', 'wine64')
        self.server = packaged('wine64', 'wineserver64')
        # Without the dialogues that offer to install Mono and Gecko; and with the library of round trip times where there is one.
        self.environment = dict(os.environ, WINEPREFIX=str(folder / 'prefix'), WINEDEBUG='-all',
                                WINEDLLOVERRIDES='mscoree,mshtml=;iphlpapi=n,b')

    def start(self, program, *arguments, environment=None, **streams):
        command = [self.program, str(self.folder / program), *arguments]
        return subprocess.Popen(command, env=self.environment | (environment or {}), **streams)

    def run(self, program, *arguments, environment=None):
        """Exit code, standard output and standard error."""
        # Files, as wine's own background processes inherit the streams and keep a pipe open.
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
            ended = self.start(program, *arguments, environment=environment, stdin=subprocess.DEVNULL, stdout=out,
                               stderr=errors)
            try:
                code = ended.wait(SECONDS)
            except subprocess.TimeoutExpired:
                ended.kill()
                raise SystemExit(f'{program} {" ".join(arguments)} did not end within {SECONDS} s')
            texts = []
            for stream in (out, errors):
                stream.seek(0)
                texts.append(stream.read().decode())
        return code, *texts

    def stop(self):
        """Ends all processes of this configuration."""
        subprocess.run([self.server, '-k'], env=self.environment, check=False)


class Peer:
    """A test program with open sockets."""

    def __init__(self, wine, name, *arguments):
        self.name = name
        self.process = wine.start(name, *arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.sockets = []
        self.read()

    def read(self):
        """The sockets it has opened since the last call."""
        for line in self.process.stdout:
            if line.strip() == 'done':
                return
            self.sockets.append(dict(json.loads(line), process=self.name))
        raise SystemExit(f'{self.name} ended')

    def accept(self):
        self.process.stdin.write('accept\n')
        self.process.stdin.flush()
        self.read()

    def stop(self):
        self.process.stdin.close()
        self.process.wait(SECONDS)


class Checks:
    """Counts comparisons, and prints those that differ."""

    def __init__(self):
        self.total = self.failed = self.rows = 0

    def that(self, what, holds, seen=''):
        self.total += 1
        self.failed += not holds
        print(f'  {"ok  " if holds else "FAIL"} {what}' + ('' if holds else f'\n       {seen}'))

    def rows_equal(self, what, expected, found):
        self.rows += len(expected)
        expected, found = (sorted(json.dumps(row, sort_keys=True) for row in rows) for rows in (expected, found))
        missing = [row for row in expected if row not in found]
        surplus = [row for row in found if row not in expected]
        self.that(f'{what}: {len(expected)} rows', expected == found,
                  f'missing {missing} surplus {surplus}; {len(expected)} expected, {len(found)} found')


def packaged(package, name, access=os.X_OK):
    """The file `name` of a Debian package, a program unless it is only to be read, which need not be on PATH."""
    listed = subprocess.run(['dpkg', '-L', package], capture_output=True, text=True, check=False).stdout.splitlines()
    for path in listed:
        if path.endswith(f'/{name}') and os.access(path, access) and pathlib.Path(path).is_file():
            return path
    raise SystemExit(f'the Debian package {package} is not installed: make cross-packages')


def build(folder, conns):
    """Puts the test programs, the DLL that this wine lacks, and conns.exe into `folder`."""
    def compiled(source, output, *arguments):
        subprocess.run([COMPILER, '-O1', '-Wall', '-Wextra', '-Werror', str(HERE / source), '-o', str(folder / output),
                        *arguments], check=True)
    compiled('sockets.c', 'server.exe', '-lws2_32')
    for name in CLIENTS:
        shutil.copy(folder / 'server.exe', folder / name)
    compiled('tables.c', 'tables.exe', '-lws2_32', '-liphlpapi')
    compiled('process_prng.c', 'bcryptprimitives.dll', '-shared', '-ladvapi32')
    shutil.copy(conns, folder / 'conns.exe')
    # A program takes a library of its own folder before the system's.
    measured = folder / MEASURED
    measured.mkdir()
    compiled('estats.c', f'{MEASURED}/iphlpapi.dll', '-shared', '-lws2_32')
    # Without its mark wine takes it for a Windows library under the new name.
    tables = pathlib.Path(packaged('libwine', 'x86_64-windows/iphlpapi.dll', os.R_OK)).read_bytes()
    (measured / 'tables.dll').write_bytes(tables.replace(BUILTIN, bytes(len(BUILTIN)), 1))
    for name in ('bcryptprimitives.dll', 'conns.exe'):
        shutil.copy(folder / name, measured / name)


IDENTITY = ('proto', 'state', 'local_addr', 'local_port', 'remote_addr', 'remote_port', 'pid', 'process')


def identity(row):
    return {key: row[key] for key in IDENTITY if key in row}


def is_ours(sockets):
    ends = {(s['proto'], s['local_addr'], s['local_port']) for s in sockets}
    return lambda row: (row['proto'], row['local_addr'], row['local_port']) in ends


def family(address):
    return 'IPv6' if ':' in address else 'IPv4'


def end(address, port):
    return f'[{address}]:{port}' if ':' in address else f'{address}:{port}'


def check_owners(checks, wine, sockets):
    """The sockets with the owner that the system reports, or none; see docs/decisions/portable-crates.md for those without in wine."""
    code, out, errors = wine.run('tables.exe')
    checks.that('the tables are read without conns', (code, errors) == (0, ''), (code, errors))
    keys = ('proto', 'local_addr', 'local_port', 'remote_addr', 'remote_port')
    rows = [json.loads(line) for line in out.splitlines()]
    expected = []
    for s in sockets:
        pids = [row['pid'] for row in rows if all(row.get(key) == s.get(key) for key in keys)]
        checks.that(f'{s["proto"]} {end(s["local_addr"], s["local_port"])} of {s["process"]} is in the tables once, '
                    f'with its pid or none: {pids}', pids in ([s['pid']], [0]), s)
        has_owner = pids == [s['pid']]
        expected.append(dict(s, pid=s['pid'] if has_owner else None, process=s['process'] if has_owner else None))
    owned = [s for s in expected if s['pid']]
    kinds = {(s['state'], s['process']) for s in owned}
    needed = {('LISTEN', 'server.exe'), ('UNCONN', 'server.exe'), *(('ESTAB', name) for name in CLIENTS)}
    checks.that(f'the system reports owners: of {len(owned)} sockets, none of {len(sockets) - len(owned)}', kinds >= needed,
                kinds)
    return expected


def check_lists(checks, conns, sockets):
    """The lists of the command line."""
    ours = is_ours(sockets)
    established = [s for s in sockets if s['state'] == 'ESTAB']
    listening = [s for s in sockets if s['state'] == 'LISTEN']
    udp = [s for s in sockets if s['proto'] == 'udp']
    server, client = ([s for s in sockets if s['process'] == name] for name in ('server.exe', 'client.exe'))
    port = client[0]['remote_port']
    unowned = [s for s in sockets if not s['pid']]

    def json_list(what, expected, *arguments):
        code, out, errors = conns(*arguments, '-o', 'json')
        what = f'{what} '.lstrip()
        checks.that(f'conns {what}-o json: exit code 0, no message', (code, errors) == (0, ''), (code, errors))
        found = [row for row in json.loads(out)['connections'] if ours(row)]
        checks.rows_equal(f'conns {what}-o json', expected, map(identity, found))
        for row in found:
            if row['family'] != family(row['local_addr']):
                checks.that(f'family of {row["local_addr"]}', False, row['family'])
        return found

    json_list('', established)
    json_list('-l', listening + udp, '-l')
    found = json_list('-a', sockets, '-a')
    paths = {row['exe'].rsplit('\\', 1)[-1] for row in found if row['exe']}
    checks.that('-a: the program file of every owner', paths == {'server.exe', *CLIENTS}, paths)
    unknown = [key for row in found for key in ('rtt_us', 'bytes_out', 'bytes_in') if row.get(key) is not None]
    checks.that('-a: no latency and no bytes, which are null and not 0', not unknown, unknown)
    json_list('--source portable -a', sockets, '--source', 'portable', '-a')
    for text, expected in {
        f'pid == {client[0]["pid"]}': client,
        'process == "server.exe"': server,
        'client.exe': client,
        'proto == udp': udp,
        'state == listen': listening,
        f'local_port == {port}': [s for s in sockets if s['local_port'] == port and s['proto'] == 'tcp'],
        'remote in 127.0.0.0/8': [s for s in established if s['local_addr'] == '127.0.0.1'],
        'family == ipv6': [s for s in sockets if ':' in s['local_addr']],
        'process is unknown': unowned,
    }.items():
        json_list(f"-a '{text}'", expected, '-a', text)

    code, out, errors = conns()
    lines = [line.split() for line in out.splitlines()]
    for s in established:
        cells = [s['process'] or '?', str(s['pid'] or '?'), 'tcp', 'ESTAB', end(s['local_addr'], s['local_port']),
                 end(s['remote_addr'], s['remote_port'])]
        rows = [line for line in lines if line[:4] + line[5:7] == cells]
        checks.that(f'the table has {" ".join(cells)} once', len(rows) == 1, out)
    code, out, errors = conns('--source', 'kernel')
    checks.that('--source kernel is refused and names the system', code == 1 and 'not Linux' in errors, (code, errors))


def round_trip_ms(s):
    """As estats.c has it."""
    return s['remote_port'] % 500 + 1


def check_round_trips(checks, wine, sockets):
    """Round trip times, where the system has them."""
    established = [s for s in sockets if s['state'] == 'ESTAB']
    ours = is_ours(established)
    measures = ('rtt_us', 'bytes_out', 'bytes_in', 'loss_percent')

    def check(what, latency, **environment):
        def conns(*arguments):
            code, out, errors = wine.run(f'{MEASURED}/conns.exe', *arguments, environment=environment)
            checks.that(f'{what}: conns {" ".join(arguments)}: exit code 0, no message', (code, errors) == (0, ''),
                        (code, errors))
            return json.loads(out)
        expected = [dict(identity(s), rtt_us=latency(s) and latency(s) * 1000, bytes_out=None, bytes_in=None,
                         loss_percent=None) for s in established]
        found = [row for row in conns('-o', 'json')['connections'] if ours(row)]
        checks.rows_equal(f'{what}: round trip times of IPv4 and IPv6, no other measure', expected,
                          [identity(row) | {key: row.get(key) for key in measures} for row in found])
        checks.that(f'{what}: no verdict on what is not measured', {row['verdict'] for row in found} == {'unknown'},
                    [row['verdict'] for row in found])
        check_call(checks, f'{what}: call Network.GetConnections();', conns('call', 'Network.GetConnections();', '-o', 'json'),
                   one_e_connections(sockets, latency))

    check('measured', round_trip_ms)
    check('refused', lambda s: None, CONNS_LAB_USER='1')


def one_e_connections(sockets, latency=lambda s: None):
    return [{'Class': family(s['local_addr']), 'LatencyMs': latency(s), 'LocalAddress': s['local_addr'],
             'LocalPort': s['local_port'], 'PacketLossPercent': None, 'ProcessId': s['pid'], 'ProcessName': s['process'],
             'RemoteAddress': s['remote_addr'], 'RemotePort': s['remote_port']}
            for s in sockets if s['state'] == 'ESTAB']


def one_e_listening(sockets):
    return [{'Class': family(s['local_addr']), 'Protocol': s['proto'].upper(), 'LocalAddress': s['local_addr'],
             'LocalPort': s['local_port'], 'ProcessId': s['pid'], 'ProcessName': s['process']}
            for s in sockets if s['state'] != 'ESTAB']


def check_call(checks, what, rows, expected):
    ends = {(row['LocalAddress'], row['LocalPort']) for row in expected}
    found = [row for row in rows if (row['LocalAddress'], row['LocalPort']) in ends]
    checks.rows_equal(what, expected, found)


def check_calls(checks, conns, sockets):
    """1E's two calls."""
    for call, rows in {'Network.GetConnections();': one_e_connections(sockets),
                       'Network.GetListeningEndpoints();': one_e_listening(sockets)}.items():
        code, out, errors = conns('call', call, '-o', 'json')
        checks.that(f'call {call}: exit code 0, no message', (code, errors) == (0, ''), (code, errors))
        check_call(checks, f'call {call}', json.loads(out), rows)


def free_port():
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def fetch(url, body=None):
    with urllib.request.urlopen(url, body, SECONDS) as answer:
        return json.load(answer)


def check_agent(checks, wine, conns, sockets):
    """The agent over TCP."""
    address = f'127.0.0.1:{free_port()}'
    log = wine.folder / 'agent.log'
    with open(log, 'w') as errors:
        agent = wine.start('conns.exe', 'serve', '--listen', f'http={address}', stdin=subprocess.DEVNULL, stdout=errors,
                           stderr=errors)
    try:
        deadline = time.monotonic() + SECONDS
        while 'ready' not in log.read_text():
            if agent.poll() is not None or time.monotonic() > deadline:
                return checks.that('the agent starts', False, log.read_text())
            time.sleep(0.1)
        checks.that('the agent starts, and its log names that it keeps its rights', 'keeps all rights' in log.read_text(),
                    log.read_text())
        ours = is_ours(sockets)
        answer = fetch(f'http://{address}/api/v1/connections?view=all&limit=1000')
        checks.rows_equal('GET /api/v1/connections', sockets, map(identity, filter(ours, answer['connections'])))
        answer = fetch(f'http://{address}/1e', b'Network.GetConnections();')
        check_call(checks, 'POST /1e', answer, one_e_connections(sockets))
        health = json.dumps(fetch(f'http://{address}/health'))
        checks.that('/health names that privileges are not dropped', 'privileges are not dropped on this system' in health,
                    health)
        code, out, errors = conns('--agent', f'http://{address}', '-a', '-o', 'json')
        checks.that('conns --agent: exit code 0, no message', (code, errors) == (0, ''), (code, errors))
        checks.rows_equal('conns --agent -a -o json', sockets, map(identity, filter(ours, json.loads(out)['connections'])))
    finally:
        agent.kill()
        agent.wait()
    code, out, errors = conns('serve', '--listen', 'unix:/conns.sock')
    checks.that('a unix socket is refused', code == 1 and 'no unix sockets on this system' in errors, (code, errors))


def main(conns_exe):
    started = time.monotonic()
    checks = Checks()
    with tempfile.TemporaryDirectory(prefix='conns-wine-') as name:
        folder = pathlib.Path(name)
        build(folder, conns_exe)
        wine = Wine(folder)
        try:
            server = Peer(wine, 'server.exe', 'listen')
            ports = [str(s['local_port']) for s in server.sockets if s['state'] == 'LISTEN']
            clients = []
            for name in CLIENTS:
                clients.append(Peer(wine, name, 'connect', *ports))
                server.accept()
            opened = server.sockets + [s for client in clients for s in client.sockets]
            sockets = check_owners(checks, wine, opened)

            def conns(*arguments):
                return wine.run('conns.exe', *arguments)

            check_lists(checks, conns, sockets)
            check_calls(checks, conns, sockets)
            check_round_trips(checks, wine, sockets)
            check_agent(checks, wine, conns, sockets)
            for peer in (*clients, server):
                peer.stop()
        finally:
            wine.stop()
    seconds = time.monotonic() - started
    print(f'{checks.total - checks.failed} of {checks.total} checks hold, {checks.rows} rows compared, {seconds:.0f} s')
    return 1 if checks.failed else 0


if __name__ == '__main__':
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(pathlib.Path(sys.argv[1])))
