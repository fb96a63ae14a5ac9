"""The first packet of a QUIC client, and the answer's first frame: RFC 9000, RFC 9001. No more of QUIC than that."""
import hashlib, hmac, os

SALT = bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a")


def expand(secret, label, length):
    """HKDF-Expand-Label of TLS 1.3 (RFC 8446, section 7.1), of at most 32 bytes."""
    label = b"tls13 " + label
    info = length.to_bytes(2, "big") + bytes([len(label)]) + label + b"\0\1"
    return hmac.new(secret, info, hashlib.sha256).digest()[:length]


def keys(connection_id, side):
    """Key, IV and key of header protection of the Initial packets of a side, `client in` or `server in`."""
    initial = hmac.new(SALT, connection_id, hashlib.sha256).digest()
    secret = expand(initial, side, 32)
    return expand(secret, b"quic key", 16), expand(secret, b"quic iv", 12), expand(secret, b"quic hp", 16)


def double(a):
    return (a << 1) ^ (0x11b if a & 0x80 else 0)


def s_box():
    """The substitution of AES (FIPS 197): the inverse in GF(2^8) and an affine map, by walking the powers of 3 and of its inverse."""
    box, p, q = [0x63] * 256, 1, 1
    while True:
        p = p ^ double(p)
        q ^= q << 1
        q ^= q << 2
        q ^= q << 4
        q &= 0xff
        if q & 0x80:
            q ^= 0x09
        x = q
        for turn in range(1, 5):
            x ^= (q << turn | q >> 8 - turn) & 0xff
        box[p] = x ^ 0x63
        if p == 1:
            return box


BOX = s_box()


def aes(key, block):
    """AES-128 of one block."""
    words, factor = [list(key[at:at + 4]) for at in range(0, 16, 4)], 1
    for at in range(4, 44):
        word = list(words[-1])
        if at % 4 == 0:
            word = [BOX[b] for b in word[1:] + word[:1]]
            word[0] ^= factor
            factor = double(factor)
        words.append([a ^ b for a, b in zip(words[-4], word)])
    state = list(block)
    for turn in range(11):
        if turn:
            state = [BOX[state[(at + 4 * (at % 4)) % 16]] for at in range(16)]
            if turn < 10:
                columns = (state[at:at + 4] for at in range(0, 16, 4))
                state = [double(c[at]) ^ double(c[at - 3]) ^ c[at - 3] ^ c[at - 2] ^ c[at - 1] for c in columns for at in range(4)]
        round_key = sum(words[4 * turn:4 * turn + 4], [])
        state = [a ^ b for a, b in zip(state, round_key)]
    return bytes(state)


def counted(key, iv, data):
    """AES-128 in counter mode, as GCM has it: seals and opens."""
    stream = b"".join(aes(key, iv + block.to_bytes(4, "big")) for block in range(2, 2 + -(-len(data) // 16)))
    return bytes(a ^ b for a, b in zip(data, stream))


def tag(key, iv, header, sealed):
    """The tag of GCM (NIST SP 800-38D)."""
    factor = int.from_bytes(aes(key, bytes(16)), "big")

    def times(x):
        product, v = 0, factor
        for bit in range(127, -1, -1):
            if x >> bit & 1:
                product ^= v
            v = v >> 1 ^ (0xe1 << 120 if v & 1 else 0)
        return product

    y = 0
    padded = b"".join(part + bytes(-len(part) % 16) for part in (header, sealed))
    lengths = (len(header) * 8).to_bytes(8, "big") + (len(sealed) * 8).to_bytes(8, "big")
    for at in range(0, len(padded + lengths), 16):
        y = times(y ^ int.from_bytes((padded + lengths)[at:at + 16], "big"))
    return (y ^ int.from_bytes(aes(key, iv + b"\0\0\0\1"), "big")).to_bytes(16, "big")


def vector(data, bytes_of_length):
    return len(data).to_bytes(bytes_of_length, "big") + data


def client_hello(alpn, source_id):
    extensions = [
        (0, vector(b"\0" + vector(b"example.com", 2), 2)),
        (10, vector(bytes.fromhex("001d"), 2)),
        (13, vector(bytes.fromhex("08070403"), 2)),
        (16, vector(vector(alpn, 1), 2)),
        (43, vector(bytes.fromhex("0304"), 1)),
        (51, vector(bytes.fromhex("001d") + vector(b"\x09" + bytes(31), 2), 2)),
        # Transport parameters: the initial source connection id.
        (57, b"\x0f" + vector(source_id, 1)),
    ]
    extensions = b"".join(number.to_bytes(2, "big") + vector(data, 2) for number, data in extensions)
    body = b"\3\3" + os.urandom(32) + b"\0" + vector(bytes.fromhex("1301"), 2) + b"\1\0" + vector(extensions, 2)
    return b"\1" + vector(body, 3)


def client_initial(alpn, destination_id):
    """A datagram with an Initial packet, padded to 1200 bytes."""
    source_id = bytes.fromhex("c0ffee0000000001")
    hello = client_hello(alpn, source_id)
    payload = b"\6\0" + (0x4000 | len(hello)).to_bytes(2, "big") + hello
    header = b"\xc3\0\0\0\1" + vector(destination_id, 1) + vector(source_id, 1) + b"\0"
    length = 1200 - len(header) - 2
    header += (0x4000 | length).to_bytes(2, "big") + bytes(4)
    payload += bytes(length - 4 - len(payload) - 16)
    key, iv, protection = keys(destination_id, b"client in")
    sealed = counted(key, iv, payload)
    sealed += tag(key, iv, header, sealed)
    mask = aes(protection, sealed[:16])
    number = bytes(a ^ b for a, b in zip(header[-4:], mask[1:]))
    return bytes([header[0] ^ mask[0] & 0x0f]) + header[1:-4] + number + sealed


def number_at(packet, at):
    """An integer of QUIC, and where it ends."""
    length = 1 << (packet[at] >> 6)
    return int.from_bytes(packet[at:at + length], "big") & (1 << 8 * length - 2) - 1, at + length


def closing_code(packet, destination_id):
    """The error code of the CONNECTION_CLOSE frame in a server's Initial packet; None if there is none."""
    at = 5
    for _ in range(2):
        at += 1 + packet[at]
    token, at = number_at(packet, at)
    length, at = number_at(packet, at + token)
    key, iv, protection = keys(destination_id, b"server in")
    mask = aes(protection, packet[at + 4:at + 20])
    digits = (packet[0] ^ mask[0] & 0x0f) % 4 + 1
    number = bytes(a ^ b for a, b in zip(packet[at:at + digits], mask[1:]))
    nonce = bytes(a ^ b for a, b in zip(iv, bytes(12 - digits) + number))
    plain = counted(key, nonce, packet[at + digits:at + length - 16])
    at = 0
    while at < len(plain):
        kind, at = number_at(plain, at)
        if kind == 0x1c:
            return number_at(plain, at)[0]
        if kind == 2:
            # ACK of one range.
            for _ in range(4):
                _, at = number_at(plain, at)
        elif kind not in (0, 1):
            return None
    return None
