//! The program with one file that is held to GnuCOBOL, from the room of files.
#![expect(dead_code, reason = "what only the tests of that room use")]

#[path = "../../../files/tests/files/chance.rs"]
pub mod chance;
#[path = "../../../files/tests/files/memory.rs"]
pub mod memory;
#[path = "../../../files/tests/files/paged.rs"]
pub mod paged;
#[path = "../../../files/tests/files/program.rs"]
pub mod program;
#[path = "../../../files/tests/files/schedule.rs"]
pub mod schedule;
#[path = "../../../files/tests/files/script.rs"]
pub mod script;
#[path = "../../../files/tests/files/source.rs"]
pub mod source;
#[path = "../../../files/tests/files/sqlite.rs"]
pub mod sqlite;
