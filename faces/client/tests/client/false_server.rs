//! A server that is none: it keeps calls as a service does, each once, and in between does to its
//! callers all that a network and a takeover can do.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::thread;
use std::time::Duration;

/// What it does to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Does {
    /// Carries the call out, or finds it, and answers.
    Answers,
    /// The same, and then ends the connection without a word of it.
    AnswersAndHangsUp,
    /// Resets the connection before anything is done.
    ResetsBefore,
    /// Carries the call out and resets the connection: the answer is lost.
    LosesTheAnswer,
    /// Carries the call out and sends half of the answer.
    CutsTheAnswer,
    /// Does nothing and says nothing, and keeps the connection.
    IsSilent,
    /// Carries the call out, says nothing, and keeps the connection.
    IsSilentAfterwards,
    /// Answers something that is no HTTP.
    Babbles,
    /// Meets the request twice, as a network may bring it.
    MeetsItTwice,
    /// Answers this status without details, before anything is done.
    Says(u16),
    /// Answers like one that has carried it out, of this status, and is none that has a store.
    Feigns(u16),
    /// Carries the call out and answers that it is pending.
    SaysPending,
    /// Refuses by problem details, before anything is done.
    Refuses(u16, &'static str),
    /// Carries the call out; its program ends abnormally.
    EndsAbnormally,
    /// Carries the call out; its program refuses it.
    ItsProgramRefuses,
}

/// What is kept, as in a store that all its servers share.
#[derive(Debug, Default)]
pub struct Kept {
    /// The replies, by id.
    pub replies: BTreeMap<String, Stored>,
    /// How often the program was run for each id.
    pub runs: BTreeMap<String, u32>,
    /// Each watermark, by client and incarnation.
    pub watermarks: BTreeMap<String, u64>,
    /// The ids in the order of their requests, with the heads that came.
    pub heard: Vec<Heard>,
    /// What contradicts the wire.
    pub faults: Vec<String>,
    count: u64,
}

/// One request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// At which port.
    pub port: u16,
    /// `POST /call/x`.
    pub line: String,
    /// Its heads, names in small letters.
    pub heads: BTreeMap<String, String>,
    /// Its body.
    pub body: String,
}

/// A reply that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The body that it answers.
    pub asked: String,
    /// The reply.
    pub reply: String,
    /// How its program ended.
    pub ended: Ended,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// In order.
    Done,
    /// By refusing its call.
    Refused,
    /// Abnormally.
    Abnormal,
}

/// Servers that share one store.
#[derive(Clone, Debug, Default)]
pub struct Group {
    kept: Arc<Mutex<Kept>>,
}

/// One server of a group.
pub struct Server {
    at: SocketAddr,
    script: Arc<Mutex<VecDeque<Does>>>,
    gone: Arc<AtomicBool>,
    lines: Arc<Mutex<Vec<Weak<TcpStream>>>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Group {
    /// Everything that is kept.
    pub fn kept(&self) -> MutexGuard<'_, Kept> {
        held(&self.kept)
    }

    /// Each id was run once, and nothing contradicted the wire; returns how many were run.
    #[track_caller]
    pub fn once_each(&self) -> usize {
        let kept = self.kept();
        let doubled: Vec<_> = kept.runs.iter().filter(|(_, runs)| **runs != 1).collect();
        assert!(doubled.is_empty(), "run more than once: {doubled:?}");
        assert!(kept.faults.is_empty(), "{:?}", kept.faults);
        kept.runs.len()
    }

