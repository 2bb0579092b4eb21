//! A door before a real engine on SQLite, over real sockets.

#![expect(clippy::unwrap_used, reason = "a test that fails by it says where")]

mod calls;
mod framed;
mod grpc;
mod limits;
mod openapi;
mod support;
mod who;
