//! A scripted engine: it starts workers, talks with them without ever waiting for one alone, and
//! keeps what they do in memory.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tempfile::TempDir;
use tsugi_frames::{
    Answer, Asked, Begin, Call, Class, Code, Frame, Grid, Hash, Leave, Limits, Operation, Outcome,
    Reply, Rest, Rows, Service, Trouble, Turn, Value, Versions, Welcome,
};
use tsugi_host::enclosed::Fold;
use tsugi_worker::{
    Attendant, Broke, End, Filled, Flushed, How, Notice, Notices, Number, Spawn, Worker,
};

/// How long anything may take that is not meant to take long.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The hash of the interface that the counter in C was written for.
pub fn interface() -> Hash {
    let mut hash = [0x5a; 32];
    hash[..8].copy_from_slice(&[0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef]);
    Hash(hash)
}

/// How a call ended.
#[derive(Debug)]
pub enum Came {
    /// In order.
    Done(String),
    /// Its program said so, and its worker still runs.
    Failed(Class, i32, String),
    /// Its worker is gone and swept.
    Gone(Why, End),
}

/// What ended a worker.
#[derive(Debug, PartialEq, Eq)]
pub enum Why {
    /// It has ended itself.
    Itself,
    /// It has closed its stream.
    Closed,
    /// It has broken the protocol.
    Broke(Broke),
    /// It took longer than it may.
    Late,
    /// It has printed more than it may.
    Flood,
}

/// An engine with its workers.
pub struct Engine {
    pub attendant: Attendant,
    notices: Notices,
    pub dir: TempDir,
    pub printed: BTreeMap<Number, Vec<u8>>,
    seen: Vec<Notice>,
    last: u64,
}

/// A worker that talks.
pub struct Talk {
    pub worker: Worker,
    pub memory: Memory,
    pub hello: Option<(u32, Vec<Hash>)>,
    /// How many operations each frame had.
    pub asked: Vec<usize>,
    last: u64,
}

/// What programs ask for.
#[derive(Default)]
pub struct Memory {
    pub counters: BTreeMap<String, i64>,
    pub log: Vec<(u8, String)>,
    /// The statements that were sent with their text.
    pub texts: Vec<String>,
    kept: BTreeMap<u16, String>,
    left: Vec<i64>,
}

impl Engine {
    /// One with what this machine has.
    pub fn new() -> Self {
        Self::with(|fold| fold)
    }

    /// One that has no control groups.
    pub fn by_descent() -> Self {
        Self::with(Fold::by_descent)
    }

    fn with(change: impl FnOnce(Fold) -> Fold) -> Self {
        let dir = folder();
        let name = dir.path().file_name().expect("it has a name").to_string_lossy().into_owned();
        let name = format!("worker-test{}-{}", std::process::id(), name.trim_start_matches('.'));
        let fold = Fold::claim(&name, dir.path().join("run")).expect("a place");
        Self::made(change(fold), dir)
    }

    /// One over a place that was made; its libraries are elsewhere.
    pub fn over(fold: Fold) -> Self {
        Self::made(fold, folder())
    }

    fn made(fold: Fold, dir: TempDir) -> Self {
        let (notices, tell) = Notices::kept().expect("a bell");
        let attendant = Attendant::over(fold, tell).expect("a thread");
        Self { attendant, notices, dir, printed: BTreeMap::new(), seen: Vec::new(), last: 0 }
    }

    /// Lets this much time pass, or less.
    pub fn pass(&mut self, time: Duration) {
        self.wait(&[], Instant::now() + time);
    }

    /// A place for a library, which every user can read.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A library of one source.
    pub fn compiled(&self, source: &Path, more: &[&str]) -> PathBuf {
        let to =
            self.path(&format!("{}.so", source.file_stem().expect("it fits").to_string_lossy()));
        crate::programs::compile(source, more, &to);
        to
    }

    /// Starts a worker that has said nothing yet.
    pub fn bear(&mut self, spawn: &Spawn) -> Talk {
        self.last += 1;
        let worker = self.attendant.bear(Number(self.last), spawn).expect("pipes");
        Talk { worker, memory: Memory::default(), hello: None, asked: Vec::new(), last: 0 }
    }

    /// Starts one and talks until it is ready.
    pub fn ready(&mut self, spawn: &Spawn) -> Talk {
        self.serving(spawn, &[("COUNTER", interface())]).expect("it gets ready")
    }

    /// The same with these services.
    pub fn serving(&mut self, spawn: &Spawn, services: &[(&str, Hash)]) -> Result<Talk, Came> {
        let mut talk = self.bear(spawn);
        self.until(&mut talk, PATIENCE, &mut |talk, heard| match heard {
            Heard::Hello => {
                talk.say(&Frame::Welcome(welcome(services)));
                None
            }
            Heard::Ready => Some(Came::Done(String::new())),
            other => other.end(),
        })
        .done_or()?;
        Ok(talk)
    }