    /// A server of it, which does these things first and answers from then on.
    pub fn server(&self, script: impl IntoIterator<Item = Does>) -> Server {
        self.server_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), script).expect("a port is free")
    }

    /// The same at this address.
    pub fn server_at(
        &self,
        at: SocketAddr,
        script: impl IntoIterator<Item = Does>,
    ) -> io::Result<Server> {
        let listener = TcpListener::bind(at)?;
        let at = listener.local_addr()?;
        let script = Arc::new(Mutex::new(script.into_iter().collect::<VecDeque<_>>()));
        let gone = Arc::new(AtomicBool::new(false));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (group, script2, gone2, lines2) =
            (self.clone(), Arc::clone(&script), Arc::clone(&gone), Arc::clone(&lines));
        let accept = move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if gone2.load(Ordering::SeqCst) {
                    return;
                }
                let stream = Arc::new(stream);
                held(&lines2).push(Arc::downgrade(&stream));
                let (group, script) = (group.clone(), Arc::clone(&script2));
                thread::spawn(move || drop(group.serve(&stream, at.port(), &script)));
            }
        };
        Ok(Server { at, script, gone, lines, thread: Some(thread::spawn(accept)) })
    }

    fn serve(
        &self,
        stream: &TcpStream,
        port: u16,
        script: &Mutex<VecDeque<Does>>,
    ) -> io::Result<()> {
        let mut reader = BufReader::new(stream);
        loop {
            let Some(heard) = read(&mut reader, port)? else { return Ok(()) };
            let does = held(script).pop_front().unwrap_or(Does::Answers);
            self.kept().heard.push(heard.clone());
            let answer = |text: String| (&*stream).write_all(text.as_bytes());
            match does {
                Does::Answers => answer(self.kept().answer(&heard))?,
                Does::AnswersAndHangsUp => {
                    answer(self.kept().answer(&heard))?;
                    return stream.shutdown(Shutdown::Both);
                }
                Does::ResetsBefore => return reset(stream),
                Does::LosesTheAnswer => {
                    self.kept().answer(&heard);
                    return reset(stream);
                }
                Does::CutsTheAnswer => {
                    let whole = self.kept().answer(&heard);
                    answer(whole[..whole.len() - 3].to_owned())?;
                    return stream.shutdown(Shutdown::Both);
                }
                Does::IsSilent => return still(&mut reader),
                Does::IsSilentAfterwards => {
                    self.kept().answer(&heard);
                    return still(&mut reader);
                }
                Does::Babbles => {
                    answer("SSH-2.0-no\r\n\r\n".to_owned())?;
                    return stream.shutdown(Shutdown::Both);
                }
                Does::MeetsItTwice => {
                    self.kept().answer(&heard);
                    answer(self.kept().answer(&heard))?;
                }
                Does::Says(status) => answer(page(status, "", "go away"))?,
                Does::Feigns(status) => {
                    let heads = "content-type: application/json\r\ntsugi-final: done\r\n";
                    answer(page(status, heads, "{\"counter\":99}"))?;
                }
                Does::SaysPending => {
                    self.kept().answer(&heard);
                    let kind = "content-type: application/problem+json\r\nretry-after: 0\r\n";
                    answer(page(202, kind, "{\"id\":\"T-202\",\"retry\":\"same-id\"}"))?;
                }
                Does::Refuses(status, retry) => answer(refusal(status, retry))?,
                Does::EndsAbnormally => answer(self.kept().call(&heard, Ended::Abnormal))?,
                Does::ItsProgramRefuses => answer(self.kept().call(&heard, Ended::Refused))?,
            }
        }
    }
}

impl Server {
    /// Its address, as it is given to a client.
    pub fn at(&self) -> String {
        self.at.to_string()
    }

    /// The same, as a number.
    pub const fn address(&self) -> SocketAddr {
        self.at
    }

    /// It does these things next.
    pub fn then(&self, script: impl IntoIterator<Item = Does>) {
        held(&self.script).extend(script);
    }

    /// It is gone as a process is that was killed: nobody listens, all connections are reset.
    pub fn dies(mut self) {
        self.die();
    }

    fn die(&mut self) {
        self.gone.store(true, Ordering::SeqCst);
        // Its listener waits for one more.
        drop(TcpStream::connect(self.at));
        if let Some(thread) = self.thread.take() {
            thread.join().expect("accepting does not panic");
        }
        for stream in held(&self.lines).drain(..).filter_map(|line| line.upgrade()) {
            drop(reset(&stream));
            // Its thread waits for a request, and closes it now.
            drop(stream.shutdown(Shutdown::Read));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.die();
        }
    }
}

impl Kept {
    /// The answer to a request; a call is carried out if it is new.
    fn answer(&mut self, heard: &Heard) -> String {
        let mut words = heard.line.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let rest = path.strip_prefix("/call/").unwrap_or_default();
        match (method, rest.strip_suffix("/confirm")) {
            ("POST", Some(_)) => page(204, "", ""),
            ("GET", _) => match self.replies.get(&rest.replace("%2F", "/")) {
                Some(stored) => replied(stored),
                None => refusal(404, "never"),
            },
            _ => self.call(heard, Ended::Done),
        }
    }

