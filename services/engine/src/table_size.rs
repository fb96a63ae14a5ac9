//! How many sockets there are, without listing them: the counts in `/proc/self/net/sockstat` and
//! `sockstat6` (proc_pid_net(5)).

use std::fs;

/// About how many internet sockets this machine has; 0 where that is unknown.
pub(crate) fn sockets() -> u64 {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    count(&read("/proc/self/net/sockstat"), &read("/proc/self/net/sockstat6"))
}

/// TCP sockets in use are counted in this namespace only, those allocated in all of them.
fn count(sockstat: &str, sockstat6: &str) -> u64 {
    let tcp_in_use =
        number(sockstat, "TCP:", "inuse").saturating_add(number(sockstat6, "TCP6:", "inuse"));
    let tcp = tcp_in_use.max(number(sockstat, "TCP:", "alloc"));
    let udp = number(sockstat, "UDP:", "inuse").saturating_add(number(sockstat6, "UDP6:", "inuse"));
    tcp.saturating_add(number(sockstat, "TCP:", "tw")).saturating_add(udp)
}

/// The number that follows `key` in the line that begins with `line`.
fn number(text: &str, line: &str, key: &str) -> u64 {
    let rest = text.lines().find_map(|text| text.strip_prefix(line)).unwrap_or_default();
    let mut words = rest.split_ascii_whitespace().skip_while(|word| *word != key);
    words.nth(1).and_then(|word| word.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_of_both_families_and_those_in_time_wait_count() {
        let sockstat = "sockets: used 300\n\
            TCP: inuse 20 orphan 1 tw 1000 alloc 90 mem 243\n\
            UDP: inuse 5 mem 2\n\
            UDPLITE: inuse 7\nFRAG: inuse 0 memory 0\n";
        let sockstat6 = "TCP6: inuse 30\nUDP6: inuse 6\nUDPLITE6: inuse 0\n";
        assert_eq!(count(sockstat, sockstat6), 90 + 1000 + 11);
        assert_eq!(count(&sockstat.replace("alloc 90", "alloc 0"), sockstat6), 50 + 1000 + 11);
    }

    #[test]
    fn what_is_not_there_or_no_number_counts_nothing() {
        assert_eq!(count("", ""), 0);
        assert_eq!(count("TCP: inuse many tw\nUDP: mem 2\n", "TCP6:"), 0);
        assert_eq!(count("TCP: inuse 18446744073709551615 tw 9", "TCP6: inuse 9"), u64::MAX);
    }
}