    /// One call.
    pub fn call(&mut self, talk: &mut Talk, body: &str) -> Came {
        self.call_within(talk, body, PATIENCE)
    }

    /// One call that may take so long.
    pub fn call_within(&mut self, talk: &mut Talk, body: &str, limit: Duration) -> Came {
        let turn = talk.begin(0, body, limit);
        self.answered(talk, turn, limit)
    }

    /// The end of a call that was begun.
    pub fn answered(&mut self, talk: &mut Talk, turn: Turn, limit: Duration) -> Came {
        self.until(talk, limit, &mut |talk, heard| match heard {
            Heard::Asked(operations) => {
                talk.answer(turn, operations);
                None
            }
            other => other.end(),
        })
    }

    /// Kills it and waits until nothing is left of it.
    pub fn kill(&mut self, talk: &mut Talk) -> End {
        self.attendant.kill(&mut talk.worker);
        self.swept(talk.worker.number())
    }

    /// Tells it to leave, and waits until nothing is left of it.
    pub fn leave(&mut self, talk: &mut Talk) -> End {
        talk.say(&Frame::Leave(Leave {}));
        self.swept(talk.worker.number())
    }

    /// Waits until nothing is left of a worker; how it ended.
    pub fn swept(&mut self, number: Number) -> End {
        let until = Instant::now() + PATIENCE;
        let mut end = None;
        loop {
            let mut swept = false;
            self.seen.retain_mut(|notice| match notice {
                Notice::Ended(one, how) if *one == number => {
                    let nothing = End { how: How::Exited(0), last: Vec::new() };
                    end = Some(std::mem::replace(how, nothing));
                    false
                }
                Notice::Swept(one) if *one == number => {
                    swept = true;
                    false
                }
                _ => true,
            });
            if swept {
                return end.expect("an end is told before nothing is left");
            }
            assert!(Instant::now() < until, "{number:?} is not swept");
            self.wait(&[], until);
        }
    }

    /// The folders that were told to stay.
    pub fn stays(&self) -> Vec<(Number, PathBuf, ErrorKind)> {
        let stays = self.seen.iter().filter_map(|notice| match notice {
            Notice::FolderStays(number, folder, why) => Some((*number, folder.clone(), *why)),
            _ => None,
        });
        stays.collect()
    }

    /// What a worker was told to have printed.
    pub fn told(&self, talk: &Talk) -> String {
        let told = self.printed.get(&talk.worker.number());
        String::from_utf8_lossy(told.map_or(&[], Vec::as_slice)).into_owned()
    }

    /// Waits until that is so many bytes.
    pub fn until_told(&mut self, talk: &Talk, length: usize) {
        let until = Instant::now() + PATIENCE;
        while self.told(talk).len() < length {
            assert!(Instant::now() < until, "it has printed {:?}", self.told(talk));
            self.wait(&[], until);
        }
    }

    /// Goes on until `take` says how it came, or the worker ends it.
    fn until(
        &mut self,
        talk: &mut Talk,
        limit: Duration,
        take: &mut dyn FnMut(&mut Talk, Heard) -> Option<Came>,
    ) -> Came {
        let until = Instant::now() + limit;
        let number = talk.worker.number();
        loop {
            let filled = talk.worker.fill();
            loop {
                let heard = match talk.hear() {
                    Ok(Some(heard)) => heard,
                    Ok(None) => break,
                    Err(broke) => return self.gone(talk, Why::Broke(broke)),
                };
                if let Some(came) = take(talk, heard) {
                    return came;
                }
            }
            let flood = self.seen.iter().any(|n| matches!(n, Notice::Flood(one) if *one == number));
            if self.has_ended(number) {
                return self.gone(talk, Why::Itself);
            }
            if flood {
                return self.gone(talk, Why::Flood);
            }
            match filled {
                Filled::Full => continue,
                Filled::Taken => {}
                Filled::Closed => {
                    // Who ends closes too; which it was is known a moment later.
                    let patience = Instant::now() + Duration::from_secs(2);
                    while Instant::now() < patience && !self.has_ended(number) {
                        self.wait(&[], patience);
                    }
                    let itself = self.has_ended(number);
                    return self.gone(talk, if itself { Why::Itself } else { Why::Closed });
                }
            }
            if Instant::now() >= until {
                return self.gone(talk, Why::Late);
            }
            let mut polled = vec![PollFd::new(talk.worker.hears(), PollFlags::POLLIN)];
            if talk.worker.unsent() > 0 {
                polled.push(PollFd::new(talk.worker.speaks(), PollFlags::POLLOUT));
            }
            self.wait(&polled, until);
            talk.worker.flush();
        }
    }

