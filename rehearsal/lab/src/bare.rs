//! The floor of a measurement: a bare process that wakes once a beat and makes the sends and the
//! receipts of an idle node. What it costs is what the machine takes for that at this moment,
//! however busy it is with other work.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use crate::Trouble;
use crate::host::{Host, LINKS};

/// A port that the product does not use.
const PORT: u16 = 7399;
/// How long a beat and the answer with it are on the wire, without the headers of the network.
const BEAT: usize = 640;
/// What starting and collecting the process may take besides.
const MORE: Duration = Duration::from_secs(10);

/// What the bare process does.
#[derive(Clone, Debug, clap::Args)]
pub struct BareArgs {
    /// The number of its host.
    #[arg(long)]
    pub me: usize,
    /// The numbers of the others.
    #[arg(long, value_delimiter = ',')]
    pub others: Vec<usize>,
    /// How often it wakes.
    #[arg(long)]
    pub beat_ms: u64,
    /// For how long.
    #[arg(long)]
    pub seconds: u64,
}

/// Runs the bare process in every host for `span`: what it used of a core in each, in percent.
///
/// # Errors
/// What a host answered.
pub fn in_all(hosts: &[Host], (beat, span): (Duration, Duration)) -> Result<Vec<f64>, Trouble> {
    let in_one = |host: &Host| {
        let others = hosts.iter().filter(|other| other.index != host.index);
        let others: Vec<String> = others.map(|other| other.index.to_string()).collect();
        let (me, others) = (host.index.to_string(), others.join(","));
        let (beat, seconds) = (beat.as_millis().to_string(), span.as_secs().to_string());
        let argv = ["/proc/self/exe", "bare", "--me", &me, "--others", &others];
        let argv = [&argv[..], &["--beat-ms", &beat, "--seconds", &seconds]].concat();
        let said = host.run(&argv, span + MORE)?;
        said.trim().parse().map_err(|_| Trouble::Failed(format!("the bare process said {said:?}")))
    };
    thread::scope(|scope| {
        let all: Vec<_> = hosts.iter().map(|host| scope.spawn(move || in_one(host))).collect();
        let join = |one: thread::ScopedJoinHandle<'_, _>| {
            one.join().unwrap_or_else(|_| Err(Trouble::Failed("a thread of the lab died".into())))
        };
        all.into_iter().map(join).collect()
    })
}

/// The bare process itself; prints what it used of a core, in percent.
///
/// # Errors
/// What the kernel refused.
pub fn run(args: &BareArgs) -> Result<ExitCode, Trouble> {
    let sockets: Vec<UdpSocket> = (0..LINKS.len())
        .map(|link| {
            let socket = UdpSocket::bind(address(args.me, link)?)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        })
        .collect::<io::Result<_>>()?;
    let to = |node: &usize| {
        (0..LINKS.len()).map(|link| address(*node, link)).collect::<io::Result<Vec<SocketAddr>>>()
    };
    let others: Vec<Vec<SocketAddr>> = args.others.iter().map(to).collect::<io::Result<_>>()?;
    let (beat, mut buffer) = ([1; BEAT], [0; 2048]);
    let (begun, before) = (Instant::now(), used()?);
    let every = Duration::from_millis(args.beat_ms);
    let mut due = begun;
    while begun.elapsed() < Duration::from_secs(args.seconds) {
        for socket in &sockets {
            while socket.recv_from(&mut buffer).is_ok() {}
        }
        let turn = ((due - begun).as_millis() / every.as_millis().max(1)) as usize;
        for addresses in &others {
            let one = turn % sockets.len();
            // What is lost here was sent all the same.
            drop(sockets[one].send_to(&beat, addresses[one]));
        }
        due += every;
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    let used = used()? - before;
    println!("{:.4}", used.as_secs_f64() / begun.elapsed().as_secs_f64() * 100.0);
    Ok(ExitCode::SUCCESS)
}

fn address(node: usize, link: usize) -> io::Result<SocketAddr> {
    let address: IpAddr = Host::address(node, link).parse().map_err(io::Error::other)?;
    Ok(SocketAddr::new(address, PORT))
}

/// Processor time of this process so far; it has one thread.
fn used() -> io::Result<Duration> {
    let text = fs::read_to_string("/proc/self/schedstat")?;
    let nanos = text.split(' ').next().and_then(|word| word.parse().ok());
    nanos.map(Duration::from_nanos).ok_or_else(|| io::Error::other("schedstat says nothing"))
}
