/* Traffic of UDP sockets by peer, counted where packets pass between a cgroup and the network, from the moment the
 * programs are attached. The kernel itself counts nothing for UDP. */
#pragma once
#include "packet.h"
#include "row.h"

/* Most pairs of socket and peer; the least recently used is evicted. User space compares the entries of a
 * socket with how many were made for it. */
#define MAX_FLOWS 16384

struct flow {
	u64 bytes_out;
	u64 bytes_in;
	u64 datagrams_out;
	u64 datagrams_in;
};
_Static_assert(sizeof(struct flow) == 32, "struct flow");

struct {
	__uint(type, MAP_LRU_HASH);
	__uint(max_entries, MAX_FLOWS);
	__type(key, struct flow_key);
	__type(value, struct flow);
} flows SEC(".maps");

struct flow_total {
	struct flow flow;
	u64 peers; /* entries of `flows` made, evicted ones included */
};

/* Total of a socket; freed with it. */
struct {
	__uint(type, MAP_SK_STORAGE);
	__uint(map_flags, MAP_NO_PREALLOC);
	__type(key, s32);
	__type(value, struct flow_total);
} flow_totals SEC(".maps");

INLINE void count(struct flow *flow, bool is_out, u64 bytes)
{
	if (is_out) {
		__sync_fetch_and_add(&flow->bytes_out, bytes);
		__sync_fetch_and_add(&flow->datagrams_out, 1);
	} else {
		__sync_fetch_and_add(&flow->bytes_in, bytes);
		__sync_fetch_and_add(&flow->datagrams_in, 1);
	}
}

INLINE int packet(struct __sk_buff *skb, bool is_out)
{
	/* Fast path: most packets are TCP, and their IP header is directly accessible. */
	const u8 *start = (const u8 *)(unsigned long)skb->data;
	if (start + 20 <= (const u8 *)(unsigned long)skb->data_end &&
	    start[start[0] >> 4 == 4 ? 9 : 6] != IPPROTO_UDP)
		return 1;
	struct flow_key key = {};
	u32 header;
	u8 first[2], next = 0;
	u16 port = 0;
	if (skb->protocol == __builtin_bswap16(0x0800)) {
		if (skb_load_bytes(skb, 9, &next, 1) || next != IPPROTO_UDP)
			return 1;
		if (skb_load_bytes(skb, 0, first, 1))
			return 1;
		header = (first[0] & 15) * 4;
		key.family = AF_INET;
		if (skb_load_bytes(skb, is_out ? 16 : 12, key.remote, 4))
			return 1;
	} else if (skb->protocol == __builtin_bswap16(0x86dd)) {
		/* UDP behind extension headers is rare and not counted. */
		if (skb_load_bytes(skb, 6, &next, 1) || next != IPPROTO_UDP)
			return 1;
		header = 40;
		key.family = AF_INET6;
		if (skb_load_bytes(skb, is_out ? 24 : 8, key.remote, 16))
			return 1;
	} else {
		return 1;
	}
	if (skb_load_bytes(skb, header + (is_out ? 2 : 0), &port, 2))
		return 1;
	u32 length = skb->len;
	if (length < header + UDP_HEADER || !skb->sk)
		return 1;
	void *sk = sk_fullsock(skb->sk);
	if (!sk)
		return 1;
	u64 bytes = length - header - UDP_HEADER;
	struct flow_total *total = sk_storage_get(&flow_totals, sk, 0, STORAGE_CREATE);
	if (total)
		count(&total->flow, is_out, bytes);
	key.cookie = socket_cookie(skb);
	key.remote_port = __builtin_bswap16(port);
	struct flow *flow = map_lookup(&flows, &key);
	if (!flow) {
		struct flow none = {};
		if (!map_update(&flows, &key, &none, 1 /* BPF_NOEXIST */) && total)
			__sync_fetch_and_add(&total->peers, 1);
		flow = map_lookup(&flows, &key);
	}
	if (flow)
		count(flow, is_out, bytes);
	return 1;
}

SEC("cgroup_skb/egress")
int packet_out(struct __sk_buff *skb)
{
	return packet(skb, true);
}

SEC("cgroup_skb/ingress")
int packet_in(struct __sk_buff *skb)
{
	return packet(skb, false);
}

/* Writes a record for each entry of `flows`. */
SEC("iter/bpf_map_elem")
int flow_table(struct bpf_iter__bpf_map_elem *ctx)
{
	struct flow_key *key = ctx->key;
	struct flow *flow = ctx->value;
	if (!key || !flow)
		return 0;
	struct peer peer = { .cookie = key->cookie,
			     .remote_port = key->remote_port,
			     .family = key->family,
			     .bytes_out = flow->bytes_out,
			     .bytes_in = flow->bytes_in,
			     .datagrams_out = flow->datagrams_out,
			     .datagrams_in = flow->datagrams_in };
	copy_words(peer.remote, key->remote, 4);
	seq_write(ctx->meta->seq, &peer, sizeof(peer));
	return 0;
}
