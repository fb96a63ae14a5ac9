/* Packets as programs at the border between a cgroup and the network see them: from the IP header on, with the socket. */
#pragma once
#include "kernel.h"

/* The context of cgroup_skb programs (include/uapi/linux/bpf.h). */
struct __sk_buff {
	u32 len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto, priority;
	u32 ingress_ifindex, ifindex, tc_index, cb[5], hash, tc_classid, data, data_end, napi_id;
	u32 family, remote_ip4, local_ip4, remote_ip6[4], local_ip6[4], remote_port, local_port;
	u32 data_meta;
	u64 flow_keys, tstamp;
	u32 wire_len, gso_segs;
	void *sk;
	u32 gso_size;
};

/* The context of cgroup/sock programs, and the socket of a packet (include/uapi/linux/bpf.h). */
struct bpf_sock {
	u32 bound_dev_if, family, type, protocol, mark, priority, src_ip4, src_ip6[4], src_port;
	u16 dst_port, pad;
	u32 dst_ip4, dst_ip6[4], state;
};

static void *(*const sk_fullsock)(void *sk) = (void *)95;

#define UDP_HEADER 8
