//! What a shared library includes to be a service: the header `include/tsugi_program.h` for C and
//! C++, and the same for Rust without a line of `unsafe` in the service.
//!
//! ```
//! use tsugi_program::{Abort, Host, Value};
//!
//! fn counter(host: &mut Host<'_>, body: &[u8]) -> Result<Vec<u8>, Abort> {
//!     let name = std::str::from_utf8(body).map_err(|_| host.abort("the name is not UTF-8"))?;
//!     let add = "update counter set value = value + 1 where name = ?1 returning value";
//!     host.sql(add, &[Value::Text(name)])?;
//!     match host.row()? {
//!         Some([Value::Integer(value)]) => Ok(value.to_string().into_bytes()),
//!         _ => Err(host.abort("there is no such counter")),
//!     }
//! }
//!
//! tsugi_program::services! { "COUNTER" => counter }
//! ```
//!
//! The library is a crate of type `cdylib`. A panic ends the call abnormally and not the process,
//! so the crate is built with `panic = "unwind"`, which is the default.

#[cfg(not(panic = "unwind"))]
compile_error!("a service is built with panic = \"unwind\": a panic ends a call, not its worker");

mod code;
mod edge;
mod host;
pub mod library;
pub mod reserved;
pub mod table;
mod value;

pub use code::{Code, DONE, NotDone};
pub use edge::Abort;
#[doc(hidden)]
pub use edge::{Service, at, described};
pub use host::{Host, Info, Level};
pub use value::Value;
