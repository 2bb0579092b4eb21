//! What an engine and a worker say to each other: bytes ↔ typed frames.
//!
//! A worker says *hello*, is told *welcome*, and says *ready*. Then a call *begins*; the worker
//! *asks* for operations and is *answered*, and is *done* or has *failed*. A begun call has a
//! [`Turn`]; what is said of another one breaks the protocol ([`Turns`]).
//!
//! Two [`Encoding`]s say the same: a binary one, and one JSON object a line for commands. Frames
//! lend what they hold from the buffer they stand in.
//!
//! **Invariant:** every length and count is compared with its limit before memory is taken for
//! it, and memory grows only with what has arrived. **Invariant:** no clock, no file, no socket:
//! whoever has the bytes reads and writes them.

mod binary;
mod bytes;
mod check;
mod code;
mod few;
mod file;
mod frame;
pub mod limits;
mod lines;
mod operation;
mod stream;
mod turn;
mod value;
mod version;
mod wrong;

pub use binary::HEAD;
pub use bytes::Bytes;
pub use code::Code;
pub use file::{
    Access, Edge, FileOperation, FileResult, Meant, Mode, Optional, Placing, Record, Relation,
    Shape, Stand,
};
pub use frame::{
    Answer, Ask, Begin, CAN_AHEAD, Call, Class, Done, Duplicates, Failed, File, Frame, Hash, Hello,
    Key, Kind, Leave, Open, Organization, Outcome, Part, Ready, Reply, Rest, Rows, Runs, Service,
    Side, Trouble, Welcome,
};
pub use limits::Limits;
pub use operation::{Asked, Number, Operation, Standing, Waits};
pub use stream::{Decoder, Encoding};
pub use turn::{AHEAD, Turn, Turns};
pub use value::{Grid, Value, is_decimal};
pub use version::{Apart, Versions};
pub use wrong::{Limit, TooLarge, Wrong};
