/* Sections, CO-RE macros and BPF helpers by number (include/uapi/linux/bpf.h). No other headers are included, so a
 * build needs nothing but clang. */
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed int s32;
typedef signed long long s64;
typedef _Bool bool;
#define true 1
#define false 0

#define SEC(name) __attribute__((section(name), used))
#define INLINE static __attribute__((always_inline)) inline
#define NOINLINE static __attribute__((noinline))

/* BTF-defined maps. */
#define __uint(name, value) int(*name)[value]
#define __type(name, value) typeof(value) *name
enum {
	MAP_HASH = 1,
	MAP_ARRAY = 2,
	MAP_PERCPU_ARRAY = 6,
	MAP_LRU_HASH = 9,
	MAP_SK_STORAGE = 24,
	MAP_RINGBUF = 27,
};
#define MAP_NO_PREALLOC 1 /* BPF_F_NO_PREALLOC */
#define MAP_CLONE 512     /* BPF_F_CLONE */

/* A global in .rodata, set by the loader before loading. */
#define CONSTANT volatile const

/* CO-RE: the loader fills in offsets, sizes and existence of fields from the BTF of the running kernel. */
#define CORE __attribute__((preserve_access_index))
#define has_field(field) __builtin_preserve_field_info(field, 2)
#define size_of_type(type) __builtin_preserve_type_info(*(type *)0, 1)
#define has_type(type) __builtin_preserve_type_info(*(type *)0, 0)

/* Reads a bit field, or a field that is one in some kernels only: loads its storage unit, then shifts left and right. The
 * empty assembly keeps the offset out of the load instructions, whose sizes the loader would have to adapt. */
#define bits(source, field)                                                                      \
	({                                                                                       \
		const char *address = (const char *)(source) +                                     \
				    __builtin_preserve_field_info((source)->field, 0);           \
		u64 value = 0;                                                                   \
		asm volatile("" : "+r"(address));                                                \
		switch (__builtin_preserve_field_info((source)->field, 1)) {                     \
		case 1:                                                                          \
			value = *(const u8 *)address;                                              \
			break;                                                                   \
		case 2:                                                                          \
			value = *(const u16 *)address;                                             \
			break;                                                                   \
		case 4:                                                                          \
			value = *(const u32 *)address;                                             \
			break;                                                                   \
		case 8:                                                                          \
			value = *(const u64 *)address;                                             \
			break;                                                                   \
		}                                                                                \
		value <<= __builtin_preserve_field_info((source)->field, 4);                     \
		value >>= __builtin_preserve_field_info((source)->field, 5);                     \
		value;                                                                           \
	})

/* Helpers, by number. */
static void *(*const map_lookup)(void *map, const void *key) = (void *)1;
static long (*const map_update)(void *map, const void *key, const void *value,
				u64 flags) = (void *)2;
static long (*const map_delete)(void *map, const void *key) = (void *)3;
static u64 (*const ktime_ns)(void) = (void *)5;
static long (*const skb_load_bytes)(const void *skb, u32 offset, void *to, u32 len) = (void *)26;
static u64 (*const socket_cookie)(void *socket) = (void *)46;
static void *(*const sk_storage_get)(void *map, void *sk, void *value, u64 flags) = (void *)107;
static long (*const read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static u64 (*const jiffies)(void) = (void *)118;
static long (*const seq_write)(void *seq, const void *data, u32 len) = (void *)127;
static void *(*const ringbuf_reserve)(void *ring, u64 size, u64 flags) = (void *)131;
static void (*const ringbuf_submit)(void *data, u64 flags) = (void *)132;
static u64 (*const ringbuf_query)(void *ring, u64 flags) = (void *)134;
static long (*const ringbuf_output)(void *ring, void *data, u64 size, u64 flags) = (void *)130;
static void *(*const to_tcp_sock)(void *sk) = (void *)137;
static void *(*const to_tcp_timewait)(void *sk) = (void *)138;
static void *(*const to_tcp_request)(void *sk) = (void *)139;
static void *(*const to_udp6_sock)(void *sk) = (void *)140;
static void *(*const current_task)(void) = (void *)158;
static void *(*const sock_from_file)(void *file) = (void *)162;

#define STORAGE_CREATE 1 /* BPF_SK_STORAGE_GET_F_CREATE */
#define NO_WAKEUP 1      /* BPF_RB_NO_WAKEUP */
#define FORCE_WAKEUP 2   /* BPF_RB_FORCE_WAKEUP */
#define RING_UNREAD 0    /* BPF_RB_AVAIL_DATA */
#define RING_READ 2      /* BPF_RB_CONS_POS */

INLINE void copy_words(void *to, const void *from, u32 words)
{
#pragma unroll
	for (u32 i = 0; i < words; i++)
		((u32 *)to)[i] = ((const u32 *)from)[i];
}

char permitted[] SEC("license") = "Dual MIT/GPL";
