//! Modules of GnuCOBOL in a worker, over frames: parameters, files, ends.
#![expect(clippy::unwrap_used, reason = "a test says by a panic that something is not there")]

use std::fs;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tempfile::TempDir;
use tsugi_cobol::OPTIONS;
use tsugi_files::answers::{Cursor, ReadDuplicates, Terms};
use tsugi_files::definition::{Definition, Duplicates, Key, Lengths, Organization, Part};
use tsugi_files::open::{Known, Named, Opened, Opening, Others, Presence, Recreate, Rights, open};
use tsugi_files::spoken::{self, Request};
use tsugi_frames::{
    Answer, Begin, Call, Class, Decoder, Encoding, File, FileOperation, FileResult, Frame, Hash,
    Limits, Operation, Outcome, Service, Side, Turn, Versions, Welcome,
};

use crate::memory::Memory;

/// An engine with one worker and one file.
struct Talk {
    worker: Child,
    to: ChildStdin,
    from: ChildStdout,
    decoder: Decoder,
    definition: Definition,
    presence: Presence,
    records: Memory,
    cursor: Option<Cursor>,
    log: Vec<String>,
    asked: usize,
    turn: u64,
}

/// What a call came to.
#[derive(Debug, PartialEq)]
enum Came {
    Done(i32, Vec<Vec<u8>>),
    Failed(Class, i32, String),
}

fn appfile() -> Definition {
    let parts = vec![Part { offset: 0, length: 6 }];
    let key = Key { parts, duplicates: Duplicates::Refused, suppressed: None };
    Definition::new(Organization::Indexed, Lengths { min: 16, max: 16 }, vec![key]).unwrap()
}

fn compile(folder: &TempDir, name: &str, source: &str) {
    fs::write(folder.path().join(format!("{name}.cbl")), source).unwrap();
    let said = Command::new("cobc")
        .args(["-w", "-free", "-std=mf"])
        .args(OPTIONS)
        .arg(format!("{name}.cbl"))
        .current_dir(folder.path())
        .output()
        .expect("cobc is needed: apt-get install gnucobol3");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}

