//! Runs modules of GnuCOBOL in a worker: what they ask for goes to their host.
//!
//! Words: a *module* is a shared library that cobc has made; a *program* is one entry of it. A
//! [`Runtime`] is libcob, of which a process has one, on one thread, one call at a time. What a
//! program asks for while it answers goes to the [`Host`] of the call.
//!
//! # How files come here
//!
//! A module finds `cob_open` and the like by name, and so does libcob itself, which asks for them
//! where it sorts files, writes reports or closes files at CANCEL. The executable exports these
//! names (`src/names.list`), and what an executable exports is found before what a library has that
//! was loaded later. So all operations of all modules lead here, whoever loads them, and with all
//! that libcob knows of a file: what its interface for external file handlers (FCD3) leaves out in
//! 3.1.2 is RELATIVE KEY after a READ, DEPENDING ON, UNLOCK, DELETE FILE, and the files of SORT.
//!
//! Modules are compiled with `-fcallfh=tsugi_file_handler` all the same: nothing else has that
//! name, so that elsewhere such a module cannot be loaded and does not write beside the store.
//!
//! A binary that is to run modules depends on this room itself, and has a build script of this:
//!
//! ```text
//! let list = std::env::var("DEP_TSUGI_COBOL_LIST").expect("tsugi-cobol is a dependency");
//! println!("cargo::rustc-link-arg-bins=-Wl,--dynamic-list={list}");
//! ```
//!
//! **Invariant:** no module is loaded in a process where one of the names does not lead here.
//! **Invariant:** libcob is not linked, it is loaded when a runtime is opened, and only in a
//! version whose structures are known here.

mod ending;
mod entry;
mod files;
mod host;
mod interface;
mod libcob;
mod number;
mod runtime;
mod source;
mod stage;

pub use ending::{Ending, Forbidden};
pub use files::StaysOpen;
pub use host::{Host, Info, Listed};
pub use libcob::VERSION;
pub use runtime::{Opened, PARAMETERS_MAX, Program, Refused, Returned, Runtime, Settings, leave};
pub use source::{HANDLER, Module, ModuleRefused, OPTIONS};
pub use stage::{Ends, UnitOfWork};
