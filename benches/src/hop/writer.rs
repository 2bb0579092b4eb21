//! The writer: one thread, one database, what has come committed together.

use std::collections::VecDeque;
use std::process::Child;
use std::sync::mpsc::{Receiver, Sender};

use tsugi_frames::{
    AHEAD, Answer, Ask, Asked, Begin, Decoder, Done, Encoding, Frame, Grid, Leave, Limits,
    Operation, Reply, Side, Turn, Turns, Value, Versions, Waits, Welcome,
};

use super::callers::{Answered, Call};
use super::store::{STATEMENT, Store};
use super::way::{self, Over, Way};

/// How many calls are committed together at most.
const SITTING: usize = 256;
const LIMITS: Limits = Limits::DEFAULT;

/// Whether calls are begun in a worker before it is their turn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ahead {
    Yes,
    No,
}

/// Takes calls until the last caller is gone, and gives the store back.
pub fn run(
    store: Store,
    mut program: Box<dyn Program + Send>,
    calls: &Receiver<Call>,
    letters: &Sender<Vec<Answered>>,
) -> Store {
    let mut queue = VecDeque::new();
    loop {
        if queue.is_empty() {
            let Ok(first) = calls.recv() else { break };
            queue.push_back(first);
        }
        let mut letter = Vec::new();
        store.run("begin immediate");
        while letter.len() < SITTING {
            queue.extend(calls.try_iter());
            let Some(call) = queue.pop_front() else { break };
            store.run("savepoint c");
            let reply = program.run(&call, &queue, &store);
            store.keep(&call, &reply);
            store.run("release c");
            letter.push(Answered { call, reply });
        }
        store.run("commit");
        letters.send(letter).expect("the callers wait for it");
    }
    program.end();
    store
}

/// A user's program as the writer sees it.
pub trait Program {
    /// Runs it for `call`; `next` are the calls after it.
    fn run(&mut self, call: &Call, next: &VecDeque<Call>, store: &Store) -> Vec<u8>;
    /// Lets go of it.
    fn end(&mut self) {}
}

fn reply(call: &Call, number: i64) -> Vec<u8> {
    format!("{} {number:020}", call.key).into_bytes()
}

fn key(call: &Call) -> i64 {
    i64::try_from(call.key).expect("keys are small")
}

/// A program without a process.
pub enum InProcess {
    /// A function.
    Plain,
    /// A function that is spoken to in frames, each written and read.
    Framed { engine: Box<Decoder>, worker: Box<Decoder>, turn: Turn, out: Vec<u8> },
}

impl InProcess {
    /// One that is spoken to in frames.
    pub fn framed() -> Self {
        let decoder = |says| Box::new(Decoder::new(Encoding::Binary, says, LIMITS));
        let (engine, worker) = (decoder(Side::Engine), decoder(Side::Worker));
        Self::Framed { engine, worker, turn: Turn::NONE, out: Vec::new() }
    }
}

impl Program for InProcess {
    fn run(&mut self, call: &Call, _: &VecDeque<Call>, store: &Store) -> Vec<u8> {
        let (engine, worker, turn, out) = match self {
            Self::Plain => return reply(call, store.count(STATEMENT, key(call))),
            Self::Framed { engine, worker, turn, out } => (engine, worker, turn, out),
        };
        turn.0 += 1;
        let mut number = 0;
        through(engine, out, &begin(call, *turn), |_| {});
        let rows = Grid::row(vec![Value::Integer(key(call))]).expect("one value fits");
        let operation = Operation::Sql { text: "".into(), rows };
        let operations = vec![Asked { waits: Waits::Yes, slot: 1, operation }];
        let mut results = Vec::new();
        through(worker, out, &Frame::Ask(Ask { turn: *turn, operations }), |frame| {
            if let Frame::Ask(ask) = frame {
                results.extend(ask.operations.iter().map(|asked| store.carry_out(asked)));
            }
        });
        through(engine, out, &Frame::Answer(Answer { turn: *turn, results }), |frame| {
            if let Frame::Answer(answer) = frame
                && let [tsugi_frames::Outcome::Rows(rows)] = &answer.results[..]
                && let [Value::Integer(told)] = rows.rows.values()
            {
                number = *told;
            }
        });
        let replies = vec![Reply { return_code: 0, parameters: vec![reply(call, number).into()] }];
        let done = Done { turn: *turn, operations: vec![], replies, open: vec![] };
        let mut said = Vec::new();
        through(worker, out, &Frame::Done(done), |frame| {
            if let Frame::Done(done) = frame {
                said = done.replies[0].parameters[0].to_vec();
            }
        });
        said
    }
}

