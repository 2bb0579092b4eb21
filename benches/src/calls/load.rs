//! Callers over HTTP/1.1 who call again as soon as they are answered, each on a connection that it
//! keeps; they read no more of an answer than they check, so that they leave the machine to others.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::engine::{HOT, KEYS_EACH, key};
use crate::Figure;

/// How often one call is asked again that was told to come back.
const AGAIN: u32 = 1_000;

/// So many callers for so long.
pub struct Load {
    pub to: SocketAddr,
    pub clients: usize,
    pub span: Duration,
}

/// What they ask for.
#[derive(Clone)]
pub enum Work {
    /// Whatever: nothing is looked at.
    Nothing,
    /// Each counts numbers of its own.
    OwnKeys { life: u64 },
    /// All count one number.
    HotKey { life: u64 },
    /// All call the program of the report, which counts one number.
    Report { life: u64 },
    /// Each asks again for its last call, which is answered as before.
    Stored { life: u64, last: Arc<Vec<Last>> },
}

/// The last call of a client and its reply.
#[derive(Clone, Debug, Default)]
pub struct Last {
    serial: u64,
    reply: Vec<u8>,
}

/// What came of it.
pub struct Loaded {
    /// How long each call took.
    pub times: Vec<Duration>,
    /// The last call of each client.
    pub last: Vec<Last>,
    values: Vec<u64>,
    span: Duration,
}

/// What one client has.
#[derive(Default)]
struct Client {
    number: usize,
    times: Vec<Duration>,
    values: Vec<u64>,
    last: Last,
}

impl Load {
    /// Calls until the time is over; every call that was begun is answered.
    pub fn run(&self, work: &Work) -> Loaded {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let (to, clients, span) = (self.to, self.clients, self.span);
        let began = Instant::now();
        let mut all = runtime.expect("a runtime").block_on(async {
            let mut asking = JoinSet::new();
            for number in 0..clients {
                asking.spawn(client(to, number, work.clone(), began + span));
            }
            asking.join_all().await
        });
        let span = began.elapsed();
        all.sort_by_key(|client| client.number);
        let mut loaded = Loaded { times: vec![], last: vec![], values: vec![], span };
        for client in all {
            loaded.times.extend(client.times);
            loaded.values.extend(client.values);
            loaded.last.push(client.last);
        }
        loaded
    }
}

impl Loaded {
    pub fn figure(&self, name: &str, clients: usize) -> Figure {
        Figure::of(name, clients, self.times.clone(), self.span)
    }

    /// Every value from this one on came back once.
    pub fn every_value_once(&self, first: u64) {
        let mut values = self.values.clone();
        values.sort_unstable();
        assert_eq!(values.len(), self.times.len(), "an answer without a value");
        let wrong = values.iter().zip(first..).find(|(value, wanted)| **value != *wanted);
        assert_eq!(wrong, None, "a value was lost or told twice");
    }
}

async fn client(to: SocketAddr, number: usize, work: Work, until: Instant) -> Client {
    let mut stream = TcpStream::connect(to).await.expect("it listens");
    stream.set_nodelay(true).expect("a socket takes this option");
    let mut client = Client { number, ..Client::default() };
    let mut buffer = Vec::with_capacity(4_096);
    for serial in 1_u64.. {
        if Instant::now() >= until {
            break;
        }
        let serial = match &work {
            Work::Stored { last, .. } => last[number].serial,
            _ => serial,
        };
        let request = request(number, serial, &work);
        let at = Instant::now();
        let reply = ask(&mut stream, &request, &mut buffer).await;
        client.times.push(at.elapsed());
        check(&mut client, serial, &reply, &work);
        client.last = Last { serial, reply };
    }
    client
}

fn request(number: usize, serial: u64, work: &Work) -> Vec<u8> {
    let (life, key) = match work {
        Work::Nothing => return b"GET / HTTP/1.1\r\nHost: here\r\n\r\n".to_vec(),
        Work::OwnKeys { life } | Work::Stored { life, .. } => {
            (life, key(*life, number, serial).to_string())
        }
        Work::HotKey { life } => (life, HOT.to_string()),
        Work::Report { life } => (life, "{}".to_owned()),
    };
    format!(
        "POST /call/counter HTTP/1.1\r\nHost: here\r\nTsugi-Client: c{number}\r\n\
         Tsugi-Call: {life}.{serial}\r\nTsugi-Lowest: {serial}\r\nTsugi-Patience: 10000\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{key}",
        key.len()
    )
    .into_bytes()
}

