"""A QUIC server and clients by aioquic (PyPI), for clients.py: versions 1 and 2, a Retry, and a hello of several datagrams."""

import asyncio
import ssl
import subprocess

PORT = 8444


def record(scratch):
    key, certificate = f"{scratch}/quic-key.pem", f"{scratch}/quic-certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "36500", "-subj",
                    "/CN=server.example", "-keyout", key, "-out", certificate], check=True, stderr=subprocess.DEVNULL)
    asyncio.run(sessions(key, certificate))


async def sessions(key, certificate):
    from aioquic.asyncio import serve
    from aioquic.quic.configuration import QuicConfiguration
    from aioquic.quic.packet import QuicProtocolVersion

    one, two = QuicProtocolVersion.VERSION_1, QuicProtocolVersion.VERSION_2
    h3 = ["h3"]
    for retry, clients in ((False, [("one.example", one, h3), ("two.example", two, h3), ("long.example", one, h3 + [f"protocol-{n:03}" for n in range(150)])]),
                           (True, [("retry.example", one, h3)])):
        configuration = QuicConfiguration(is_client=False, alpn_protocols=h3, supported_versions=[two, one])
        configuration.load_cert_chain(certificate, key)
        server = await serve("127.0.0.1", PORT, configuration=configuration, retry=retry)
        for name, version, alpn in clients:
            await session(name, version, alpn)
        server.close()
        await asyncio.sleep(0.2)


async def session(name, version, alpn):
    from aioquic.asyncio import connect
    from aioquic.quic.configuration import QuicConfiguration

    configuration = QuicConfiguration(is_client=True, alpn_protocols=alpn, server_name=name, verify_mode=ssl.CERT_NONE, original_version=version,
                                      supported_versions=[version])
    async with connect("127.0.0.1", PORT, configuration=configuration) as client:
        await client.ping()
