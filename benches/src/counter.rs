//! Durable calls of the sample counter, beside what the disk can sync at the most.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use tsugi_counter::server::{CounterArgs, serve};

use crate::{Figure, limits};

const SPAN: Duration = Duration::from_secs(3);

/// Measures with one and with 16 clients.
pub fn run() -> Vec<Figure> {
    let volume = tempfile::tempdir().expect("a temporary directory");
    let listen = free_address();
    let args = CounterArgs {
        listen,
        volume: volume.path().to_path_buf(),
        node: "here".to_owned(),
        freebind: false,
        patience: 0.0,
        unsafe_no_fsync: false,
        create: true,
        log: None,
        kept: 1024,
    };
    std::thread::spawn(move || {
        if let Err(error) = serve(&args, || {}) {
            eprintln!("the counter ended: {error}");
        }
    });
    let mut figures = Vec::new();
    for clients in [1, 16] {
        let before = limits::syncs_per_second(volume.path());
        figures.push(limits::beside(calls(listen, clients), before, volume.path()));
    }
    figures
}

fn free_address() -> SocketAddr {
    let bound = TcpListener::bind(("127.0.0.1", 0)).expect("a loopback port");
    bound.local_addr().expect("a bound socket has an address")
}

fn calls(to: SocketAddr, clients: usize) -> Figure {
    let began = Instant::now();
    let one = |n: usize| std::thread::spawn(move || client(to, &format!("b{clients}-{n}")));
    let threads: Vec<_> = (0..clients).map(one).collect();
    let times = threads.into_iter().flat_map(|t| t.join().expect("a client does not panic"));
    let times: Vec<Duration> = times.collect();
    Figure::of("counter, durable calls", clients, times, began.elapsed())
}

fn client(to: SocketAddr, name: &str) -> Vec<Duration> {
    let stream = (0..200)
        .find_map(|_| {
            TcpStream::connect(to).ok().or_else(|| {
                std::thread::sleep(Duration::from_millis(10));
                None
            })
        })
        .expect("the counter listens within two seconds");
    stream.set_nodelay(true).expect("a socket takes this option");
    let mut answers = BufReader::new(stream.try_clone().expect("a socket can be cloned"));
    let mut stream = stream;
    let (began, mut times, mut line) = (Instant::now(), Vec::new(), String::new());
    for serial in 1_u64.. {
        if began.elapsed() >= SPAN {
            break;
        }
        let at = Instant::now();
        stream.write_all(format!("CALL {name} {serial}\n").as_bytes()).expect("it listens");
        line.clear();
        answers.read_line(&mut line).expect("it answers");
        times.push(at.elapsed());
    }
    times
}
