//! The tables of COBOL files: against GnuCOBOL, on a store of tables, and as text.

mod chance;
mod differences;
mod fuzz;
mod gnucobol;
mod golden;
mod memory;
mod oracle;
mod outside;
mod page;
mod paged;
mod print;
mod program;
mod schedule;
mod script;
mod source;
mod spoken;
mod sqlite;
mod stores;