/// A frame as bytes and back.
fn through(
    decoder: &mut Decoder,
    out: &mut Vec<u8>,
    frame: &Frame<'_>,
    with: impl FnOnce(Frame<'_>),
) {
    out.clear();
    Encoding::Binary.write(frame, &LIMITS, out).expect("it is within the limits");
    assert_eq!(decoder.feed(out), out.len());
    with(decoder.frame().expect("it was just written").expect("all of it"));
}

/// A program in a process of its own.
pub struct Worker {
    way: Box<dyn Way>,
    child: Child,
    decoder: Decoder,
    turns: Turns,
    /// The turn of the call that was begun last.
    last: Turn,
    ahead: Ahead,
    out: Vec<u8>,
}

impl Worker {
    /// Starts one and waits until it is ready.
    pub fn start(over: Over, ahead: Ahead) -> Self {
        let (way, child) = way::start(over);
        let decoder = Decoder::new(Encoding::Binary, Side::Worker, LIMITS);
        let (turns, last, out) = (Turns::default(), Turn::NONE, Vec::new());
        let mut worker = Self { way, child, decoder, turns, last, ahead, out };
        worker.until(|frame| matches!(frame, Frame::Hello(_)));
        let welcome = Welcome {
            versions: Versions::CURRENT,
            limits: LIMITS,
            group: "hop".into(),
            node: "node".into(),
            code_page: "utf-8".into(),
            time_zone: "UTC".into(),
            services: vec![],
            files: vec![],
        };
        worker.write(&Frame::Welcome(welcome));
        worker.send();
        worker.until(|frame| matches!(frame, Frame::Ready(_)));
        worker
    }

    fn until(&mut self, fits: impl Fn(&Frame<'_>) -> bool) {
        loop {
            if let Some(frame) = self.decoder.frame().expect("the worker speaks frames") {
                assert!(fits(&frame), "{frame:?}");
                return;
            }
            receive(&mut *self.way, &mut self.decoder);
        }
    }

    /// Adds a frame to what is sent next.
    fn write(&mut self, frame: &Frame<'_>) {
        self.turns.take(frame).expect("the writer speaks of the turn under way");
        let written = Encoding::Binary.write(frame, &LIMITS, &mut self.out);
        written.expect("it is within the limits");
    }

    fn send(&mut self) {
        if !self.out.is_empty() {
            self.way.send(&self.out);
            self.out.clear();
        }
    }

    /// Begins `call`, if it has not begun, and where that is done those after it. Of a call that
    /// has begun the worker asks by itself: what begins those after it goes with the answer.
    fn begin(&mut self, call: &Call, next: &VecDeque<Call>) {
        let has_begun = self.turns.begun() > 0;
        if !has_begun {
            self.begin_one(call);
        }
        while self.ahead == Ahead::Yes
            && self.turns.begun() <= AHEAD
            && let Some(call) = next.get(self.turns.begun() - 1)
        {
            self.begin_one(call);
        }
        if !has_begun {
            self.send();
        }
    }

    fn begin_one(&mut self, call: &Call) {
        self.last.0 += 1;
        let begin = begin(call, self.last);
        self.write(&begin);
    }
}

impl Program for Worker {
    fn run(&mut self, call: &Call, next: &VecDeque<Call>, store: &Store) -> Vec<u8> {
        self.begin(call, next);
        loop {
            let results = match self.decoder.frame().expect("the worker speaks frames") {
                None => None,
                Some(frame) => {
                    self.turns.take(&frame).expect("the worker speaks of the turn under way");
                    match frame {
                        Frame::Ask(ask) => {
                            let each = ask.operations.iter();
                            Some(each.map(|asked| store.carry_out(asked)).collect())
                        }
                        Frame::Done(done) => return done.replies[0].parameters[0].to_vec(),
                        other => panic!("{other:?}"),
                    }
                }
            };
            if let Some(results) = results {
                let turn = self.turns.under_way();
                self.write(&Frame::Answer(Answer { turn, results }));
                self.send();
            } else {
                receive(&mut *self.way, &mut self.decoder);
            }
        }
    }

    fn end(&mut self) {
        self.write(&Frame::Leave(Leave {}));
        self.send();
        let status = self.child.wait().expect("it is a child of this process");
        assert!(status.success(), "the worker left with {status}");
    }
}

fn receive(way: &mut dyn Way, decoder: &mut Decoder) {
    let arrived = way.receive(decoder.room());
    assert!(arrived > 0, "the worker is gone");
    decoder.filled(arrived);
}

fn begin(call: &Call, turn: Turn) -> Frame<'static> {
    let call = tsugi_frames::Call {
        service: 0,
        id: format!("caller-{}/1800000000000/{}", call.caller, call.serial).into(),
        parent: "".into(),
        client: format!("caller-{}", call.caller).into(),
        epoch: 1,
        attempt: 1,
        left_ms: 3_000,
        catalogue: 0,
        parameters: vec![call.key.to_string().into_bytes().into()],
    };
    Frame::Begin(Begin { turn, calls: vec![call] })
}
