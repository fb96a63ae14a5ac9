//! Tests of the native API: requests to the router, answered from simulated updates.

mod changes;
mod derived;
mod document;
mod errors;
mod events;
mod health;
mod lists;
mod metrics;
mod pages;
mod paging;
mod past;
mod scene;
mod schema;
mod sql;
mod windows;
