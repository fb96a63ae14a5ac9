//! Any text as a resume id, and as the query of a client: it is refused, or it is written as it was
//! read.

#![no_main]

use conns_api::{EventsQuery, ResumeId, UpdateQuery};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(id) = text.parse::<ResumeId>() {
        assert_eq!(id.to_string(), text);
    }
    match UpdateQuery::from_query(text) {
        Ok(query) => assert_eq!(UpdateQuery::from_query(&query.to_query()), Ok(query)),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    match EventsQuery::from_query(text) {
        Ok(query) => assert_eq!(EventsQuery::from_query(&query.to_query()), Ok(query)),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
