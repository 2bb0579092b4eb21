//! What is said in frames, as the engine means it.

use std::collections::{BTreeMap, VecDeque};

use tsugi_files::spoken::shape;
use tsugi_frames::{
    Answer, Begin as Told, CAN_AHEAD, Call, Class as Failing, Code, Done, Encoding, Failed, File,
    Frame, Grid, Kind, Leave, Limits, Number as Asks, Operation, Outcome, Reply, Rest, Rows, Shape,
    Turn as Number, Turns, Value, Versions, Welcome, Wrong,
};
use tsugi_service_rules::worker::life::{Class, Difference, Turn};
use tsugi_store::{self as store, Op};

use super::Package;
use super::log::Lines;
use super::values::{brought, code, given, trouble};
use crate::files::Opens;
use crate::worker::{self, Answered, Asked, Begin, Calling, Gave, Heard, Returned, Said, Waits};

/// How many bytes of statements are kept for a worker: a process of ours keeps 64.
const TEXTS_MOST: usize = 64 * Limits::DEFAULT.sql_text as usize;
/// How much memory the rows may take that did not fit into their answers; one operation of a store
/// brings less.
const REST_MOST: usize = 64 << 20;

/// The talk with one worker.
pub(super) struct Talk {
    encoding: Encoding,
    limits: Limits,
    welcome: Welcome<'static>,
    /// The index of the service that is called.
    called: u16,
    content_type: Option<String>,
    lines: Lines,
    stage: Stage,
    /// Whether the worker takes calls that are begun ahead.
    ahead: Ahead,
    /// What was begun ahead: its id, or why its program cannot be given it.
    next: Option<Result<String, Heard>>,
    turns: Turns,
    /// The files that it has open.
    opens: Opens,
    /// The turn whose program has asked to be undone: what the worker says of its end is known.
    aborted: Option<Number>,
    /// The texts of statements that are kept, by their slots.
    texts: BTreeMap<u16, String>,
    /// Rows that did not fit, by the slots of their statements.
    rest: BTreeMap<u16, VecDeque<store::Row>>,
    /// What is answered next.
    asked: VecDeque<Slot>,
}

/// How far the talk has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Silent,
    Greeted,
    Ready,
}

/// Whether a worker takes calls that are begun ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ahead {
    No,
    Yes,
}

/// An operation that is waited for.
enum Slot {
    /// A statement of this slot; 0 is of none.
    Sql(u16),
    /// So many further rows of a slot.
    More(u16, u32),
    /// An operation on a file.
    File,
    /// A service that is called.
    Call,
    /// Not carried out.
    Refused,
}

/// What it means that something is no frame.
pub(super) fn wrong(wrong: &Wrong) -> Heard {
    match wrong {
        Wrong::Apart(_) => Heard::Hello(Some(Difference::Version)),
        other => Heard::Wrong(other.to_string()),
    }
}

impl Talk {
    pub(super) fn new(package: &Package) -> Self {
        Self {
            encoding: package.spawn.encoding,
            limits: package.limits,
            welcome: welcome(package),
            called: package.called,
            content_type: package.content_type.clone(),
            lines: Lines::new(package.log.clone(), package.limits.log_lines),
            stage: Stage::Silent,
            ahead: Ahead::No,
            next: None,
            turns: Turns::default(),
            opens: Opens::new(package.files.clone()),
            aborted: None,
            texts: BTreeMap::new(),
            rest: BTreeMap::new(),
            asked: VecDeque::new(),
        }
    }

    /// What its worker logs is for this package's log from now on: before its first call.
    pub(super) fn logs_to(&mut self, package: &Package) {
        self.lines = Lines::new(package.log.clone(), package.limits.log_lines);
    }

