//! Calls services of a group over HTTP: each once, through takeovers, and never past a deadline.
//!
//! A [`Client`] has a name, an incarnation that only rises, and counts its calls. A call that was
//! not answered is asked again under the same id until its deadline: at the same address, at the
//! next one, over a new connection. Whoever has the store answers a call that it has carried out
//! from what it kept. What may be asked again is one table ([`next`]).
//!
//! What comes back is an answer, or a [`Failure`] that says which of three it is: nothing was
//! carried out, it ended abnormally and nothing of it stayed, or *nobody knows yet*
//! ([`NotKnown`]), and then with the id to ask again under.
//!
//! ```no_run
//! # async fn calls() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::{Duration, Instant};
//! use tsugi_client::{Address, Client, ClientName, Life, Request, Settings};
//!
//! let life = Life::kept_in("/var/lib/teller/incarnation".as_ref())?;
//! let settings = Settings::of(vec![Address::read("10.0.0.1:9003")?]);
//! let client = Client::new(ClientName::new("teller-7")?, life, settings)?;
//! let request = Request::json("CBLAPP01", "{}");
//! let reply = client.call(&request, Instant::now() + Duration::from_secs(5)).await?;
//! # let _ = reply; Ok(()) }
//! ```
//!
//! **Invariant:** an id is never given out twice, also not after a restart: an incarnation is
//! durable before its first call. **Invariant:** a call is told as not carried out only if no try
//! of it may have been. **Invariant:** nothing here waits past the deadline it is given.

mod address;
mod answer;
mod asking;
pub mod blocking;
mod client;
mod connection;
mod failure;
mod id;
mod life;
mod pause;
mod retry;
mod serials;
mod settings;
mod tls;
mod tries;

pub use address::{Address, AddressRefused};
pub use answer::{Problem, Reply};
pub use client::{Client, NoAddress, Request};
pub use failure::{Failure, NotKnown, Why};
pub use id::{CallId, ClientName, IdRefused, Key};
pub use life::{Life, LifeFailure};
pub use retry::{Left, Marks, Met, Next, Place, SoFar, Wants, next};
pub use serials::WINDOW;
pub use settings::{Identity, Settings};
pub use tls::{Tls, TlsFailure};
pub use tries::{Course, WaitedFor};
