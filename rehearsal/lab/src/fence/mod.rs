//! A fence device that takes the power of hosts, and the fence agent that speaks to it.
//!
//! The device is the lab itself, which holds the plugs as a power switch does. It listens on a
//! socket in the file system, which is no network: who has lost all links reaches it still, as over
//! a management network of its own.

mod agent;
mod device;
mod word;

use std::path::{Path, PathBuf};

pub use agent::run;
pub use device::{Device, Does, Noted};
pub use word::Action;

use crate::site;

/// What the device wants to be told. No node prints it, and none has it among its arguments.
pub const PASSWORD: &str = "xyzzy-lab-7";

/// Where the device listens; the hosts find it under the same name.
fn socket() -> PathBuf {
    Path::new(site::DIR).join("fence")
}
