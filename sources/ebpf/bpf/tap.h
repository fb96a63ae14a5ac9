/* Payload of TCP connections and of UDP sockets, by their peers, copied where packets pass between a cgroup and the network: of each side the first bytes, then
 * what user space wants. An unwanted connection costs a search for its storage.
 *
 * A byte is handed over once: of what is sent all before the highest byte sent, of what is received all before rcv_nxt has
 * passed here. A record names the sequence number before which nothing follows, so that user space knows what it missed,
 * whatever the reason. */
#pragma once
#include "packet.h"
#include "storage.h"

/* First bytes of a side, for recognition; core/decode keeps as many (MAX_PREFIX_BYTES). */
#define FIRST_BYTES 4096
/* The same of UDP. A media stream of 10 Mbit/s sends as much in the time in which user space reads the first datagram and steers. */
#define FIRST_DATAGRAM_BYTES 65536
/* The same of a connection that began before it was seen, which is probed up to 17 times. */
#define LATE_BYTES (17 * FIRST_BYTES)
/* Most connections that user space steers: as many as core/decode reads (MAX_STREAMS). */
#define MAX_WANTS 262144
/* Most records of one segment. With BIG TCP one has up to 512 KiB (GSO_MAX_SIZE); over loopback it has 128 KiB without that (two of
 * the largest size, tcp_min_tso_segs). What is behind the last record is lost. The verifier follows each of them. */
#define MAX_RECORDS 9

/* Connections that begin with these eight bytes are handed over until user space steers them; 0 for none. */
CONSTANT u32 SIGNATURE_LOW = 0;
CONSTANT u32 SIGNATURE_HIGH = 0;

enum side { SENT, RECEIVED };

/* By socket cookie. What has no entry is not wanted once its first bytes are over. */
struct {
	__uint(type, MAP_HASH);
	__uint(map_flags, MAP_NO_PREALLOC);
	__uint(max_entries, MAX_WANTS);
	__type(key, u64);
	__type(value, struct want);
} wants SEC(".maps");

/* Changes with each change of `wants`, so that unwanted sockets search it only then. */
struct {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} want_generation SEC(".maps");

/* A ring of its own: payload displaces no events. */
struct {
	__uint(type, MAP_RINGBUF);
	__uint(max_entries, 4 * 1024 * 1024);
} payload SEC(".maps");

/* The reader is woken at PAYLOAD_WAKE_BYTES of unread records and polls otherwise. Each CPU queries that only every
 * PAYLOAD_QUERY_BYTES, because the query reads a cache line that the reader writes. */
#define PAYLOAD_WAKE_BYTES (512 * 1024)
#define PAYLOAD_QUERY_BYTES (64 * 1024)

struct {
	__uint(type, MAP_PERCPU_ARRAY);
	__uint(max_entries, PAYLOAD_LOSSES);
	__type(key, u32);
	__type(value, u64);
} payload_losses SEC(".maps");

INLINE void count_payload(u32 what, u64 number)
{
	u64 *counter = map_lookup(&payload_losses, &what);
	if (counter)
		*counter += number;
}

/* Which change of `wants` was the last one. */
INLINE u32 generation_now(void)
{
	u32 zero = 0;
	const u32 *generation = map_lookup(&want_generation, &zero);
	return generation ? *generation : 0;
}

/* For a record of `size` bytes. */
INLINE u64 payload_wakeup(u32 size)
{
	struct cpu_state *state = cpu_state();
	if (!state)
		return NO_WAKEUP;
	state->payload_bytes += size;
	if (state->payload_bytes < PAYLOAD_QUERY_BYTES)
		return NO_WAKEUP;
	state->payload_bytes = 0;
	return wakeup_at(&payload, PAYLOAD_WAKE_BYTES, &state->payload_woken_at);
}

INLINE u64 cookie_of_packet(struct __sk_buff *skb, const struct sock_common *common)
{
	u64 cookie = common->skc_cookie.counter;
	return cookie ? cookie : socket_cookie(skb);
}

