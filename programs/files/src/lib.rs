//! A COBOL file's operations, statuses and positions, as tables.
//!
//! Two halves decide what a statement about a file comes to. [`front`] is the worker's: whether the
//! file is open and may be used so, and what the next READ goes by. [`answers`] is the engine's:
//! what an operation finds and changes, over the look-ups of [`records`]. [`open`] says what OPEN
//! and DELETE FILE come to by what is known of the file. Nothing here reads, writes or waits.
//!
//! # What it is held to
//!
//! The same statements under GnuCOBOL 3.1.2 with Berkeley DB files give the same statuses and
//! records: `tests/files/oracle.rs` runs thousands of random sequences through both. Where the
//! answers of GnuCOBOL are odd but harmless they are given all the same:
//!
//! - A READ by key that fails leaves the position of its key where it was; the next READ NEXT goes
//!   on from there, by the key that was asked for.
//! - After a START that failed READ NEXT is 46; READ PREVIOUS gives the record read last by that
//!   key, and only if it is gone the last of all.
//! - A START refused for its LENGTH ends what OPEN or START began: right after OPEN READ NEXT then
//!   gives the second record.
//! - A record written below the first one is not the next one right after OPEN: which was the first
//!   is held.
//! - The first READ of an OPTIONAL file that is not there is 10, also one by key; START there 23.
//! - START `<=` with LENGTH stands on the first full value that begins so, not on the last.
//! - In sequential access after OPEN OUTPUT a duplicate is 21, also of an alternate key; after OPEN
//!   EXTEND 22. Only what this open has written is compared.
//! - In relative files writing, rewriting and deleting by number move the position, and so does a
//!   READ by number that fails. Number 0 is 24 for WRITE, REWRITE and DELETE, 23 for READ.
//! - REWRITE in a sequential file of records of several lengths is 44 unless the record is of the
//!   greatest length.
//! - OPEN OUTPUT of a missing file is 05 where it is line sequential and OPTIONAL, else 00.
//! - UNLOCK is 00 also of a closed file.
//! - WRITE … ADVANCING writes line feeds, form feeds and carriage returns into the file, and READ
//!   cuts what is there: `tests/files/print.rs` compares answers and bytes.
//!
//! # On purpose otherwise
//!
//! Each is met by a test of its own name in `tests/files/differences.rs`.
//!
//! - A name that no file set has: 31 (there any path is opened).
//! - Other organization, longest record or keys at OPEN: 39 (there 00, or whatever the bytes give).
//! - Two keys that begin at the same byte: the one asked for (there the first).
//! - START by the leading bytes of a split key: by those (there 23).
//! - CLOSE of a file closed WITH LOCK: 42, and it stays so (there 00, and it can be opened again;
//!   of an indexed or line sequential file the program may end).
//! - In sequential access REWRITE with a changed primary key: 21 (there the old record is gone and
//!   the new one written), and with a unique alternate key: done (there 22, always).
//! - In sequential access DELETE of a relative file takes the record read (there that with the
//!   number which the program has put into the RELATIVE KEY).
//! - READ PREVIOUS of a relative file gives the record before (there it skips some).
//! - REWRITE and DELETE of a number that no record has: 23 (there 00 if a greater one was ever
//!   written), and a WRITE that is refused with 22 leaves the position (there READ NEXT gives
//!   half a record).
//! - REWRITE of a relative record gives it its new length (there it keeps the old one).
//! - OPEN EXTEND of a relative file goes on behind the last record (there behind the greatest
//!   number ever written).
//! - A line feed or carriage return in a line is read back (there it ends the line, or is gone),
//!   unless the line is printed: by ADVANCING other than one line, or in a line begun so.
//! - A sequential file of records of several lengths is read as it was written, whatever was
//!   printed around its records (there a control is taken for a length, and READ writes beside its
//!   area).

pub mod answers;
pub mod definition;
pub mod front;
pub mod open;
pub mod operation;
pub mod outside;
pub mod print;
pub mod records;
pub mod spoken;
pub mod status;
pub mod unload;
