//! Calls of the sample over loopback: each takes a number and keeps its reply, durably.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use tsugi_counter::{CounterArgs, DEFAULT_KEPT, server};

use crate::row::Row;
use crate::{Trouble, limits};

const CLIENTS: [usize; 3] = [1, 16, 64];
const SPAN: Duration = Duration::from_secs(3);

/// A row for each number of clients.
pub fn measure() -> Result<Vec<Row>, Trouble> {
    // Below the working directory: /tmp may be memory, whose flush costs nothing.
    let dir = tempfile::Builder::new().prefix("bench-").tempdir_in(".")?;
    let flushes = limits::flushes_per_second(dir.path())?;
    let echo = limits::echo()?;
    let counter = serve(dir.path())?;
    let mut rows = Vec::new();
    for clients in CLIENTS {
        let limit = run(echo, clients, "echo")?.per_s.min(flushes * clients as f64);
        rows.push(run(counter, clients, "counter")?.against(limit));
    }
    Ok(rows)
}

fn serve(volume: &std::path::Path) -> Result<SocketAddr, Trouble> {
    let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let args = CounterArgs {
        listen,
        volume: volume.to_owned(),
        node: "bench".into(),
        freebind: false,
        unsafe_no_fsync: false,
        create: true,
        kept: DEFAULT_KEPT,
    };
    thread::spawn(move || {
        if let Err(error) = server::serve(&args, || {}) {
            eprintln!("bench: {error}");
            std::process::exit(1);
        }
    });
    let end = Instant::now() + Duration::from_secs(5);
    while TcpStream::connect(listen).is_err() {
        if Instant::now() > end {
            return Err(Trouble::Failed("the counter does not listen".into()));
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(listen)
}

fn run(to: SocketAddr, clients: usize, name: &str) -> Result<Row, Trouble> {
    let begun = Instant::now();
    let callers: Vec<_> = (0..clients)
        .map(|client| {
            let id = format!("{name}{clients}-{client}");
            thread::spawn(move || call(to, &id, begun + SPAN))
        })
        .collect();
    let mut times = Vec::new();
    for caller in callers {
        let called = caller.join().map_err(|_| Trouble::Failed("a client died".into()))?;
        times.extend(called?);
    }
    Ok(Row::of(name, clients, times, begun.elapsed()))
}

fn call(to: SocketAddr, id: &str, end: Instant) -> Result<Vec<Duration>, Trouble> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut times = Vec::new();
    let mut line = String::new();
    while Instant::now() < end {
        let begun = Instant::now();
        writeln!(stream, "CALL {id} {}", times.len() + 1)?;
        line.clear();
        lines.read_line(&mut line)?;
        if line.is_empty() || line.starts_with("REFUSED") {
            return Err(Trouble::Failed(format!("a call was answered {line:?}")));
        }
        times.push(begun.elapsed());
    }
    Ok(times)
}