/* The state of a socket. */
INLINE struct tap_state *tap_of(void *sk, u64 flags)
{
	struct socket_storage *stored = sk_storage_get(&storage, sk, 0, flags);
	return stored ? &stored->tap : 0;
}

INLINE bool is_before(u32 one, u32 other)
{
	return (s32)(one - other) < 0;
}

#define TCP_FIN 1
#define TCP_SYN 2

/* A TCP segment. */
struct segment {
	u32 tcp; /* offset of its header */
	u32 at;  /* of the payload */
	u32 length;
	u32 sequence; /* of the payload */
	u8 flags;
};

/* Offset of the TCP header behind extension headers of IPv6 (RFC 8200 section 4); 0 if there is none. */
NOINLINE u32 behind_extensions(struct __sk_buff *skb, u32 next)
{
	u32 at = 40;
	for (int i = 0; i < 8; i++) {
		u8 start[2];
		if (next == IPPROTO_TCP)
			return at;
		/* Hop-by-hop, routing, fragment, authentication, destination options. */
		if (next != 0 && next != 43 && next != 44 && next != 51 && next != 60)
			return 0;
		if (skb_load_bytes(skb, at, start, 2))
			return 0;
		at += next == 44 ? 8 : next == 51 ? (start[1] + 2) * 4 : (start[1] + 1) * 8;
		next = start[0];
	}
	return 0;
}

/* Reads the headers; false if it is not TCP. They are directly accessible. */
INLINE bool read_segment(struct __sk_buff *skb, struct segment *segment)
{
	const u8 *start = (const u8 *)(unsigned long)skb->data;
	const u8 *end = (const u8 *)(unsigned long)skb->data_end;
	if (start + 20 > end)
		return false;
	u32 at = (start[0] & 15) * 4;
	if (start[0] >> 4 == 4) {
		if (start[9] != IPPROTO_TCP)
			return false;
	} else {
		at = start[6] == IPPROTO_TCP ? 40 : behind_extensions(skb, start[6]);
		if (!at)
			return false;
		start = (const u8 *)(unsigned long)skb->data;
		end = (const u8 *)(unsigned long)skb->data_end;
	}
	at &= 0x3fff;
	const u8 *tcp = start + at;
	if (tcp + 20 > end)
		return false;
	segment->flags = tcp[13];
	segment->tcp = at;
	segment->at = at + (tcp[12] >> 4) * 4;
	u32 whole = skb->len;
	segment->length = whole > segment->at ? whole - segment->at : 0;
	segment->sequence = __builtin_bswap32(*(const u32 *)(tcp + 4)) + (segment->flags & TCP_SYN ? 1 : 0);
	return true;
}

/* Reserves a record of a size that the verifier knows, and copies the payload into it. */
INLINE bool emit_sized(struct __sk_buff *skb, const struct payload *head, u32 at, u32 length, u32 size)
{
	struct payload *record = ringbuf_reserve(&payload, size, 0);
	if (!record)
		return false;
	*record = *head;
	record->length = length;
	/* Verifiers before Linux 6.13 know a bound of `length` only if it is computed from what was compared. */
	u32 last = length - 1;
	asm volatile("" : "+r"(last));
	if (last < size - sizeof(*record)) {
		asm volatile("" : "+r"(last));
		if (skb_load_bytes(skb, at, record + 1, last + 1)) {
			/* Memory that the processor cannot read, as of a device. */
			record->length = 0;
			record->cut += length;
		}
	} else {
		record->length = 0;
	}
	ringbuf_submit(record, payload_wakeup(size));
	return true;
}

#define MAX_RECORD 16384
#define MAX_RECORD_PAYLOAD (MAX_RECORD - sizeof(struct payload))
/* One has a segment of 64 KiB. */
#define LARGE_RECORD 66560
#define LARGE_RECORD_PAYLOAD (LARGE_RECORD - sizeof(struct payload))
_Static_assert(LARGE_RECORD_PAYLOAD > 65536, "a segment of 64 KiB");
_Static_assert((MAX_RECORDS - 1) * LARGE_RECORD_PAYLOAD > 8 * 65535, "BIG TCP");

