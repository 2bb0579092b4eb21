//! The agent's end of what the service manager of the machine is told: three words. The hands pass
//! them on; where no service manager listens, nothing is said.

use std::os::unix::net::UnixDatagram;
use std::sync::LazyLock;

use crate::hands::words::{AGENTS_END, ALIVE, GIVEN, READY, STOPPING};
use crate::sys;

/// What can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// The node answers at its control socket.
    Ready,
    /// The lease loop has gone round. Once it is said, it has to be said again within the time that
    /// the service manager was given, until this process ends.
    Alive,
    /// The node was told to stop and hands everything over.
    Stopping,
}

/// Given by the hands when they start this process.
static MOUTH: LazyLock<Option<UnixDatagram>> = LazyLock::new(|| {
    std::env::var_os(GIVEN)?;
    sys::inherited(AGENTS_END).ok().map(UnixDatagram::from)
});

/// Says a word. It never waits: one that is not taken at once is lost.
pub fn say(word: Word) {
    let letter = match word {
        Word::Ready => READY,
        Word::Alive => ALIVE,
        Word::Stopping => STOPPING,
    };
    if let Some(mouth) = MOUTH.as_ref() {
        mouth.send(&[letter]).ok();
    }
}
