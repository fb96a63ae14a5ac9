/* Kernel structures, reduced to the fields that the programs read. Names, nesting and types are the kernel's
 * (include/net, include/linux); the loader fills in the offsets (CO-RE). */
#pragma once
#include "helpers.h"

#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define SOCK_STREAM 1

#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT 2
#define TCP_SYN_RECV 3
#define TCP_FIN_WAIT1 4
#define TCP_FIN_WAIT2 5
#define TCP_TIME_WAIT 6
#define TCP_CLOSE 7
#define TCP_CLOSE_WAIT 8
#define TCP_LAST_ACK 9
#define TCP_LISTEN 10
#define TCP_CLOSING 11

typedef struct {
	s32 counter;
} atomic_t;
typedef struct {
	s64 counter;
} atomic64_t;
typedef struct {
	atomic_t refs;
} refcount_t;
typedef struct {
	u32 val;
} kuid_t;

struct ns_common {
	u32 inum;
} CORE;
struct net {
	struct ns_common ns;
} CORE;
typedef struct {
	struct net *net;
} possible_net_t;

struct in6_addr {
	union {
		u32 u6_addr32[4];
	} in6_u;
} CORE;

struct sock_common {
	u32 skc_daddr;
	u32 skc_rcv_saddr;
	u16 skc_dport;
	u16 skc_num;
	u16 skc_family;
	volatile u8 skc_state;
	u8 skc_ipv6only : 1;
	s32 skc_bound_dev_if;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	atomic64_t skc_cookie;
	unsigned long skc_flags;
} CORE;

struct hlist_node {
	struct hlist_node **pprev;
} CORE;
struct timer_list {
	struct hlist_node entry;
	unsigned long expires;
} CORE;

struct kernfs_node {
	u64 id;
} CORE;
struct cgroup {
	struct kernfs_node *kn;
} CORE;
struct sock_cgroup_data {
	struct cgroup *cgroup;
} CORE;

struct inode {
	unsigned long i_ino;
} CORE;
struct file {
	struct inode *f_inode;
	struct {
		s64 counter;
	} f_count; /* until Linux 6.12 */
	struct {
		struct {
			s64 counter;
		} refcnt;
	} f_ref; /* Linux 6.13; 0 is one reference */
} CORE;
struct sock;
struct socket {
	struct file *file;
	struct sock *sk;
} CORE;
struct socket_alloc {
	struct socket socket;
	struct inode vfs_inode;
} CORE;
struct numa_drop_counters {
	atomic_t drops0;
	atomic_t drops1;
} CORE;

struct sock {
	struct sock_common __sk_common;
	atomic_t sk_drops;
	struct {
		atomic_t rmem_alloc;
		s32 len;
	} sk_backlog;
	s32 sk_rcvbuf;
	s32 sk_err;
	struct socket *sk_socket;
	s32 sk_forward_alloc;
	atomic_t sk_omem_alloc;
	s32 sk_wmem_queued;
	refcount_t sk_wmem_alloc;
	struct timer_list sk_timer;
	struct timer_list tcp_retransmit_timer; /* Linux 6.19; earlier: icsk_retransmit_timer */
	unsigned long sk_pacing_rate;
	unsigned long sk_max_pacing_rate;
	u32 sk_mark;
	kuid_t sk_uid;
	u8 sk_kern_sock : 1;
	u16 sk_protocol;
	u16 sk_type;
	s32 sk_sndbuf;
	u8 sk_shutdown;
	u32 sk_ack_backlog;
	u32 sk_max_ack_backlog;
	unsigned long sk_ino; /* Linux 6.17; earlier: the inode of sk_socket */
	struct sock_cgroup_data sk_cgrp_data;
	struct numa_drop_counters *sk_drop_counters; /* Linux 6.18 */
} CORE;

struct ipv6_pinfo {
	u8 tclass;
} CORE;
struct inet_sock {
	struct sock sk;
	struct ipv6_pinfo *pinet6;
	u16 inet_sport;
	u8 tos;
} CORE;

struct request_sock_queue {
	atomic_t qlen;
} CORE;
struct tcp_congestion_ops {
	u32 key; /* a hash of the name */
	char name[16];
} CORE;
struct tcp_ulp_ops {
	char name[16];
} CORE;

struct inet_connection_sock {
	struct inet_sock icsk_inet;
	struct request_sock_queue icsk_accept_queue;
	unsigned long icsk_timeout; /* before Linux 6.18; later: icsk_retransmit_timer */
	struct timer_list icsk_retransmit_timer;
	struct timer_list icsk_keepalive_timer; /* Linux 6.19, also in later 6.12; earlier: sk_timer */
	u32 icsk_rto;
	u32 icsk_delack_max;
	u32 icsk_pmtu_cookie;
	const struct tcp_congestion_ops *icsk_ca_ops;
	const struct tcp_ulp_ops *icsk_ulp_ops;
	u8 icsk_ca_state : 5;
	u8 icsk_retransmits;
	u8 icsk_pending;
	u8 icsk_backoff;
	u8 icsk_probes_out;
	struct {
		u32 ato : 8;
		u32 lrcvtime;
		u16 rcv_mss;
	} icsk_ack;
	u64 icsk_ca_priv[13];
} CORE;