/* How many of `left` bytes go into one record, so that at most half of it is unused. */
INLINE u32 record_payload(u32 left)
{
	if (left > LARGE_RECORD_PAYLOAD)
		return LARGE_RECORD_PAYLOAD;
	if (left > 2 * MAX_RECORD_PAYLOAD)
		return left;
	return left > MAX_RECORD_PAYLOAD ? MAX_RECORD_PAYLOAD : left;
}

/* Emits at most LARGE_RECORD_PAYLOAD bytes. A few sizes keep the ring from being filled with what is unused. */
NOINLINE bool emit(struct __sk_buff *skb, const struct payload *head, u32 at, u32 length)
{
	u32 size = length + sizeof(struct payload);
	if (size <= 256)
		return emit_sized(skb, head, at, length, 256);
	if (size <= 1024)
		return emit_sized(skb, head, at, length, 1024);
	if (size <= 4352)
		return emit_sized(skb, head, at, length, 4352);
	if (size <= MAX_RECORD)
		return emit_sized(skb, head, at, length, MAX_RECORD);
	return emit_sized(skb, head, at, length, LARGE_RECORD);
}

/* The ends of a packet, by its IP header and the ports at `ports_at`. */
INLINE void fill_packet_ends(struct __sk_buff *skb, struct payload *head, u32 ports_at, u32 side)
{
	u16 ports[2] = {};
	u8 *from = side == SENT ? head->local : head->remote;
	u8 *to = side == SENT ? head->remote : head->local;
	if (skb->protocol == __builtin_bswap16(0x0800)) {
		head->family = AF_INET;
		skb_load_bytes(skb, 12, from, 4);
		skb_load_bytes(skb, 16, to, 4);
	} else {
		head->family = AF_INET6;
		skb_load_bytes(skb, 8, from, 16);
		skb_load_bytes(skb, 24, to, 16);
	}
	skb_load_bytes(skb, ports_at, ports, 4);
	u16 source = __builtin_bswap16(ports[0]), destination = __builtin_bswap16(ports[1]);
	head->local_port = side == SENT ? source : destination;
	head->remote_port = side == SENT ? destination : source;
}

/* Data with a SYN (fast open) or with the last segment of the handshake comes to the listener: the socket of the
 * connection is made after it. User space joins it by the ends. */
NOINLINE int of_listener(struct __sk_buff *skb, const struct segment *segment, void *sk)
{
	const struct tcp_sock *tp = to_tcp_sock(sk);
	if (!tp)
		return 0;
	const struct sock_common *common = &tp->inet_conn.icsk_inet.sk.__sk_common;
	struct payload head = { .kind = PAYLOAD_LISTENER, .at_ns = ktime_ns() };
	head.cookie = cookie_of_packet(skb, common);
	head.netns = common->skc_net.net->ns.inum;
	u32 length = segment->length > FIRST_BYTES ? FIRST_BYTES : segment->length;
	head.flags = PAYLOAD_RECEIVED | PAYLOAD_INBOUND | (segment->flags & TCP_FIN ? PAYLOAD_FIN : 0);
	head.sequence = head.before = head.start = segment->sequence;
	head.cut = segment->length - length;
	fill_packet_ends(skb, &head, segment->tcp, RECEIVED);
	if (emit(skb, &head, segment->at, length))
		count_payload(PAYLOAD_COPIED_BYTES, length);
	else
		count_payload(LOST_PAYLOAD_BYTES, segment->length);
	return 0;
}

/* Sets up the state with the first payload of a connection, or the first that is seen of it. */
INLINE void set_up(struct tap_state *state, const struct tcp_sock *tp, u32 current)
{
	const struct sock_common *common = &tp->inet_conn.icsk_inet.sk.__sk_common;
	bool is_opening = common->skc_state == TCP_SYN_SENT;
	u64 acked = tp->bytes_acked;
	state->flags = IS_SET_UP;
	/* What has no record yet has no want. */
	state->generation = current;
	u64 received = tp->bytes_received;
	/* The SYN of the end that connects counts as a byte. The other end may have received payload with the handshake. */
	if (acked > 1 || acked == 1 && received || received > FIRST_BYTES) {
		state->flags |= IS_LATE;
		return;
	}
	state->direction = is_opening || acked == 1 ? PAYLOAD_OUTBOUND : PAYLOAD_INBOUND;
	state->sides[SENT].start = state->sides[SENT].next = tp->snd_una + is_opening;
	state->sides[SENT].flags = HAS_START;
	if (!is_opening) {
		state->sides[RECEIVED].start = tp->rcv_nxt - (u32)received;
		state->sides[RECEIVED].flags = HAS_START;
	}
}

