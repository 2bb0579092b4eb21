//! Ends a statement from another thread than the one that waits for it.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_postgres::{CancelToken, NoTls};

/// How long the server is given to take the word.
const TOLD: Duration = Duration::from_secs(2);

/// Ends what the unit of work of one session runs just now: its unit is gone by that. Where it
/// runs nothing, nothing happens. One that comes too late may end the next statement of that
/// session, or make a commit one of which nothing is known: it costs a unit, and never more.
#[derive(Clone, Default)]
pub struct Cancel(Arc<Mutex<Aim>>);

/// Which statements are ended.
#[derive(Default)]
struct Aim {
    /// Those of this connection.
    at: Option<CancelToken>,
    sent: Sent,
}

/// Whether the server was told to end something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sent {
    #[default]
    Nothing,
    /// The word may still be under way: it meets whatever that connection runs by then.
    Word,
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cancel")
    }
}

impl Cancel {
    /// What was sent to where it pointed until now.
    pub(super) fn points_at(&self, token: Option<CancelToken>) -> Sent {
        let aim = Aim { at: token, sent: Sent::Nothing };
        let mut own = self.0.lock().expect("nobody dies with the lock");
        std::mem::replace(&mut *own, aim).sent
    }

    /// Tells the server, over a connection of its own, and waits until it has heard. Whether it
    /// did, the unit's thread tells: what is not ended is asked to end again.
    pub fn now(&self) {
        let token = {
            let mut aim = self.0.lock().expect("nobody dies with the lock");
            if aim.at.is_some() {
                aim.sent = Sent::Word;
            }
            aim.at.clone()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        if let (Some(token), Ok(runtime)) = (token, runtime) {
            let told = async { tokio::time::timeout(TOLD, token.cancel_query(NoTls)).await };
            drop(runtime.block_on(told));
        }
    }
}