/// Sends until there is an answer; what is told to come back comes back.
async fn ask(stream: &mut TcpStream, request: &[u8], buffer: &mut Vec<u8>) -> Vec<u8> {
    for _ in 0..AGAIN {
        stream.write_all(request).await.expect("it reads");
        let (status, body) = answer(stream, buffer).await;
        match status {
            200 => return body,
            202 | 429 | 503 => tokio::time::sleep(Duration::from_millis(1)).await,
            _ => panic!("status {status}: {}", String::from_utf8_lossy(&body)),
        }
    }
    panic!("told to come back {AGAIN} times");
}

/// Reads one answer.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> (u16, Vec<u8>) {
    buffer.clear();
    let head = loop {
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        let read = stream.read_buf(buffer).await.expect("it answers");
        assert_ne!(read, 0, "it hung up");
    };
    let text = std::str::from_utf8(&buffer[..head]).expect("a head is ASCII");
    let status = text.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let whole = head + length.expect("an answer says how long it is");
    while buffer.len() < whole {
        let read = stream.read_buf(buffer).await.expect("it answers");
        assert_ne!(read, 0, "it hung up");
    }
    (status, buffer[head..whole].to_vec())
}

/// A call that was lost or carried out twice shows in the number.
fn check(client: &mut Client, serial: u64, reply: &[u8], work: &Work) {
    let value = || {
        let text = std::str::from_utf8(reply).expect("a number");
        text.parse::<u64>().expect("a number")
    };
    match work {
        Work::Nothing => {}
        Work::OwnKeys { .. } => {
            let wanted = serial.div_ceil(KEYS_EACH);
            assert_eq!(value(), wanted, "client {} serial {serial}", client.number);
        }
        Work::HotKey { .. } => client.values.push(value()),
        Work::Report { .. } => {
            let reply: serde_json::Value = serde_json::from_slice(reply).expect("it is JSON");
            client.values.push(reply["lk_counter"].as_u64().expect("a number"));
        }
        Work::Stored { last, .. } => {
            assert_eq!(reply, last[client.number].reply, "another reply than before");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hot(values: Vec<u64>) -> Loaded {
        let times = vec![Duration::ZERO; values.len()];
        Loaded { times, last: vec![], values, span: Duration::ZERO }
    }

    fn checked(serial: u64, reply: &str, work: &Work) -> bool {
        let (reply, work) = (reply.to_owned(), work.clone());
        let check = move || check(&mut Client::default(), serial, reply.as_bytes(), &work);
        std::thread::spawn(check).join().is_ok()
    }

    #[test]
    fn every_value_of_the_hot_number_comes_back_once() {
        hot(vec![2, 3, 1]).every_value_once(1);
        hot(vec![2, 0, 1]).every_value_once(0);
        hot(vec![]).every_value_once(1);
    }

    #[test]
    #[should_panic(expected = "lost or told twice")]
    fn a_value_that_was_told_twice_is_found() {
        hot(vec![1, 2, 2]).every_value_once(1);
    }

    #[test]
    #[should_panic(expected = "lost or told twice")]
    fn a_value_that_was_lost_is_found() {
        hot(vec![1, 2, 4]).every_value_once(1);
    }

    #[test]
    fn a_client_knows_what_its_own_numbers_are() {
        let own = Work::OwnKeys { life: 1 };
        let numbers: std::collections::BTreeSet<_> =
            (0..64).flat_map(|client| (1..=KEYS_EACH).map(move |s| key(1, client, s))).collect();
        assert_eq!(numbers.len() as u64, 64 * KEYS_EACH, "no two count the same number");
        assert!(!numbers.contains(&HOT));
        for (serial, reply, right) in [
            (1, "1", true),
            (1_000, "1", true),
            (1_001, "2", true),
            (2, "2", false),
            (2, "0", false),
        ] {
            assert_eq!(checked(serial, reply, &own), right, "{serial} {reply}");
        }
        let last = Arc::new(vec![Last { serial: 7, reply: b"3".to_vec() }]);
        let stored = Work::Stored { life: 1, last };
        assert!(checked(7, "3", &stored) && !checked(7, "4", &stored));
    }
}