INLINE void apply_want(struct tap_state *state, u64 cookie, u32 current)
{
	if (state->generation == current)
		return;
	const struct want *want = map_lookup(&wants, &cookie);
	u32 serial = want ? want->serial : 0;
	if (serial == state->serial) {
		state->generation = current;
		return;
	}
	state->serial = serial;
#pragma unroll
	for (u32 side = SENT; side <= RECEIVED; side++) {
		u32 flags = state->sides[side].flags & ~IS_WANTED;
		flags |= want && want->is_wanted[side] ? IS_WANTED : IS_OVER;
		if (want && want->resumes[side]) {
			flags |= RESUMES;
			state->sides[side].resume = want->resume[side];
		}
		state->sides[side].flags = flags;
	}
	/* Last: another CPU that finds it takes the flags as they are. */
	state->generation = current;
}

INLINE bool has_signature(struct __sk_buff *skb, const struct segment *segment)
{
	u32 first[2] = {};
	if (!SIGNATURE_LOW || segment->length < 8 || skb_load_bytes(skb, segment->at, first, 8))
		return false;
	return first[0] == SIGNATURE_LOW && first[1] == SIGNATURE_HIGH;
}

/* Hands over what is wanted of a segment of the socket `sk`, whose state is `state`. */
NOINLINE int hand_over(struct __sk_buff *skb, const struct segment *segment, u32 side, void *sk, struct tap_state *state)
{
	struct tcp_sock *tp = to_tcp_sock(sk);
	if (!tp || side > RECEIVED)
		return 0;
	const struct sock_common *common = &tp->inet_conn.icsk_inet.sk.__sk_common;
	u64 cookie = cookie_of_packet(skb, common);
	u32 current = generation_now();
	u8 tcp_state = common->skc_state;
	if (segment->flags & TCP_SYN && side == SENT) {
		/* A socket may be connected again after it was closed: start over. */
		__builtin_memset(state, 0, sizeof(*state));
		if (!segment->length)
			return 0;
	}
	if (!(state->flags & IS_SET_UP))
		set_up(state, tp, current);
	apply_want(state, cookie, current);

	struct tap_side *of = &state->sides[side];
	u32 from = segment->sequence, end = from + segment->length, low = from;
	if (!(of->flags & HAS_START)) {
		of->start = of->next = from;
		of->flags |= HAS_START;
	}
	if (from == of->start && has_signature(skb, segment) && !state->serial) {
		state->direction |= PAYLOAD_WHOLE;
		state->sides[SENT].flags |= IS_WANTED;
		state->sides[RECEIVED].flags |= IS_WANTED;
	}
	/* Keep-alives and retransmissions repeat what was here before. */
	if (side == SENT) {
		if (is_before(from, of->next))
			from = of->next;
		if (is_before(of->next, end))
			of->next = end;
		low = from;
	} else if (tcp_state != TCP_SYN_SENT) {
		low = tp->rcv_nxt;
		if (is_before(from, low))
			from = low;
	}
	bool is_wanted = of->flags & IS_WANTED;
	if (of->flags & RESUMES) {
		if (is_before(from, of->resume))
			from = of->resume;
		else
			of->flags &= ~RESUMES;
	}
	u32 until = end;
	if (!is_wanted) {
		u32 first_end = of->start + (state->flags & IS_LATE ? LATE_BYTES : FIRST_BYTES);
		if (of->flags & IS_OVER)
			until = from;
		else if (!is_before(end, first_end))
			until = first_end;
		if (until != end)
			of->flags |= IS_OVER;
	}
	bool is_fin = segment->flags & TCP_FIN;
	bool has_payload = is_before(from, until);
	if (!has_payload && !(is_fin && is_wanted))
		return 0;
	u32 at = segment->at + (from - segment->sequence);
	u32 left = has_payload ? until - from : 0;
	if (!has_payload)
		from = end;

	struct payload head = { .cookie = cookie, .kind = PAYLOAD_SEGMENT, .at_ns = ktime_ns() };
	head.netns = common->skc_net.net->ns.inum;
	fill_ends(&head, common);
	u8 always = state->direction | (side == RECEIVED ? PAYLOAD_RECEIVED : 0);
	head.start = of->start;
	for (u32 i = 0; i < MAX_RECORDS; i++) {
		u32 length = record_payload(left);
		left -= length;
		head.flags = always;
		if (!(state->flags & IS_OPENED))
			head.flags |= PAYLOAD_OPENS;
		if (!(of->flags & IS_BEGUN) && !(state->flags & IS_LATE))
			head.flags |= PAYLOAD_BEGINS;
		head.sequence = from;
		head.before = side == SENT ? from : low;
		head.cut = left ? 0 : end - until;
		if (!left && is_fin)
			head.flags |= PAYLOAD_FIN;
		if (emit(skb, &head, at, length)) {
			state->flags |= IS_OPENED;
			of->flags |= IS_BEGUN;
			count_payload(PAYLOAD_COPIED_BYTES, length);
		} else {
			count_payload(LOST_PAYLOAD_BYTES, length);
		}
		if (!left)
			return 0;
		from += length;
		at += length;
	}
	count_payload(LOST_PAYLOAD_BYTES, left);
	return 0;
}

