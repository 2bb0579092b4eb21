//! Where callers of services come in: HTTP/JSON and gRPC on one port.
//!
//! A [`Door`] stands at a listener that was bound before, also while nothing is open behind it: a
//! node that stands by refuses calls at once. Its [`Sign`] says what is open: the engine's calls
//! and the services that are deployed. The door proves who calls, reads what is asked, and gives
//! it to the engine; what comes of it is told as it was stored, byte for byte.
//!
//! Invariant: nothing of a body is read before its size was compared with a limit, and no wait is
//! without an end. Invariant: nothing that an engine has answered is sent after its last moment;
//! the connection is cut instead. Invariant: who goes away changes nothing: his call runs on.
//! Invariant: a door knows no call by itself; an answer comes from the engine or is a refusal.

mod asked;
mod bell;
mod cause;
mod door;
mod grpc;
mod http;
mod lines;
mod openapi;
mod payload;
mod settings;
mod sign;
mod stream;
mod tls;
mod told;
mod who;

pub use door::{Door, OpenRefused};
pub use settings::{Limits, Loopback, Settings, Transport};
pub use sign::{Deployed, Open, Order, Sign};
pub use tls::{TlsRefused, tls};
pub use who::{Tokens, TokensRefused};
