//! User ids as a user namespace shows them (user_namespaces(7)).

use std::fs;
use std::sync::OnceLock;

use conns_core::model::{Known, Source, Unknown};

/// The user id that the kernel shows for every user who has none in this user namespace; `None` where all have one.
static OVERFLOW: OnceLock<Option<u32>> = OnceLock::new();

/// A user id that the kernel reports. It is unknown if it stands for every user without a number here
/// (`/proc/sys/kernel/overflowuid`, commonly 65534).
#[must_use]
pub fn user_id(uid: u32, source: Source) -> Known<u32> {
    let overflow = OVERFLOW.get_or_init(|| {
        let number = fs::read_to_string("/proc/sys/kernel/overflowuid").ok()?;
        let map = fs::read_to_string("/proc/self/uid_map").ok()?;
        overflow_of(number.trim().parse().ok()?, &map)
    });
    match *overflow == Some(uid) {
        true => Known::Unknown(Unknown::Ambiguous),
        false => Known::Value(uid, source),
    }
}

/// `number`, unless a user has it.
fn overflow_of(number: u32, map: &str) -> Option<u32> {
    (!is_mapped(map, number)).then_some(number)
}

/// Whether a user namespace with this `/proc/PID/uid_map` has the user id.
#[must_use]
pub fn is_mapped(map: &str, uid: u32) -> bool {
    let has = |line: &str| -> Option<bool> {
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        let (first, _, count) =
            (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
        Some((first..first.saturating_add(count)).contains(&u64::from(uid)))
    };
    map.lines().any(|line| has(line) == Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_overflow_id_is_a_user_where_the_namespace_has_that_user() {
        assert_eq!(overflow_of(65_534, "         0          0 4294967295\n"), None);
        assert_eq!(overflow_of(65_534, "0 0 1\n"), Some(65_534));
        assert_eq!(overflow_of(65_534, "0 100000 65536\n"), None);
        assert_eq!(overflow_of(65_534, "0 1000 1\n1 100000 65533\n"), Some(65_534));
        assert_eq!(overflow_of(65_534, ""), Some(65_534));
    }

    #[test]
    fn a_user_namespace_has_the_numbers_of_its_map() {
        let container = "0 100000 1000\n61184 200000 2\n";
        assert!(is_mapped(container, 999) && is_mapped(container, 61_185));
        assert!(!is_mapped(container, 1000) && !is_mapped(container, 61_186));
        assert!(!is_mapped("", 0) && !is_mapped("0 0", 0) && !is_mapped("a b c", 0));
    }
}