/* The inode of a socket's network namespace. The verifier knows a socket of UDP over IPv4 by no type of the kernel, so its
 * address is taken from the stack. */
INLINE u32 namespace_of(void *sk)
{
	void *slot = sk;
	u64 address = 0;
	struct net *net = 0;
	u32 inode = 0;
	read_kernel(&address, sizeof(address), &slot);
	const struct sock_common *common = (const struct sock_common *)address;
	read_kernel(&net, sizeof(net), &common->skc_net.net);
	if (net)
		read_kernel(&inode, sizeof(inode), &net->ns.inum);
	return inode;
}

/* A datagram: `length` bytes at `at`, behind the UDP header at `header`. */
struct datagram {
	u32 header;
	u32 at;
	u32 length;
	u32 side;
};

/* Hands over a datagram; false if there was no room. */
NOINLINE bool emit_datagram(struct __sk_buff *skb, const struct datagram *datagram, u64 cookie, u32 netns, u8 flags)
{
	struct payload head = { .cookie = cookie, .netns = netns, .kind = PAYLOAD_DATAGRAM, .at_ns = ktime_ns() };
	fill_packet_ends(skb, &head, datagram->header, datagram->side);
	head.flags = flags | (datagram->side == RECEIVED ? PAYLOAD_RECEIVED : 0);
	u32 length = datagram->length;
	u32 copied = length > MAX_RECORD_PAYLOAD ? MAX_RECORD_PAYLOAD : length;
	head.cut = length - copied;
	if (emit(skb, &head, datagram->at, copied)) {
		count_payload(PAYLOAD_COPIED_BYTES, copied);
		return true;
	}
	count_payload(LOST_PAYLOAD_BYTES, length);
	return false;
}

/* Most pairs of an unconnected UDP socket and a peer whose datagrams are handed over; the least recently used is evicted. */
#define MAX_PEERS 16384
/* How many of them may begin in a window, about a second, of one socket: a resolver has more peers. */
#define MAX_NEW_PEERS 256
#define WINDOW_SHIFT 30

struct {
	__uint(type, MAP_LRU_HASH);
	__uint(max_entries, MAX_PEERS);
	__type(key, struct flow_key);
	__type(value, struct tap_peer);
} tap_peers SEC(".maps");

