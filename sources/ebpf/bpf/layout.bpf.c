/* Never loaded: its BTF describes every record and enumeration of shared.h, for the tests of src/layout.rs. */
#include "shared.h"

struct socket_header socket_header;
struct bbr_detail bbr_detail;
struct udp_totals udp_totals;
struct row row;
struct tcp_row tcp_row;
struct descriptor descriptor;
struct peer peer;
struct event event;
struct short_event short_event;
struct long_event long_event;
struct payload payload;
struct want want;
struct flow_key flow_key;
struct tap_peer tap_peer;
enum row_kind row_kind;
enum event_kind event_kind;
enum event_flags event_flags;
enum loss loss;
enum counter counter;
enum payload_kind payload_kind;
enum payload_flags payload_flags;
enum payload_loss payload_loss;