impl Talk {
    /// With these services of the folder's modules, and their parameters.
    fn with(folder: &TempDir, services: &[(&str, &[u32])]) -> Self {
        let mut worker = Command::new(env!("CARGO_BIN_EXE_tsugi-worker"))
            .arg("cobol")
            .arg(folder.path())
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, from) = (worker.stdin.take().unwrap(), worker.stdout.take().unwrap());
        let decoder = Decoder::new(Encoding::Binary, Side::Worker, Limits::DEFAULT);
        let definition = appfile();
        let shape = spoken::shape(&definition);
        let mut talk = Self {
            worker,
            to,
            from,
            decoder,
            definition,
            presence: Presence::Missing,
            records: Memory::default(),
            cursor: None,
            log: Vec::new(),
            asked: 0,
            turn: 0,
        };
        let service = |(index, (name, lengths)): (usize, &(&str, &[u32]))| Service {
            index: u16::try_from(index).unwrap(),
            name: (*name).to_owned().into(),
            module: format!("modules/{name}.so").into(),
            entry: (*name).to_owned().into(),
            parameters: lengths.to_vec(),
            layout: Hash([0; 32]),
        };
        let welcome = Frame::Welcome(Welcome {
            versions: Versions::CURRENT,
            limits: Limits::DEFAULT,
            group: "ESSRV01".into(),
            node: "node1".into(),
            code_page: "shift_jis".into(),
            time_zone: "Asia/Tokyo".into(),
            services: services.iter().enumerate().map(service).collect(),
            files: vec![File {
                index: 0,
                name: "APPFILE01".into(),
                organization: shape.organization,
                shortest: shape.shortest,
                longest: shape.longest,
                keys: shape.keys,
            }],
        });
        talk.say(&welcome);
        talk
    }

    fn say(&mut self, frame: &Frame<'_>) {
        let mut bytes = Vec::new();
        Encoding::Binary.write(frame, &Limits::DEFAULT, &mut bytes).unwrap();
        self.to.write_all(&bytes).unwrap();
    }

    fn call(&mut self, service: u16, parameters: &[&[u8]]) -> Came {
        self.turn += 1;
        self.cursor = None;
        let call = Call {
            service,
            id: "shop-1/1/1".into(),
            parent: "".into(),
            client: "shop-1".into(),
            epoch: 41,
            attempt: 1,
            left_ms: 5000,
            catalogue: 0,
            parameters: parameters.iter().map(|one| one.to_vec().into()).collect(),
        };
        self.say(&Frame::Begin(Begin { turn: Turn(self.turn), calls: vec![call] }));
        self.end()
    }

    /// Answers until the call, or the start, has ended.
    fn end(&mut self) -> Came {
        loop {
            let frame = self.decoder.frame().unwrap();
            let (turn, operations) = match frame {
                None => {
                    let length = self.from.read(self.decoder.room()).unwrap();
                    assert_ne!(length, 0, "the worker has closed its end");
                    self.decoder.filled(length);
                    continue;
                }
                Some(Frame::Hello(_) | Frame::Ready(_)) => continue,
                Some(Frame::Done(done)) => {
                    let reply = &done.replies[0];
                    let parameters = reply.parameters.iter().map(|one| one.to_vec()).collect();
                    return Came::Done(reply.return_code, parameters);
                }
                Some(Frame::Failed(failed)) => {
                    return Came::Failed(failed.class, failed.code, failed.text.into_owned());
                }
                Some(Frame::Ask(ask)) => {
                    let bytes = |operation: &Operation<'_>| match operation {
                        Operation::Log { text, .. } => Heard::Log(text.to_string()),
                        Operation::File(file) => Heard::File(said_again(file)),
                        other => panic!("{other:?}"),
                    };
                    let all: Vec<_> = ask.operations.iter().map(|a| bytes(&a.operation)).collect();
                    (ask.turn, all)
                }
                Some(other) => panic!("{other:?}"),
            };
            let mut results = Vec::new();
            for operation in operations {
                match operation {
                    Heard::Log(text) => self.log.push(text),
                    Heard::File(file) => results.push(Outcome::File(self.file(&file))),
                }
            }
            if !results.is_empty() {
                self.say(&Frame::Answer(Answer { turn, results }));
            }
        }
    }

    fn file(&mut self, said: &FileOperation<'_>) -> FileResult<'static> {
        self.asked += 1;
        if let Some(request) = Request::heard(said) {
            let request = request.unwrap();
            assert_eq!(request.differs, None);
            let known = Known {
                presence: self.presence,
                rights: Rights::Change,
                recreate: Recreate::Refused,
                others: Others::Share,
            };
            let opening =
                open(Organization::Indexed, request.mode, request.optional, Named::In(known));
            if matches!(opening, Opening::Done(_, Opened::Made)) {
                self.presence = Presence::Fits;
                self.records = Memory::default();
            }
            self.cursor = None;
            return spoken::opening_said(opening);
        }
        let operation = spoken::operation_heard(said, Organization::Indexed).unwrap();
        let definition = &self.definition;
        let cursor = self.cursor.get_or_insert_with(|| Cursor::new(definition));
        let terms = Terms { definition, read_duplicates: ReadDuplicates::Untold };
        let answer = cursor.answer(terms, &mut self.records, &operation).unwrap();
        let FileResult { status, number, records } = spoken::answer_said(&answer);
        let records = records.into_iter().map(|one| tsugi_frames::Record {
            number: one.number,
            record: one.record.to_vec().into(),
        });
        FileResult { status, number, records: records.collect() }
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.worker.kill().ok();
        self.worker.wait().ok();
    }
}