    /// Writes a frame.
    ///
    /// # Errors
    /// It passes a limit, or is not to be said now; nothing is written.
    fn say(&mut self, frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<(), Wrong> {
        let before = out.len();
        self.encoding.write(frame, &self.limits, out)?;
        self.turns.take(frame).inspect_err(|_| out.truncate(before))
    }

    /// Takes a frame of the worker.
    pub(super) fn take(&mut self, frame: &Frame<'_>, heard: &mut Vec<Heard>, out: &mut Vec<u8>) {
        if let (Frame::Failed(failed), Some(aborted)) = (frame, self.aborted)
            && failed.turn == aborted
        {
            self.aborted = None;
            return;
        }
        let next = match (self.stage, frame.kind()) {
            (Stage::Silent, Kind::Hello) => Stage::Greeted,
            (Stage::Greeted, Kind::Ready) => Stage::Ready,
            (Stage::Ready, Kind::Ask | Kind::Done) | (_, Kind::Failed) => self.stage,
            (_, kind) => return heard.push(Heard::Wrong(format!("{kind:?} now"))),
        };
        if let Err(wrong) = self.turns.take(frame) {
            return heard.push(Heard::Wrong(wrong.to_string()));
        }
        self.stage = next;
        match frame {
            Frame::Hello(hello) => {
                if hello.can & CAN_AHEAD != 0 {
                    self.ahead = Ahead::Yes;
                }
                heard.push(Heard::Hello(None));
                let welcome = Frame::Welcome(self.welcome.clone());
                // One that cannot be said is refused where a package is made, and is no welcome:
                // its worker is slow to start.
                drop(self.say(&welcome, out));
            }
            Frame::Ready(_) => heard.push(Heard::Ready),
            Frame::Ask(ask) => self.on_ask(ask.turn, &ask.operations, heard),
            Frame::Done(done) => {
                heard.push(self.done(done));
                self.go_on(heard);
            }
            Frame::Failed(failed) => {
                self.lines.end();
                heard.push(failure(failed));
                self.go_on(heard);
            }
            // Not said by a worker: the decoder gives none.
            Frame::Welcome(_) | Frame::Begin(_) | Frame::Answer(_) | Frame::Leave(_) => {}
        }
    }

    /// The end of a call in order, as it is said.
    fn done(&mut self, done: &Done<'_>) -> Heard {
        let mut asked = Vec::with_capacity(done.operations.len());
        for operation in &done.operations {
            if !self.is_log(&operation.operation) {
                asked.push(self.operation(done.turn, operation));
            }
        }
        self.lines.end();
        self.asked.clear();
        self.rest.clear();
        let turn = Turn(done.turn.0);
        let [reply] = &done.replies[..] else {
            let why = format!("{} replies, not one", done.replies.len());
            return Heard::Failed(turn, Class::Overrun, why);
        };
        let mut all = reply.parameters.iter().map(|bytes| bytes.to_vec());
        let gave = match &self.content_type {
            None => {
                let (records, return_code) = (all.collect(), reply.return_code);
                Gave::Parameters(Returned { records, return_code })
            }
            Some(content_type) => {
                let body = all.next().unwrap_or_default();
                Gave::Body(Said { content_type: content_type.clone(), body })
            }
        };
        Heard::Done(turn, asked.into(), gave)
    }

    /// A call is over: its worker goes on to what was begun ahead.
    fn go_on(&mut self, heard: &mut Vec<Heard>) {
        let Some(next) = self.next.take() else { return };
        self.asked.clear();
        self.rest.clear();
        match next {
            Ok(call) => self.lines.begin(&call),
            Err(failed) => heard.push(failed),
        }
    }

    /// Whether its worker takes calls that are begun ahead, and has none.
    pub(super) fn takes_ahead(&self) -> bool {
        self.ahead == Ahead::Yes && self.next.is_none()
    }

    /// The turn that its worker speaks of.
    pub(super) fn under_way(&self) -> Number {
        self.turns.under_way()
    }

    /// Begins a call ahead. What its program cannot be given is heard when its turn comes.
    pub(super) fn begin_ahead(&mut self, begin: &Begin, out: &mut Vec<u8>) {
        let said = self.say_begin(begin, out);
        self.next = Some(said.map(|()| begin.id.clone()));
    }

    /// Takes a line of the log, which is no effect of its call and never ends it; whether it is
    /// one.
    fn is_log(&mut self, operation: &Operation<'_>) -> bool {
        match operation {
            Operation::Log { level, text } => self.lines.line(*level, text),
            Operation::TooLarge(Asks::Log, _) => self.lines.too_large(),
            _ => return false,
        }
        true
    }

    fn on_ask(
        &mut self,
        turn: Number,
        operations: &[tsugi_frames::Asked<'_>],
        heard: &mut Vec<Heard>,
    ) {
        let mut asked = Vec::with_capacity(operations.len());
        for operation in operations {
            if let Operation::Abort { text } = &operation.operation {
                // It ends here, whatever its worker says of that.
                let failed = Failed { turn, class: Failing::Abort, code: 0, text: text.clone() };
                heard.push(failure(&failed));
                drop(self.turns.take(&Frame::Failed(failed)));
                self.aborted = Some(turn);
                self.lines.end();
                return self.go_on(heard);
            }
            if !self.is_log(&operation.operation) {
                asked.push(self.operation(turn, operation));
            }
        }
        // A line of the log needs no writer.
        if !asked.is_empty() || operations.is_empty() {
            heard.push(Heard::Asked(Turn(turn.0), asked.into()));
        }
    }

    /// What an operation means. What is waited for is answered in this order.
    fn operation(&mut self, turn: Number, asked: &tsugi_frames::Asked<'_>) -> Asked {
        let waits = if asked.is_answered() { Waits::Yes } else { Waits::No };
        let refused = asked.operation.refused();
        let (slot, meant) = match (&asked.operation, refused) {
            (_, Some(code)) => (Slot::Refused, Asked::Refused(code.number(), waits)),
            (Operation::Sql { text, rows }, None) => match self.text(asked.slot, text) {
                Ok(text) => {
                    self.rest.remove(&asked.slot);
                    let rows = rows.rows().map(|row| row.iter().map(given).collect()).collect();
                    (Slot::Sql(asked.slot), Asked::Store(Op::Sql { text, rows }, waits))
                }
                Err(code) => (Slot::Refused, Asked::Refused(code.number(), waits)),
            },
            (Operation::More { rows }, None) => (Slot::More(asked.slot, *rows), Asked::Own(waits)),
            (Operation::File(operation), None) => {
                let operation = operation.clone().into_owned();
                let asking = self.opens.ask(Turn(turn.0), asked.slot, operation);
                (Slot::File, Asked::File(asking, waits))
            }
            (Operation::Call { service, body }, None) => {
                let records = body.iter().map(|one| one.to_vec()).collect();
                let calling = Calling { service: service.to_string(), records };
                (Slot::Call, Asked::Call(calling, waits))
            }
            (_, None) => {
                let code = Code::NotInThisVersion.number();
                (Slot::Refused, Asked::Refused(code, waits))
            }
        };
        if waits == Waits::Yes {
            self.asked.push_back(slot);
        }
        meant
    }

    /// The text of a statement, or the one that is kept in its slot.
    fn text(&mut self, slot: u16, text: &str) -> Result<String, Code> {
        if text.is_empty() {
            return self.texts.get(&slot).cloned().ok_or(Code::Mistaken);
        }
        if slot > 0 {
            self.texts.remove(&slot);
            let kept: usize = self.texts.values().map(String::len).sum();
            if kept + text.len() > TEXTS_MOST {
                return Err(Code::TooLarge);
            }
            self.texts.insert(slot, text.to_owned());
        }
        Ok(text.to_owned())
    }

    /// Begins a call.
    ///
    /// # Errors
    /// It cannot be given to the program: what is heard of it instead.
    pub(super) fn begin(&mut self, begin: &Begin, out: &mut Vec<u8>) -> Result<(), Heard> {
        self.asked.clear();
        self.rest.clear();
        self.lines.begin(&begin.id);
        self.say_begin(begin, out)
    }

    fn say_begin(&mut self, begin: &Begin, out: &mut Vec<u8>) -> Result<(), Heard> {
        let failed = |why: String| Heard::Failed(begin.turn, Class::RunTimeError, why);
        let call = Call {
            service: self.called,
            id: begin.id.as_str().into(),
            parent: begin.parent.as_str().into(),
            client: begin.client.as_str().into(),
            epoch: begin.epoch,
            attempt: begin.attempt,
            left_ms: begin.left_ms,
            catalogue: 0,
            parameters: begin.given.parameters().iter().map(|one| one.to_vec().into()).collect(),
        };
        let begun = Frame::Begin(Told { turn: Number(begin.turn.0), calls: vec![call] });
        self.say(&begun, out).map_err(|wrong| failed(wrong.to_string()))
    }

    pub(super) fn answer(&mut self, turn: Turn, answers: Vec<Answered>, out: &mut Vec<u8>) {
        let mut left = usize::try_from(self.limits.answer).unwrap_or(usize::MAX);
        let result = |answered| self.result(answered, &mut left);
        let results: Vec<_> = answers.into_iter().map(result).collect();
        let many = results.len();
        if self.say(&Frame::Answer(Answer { turn: Number(turn.0), results }), out).is_ok() {
            return;
        }
        // As lines some texts are longer than their limit foresees.
        let results = (0..many).map(|_| trouble(Code::TooLarge, "", "")).collect();
        drop(self.say(&Frame::Answer(Answer { turn: Number(turn.0), results }), out));
    }

    pub(super) fn leave(&mut self, out: &mut Vec<u8>) {
        drop(self.say(&Frame::Leave(Leave {}), out));
    }

    /// What is answered, and takes its bytes of those that are left for one answer.
    fn result(&mut self, answered: Answered, left: &mut usize) -> Outcome<'static> {
        let slot = self.asked.pop_front().unwrap_or(Slot::Refused);
        match (answered, slot) {
            (Answered::Done(outcome), Slot::Sql(slot)) => {
                let most = usize::try_from(self.limits.rows).unwrap_or(usize::MAX);
                self.rows(outcome.changed, outcome.rows.into(), (slot, most), left)
            }
            (Answered::Own, Slot::More(slot, most)) => {
                let most = most.min(self.limits.rows);
                let rows = self.rest.remove(&slot).unwrap_or_default();
                self.rows(0, rows, (slot, usize::try_from(most).unwrap_or(usize::MAX)), left)
            }
            (Answered::Refused(error), _) => trouble(code(&error), &error.code, &error.text),
            (Answered::Code(number), _) => {
                trouble(Code::of(number).unwrap_or(Code::NotAllowed), "", "")
            }
            (Answered::File(result), Slot::File) => self.file(result),
            (Answered::Reply(Returned { records, return_code }), Slot::Call) => {
                let parameters = records.into_iter().map(Into::into).collect();
                Outcome::Reply(Reply { return_code, parameters })
            }
            (Answered::NotCalled(not), _) => {
                trouble(Code::of(not.code).unwrap_or(Code::CalleeFailed), "", &not.text)
            }
            (Answered::Done(_) | Answered::File(_) | Answered::Reply(_) | Answered::Own, _) => {
                trouble(Code::Store, "", "")
            }
        }
    }

    /// A record that is longer than what is spoken of can be told to no worker.
    fn file(&self, result: tsugi_frames::FileResult<'static>) -> Outcome<'static> {
        let most = usize::try_from(self.limits.record).unwrap_or(usize::MAX);
        match result.records.iter().all(|one| one.record.len() <= most) {
            true => Outcome::File(result),
            false => trouble(Code::TooLarge, "", ""),
        }
    }

    /// Keeps rows for a slot, unless too much is kept.
    fn keep(&mut self, slot: u16, rows: VecDeque<store::Row>) -> bool {
        let kept: usize = self.rest.values().map(held).sum();
        let fits = kept + held(&rows) <= REST_MOST;
        if fits {
            self.rest.insert(slot, rows);
        }
        fits
    }

    /// As many rows as fit; the rest is kept for its slot.
    fn rows(
        &mut self,
        changed: u64,
        mut rows: VecDeque<store::Row>,
        (slot, most): (u16, usize),
        left: &mut usize,
    ) -> Outcome<'static> {
        let columns = rows.front().map_or(0, Vec::len);
        let most = most.min(tsugi_frames::limits::VALUES as usize / columns.max(1));
        let (mut values, mut taken, mut size) = (Vec::new(), 0, 0);
        while let Some(row) = rows.front() {
            let row: Vec<Value<'static>> = row.iter().map(brought).collect();
            let with: usize = size + row.iter().map(Value::size).sum::<usize>();
            if taken >= most || with > *left {
                break;
            }
            size = with;
            values.extend(row);
            taken += 1;
            rows.pop_front();
        }
        let rest = match rows.is_empty() {
            true => Rest::None,
            // What is of no slot cannot be asked for again.
            false if slot == 0 || taken == 0 => return trouble(Code::TooLarge, "", ""),
            false => Rest::More,
        };
        if rest == Rest::More && !self.keep(slot, rows) {
            return trouble(Code::TooLarge, "", "");
        }
        *left -= size;
        let grid = match u16::try_from(columns) {
            Ok(columns) => Grid::new(columns, values),
            Err(_) => Err(Wrong::Shape),
        };
        match grid {
            Ok(rows) => Outcome::Rows(Rows { changed, rest, rows }),
            Err(_) => trouble(Code::TooLarge, "", ""),
        }
    }
}

/// How much memory rows take, in bytes, about.
fn held(rows: &VecDeque<store::Row>) -> usize {
    rows.iter().map(|row| worker::held(row)).sum()
}

fn welcome(package: &Package) -> Welcome<'static> {
    let listed = package.files.all().iter().zip(0..).map(|(file, index)| {
        let Shape { organization, shortest, longest, keys } = shape(&file.definition);
        let name = file.name.to_string().into();
        File { index, name, organization, shortest, longest, keys }
    });
    let own = &package.spawn.environment;
    Welcome {
        versions: Versions::CURRENT,
        limits: package.limits,
        group: own.group.clone().into(),
        node: own.node.clone().into(),
        code_page: own.code_page.clone().into(),
        time_zone: own.time_zone.clone().into(),
        services: package.services.clone(),
        files: listed.collect(),
    }
}