    fn has_ended(&self, number: Number) -> bool {
        self.seen.iter().any(|n| matches!(n, Notice::Ended(ended, _) if *ended == number))
    }

    fn gone(&mut self, talk: &mut Talk, why: Why) -> Came {
        Came::Gone(why, self.kill(talk))
    }

    /// Waits for the attendant or one of these.
    fn wait(&mut self, polled: &[PollFd<'_>], until: Instant) {
        let bell = self.notices.as_fd();
        let mut all = polled.to_vec();
        all.push(PollFd::new(bell, PollFlags::POLLIN));
        let left = until.saturating_duration_since(Instant::now());
        poll(&mut all, PollTimeout::try_from(left).expect("it fits")).ok();
        for notice in self.notices.take() {
            if let Notice::Printed(number, bytes) = &notice {
                self.printed.entry(*number).or_default().extend(bytes);
            }
            self.seen.push(notice);
        }
    }
}

/// A folder that every user can go through.
fn folder() -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("it is ours");
    dir
}

/// What a worker said, with what the engine needs of it.
pub enum Heard {
    Hello,
    Ready,
    Asked(Vec<Asked<'static>>),
    End(Came),
}

impl Heard {
    fn end(self) -> Option<Came> {
        match self {
            Self::End(came) => Some(came),
            Self::Hello | Self::Ready | Self::Asked(_) => panic!("not now"),
        }
    }
}

impl Came {
    fn done_or(self) -> Result<(), Self> {
        if matches!(self, Self::Done(_)) { Ok(()) } else { Err(self) }
    }

    /// The reply.
    #[track_caller]
    pub fn reply(self) -> String {
        match self {
            Self::Done(reply) => reply,
            other => panic!("{other:?}"),
        }
    }

    /// What the program said of its failure.
    #[track_caller]
    pub fn failed(self) -> (Class, i32, String) {
        match self {
            Self::Failed(class, code, text) => (class, code, text),
            other => panic!("{other:?}"),
        }
    }

    /// What ended the worker, and how it ended.
    #[track_caller]
    pub fn gone(self) -> (Why, End) {
        match self {
            Self::Gone(why, end) => (why, end),
            other => panic!("{other:?}"),
        }
    }
}

impl Talk {
    /// Begins a call of a service.
    pub fn begin(&mut self, service: u16, body: &str, limit: Duration) -> Turn {
        self.last += 1;
        let call = Call {
            service,
            id: "shop-1/1800000000123/339".into(),
            parent: "".into(),
            client: "shop-1".into(),
            epoch: 41,
            attempt: 2,
            left_ms: u32::try_from(limit.as_millis()).expect("it fits"),
            catalogue: 0,
            parameters: vec![body.to_owned().into_bytes().into()],
        };
        let turn = Turn(self.last);
        self.say(&Frame::Begin(Begin { turn, calls: vec![call] }));
        turn
    }

    /// Says something that may be said.
    pub fn say(&mut self, frame: &Frame<'_>) -> Flushed {
        self.worker.say(frame).expect("it may be said now")
    }

    fn hear(&mut self) -> Result<Option<Heard>, Broke> {
        let Some(frame) = self.worker.frame()? else { return Ok(None) };
        Ok(Some(match frame {
            Frame::Hello(hello) => {
                self.hello = Some((hello.pid, hello.modules));
                Heard::Hello
            }
            Frame::Ready(_) => Heard::Ready,
            Frame::Ask(ask) => {
                self.asked.push(ask.operations.len());
                Heard::Asked(ask.operations.iter().map(own).collect())
            }
            Frame::Done(done) => {
                if !done.operations.is_empty() {
                    self.asked.push(done.operations.len());
                }
                for asked in done.operations.iter().map(own) {
                    self.memory.done(asked);
                }
                let [reply] = &done.replies[..] else { panic!("{:?}", done.replies) };
                let [text] = &reply.parameters[..] else { panic!("{reply:?}") };
                Heard::End(Came::Done(String::from_utf8_lossy(text).into_owned()))
            }
            Frame::Failed(failed) => {
                let text = failed.text.into_owned();
                Heard::End(Came::Failed(failed.class, failed.code, text))
            }
            other => panic!("a worker does not say {other:?}"),
        }))
    }

