//! The same client for programs that wait in threads.

use std::io;
use std::time::Instant;

use tokio::runtime::{Builder, Runtime};

use crate::answer::Reply;
use crate::client::Request;
use crate::failure::{Failure, NotKnown};
use crate::id::{CallId, Key};
use crate::retry::SoFar;

/// A client whose calls block their thread; many threads may use one. It has a thread of its own
/// for its connections.
#[derive(Debug)]
pub struct Client {
    client: crate::Client,
    runtime: Runtime,
}

impl Client {
    /// A blocking front of this client, which was not used yet.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn of(client: crate::Client) -> io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).thread_name("calls").enable_all().build()?;
        Ok(Self { client, runtime })
    }

    /// See [`crate::Client::call`].
    ///
    /// # Errors
    /// [`Failure`], by the deadline at the latest.
    pub fn call(&self, request: &Request, deadline: Instant) -> Result<Reply, Failure> {
        self.runtime.block_on(self.client.call(request, deadline))
    }

    /// See [`crate::Client::call_keyed`].
    ///
    /// # Errors
    /// [`Failure`], by the deadline at the latest.
    pub fn call_keyed(
        &self,
        key: (Key, SoFar),
        request: &Request,
        deadline: Instant,
    ) -> Result<Reply, Failure> {
        self.runtime.block_on(self.client.call_keyed(key, request, deadline))
    }

    /// See [`crate::Client::again`].
    ///
    /// # Errors
    /// [`Failure`], by the deadline at the latest.
    pub fn again(&self, call: NotKnown, deadline: Instant) -> Result<Reply, Failure> {
        self.runtime.block_on(self.client.again(call, deadline))
    }

    /// See [`crate::Client::give_up`].
    pub fn give_up(&self, call: NotKnown) {
        let _inside = self.runtime.enter();
        self.client.give_up(call);
    }

    /// See [`crate::Client::fetch`].
    ///
    /// # Errors
    /// [`Failure`], by the deadline at the latest.
    pub fn fetch(&self, id: &CallId, deadline: Instant) -> Result<Reply, Failure> {
        self.runtime.block_on(self.client.fetch(id, deadline))
    }

    /// See [`crate::Client::confirm`].
    ///
    /// # Errors
    /// [`Failure`], by the deadline at the latest.
    pub fn confirm(&self, id: &CallId, deadline: Instant) -> Result<(), Failure> {
        self.runtime.block_on(self.client.confirm(id, deadline))
    }
}
