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
pub struct Cancel(Arc<Mutex<Option<CancelToken>>>);

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cancel")
    }
}

impl Cancel {
    pub(super) fn points_at(&self, token: Option<CancelToken>) {
        *self.0.lock().expect("nobody dies with the lock") = token;
    }

    /// Tells the server, over a connection of its own, and waits until it has heard. Whether it
    /// did, the unit's thread tells: what is not ended is asked to end again.
    pub fn now(&self) {
        let token = self.0.lock().expect("nobody dies with the lock").clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        if let (Some(token), Ok(runtime)) = (token, runtime) {
            let told = async { tokio::time::timeout(TOLD, token.cancel_query(NoTls)).await };
            drop(runtime.block_on(told));
        }
    }
}
