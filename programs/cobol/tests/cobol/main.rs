//! Programs of GnuCOBOL, each in a process of its own: what they are told, and how they end.
#![expect(clippy::unwrap_used, reason = "a test says by a panic that something is not there")]

mod beside;
mod child;
mod desk;
mod files;
mod interface;
mod life;
mod model;
mod module;
mod pages;