enum Heard {
    Log(String),
    File(FileOperation<'static>),
}

/// The same, for longer than the buffer stands.
fn said_again(said: &FileOperation<'_>) -> FileOperation<'static> {
    let json = serde_json::to_string(said).unwrap();
    let json: &'static str = json.leak();
    serde_json::from_str(json).unwrap()
}

const REPORT: &str = include_str!("../../../../samples/report/CBLAPP01.cbl");
const INIT: &str = include_str!("../../../../samples/report/INITFILE1.cbl");

#[test]
fn the_reports_program_counts_in_a_worker() {
    let folder = TempDir::new().unwrap();
    compile(&folder, "CBLAPP01", REPORT);
    compile(&folder, "INITFILE1", &INIT.replace("STOP RUN", "GOBACK"));
    let mut talk = Talk::with(&folder, &[("INITFILE1", &[]), ("CBLAPP01", &[20, 10, 20, 10])]);
    assert_eq!(talk.call(0, &[]), Came::Done(0, vec![]));
    let before = talk.asked;
    for expected in 0..3 {
        let given: [&[u8]; 4] = [&[b' '; 20], &[b' '; 10], &[b' '; 20], b"0000000000"];
        let Came::Done(0, parameters) = talk.call(1, &given) else { panic!("it has failed") };
        assert_eq!(parameters[1], b"CBLAPP01  ");
        assert!(parameters[2].starts_with(b"node1\0"), "{parameters:?}");
        assert_eq!(parameters[3], format!("{expected:010}").as_bytes());
    }
    // OPEN, READ and REWRITE; CLOSE is nothing to an engine.
    assert_eq!(talk.asked - before, 9);
}

#[test]
fn a_program_that_stops_the_run_or_asks_too_much_is_told_as_what_it_is() {
    let source = "identification division.\nprogram-id. ENDS.\ndata division.\n\
                  linkage section.\n01 A pic x.\nprocedure division using A.\n    \
                  call \"TSUGILOG\" using 1 \"begun\".\n    \
                  if A = \"s\" move 3 to return-code stop run end-if.\n    \
                  if A = \"c\" commit end-if.\n    \
                  if A = \"a\" call \"TSUGIABORT\" using \"no money\" end-if.\n    goback.\n";
    let folder = TempDir::new().unwrap();
    compile(&folder, "ENDS", source);
    for (given, expected) in [
        (&b"s"[..], Came::Failed(Class::StopRun, 3, "STOP RUN 3".to_owned())),
        (b"c", Came::Failed(Class::Forbidden, 0, "COMMIT".to_owned())),
        (b"a", Came::Failed(Class::Abort, 0, "no money".to_owned())),
        (b"g", Came::Done(0, vec![b"g".to_vec()])),
    ] {
        let mut talk = Talk::with(&folder, &[("ENDS", &[1])]);
        assert_eq!(talk.call(0, &[given]), expected);
        assert_eq!(talk.log, ["begun"]);
    }
    // One that is longer than the program's would be written beside.
    let mut talk = Talk::with(&folder, &[("ENDS", &[1])]);
    let Came::Failed(Class::Start, ..) = talk.call(0, &[b"gg"]) else { panic!("it has run") };
}

#[test]
fn a_module_that_was_compiled_elsewhere_is_refused_at_the_start() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("CBLAPP01.cbl"), REPORT).unwrap();
    let made = Command::new("cobc")
        .args(["-m", "-w", "-free", "-std=mf", "CBLAPP01.cbl"])
        .current_dir(folder.path())
        .status();
    assert!(made.unwrap().success());
    let mut talk = Talk::with(&folder, &[("CBLAPP01", &[20, 10, 20, 10])]);
    let Came::Failed(Class::Start, 0, text) = talk.end() else { panic!("it has started") };
    assert!(text.contains("it imports cob_open"), "{text}");
}

#[test]
fn accept_meets_the_end_of_a_file_and_display_is_not_among_the_frames() {
    let source = "identification division.\nprogram-id. SHOWS.\ndata division.\n\
                  linkage section.\n01 A pic x(4).\nprocedure division using A.\n    \
                  move \"old\" to A.\n    accept A.\n    display \"not a frame\".\n    goback.\n";
    let folder = TempDir::new().unwrap();
    compile(&folder, "SHOWS", source);
    let mut talk = Talk::with(&folder, &[("SHOWS", &[4])]);
    assert_eq!(talk.call(0, &[b"1234"]), Came::Done(0, vec![b"    ".to_vec()]));
    // A frame that was read whole: nothing else was written between.
    assert_eq!(talk.call(0, &[b"1234"]), Came::Done(0, vec![b"    ".to_vec()]));
}

/// What the engine is told of its modules is all of them or nothing, and then nothing runs.
#[test]
fn a_folder_with_a_module_that_cannot_be_read_is_refused_at_the_start() {
    let folder = TempDir::new().unwrap();
    let source = "identification division.\nprogram-id. FINE.\nprocedure division.\n    goback.\n";
    compile(&folder, "FINE", source);
    std::os::unix::fs::symlink("FINE.so", folder.path().join("LINK.so")).unwrap();
    let mut talk = Talk::with(&folder, &[("FINE", &[])]);
    let Came::Failed(Class::Start, 0, text) = talk.end() else { panic!("it has started") };
    assert!(text.contains("LINK.so: "), "{text}");
}