/* The state of the pair, which is made if the socket may have another one. */
INLINE struct tap_peer *peer_of(const struct flow_key *key, struct tap_state *state)
{
	struct tap_peer *peer = map_lookup(&tap_peers, key);
	if (peer)
		return peer;
	u32 window = ktime_ns() >> WINDOW_SHIFT;
	if (state->window != window) {
		state->window = window;
		state->new_peers = 0;
	}
	if (state->new_peers >= MAX_NEW_PEERS)
		return 0;
	state->new_peers++;
	struct tap_peer none = {};
	map_update(&tap_peers, key, &none, 1 /* BPF_NOEXIST */);
	return map_lookup(&tap_peers, key);
}

/* Of an unconnected socket: of each peer and side the first bytes, then what is wanted. */
NOINLINE int pass_peer_datagram(struct __sk_buff *skb, const struct datagram *datagram, struct tap_state *state, u64 cookie)
{
	struct flow_key key = { .cookie = cookie };
	u32 side = datagram->side;
	if (side > RECEIVED || !state)
		return 0;
	if (skb->protocol == __builtin_bswap16(0x0800)) {
		key.family = AF_INET;
		skb_load_bytes(skb, side == SENT ? 16 : 12, key.remote, 4);
	} else {
		key.family = AF_INET6;
		skb_load_bytes(skb, side == SENT ? 24 : 8, key.remote, 16);
	}
	u16 port = 0;
	skb_load_bytes(skb, datagram->header + (side == SENT ? 2 : 0), &port, 2);
	key.remote_port = __builtin_bswap16(port);
	struct tap_peer *peer = peer_of(&key, state);
	if (!peer) {
		count_payload(LOST_PAYLOAD_BYTES, datagram->length);
		return 0;
	}
	if (!(peer->is_steered ? peer->is_wanted[side] : peer->first_bytes[side] < FIRST_DATAGRAM_BYTES))
		return 0;
	peer->first_bytes[side] += datagram->length;
	if (emit_datagram(skb, datagram, cookie, namespace_of(skb->sk), PAYLOAD_PEER | (peer->is_opened ? 0 : PAYLOAD_OPENS)))
		peer->is_opened = 1;
	return 0;
}

/* Hands over a datagram: of a connected socket, of each side the first bytes, then what is wanted. `start` counts what was
 * handed over. */
NOINLINE int pass_datagram(struct __sk_buff *skb, u32 header, u32 side)
{
	if (!skb->sk || side > RECEIVED)
		return 0;
	struct bpf_sock *sk = sk_fullsock(skb->sk);
	if (!sk || sk->protocol != IPPROTO_UDP)
		return 0;
	bool is_connected = sk->state == TCP_ESTABLISHED;
	struct tap_state *state = tap_of(sk, STORAGE_CREATE);
	if (!state)
		return 0;
	u32 whole = skb->len;
	u32 at = header + UDP_HEADER;
	if (whole <= at)
		return 0;
	u32 length = whole - at, first = skb->gso_size;
	/* Several that are sent as one (UDP_SEGMENT), or were received as one: the first. */
	if (first && length > first)
		length = first;
	struct datagram datagram = { .header = header, .at = at, .length = length, .side = side };
	if (!is_connected)
		return pass_peer_datagram(skb, &datagram, state, socket_cookie(skb));
	struct tap_side *of = &state->sides[side];
	u32 current = generation_now();
	if ((of->flags & (IS_OVER | IS_WANTED)) == IS_OVER && state->generation == current)
		return 0;
	u64 cookie = socket_cookie(skb);
	apply_want(state, cookie, current);
	if (!(of->flags & IS_WANTED)) {
		if (of->flags & IS_OVER)
			return 0;
		of->start += length;
		if (of->start >= FIRST_DATAGRAM_BYTES)
			of->flags |= IS_OVER;
	}
	if (emit_datagram(skb, &datagram, cookie, namespace_of(sk), state->flags & IS_OPENED ? 0 : PAYLOAD_OPENS))
		state->flags |= IS_OPENED;
	return 0;
}

