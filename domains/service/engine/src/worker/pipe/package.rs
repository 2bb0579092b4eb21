//! What the workers of a service are.

use std::sync::Arc;

use tsugi_frames::{Limits, Service};
use tsugi_worker::Spawn;

use super::log::Log;
use crate::files::Files;

/// What the workers of one service are: a shared library, modules of COBOL or a command, by what
/// is started.
#[derive(Clone)]
pub struct Package {
    /// The process: its program, its user and limits, and where it runs.
    pub spawn: Spawn,
    /// How much of everything fits.
    pub limits: Limits,
    /// The services that the program holds, in the order of their indices from 0.
    pub services: Vec<Service<'static>>,
    /// The index of the one that is called.
    pub called: u16,
    /// The files that they may open.
    pub files: Files,
    /// What the body of a reply is; none where its parameters are records that an interface makes
    /// a reply of.
    pub content_type: Option<String>,
    /// Takes what its programs log.
    pub log: Log,
}

impl Package {
    /// One whose program takes the body as it is, needs to be told of no service and of no file,
    /// and whose log nobody reads.
    #[must_use]
    pub fn new(spawn: Spawn, content_type: &str) -> Self {
        Self {
            spawn,
            limits: Limits::DEFAULT,
            services: Vec::new(),
            called: 0,
            files: Files::default(),
            content_type: Some(content_type.to_owned()),
            log: Arc::new(|_| {}),
        }
    }
}
