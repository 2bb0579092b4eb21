//! The process in which programs run: this executable again, with a plan of what to do.

use std::fs::{File, read_to_string, write};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;

use tempfile::TempDir;
use tsugi_cobol::{Ending, OPTIONS, Opened, Runtime, Settings, UnitOfWork};
use tsugi_files::definition::Definition;
use tsugi_files::spoken;
use tsugi_frames::Turn;
use tsugi_record::code_page::CodePage;

use crate::desk::Desk;

const PLAN: &str = "TSUGI_COBOL_PLAN";

/// A folder with sources, modules and a plan.
pub struct Bench {
    folder: TempDir,
    plan: String,
    input: String,
}

/// What came of a plan.
#[derive(Debug)]
pub struct Came {
    /// Line by line, what the child says.
    pub said: Vec<String>,
    /// What it wrote to standard output.
    pub shown: String,
    /// What it wrote to standard error.
    pub errors: String,
    /// How it ended: its exit code, or none where a signal has ended it.
    pub code: Option<i32>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    hex.as_bytes().chunks(2).map(pair).collect()
}

impl Bench {
    pub fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), plan: String::new(), input: String::new() }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Compiles a source into a module, as a package's build does.
    pub fn compile(&self, name: &str, source: &str) -> &Self {
        self.compile_with(name, source, &[&OPTIONS[..], &["-free"]].concat())
    }

    pub fn compile_with(&self, name: &str, source: &str, options: &[&str]) -> &Self {
        write(self.folder().join(format!("{name}.cbl")), source).unwrap();
        let copybooks = concat!(env!("CARGO_MANIFEST_DIR"), "/copybooks");
        let said = Command::new("cobc")
            .args(["-w", "-I", copybooks])
            .args(options)
            .arg(format!("{name}.cbl"))
            .current_dir(self.folder())
            .output()
            .expect("cobc is needed: apt-get install gnucobol3");
        assert!(said.status.success(), "{}\n{source}", String::from_utf8_lossy(&said.stderr));
        self
    }

    /// A file of the service.
    pub fn file(&mut self, name: &str, definition: &Definition) -> &mut Self {
        let shape = serde_json::to_string(&spoken::shape(definition)).unwrap();
        self.line(&format!("file {name} {shape}"))
    }

    /// Adds a line to the plan.
    pub fn line(&mut self, line: &str) -> &mut Self {
        self.plan.push_str(line);
        self.plan.push('\n');
        self
    }

    pub fn load(&mut self, name: &str) -> &mut Self {
        self.line(&format!("load {name}.so {name}"))
    }

    pub fn call(&mut self, parameters: &[&[u8]]) -> &mut Self {
        let parameters: Vec<_> = parameters.iter().map(|one| hex(one)).collect();
        self.line(&format!("call {}", parameters.join(" ")))
    }

    /// What the program reads from standard input.
    pub fn input(&mut self, input: &str) -> &mut Self {
        input.clone_into(&mut self.input);
        self
    }

    pub fn run(&self) -> Came {
        let path = |name: &str| self.folder().join(name);
        write(path("plan"), &self.plan).unwrap();
        write(path("input"), &self.input).unwrap();
        write(path("said"), "").unwrap();
        let ended = Command::new(std::env::current_exe().unwrap())
            .args(["--quiet", "--ignored", "--exact", "--nocapture", "--test-threads=1"])
            .arg("child::child")
            .current_dir(self.folder())
            .env_clear()
            .env("COB_FILE_PATH", "/nowhere")
            // Another libcob than the machine's, if the test has put one there.
            .env("LD_LIBRARY_PATH", self.folder())
            .env(PLAN, path("plan"))
            .stdin(Stdio::from(File::open(path("input")).unwrap()))
            .stdout(Stdio::from(File::create(path("shown")).unwrap()))
            .stderr(Stdio::from(File::create(path("errors")).unwrap()))
            .status()
            .unwrap();
        let text =
            |name: &str| String::from_utf8_lossy(&std::fs::read(path(name)).unwrap()).into_owned();
        let shown = text("shown");
        let shown = shown.split_once("running 1 test\n").map_or("", |(_, shown)| shown);
        Came {
            said: text("said").lines().map(str::to_owned).collect(),
            shown: shown.to_owned(),
            errors: text("errors"),
            code: ended.code(),
        }
    }
}

