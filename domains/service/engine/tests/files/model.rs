//! The program with one file that is held to GnuCOBOL, from the room of files.

#[path = "../../../../../programs/files/tests/files/chance.rs"]
pub mod chance;
#[path = "../../../../../programs/files/tests/files/memory.rs"]
pub mod memory;
#[path = "../../../../../programs/files/tests/files/program.rs"]
pub mod program;
#[path = "../../../../../programs/files/tests/files/schedule.rs"]
pub mod schedule;
#[path = "../../../../../programs/files/tests/files/script.rs"]
pub mod script;
#[path = "../../../../../programs/files/tests/files/sqlite.rs"]
pub mod sqlite;