    fn answer(&mut self, turn: Turn, operations: Vec<Asked<'static>>) {
        let results: Vec<_> = operations.into_iter().filter_map(|a| self.memory.done(a)).collect();
        if !results.is_empty() {
            self.say(&Frame::Answer(Answer { turn, results }));
        }
    }
}

/// What the programs of the tests ask for, for longer than the buffer stands.
fn own(asked: &Asked<'_>) -> Asked<'static> {
    let text = |text: &Cow<'_, str>| Cow::Owned(text.to_string());
    let operation = match &asked.operation {
        Operation::Sql { text: statement, rows } => {
            let values = rows.values().iter().map(|value| match value {
                Value::Text(one) => Value::Text(text(one)),
                Value::Decimal(one) => Value::Decimal(text(one)),
                Value::Bytes(bytes) => Value::Bytes(Cow::Owned(bytes.to_vec())),
                Value::Null => Value::Null,
                Value::Integer(number) => Value::Integer(*number),
                Value::Real(number) => Value::Real(*number),
            });
            Operation::Sql {
                text: text(statement),
                rows: Grid::row(values.collect()).expect("it fits"),
            }
        }
        Operation::More { rows } => Operation::More { rows: *rows },
        Operation::Call { service, body } => Operation::Call {
            service: text(service),
            body: body.iter().map(|part| part.to_vec().into()).collect(),
        },
        Operation::Log { level, text: line } => Operation::Log { level: *level, text: text(line) },
        other => match other.refused() {
            // Only what it is called is looked at.
            Some(_) => Operation::Data { out: None },
            None => panic!("{other:?}"),
        },
    };
    Asked { waits: asked.waits, slot: asked.slot, operation }
}

impl Memory {
    /// What an operation came to; nothing where nobody waits.
    fn done(&mut self, asked: Asked<'static>) -> Option<Outcome<'static>> {
        let answered = asked.is_answered();
        self.outcome(asked).filter(|_| answered)
    }

    fn outcome(&mut self, asked: Asked<'static>) -> Option<Outcome<'static>> {
        if let Operation::Log { level, text } = asked.operation {
            self.log.push((level, text.into_owned()));
            return None;
        }
        if let Some(code) = asked.operation.refused() {
            return Some(trouble(code, "reserved"));
        }
        Some(match asked.operation {
            Operation::Sql { text, rows } => {
                if !text.is_empty() {
                    self.texts.push(text.to_string());
                    self.kept.insert(asked.slot, text.into_owned());
                }
                let statement = self.kept[&asked.slot].clone();
                self.run(&statement, rows.values())
            }
            Operation::More { rows: most } => {
                let number = self.left.remove(0);
                assert!(most > 0);
                rows(vec![Value::Integer(number)], 1, self.rest())
            }
            Operation::Call { service, body } if service == "GREETER" => {
                let text = format!("{} to you", String::from_utf8_lossy(&body[0]));
                let parameters = vec![text.into_bytes().into()];
                Outcome::Reply(Reply { return_code: 0, parameters })
            }
            Operation::Call { .. } => trouble(Code::CalleeRefused, "no such service"),
            other => panic!("{other:?}"),
        })
    }

    fn run(&mut self, statement: &str, given: &[Value<'static>]) -> Outcome<'static> {
        match (statement, given) {
            ("values", given) => {
                let columns = given.len().try_into().expect("it fits");
                let grid = Grid::new(columns, given.to_vec()).expect("it fits");
                Outcome::Rows(Rows { changed: 0, rest: Rest::None, rows: grid })
            }
            ("three", []) => {
                self.left = vec![2, 3];
                rows(vec![Value::Integer(1)], 1, Rest::More)
            }
            (update, [Value::Integer(by), Value::Text(name)]) if update.starts_with("update") => {
                let Some(counter) = self.counters.get_mut(name.as_ref()) else {
                    return rows(vec![], 0, Rest::None);
                };
                *counter += by;
                rows(vec![Value::Integer(*counter)], 1, Rest::None)
            }
            _ => trouble(Code::Mistaken, "no such statement"),
        }
    }

    fn rest(&self) -> Rest {
        if self.left.is_empty() { Rest::None } else { Rest::More }
    }
}

fn rows(values: Vec<Value<'static>>, columns: u16, rest: Rest) -> Outcome<'static> {
    let changed = values.len() as u64;
    let rows = Grid::new(columns.max(1), values).expect("it fits");
    Outcome::Rows(Rows { changed, rest, rows })
}

fn trouble(code: Code, text: &'static str) -> Outcome<'static> {
    Outcome::Trouble(Trouble { code, sqlstate: "".into(), message: "".into(), text: text.into() })
}

/// What a worker is told at first.
pub fn welcome<'a>(services: &[(&'a str, Hash)]) -> Welcome<'a> {
    let service = |(index, (name, layout)): (usize, &(&'a str, Hash))| Service {
        index: index.try_into().expect("it fits"),
        name: (*name).into(),
        module: "".into(),
        entry: (*name).into(),
        parameters: vec![0],
        layout: *layout,
    };
    Welcome {
        versions: Versions::CURRENT,
        limits: Limits::DEFAULT,
        group: "ESSRV01".into(),
        node: "node1".into(),
        code_page: "utf-8".into(),
        time_zone: "Asia/Tokyo".into(),
        services: services.iter().enumerate().map(service).collect(),
        files: vec![],
    }
}
