//! The client against a server that loses answers, resets, is silent, duplicates and moves, and
//! against a real door: each call is carried out once.

mod deadline;
mod false_server;
mod java;
mod many;
mod once;
mod real;
mod takeover;
mod tls;

use std::time::{Duration, Instant};

use tsugi_client::{Address, Client, ClientName, Life, Request, Settings};

use false_server::Server;

/// How the client of a test is set: quick to give up.
pub fn settings(servers: &[&Server]) -> Settings {
    let address = |server: &&Server| Address::read(&server.at()).expect("it is HOST:PORT");
    Settings {
        dial: Duration::from_millis(300),
        silence: Duration::from_millis(150),
        grace: Duration::from_millis(100),
        shortest_pause: Duration::from_millis(2),
        longest_pause: Duration::from_millis(20),
        ..Settings::of(servers.iter().map(address).collect())
    }
}

/// A client in its first life.
pub fn client(servers: &[&Server]) -> Client {
    client_with(settings(servers))
}

/// The same, set otherwise.
pub fn client_with(settings: Settings) -> Client {
    let name = ClientName::new("teller").expect("it is a name");
    Client::new(name, Life::given(3, 1).expect("it is in range"), settings).expect("it has a way")
}

/// What every test calls.
pub fn request() -> Request {
    Request::json("counter", "{\"by\":1}")
}

/// Later than any test takes.
pub fn late() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// The counter in a reply.
pub fn counter(body: &[u8]) -> u64 {
    let reply: serde_json::Value = serde_json::from_slice(body).expect("a reply is JSON");
    reply["counter"].as_u64().expect("it has its counter")
}