impl Came {
    /// What was said, which is one line.
    pub fn only(&self) -> &str {
        assert_eq!(self.said.len(), 1, "{self:#?}");
        &self.said[0]
    }

    /// Code and parameters of each call that has returned.
    pub fn returned(&self) -> Vec<(i32, Vec<Vec<u8>>)> {
        let lines = self.said.iter().filter_map(|line| line.strip_prefix("returned "));
        let one = |line: &str| {
            let mut words = line.split(' ');
            let code = words.next().unwrap().parse().unwrap();
            (code, words.take_while(|word| *word != "open").map(bytes).collect())
        };
        lines.map(one).collect()
    }
}

fn settings(plan: &str) -> Settings {
    let unit_of_work = match plan.contains("ignore\n") {
        true => UnitOfWork::Ignore,
        false => UnitOfWork::Refuse,
    };
    let code_page = match plan.contains("shift_jis\n") {
        true => CodePage::ShiftJis,
        false => CodePage::Utf8,
    };
    Settings {
        modules: std::env::current_dir().unwrap(),
        code_page,
        node: "node-1".to_owned(),
        time_zone: "Asia/Tokyo".to_owned(),
        locale: "C.UTF-8".to_owned(),
        unit_of_work,
    }
}

/// Not a test: what [`Bench::run`] starts.
#[test]
#[ignore = "a part of other tests"]
fn child() {
    let Ok(path) = std::env::var(PLAN) else { return };
    let plan = read_to_string(path).unwrap();
    let said = File::options().append(true).open("said").unwrap();
    let mut last = said.try_clone().unwrap();
    let mut desk = Desk::new(said);
    let settings = settings(&plan);
    let at_once = plan.contains("at once\n");
    let ends = move |ending: &Ending| {
        let failed = ending.failed(Turn(1));
        writeln!(last, "ended {:?} {} {}", failed.class, failed.code, failed.text).unwrap();
        if at_once {
            std::process::abort();
        }
        tsugi_cobol::leave(0)
    };
    let ends = std::cell::RefCell::new(ends);
    let runtime = Runtime::open(&settings, Rc::new(move |ending| (ends.borrow_mut())(ending)));
    let mut runtime = match runtime {
        Ok(runtime) => runtime,
        Err(refused) => {
            desk.say(&format!("refused {refused}"));
            tsugi_cobol::leave(0)
        }
    };
    let mut program = None;
    for line in plan.lines() {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "file" | "others" => {
                let (name, shape) = rest.split_once(' ').unwrap();
                let shape = serde_json::from_str(shape).unwrap();
                let definition = spoken::definition(&shape).unwrap();
                match verb {
                    "file" => desk.add(name, definition),
                    _ => desk.others = Some(definition),
                }
            }
            "load" => {
                let (module, entry) = rest.split_once(' ').unwrap();
                let module = settings.modules.join(module);
                match Opened::open(&module).and_then(|opened| runtime.load(opened, entry)) {
                    Ok(loaded) => program = Some(loaded),
                    Err(refused) => desk.say(&format!("refused {refused}")),
                }
            }
            "call" => {
                let parameters = rest.split(' ').filter(|hex| !hex.is_empty()).map(bytes).collect();
                let program = program.as_ref().expect("a program");
                let returned = runtime.call(&mut desk, program, parameters);
                desk.call_ended();
                let parameters: Vec<_> = returned.parameters.iter().map(|one| hex(one)).collect();
                let mut line = format!("returned {}", returned.return_code);
                for parameter in parameters {
                    line.push_str(&format!(" {parameter}"));
                }
                if !returned.open.is_empty() {
                    line.push_str(&format!(" open {:?}", returned.open));
                }
                desk.say(&line);
            }
            _ => {}
        }
    }
    tsugi_cobol::leave(0)
}
