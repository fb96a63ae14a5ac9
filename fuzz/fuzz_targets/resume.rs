//! Any text as a resume id, and as the query of a client: it is refused, or it is written as it was
//! read.

#![no_main]

use conns_api::{EventsQuery, ResumeId, UpdateQuery, VersionRange};
use conns_core::model::Update;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(id) = text.parse::<ResumeId>() {
        assert_eq!(id.to_string(), text);
    }
    match UpdateQuery::from_query(text) {
        Ok(query) => {
            check(query.versions);
            assert!(query.after.is_some() || query.is_due(&Update::default()));
            assert_eq!(UpdateQuery::from_query(&query.to_query()), Ok(query));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    match EventsQuery::from_query(text) {
        Ok(query) => {
            check(query.versions);
            assert_eq!(EventsQuery::from_query(&query.to_query()), Ok(query));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});

/// What an agent chooses is what both ends know.
fn check(theirs: VersionRange) {
    let ours = VersionRange::SUPPORTED;
    match ours.newest_common(theirs) {
        Some(version) => assert!(ours.contains(version) && theirs.contains(version)),
        None => assert!(!theirs.contains(1)),
    }
}
