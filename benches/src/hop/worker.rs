//! The worker: one update a call, asked for in frames.

use std::collections::VecDeque;

use tsugi_frames::{
    Ask, Asked, Decoder, Done, Encoding, Frame, Grid, Hello, Limits, Operation, Outcome, Ready,
    Reply, Runs, Side, Turn, Value, Versions, Waits,
};

use super::store::STATEMENT;
use super::way::{self, Way};

const LIMITS: Limits = Limits::DEFAULT;

/// Works until it is told to leave, or nobody is there any more.
pub fn work() {
    let mut worker = Worker {
        way: way::back(),
        decoder: Decoder::new(Encoding::Binary, Side::Engine, LIMITS),
        out: Vec::new(),
        begun: VecDeque::new(),
        statement: STATEMENT,
    };
    let hello = Hello {
        versions: Versions::CURRENT,
        pid: std::process::id(),
        runs: Runs::Library,
        libcob: "".into(),
        can: 0,
        modules: vec![],
    };
    say(&mut *worker.way, &mut worker.out, &Frame::Hello(hello));
    while let Some((turn, key)) = worker.next() {
        if worker.call(turn, key).is_none() {
            break;
        }
    }
}

struct Worker {
    way: Box<dyn Way>,
    decoder: Decoder,
    out: Vec<u8>,
    begun: VecDeque<(Turn, i64)>,
    /// The text of the statement, until it has been said once.
    statement: &'static str,
}

/// What has come for a worker.
enum Came {
    Answer(i64),
    Other,
    End,
}

impl Worker {
    /// The next call that was begun.
    fn next(&mut self) -> Option<(Turn, i64)> {
        loop {
            if let Some(begun) = self.begun.pop_front() {
                return Some(begun);
            }
            if matches!(self.take(), Came::End) {
                return None;
            }
        }
    }

    /// Runs the program once.
    fn call(&mut self, turn: Turn, key: i64) -> Option<()> {
        let text = std::mem::take(&mut self.statement).into();
        let rows = Grid::row(vec![Value::Integer(key)]).expect("one value fits");
        let operation = Operation::Sql { text, rows };
        let operations = vec![Asked { waits: Waits::Yes, slot: 1, operation }];
        say(&mut *self.way, &mut self.out, &Frame::Ask(Ask { turn, operations }));
        let number = loop {
            match self.take() {
                Came::Answer(number) => break number,
                Came::Other => {}
                Came::End => return None,
            }
        };
        let reply = format!("{key} {number:020}").into_bytes();
        let replies = vec![Reply { return_code: 0, parameters: vec![reply.into()] }];
        let done = Done { turn, operations: vec![], replies, open: vec![] };
        say(&mut *self.way, &mut self.out, &Frame::Done(done));
        Some(())
    }

    /// Takes the next frame, by what it is and not by when it comes.
    fn take(&mut self) -> Came {
        loop {
            match self.decoder.frame().expect("the writer speaks frames") {
                Some(Frame::Begin(begin)) => {
                    let key = std::str::from_utf8(&begin.calls[0].parameters[0]);
                    let key = key.ok().and_then(|key| key.parse().ok());
                    self.begun.push_back((begin.turn, key.expect("a number")));
                    return Came::Other;
                }
                Some(Frame::Answer(answer)) => match &answer.results[..] {
                    [Outcome::Rows(rows)] => match rows.rows.values() {
                        [Value::Integer(number)] => return Came::Answer(*number),
                        other => panic!("{other:?}"),
                    },
                    other => panic!("{other:?}"),
                },
                Some(Frame::Welcome(_)) => {
                    say(&mut *self.way, &mut self.out, &Frame::Ready(Ready {}));
                    return Came::Other;
                }
                Some(Frame::Leave(_)) => return Came::End,
                Some(other) => panic!("{other:?}"),
                None => {}
            }
            let arrived = self.way.receive(self.decoder.room());
            if arrived == 0 {
                return Came::End;
            }
            self.decoder.filled(arrived);
        }
    }
}

fn say(way: &mut dyn Way, out: &mut Vec<u8>, frame: &Frame<'_>) {
    out.clear();
    Encoding::Binary.write(frame, &LIMITS, out).expect("it is within the limits");
    way.send(out);
}
