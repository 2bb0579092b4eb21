//! Services in Rust, C99 and C++11, loaded as a worker loads them and driven by a host in memory.

mod layout;
mod loaded;
mod memory;
mod sizes;
mod spellings;
mod unfit;
mod unwind;
