//! The directory over HTTP: what it tells here, and asking it there. It only tells: whoever may
//! change something asks the agent of a machine, over its socket.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use hyper::StatusCode;
use serde_json::Value;

use super::Directory;
use crate::ask::Agents;
use crate::out::{Observed, Schema, envelope};
use crate::pages::Page;

/// The port of a directory, and that of the web administration, as they are known.
pub const PORTS: [u16; 2] = [86, 10086];
/// Where the regions are.
const PATH: &str = "/regions";
/// How long a directory elsewhere may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer that is read, in bytes.
const LONGEST: u64 = 4 << 20;

/// What regions are told as.
pub const SCHEMA: Schema = Schema::first("tsugi.regions");

/// The page of a path: `/regions`, or `/regions/NAME` for one.
pub fn at(agents: &Agents, path: &str) -> Page {
    let Some(rest) = path.strip_prefix(PATH) else { return Page::empty(StatusCode::NOT_FOUND) };
    let Ok(mut directory) = Directory::look(agents) else {
        return Page::empty(StatusCode::SERVICE_UNAVAILABLE);
    };
    match rest.strip_prefix('/') {
        None if !rest.is_empty() => return Page::empty(StatusCode::NOT_FOUND),
        None | Some("") => {}
        Some(name) => {
            directory.regions.retain(|region| region.name == name);
            if directory.regions.is_empty() {
                return Page::empty(StatusCode::NOT_FOUND);
            }
        }
    }
    let observed = Observed { by: directory.node.clone(), ..Observed::here() };
    let text = format!("{}\n", envelope(SCHEMA, &observed, &directory));
    Page { status: StatusCode::OK, kind: "application/json", text }
}

/// The address that somebody has typed, with the port of a directory where none is said.
pub fn typed(at: &str) -> String {
    let has_port = at.rsplit_once(':').is_some_and(|(host, port)| {
        port.parse::<u16>().is_ok() && (!host.contains(':') || host.ends_with(']'))
    });
    match (has_port, at.contains(':') && !at.starts_with('[')) {
        (true, _) => at.to_owned(),
        (false, true) => format!("[{at}]:{}", PORTS[0]),
        (false, false) => format!("{at}:{}", PORTS[0]),
    }
}

/// Asks the directory at an address.
///
/// # Errors
/// Nobody answers there in time, or something else than a directory does.
pub fn ask(at: &str) -> io::Result<Directory> {
    let end = Instant::now() + PATIENCE;
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in at.to_socket_addrs()? {
        match ask_one(address, at, end) {
            Ok(directory) => return Ok(directory),
            Err(why) => last = why,
        }
    }
    Err(last)
}

fn ask_one(address: SocketAddr, host: &str, end: Instant) -> io::Result<Directory> {
    let left = || match end.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::Error::from(io::ErrorKind::TimedOut)),
        left => Ok(left),
    };
    let mut stream = TcpStream::connect_timeout(&address, left()?)?;
    stream.set_write_timeout(Some(left()?))?;
    stream.write_all(format!("GET {PATH} HTTP/1.0\r\nHost: {host}\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    let mut part = [0; 16 << 10];
    loop {
        stream.set_read_timeout(Some(left()?))?;
        match stream.read(&mut part)? {
            0 => break,
            many => answer.extend_from_slice(&part[..many]),
        }
        if answer.len() as u64 > LONGEST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
    }
    read(&answer)
}

/// The directory of an answer.
fn read(answer: &[u8]) -> io::Result<Directory> {
    let strange = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| strange("HTTP"))?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status != "200" {
        return Err(strange(status));
    }
    let value: Value = serde_json::from_str(body)?;
    if value["schema"]["name"] != SCHEMA.name {
        return Err(strange("schema"));
    }
    Ok(serde_json::from_value(value)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mf_19_the_port_of_a_directory_is_as_known_unless_another_is_said() {
        assert_eq!(typed("host1"), "host1:86");
        assert_eq!(typed("host1:10086"), "host1:10086");
        assert_eq!(typed("10.0.0.1"), "10.0.0.1:86");
        assert_eq!(typed("fd00::1"), "[fd00::1]:86");
        assert_eq!(typed("[fd00::1]"), "[fd00::1]:86");
        assert_eq!(typed("[fd00::1]:10086"), "[fd00::1]:10086");
    }

    #[test]
    fn an_answer_that_is_no_directory_is_refused() {
        let directory = Directory { node: "host1".into(), cluster: None, regions: Vec::new() };
        let body = envelope(SCHEMA, &Observed::here(), &directory).to_string();
        let answer = |status: &str, body: &str| {
            read(format!("HTTP/1.0 {status}\r\nContent-Type: text\r\n\r\n{body}").as_bytes())
        };
        assert_eq!(answer("200 OK", &body).expect("it is one"), directory);
        assert!(answer("503 Service Unavailable", &body).is_err());
        assert!(answer("200 OK", &body.replace("tsugi.regions", "tsugi.status")).is_err());
        assert!(answer("200 OK", &body[..body.len() - 1]).is_err());
        assert!(read(b"220 mail\r\n").is_err());
    }
}