fn failure(failed: &Failed<'_>) -> Heard {
    let class = match failed.class {
        Failing::Abort => Class::Abort,
        Failing::StopRun => Class::StopRun,
        Failing::Overrun => Class::Overrun,
        Failing::Panic | Failing::Signal => Class::Crash,
        Failing::RunTimeError | Failing::Start | Failing::Interposition | Failing::Forbidden => {
            Class::RunTimeError
        }
    };
    Heard::Failed(Turn(failed.turn.0), class, failed.text.to_string())
}

#[cfg(test)]
mod tests {
    use tsugi_frames::{Hello, Runs};
    use tsugi_service_rules::id::{CallId, Client, Incarnation, Life, Serial};

    use super::*;
    use crate::worker::Given;

    /// A talk that has come so far that calls are begun.
    fn talk() -> Talk {
        let package = crate::worker::pipe::tests::package();
        let (mut talk, mut heard, mut out) = (Talk::new(&package), Vec::new(), Vec::new());
        talk.take(&hello(), &mut heard, &mut out);
        talk.take(&Frame::Ready(tsugi_frames::Ready {}), &mut heard, &mut out);
        assert_eq!(heard, [Heard::Hello(None), Heard::Ready]);
        talk
    }

    fn hello() -> Frame<'static> {
        Frame::Hello(Hello {
            versions: Versions::CURRENT,
            pid: 1,
            runs: Runs::Program,
            libcob: "".into(),
            can: 0,
            modules: Vec::new(),
        })
    }

    #[test]
    fn what_is_said_before_its_time_is_wrong_and_nothing_is_answered() {
        let package = crate::worker::pipe::tests::package();
        let ready = Frame::Ready(tsugi_frames::Ready {});
        for frames in [[hello(), hello()], [ready.clone(), hello()]] {
            let (mut talk, mut heard, mut out) = (Talk::new(&package), Vec::new(), Vec::new());
            for frame in &frames {
                talk.take(frame, &mut heard, &mut out);
            }
            let wrong = heard.iter().filter(|heard| matches!(heard, Heard::Wrong(_))).count();
            assert_eq!(wrong, 1, "{heard:?}");
            let lines = String::from_utf8(out).expect("it is text");
            assert_eq!(lines.matches("welcome").count(), 1, "{lines}");
        }
    }

    #[test]
    fn statements_are_kept_up_to_a_limit_and_one_that_is_kept_again_takes_its_place() {
        let mut talk = talk();
        let text = "x".repeat(64 * 1024);
        for slot in 1..=64 {
            assert_eq!(talk.text(slot, &text), Ok(text.clone()));
        }
        assert_eq!(talk.text(65, "select"), Err(Code::TooLarge));
        assert_eq!(talk.text(65, ""), Err(Code::Mistaken), "it was not kept");
        assert_eq!(talk.text(64, "select"), Ok("select".to_owned()));
        assert_eq!(talk.text(64, ""), Ok("select".to_owned()));
        assert_eq!(talk.text(65, "select 1"), Ok("select 1".to_owned()), "there is room again");
    }

    #[test]
    fn the_answers_of_one_question_share_one_limit() {
        let mut talk = talk();
        let rows = |many: usize| {
            Answered::Done(store::Outcome {
                changed: 0,
                rows: vec![vec![store::Value::Text("x".repeat(1 << 20))]; many],
            })
        };
        let mut left = talk.limits.answer as usize;
        for (slot, many, fits) in [(0, 2, true), (0, 3, false), (7, 3, true), (8, 1, false)] {
            talk.asked.push_back(Slot::Sql(slot));
            let result = talk.result(rows(many), &mut left);
            assert_eq!(matches!(result, Outcome::Rows(_)), fits, "{slot}: {many}");
        }
        assert_eq!(talk.rest.get(&7).map(VecDeque::len), Some(2), "asked for again by their slot");
        assert_eq!(talk.rest.len(), 1);
    }

    #[test]
    fn a_call_of_the_largest_id_is_begun() {
        let (mut talk, mut out) = (talk(), Vec::new());
        let life = Life { client: Client([0xff; 16]), incarnation: Incarnation(u64::MAX) };
        let id = CallId::Counted { life, serial: Serial::new(u64::MAX).expect("it is not 0") };
        let begin = Begin {
            turn: Turn(1),
            service: "counter".into(),
            id: id.whole(),
            parent: String::new(),
            client: id.client(),
            epoch: u64::MAX,
            attempt: 1,
            left_ms: 1,
            given: Given::body(b"a".as_slice().into()),
        };
        talk.begin(&begin, &mut out).expect("it fits");
        let line = String::from_utf8(out).expect("it is text");
        assert!(line.contains(&format!(r#""id":"{}""#, id.whole())), "{line}");
        assert!(line.contains(&format!(r#""client":"c{}""#, "f".repeat(32))), "{line}");
    }
}
