#!/usr/bin/env python3
"""Writes corpus/tshark.tsv: what tshark (Debian package) reads in the capture files of the corpus, as a second opinion.

`python3 fuzz/record/tshark.py`. A line is a session, the port of the client, one of our fields, and its value as tshark has it;
`core/tests/decode_clients.rs` compares them.
"""

import collections
import csv
import io
import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = os.path.join(HERE, "../../corpus")
# tshark does not know Levin: the script cuts messages out of the bytes that tshark has put in order.
SCRIPT = os.path.join(HERE, "levin.lua")
LEVIN = (28180, 28280, 28380)
VERSIONS = {"0x0303": "1.2", "0x0304": "1.3"}
CIPHERS = {"0x1302": "TLS_AES_256_GCM_SHA384", "0xc02c": "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"}
# Longer texts are cut by conns.
MAX_TEXT = 256
CODES = {"0": "NOERROR", "3": "NXDOMAIN", "5": "REFUSED"}


def read(session, port, protocol, shown, *fields):
    """Rows of the packets that are shown: port of the client, whether it sent them, and the values of the fields, several each."""
    # So that QUIC's and SSH's ports need not be known to tshark.
    transport = "udp" if protocol == "quic" else "tcp"
    decode_as = ["-X", f"lua_script:{SCRIPT}"] if protocol == "levin" else ["-d", f"{transport}.port=={port},{protocol}"]
    command = ["tshark", "-r", f"{CORPUS}/{session}/session.pcap", *decode_as, "-Y", shown, "-T", "fields", "-E", "quote=d", "-E", "aggregator=|",
               "-e", "tcp.srcport", "-e", "tcp.dstport", "-e", "udp.srcport", "-e", "udp.dstport"]
    for field in fields:
        command += ["-e", field]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for row in csv.reader(io.StringIO(out), delimiter="\t"):
        source, target = [int(number) for number in row[:4] if number]
        is_client = target in LEVIN if protocol == "levin" else target == port
        yield (source if is_client else target), is_client, [value.split("|") if value else [] for value in row[4:]]


def opinions():
    hellos = read("tls", 8443, "tls", "tls.handshake.type==1 or tls.alert_message.desc", "tls.handshake.extensions_server_name", "tls.alert_message.desc")
    for client, _, (names, alerts) in hellos:
        for name in names:
            yield "tls", client, "tls.sni", name
        for alert in alerts:
            yield "tls", client, "tls.alert", alert
    shown = "tls.handshake.type==2"
    for client, _, (old, new, ciphers, alpn) in read("tls", 8443, "tls", shown, "tls.handshake.version", "tls.handshake.extensions.supported_version",
                                                     "tls.handshake.ciphersuite", "tls.handshake.extensions_alpn_str"):
        yield "tls", client, "tls.version", VERSIONS[(new or old)[0]]
        yield "tls", client, "tls.cipher", CIPHERS[ciphers[0]]
        for protocol in alpn:
            yield "tls", client, "tls.alpn", protocol
    for session, port, shown in (("tls", 8443, "tls.handshake.type==1"), ("quic", 8444, "tls.handshake.type==1")):
        for client, _, (offered,) in read(session, port, session, shown, "tls.handshake.extensions_alpn_str"):
            if 0 < len(",".join(offered)) < MAX_TEXT:
                yield session, client, f"{session}.alpn_offered", ",".join(offered)
    http = collections.defaultdict(lambda: [[], []])
    for client, _, (methods, statuses) in read("http", 8080, "http", "http", "http.request.method", "http.response.code"):
        http[client][0] += methods
        # Interim answers are none of their own.
        http[client][1] += [status for status in statuses if status == "101" or not status.startswith("1")]
    for client, (methods, statuses) in http.items():
        yield "http", client, "http.requests", len(methods)
        yield "http", client, "http.method", methods[-1]
        yield "http", client, "http.answers", len(statuses)
        yield "http", client, "http.status", statuses[-1]
    dns = collections.defaultdict(lambda: [[], []])
    for client, is_client, (names, codes) in read("dns", 53, "dns", "dns", "dns.qry.name", "dns.flags.rcode"):
        dns[client][0 if is_client else 1] += names if is_client else codes
    for client, (names, codes) in dns.items():
        yield "dns", client, "dns.queries", len(names)
        yield "dns", client, "dns.query", names[-1].lower()
        yield "dns", client, "dns.answers", len(codes)
        yield "dns", client, "dns.answer_code", CODES[codes[-1]]
    for client, _, (names, versions) in read("quic", 8444, "quic", "tls.handshake.type==1", "tls.handshake.extensions_server_name", "quic.version"):
        yield "quic", client, "quic.sni", names[0]
        yield "quic", client, "quic.version", {"0x00000001": "1", "0x6b3343cf": "2"}[versions[0]]
    for client, is_client, (protocols,) in read("ssh", 8022, "ssh", "ssh.protocol", "ssh.protocol"):
        yield "ssh", client, "ssh.version" if is_client else "ssh.peer_version", protocols[0].split("-", 2)[2]
    levin = collections.defaultdict(collections.Counter)
    for client, is_client, (commands,) in read("levin", 0, "levin", "levin", "levin.command"):
        levin[client].update((command, "sent" if is_client else "received") for command in commands)
    for client, counts in levin.items():
        for side in ("sent", "received"):
            yield "levin", client, f"levin.messages_{side}", sum(count for (_, of), count in counts.items() if of == side)
        for (command, side), count in sorted(counts.items()):
            yield "levin", client, f"levin.messages/{command}/{side}", count


def main():
    with open(f"{CORPUS}/tshark.tsv", "w") as out:
        for opinion in dict.fromkeys(opinions()):
            out.write("\t".join(map(str, opinion)) + "\n")


if __name__ == "__main__":
    main()