/* Offset of the UDP header; 0 for other packets. Datagrams behind extension headers are not handed over. */
INLINE u32 udp_header(struct __sk_buff *skb)
{
	const u8 *start = (const u8 *)(unsigned long)skb->data;
	if (start + 20 > (const u8 *)(unsigned long)skb->data_end)
		return 0;
	if (start[0] >> 4 == 4)
		return start[9] == IPPROTO_UDP ? (start[0] & 15) * 4 : 0;
	return start[6] == IPPROTO_UDP ? 40 : 0;
}

INLINE int pass_payload(struct __sk_buff *skb, u32 side)
{
	struct segment segment;
	u32 header = udp_header(skb);
	if (header) {
		pass_datagram(skb, header, side);
		return 1;
	}
	/* Most packets are acknowledgements. */
	if (!read_segment(skb, &segment) || !segment.length && !(segment.flags & (TCP_FIN | TCP_SYN)) || !skb->sk)
		return 1;
	struct bpf_sock *sk = sk_fullsock(skb->sk);
	/* Segments of raw sockets are of no connection. */
	if (!sk || sk->type != SOCK_STREAM)
		return 1;
	if (sk->state == TCP_LISTEN) {
		if (side == RECEIVED && segment.length)
			of_listener(skb, &segment, sk);
		return 1;
	}
	struct tap_state *state = tap_of(sk, segment.length ? STORAGE_CREATE : 0);
	if (!state) {
		if (segment.length)
			count_payload(LOST_PAYLOAD_BYTES, segment.length);
		return 1;
	}
	if (!segment.length && !(state->flags & IS_SET_UP))
		return 1;
	bool is_over = (state->sides[side].flags & (IS_OVER | IS_WANTED)) == IS_OVER;
	if (!is_over || state->generation != generation_now() || segment.flags & TCP_SYN)
		hand_over(skb, &segment, side, sk, state);
	return 1;
}

SEC("cgroup_skb/egress")
int payload_out(struct __sk_buff *skb)
{
	return pass_payload(skb, SENT);
}

SEC("cgroup_skb/ingress")
int payload_in(struct __sk_buff *skb)
{
	return pass_payload(skb, RECEIVED);
}

#define MSG_PEEK 2

/* A process has written or read bytes. The first time the kernel's counts give the sum: what was sent once and what waits to be
 * sent, or what was received less what waits to be read. From then on bytes are added. */
INLINE int note_moved(struct sock *sk, s32 bytes, u32 side)
{
	if (bytes <= 0 || sk->sk_protocol != IPPROTO_TCP)
		return 0;
	struct tap_state *state = tap_of(sk, 0);
	if (!state || !(state->sides[side].flags & IS_WANTED))
		return 0;
	const struct tcp_sock *tp = to_tcp_sock(sk);
	if (!tp)
		return 0;
	if (state->moved_bytes[side])
		state->moved_bytes[side] += bytes;
	else if (side == SENT)
		state->moved_bytes[side] = tp->bytes_sent - tp->bytes_retrans + (tp->write_seq - tp->snd_nxt);
	else
		state->moved_bytes[side] = tp->bytes_received - (tp->rcv_nxt - tp->copied_seq);
	struct payload *record = ringbuf_reserve(&payload, sizeof(*record), 0);
	/* The next record has the sum. */
	if (!record)
		return 0;
	__builtin_memset(record, 0, sizeof(*record));
	record->cookie = sk->__sk_common.skc_cookie.counter;
	record->netns = sk->__sk_common.skc_net.net->ns.inum;
	record->at_ns = ktime_ns();
	record->kind = PAYLOAD_MOVED;
	record->flags = side == RECEIVED ? PAYLOAD_RECEIVED : 0;
	record->moved_bytes = state->moved_bytes[side];
	ringbuf_submit(record, NO_WAKEUP);
	return 0;
}

/* A process has read from a socket. Linux 6.3. */
SEC("tp_btf/sock_recv_length")
int payload_read(u64 *ctx)
{
	return ctx[2] & MSG_PEEK ? 0 : note_moved((struct sock *)ctx[0], ctx[1], RECEIVED);
}

/* A process has written to a socket. Linux 6.3. */
SEC("tp_btf/sock_send_length")
int payload_written(u64 *ctx)
{
	return note_moved((struct sock *)ctx[0], ctx[1], SENT);
}