struct minmax_sample {
	u32 v;
} CORE;
struct minmax {
	struct minmax_sample s[3];
} CORE;
struct tcp_options_received {
	u16 tstamp_ok : 1;
	u16 wscale_ok : 1;
	u16 sack_ok : 3;
	u16 snd_wscale : 4;
	u16 rcv_wscale : 4;
} CORE;

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	u32 rcv_ssthresh;
	u32 reordering;
	u32 snd_wnd;
	u32 mss_cache;
	u32 snd_cwnd;
	u32 lost_out;
	u32 sacked_out;
	u8 tcp_usec_ts : 1; /* Linux 6.7 */
	u32 copied_seq;
	u32 retrans_out;
	u16 advmss;
	u32 snd_ssthresh;
	struct minmax rtt_min;
	u32 segs_out;
	u32 data_segs_out;
	u64 bytes_sent;
	u8 chrono_type : 2; /* in some kernels no bit field */
	u32 chrono_start;
	u32 chrono_stat[3];
	u32 write_seq;
	u32 lsndtime;
	u32 mdev_us;
	u8 ecn_flags;
	u8 rate_app_limited : 1;
	u32 rcv_nxt;
	u32 snd_nxt;
	u32 snd_una;
	u32 srtt_us;
	u32 packets_out;
	u32 delivered;
	u32 delivered_ce;
	u32 received_ce; /* Linux 6.18, with the next and delivered_ecn_bytes */
	u32 received_ecn_bytes[3];
	u32 rcv_wnd;
	u32 rcv_tstamp;
	struct tcp_options_received rx_opt;
	u64 bytes_received;
	u32 segs_in;
	u32 data_segs_in;
	u32 rate_delivered;
	u32 rate_interval_us;
	u32 delivered_ecn_bytes[3];
	u64 bytes_acked;
	struct {
		u32 rtt_us;
	} rcv_rtt_est;
	struct {
		s32 space;
	} rcvq_space;
	u32 dsack_dups;
	u8 fastopen_client_fail : 2;
	u8 syn_data_acked : 1;
	u8 syn_fastopen_child : 1; /* Linux 6.18 */
	u8 accecn_fail_mode : 4;   /* Linux 6.18 */
	u8 saw_accecn_opt : 2;     /* Linux 6.18 */
	u32 reord_seen;
	u64 bytes_retrans;
	u32 total_retrans;
	u32 rto_stamp; /* Linux 6.7, with total_rto* */
	u16 total_rto;
	u16 total_rto_recoveries;
	u32 total_rto_time;
	u16 timeout_rehash;
	u32 rcv_ooopack;
	u32 plb_rehash; /* Linux 6.2 */
} CORE;

/* Only its size is used. */
struct tcp_info {
	u8 tcpi_state;
} CORE;

struct udp_sock {
	struct inet_sock inet;
	s32 forward_deficit;
} CORE;

struct inet_timewait_sock {
	struct sock_common __tw_common;
	volatile u8 tw_substate;
	struct timer_list tw_timer;
} CORE;
struct tcp_timewait_sock {
	struct inet_timewait_sock tw_sk;
} CORE;
struct request_sock {
	struct sock_common __req_common;
	u8 num_retrans;
	struct timer_list rsk_timer;
} CORE;
struct inet_request_sock {
	struct request_sock req;
} CORE;
struct tcp_request_sock {
	struct inet_request_sock req;
} CORE;

/* The state of BBR in icsk_ca_priv; net/ipv4/tcp_bbr.c. */
struct bbr {
	u32 min_rtt_us;
	struct minmax bw;
	u32 lt_use_bw : 1;
	u32 lt_bw;
	u32 pacing_gain : 10;
	u32 cwnd_gain : 10;
} CORE;

struct upid {
	s32 nr;
} CORE;
struct pid {
	u32 level;
	struct upid numbers[1];
} CORE;
struct cred {
	kuid_t euid;
} CORE;
struct task_struct {
	s32 pid;
	s32 tgid;
	struct task_struct *group_leader;
	u64 start_boottime;
	struct pid *thread_pid;
	const struct cred *cred;
	char comm[16];
} CORE;

struct seq_file;
struct bpf_iter_meta {
	struct seq_file *seq;
} CORE;
struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
	u32 uid;
} CORE;
struct bpf_tcp_iter_state {
	void *batch; /* Linux 5.15; from then on the iterator locks the socket that it shows */
} CORE;
struct bpf_iter__udp {
	struct bpf_iter_meta *meta;
	struct udp_sock *udp_sk;
	u32 uid;
} CORE;
struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	u32 fd;
	struct file *file;
} CORE;
struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	void *map;
	void *key;
	void *value;
} CORE;
struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} CORE;
struct bpf_iter__bpf_sk_storage_map {
	struct bpf_iter_meta *meta;
	void *map;
	struct sock *sk;
	void *value;
} CORE;

/* The socket behind a file; 0 for other kinds of files. */
INLINE struct sock *sock_of(struct file *file)
{
	struct socket *socket = sock_from_file(file);
	return socket ? socket->sk : 0;
}

/* The helper generates a cookie; it is only called for sockets without one. */
INLINE u64 cookie_of(struct sock_common *common)
{
	u64 cookie = common->skc_cookie.counter;
	return cookie ? cookie : socket_cookie(common);
}
