//! A daemon as a process of its own, on a volume with packages, called over its door.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod acts;
mod bad;
mod daemon;
mod groups;
mod killed;
mod members;
mod ready;
#[expect(dead_code, reason = "its own room uses more of it")]
#[path = "../../../../foundation/store/tests/postgres/server.rs"]
mod server;
mod services;
mod standby;
mod volume;
#[expect(dead_code, reason = "its own room uses more of it")]
#[path = "../../../../foundation/store/tests/postgres/way.rs"]
mod way;