    fn call(&mut self, heard: &Heard, ended: Ended) -> String {
        let id = match self.id(heard) {
            Ok(id) => id,
            Err(refused) => return refused,
        };
        if let Some(stored) = self.replies.get(&id) {
            if stored.asked != heard.body {
                self.faults.push(format!("{id} has two bodies"));
            }
            return replied(stored);
        }
        *self.runs.entry(id.clone()).or_default() += 1;
        self.count += 1;
        let reply = format!("{{\"counter\":{},\"id\":\"{id}\"}}", self.count);
        let stored = Stored { asked: heard.body.clone(), reply, ended };
        let answer = replied(&stored);
        self.replies.insert(id, stored);
        answer
    }

    /// The id, where it may be carried out; what its client has is forgotten.
    fn id(&mut self, heard: &Heard) -> Result<String, String> {
        let head = |name: &str| heard.heads.get(name).cloned();
        if let Some(key) = head("idempotency-key") {
            return Ok(format!("key:{key}"));
        }
        let (Some(client), Some(call), Some(lowest)) =
            (head("tsugi-client"), head("tsugi-call"), head("tsugi-lowest"))
        else {
            return Err(refusal(400, "never"));
        };
        let numbers = call.split_once('.').and_then(|(a, b)| Some((a, b.parse::<u64>().ok()?)));
        let (Some((incarnation, serial)), Ok(lowest)) = (numbers, lowest.parse::<u64>()) else {
            return Err(refusal(400, "never"));
        };
        if lowest > serial || lowest == 0 {
            self.faults.push(format!("lowest {lowest} with {call}"));
        }
        let life = format!("{client}:{incarnation}");
        let watermark = self.watermarks.entry(life.clone()).or_default();
        *watermark = (*watermark).max(lowest - 1);
        let below = *watermark;
        for over in (1..=below).rev() {
            if self.replies.remove(&format!("{life}.{over}")).is_none() {
                break;
            }
        }
        match serial <= below {
            true => Err(refusal(410, "never")),
            false => Ok(format!("{life}.{serial}")),
        }
    }
}

fn replied(stored: &Stored) -> String {
    let heads = "content-type: application/json\r\ntsugi-node: n1\r\ntsugi-epoch: 7\r\n";
    let marked = |word: &str| format!("{heads}tsugi-final: {word}\r\n");
    match stored.ended {
        Ended::Done => page(200, heads, &stored.reply),
        Ended::Refused => page(200, &marked("refused"), "{\"refused\":\"no such account\"}"),
        Ended::Abnormal => page(500, &marked("abnormal-end"), "{\"ended\":{\"code\":3}}"),
    }
}

fn refusal(status: u16, retry: &str) -> String {
    let body = format!(
        "{{\"type\":\"about:blank\",\"title\":\"refused\",\"status\":{status},\
         \"detail\":\"do otherwise\",\"id\":\"T-{status}\",\"retry\":\"{retry}\"}}"
    );
    page(status, "content-type: application/problem+json\r\n", &body)
}

fn page(status: u16, heads: &str, body: &str) -> String {
    let length = match status {
        204 => String::new(),
        _ => format!("content-length: {}\r\n", body.len()),
    };
    format!("HTTP/1.1 {status} x\r\n{heads}{length}\r\n{body}")
}

fn held<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().expect("no thread that holds it panics")
}

/// Reads one request; none at the end of the connection.
fn read(reader: &mut BufReader<&TcpStream>, port: u16) -> io::Result<Option<Heard>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut heads = BTreeMap::new();
    loop {
        let mut head = String::new();
        reader.read_line(&mut head)?;
        let Some((name, value)) = head.trim_end().split_once(':') else { break };
        heads.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = heads.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8(body).map_err(io::Error::other)?;
    Ok(Some(Heard { port, line: line.trim_end().to_owned(), heads, body }))
}

/// Keeps a connection until its other end goes.
fn still(reader: &mut BufReader<&TcpStream>) -> io::Result<()> {
    io::copy(reader, &mut io::sink()).map(drop)
}

/// Ends a connection by a reset, once it is closed.
fn reset(stream: &TcpStream) -> io::Result<()> {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO))
}
