//! Files of COBOL programs in the unit of work of their call: the statements that the room of files
//! is held to GnuCOBOL by, through an engine on SQLite.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../engine/appfile.rs"]
mod appfile;
mod calls;
mod cobol;
mod killed;
#[expect(dead_code, reason = "what only the tests of that room use")]
mod model;
mod moving;
#[expect(dead_code, reason = "what only the tests of engines use")]
#[path = "../engine/programs.rs"]
mod programs;
mod schedules;
mod support;
