//! The one thread of the hands that starts processes, and does nothing else.
//!
//! A child inherits the rights of the thread that starts it and its filter of system calls. The
//! other threads give up both; this one keeps what a program may need. Children are killed when
//! it ends, and it ends with the hands.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use super::launch::Launch;
use super::start::PRIORITY;
use crate::sys;

struct Order {
    launch: Launch,
    tell: Sender<io::Result<u32>>,
}

/// Where processes are asked for.
#[derive(Clone)]
pub struct Starter {
    orders: Sender<Order>,
}

impl Starter {
    /// Starts the thread, with the rights that the caller has now.
    ///
    /// # Errors
    /// It does not start.
    pub fn begin() -> io::Result<Self> {
        let (orders, taken) = channel();
        let thread = thread::Builder::new().name("starter".to_owned());
        thread.spawn(move || work(&taken))?;
        Ok(Self { orders })
    }

    /// Starts a process; waits until it runs its own program or has failed to, not for long.
    ///
    /// # Errors
    /// Why it does not run.
    pub fn start(&self, launch: Launch) -> io::Result<u32> {
        let (tell, told) = channel();
        let sent = self.orders.send(Order { launch, tell });
        match (sent, told.recv()) {
            (Ok(()), Ok(outcome)) => outcome,
            // All it had started was killed with it: the guardian has to release the rest.
            (Ok(()) | Err(_), _) => std::process::abort(),
        }
    }
}

fn work(orders: &Receiver<Order>) {
    // Whoever waits for it is real-time as well; what it starts is not.
    drop(sys::real_time(PRIORITY, libc::SCHED_RESET_ON_FORK));
    for Order { launch, tell } in orders {
        // Who asked waits for it. The writing ends of the pipes are closed before anybody reads.
        tell.send(launch.start()).ok();
    }
}
