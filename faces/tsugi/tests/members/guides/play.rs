//! Plays a page: sets its scene, lets happen what happens, types what is typed.

use std::io::Write as _;
use std::process::{Command as Process, Stdio};
use std::time::{Duration, Instant};

use super::book::Book;
use super::page::{Block, Command, NODES, Step};
use super::place::Place;
use super::scene::{Scene, Then};
use crate::site::Site;

/// For how long a question is asked again until its answer is the one that is shown.
const PATIENCE: Duration = Duration::from_secs(30);
const AGAIN: Duration = Duration::from_millis(100);
/// What ends a command that does not end, in seconds.
const LIMIT: &str = "60";
/// Nobody answers, or there is no majority yet.
const NOBODY: i32 = 7;
/// The door of a cluster that was just founded is not open yet.
const NOT_YET: &str = "TSUG70107-E";
/// Commands that change nothing: their answer may come to be what it should.
const QUESTIONS: [&str; 16] = [
    "tsugi status",
    "tsugi why",
    "tsugi doctor",
    "tsugi parity",
    "tsugi explain",
    "tsugi history",
    "tsugi whatif",
    "tsugi group list",
    "tsugi node list",
    "tsugi proc list",
    "tsugi plan",
    "tsugi config",
    "tsugi audit",
    "tsugi monitor tcp",
    "tsugi monitor disk",
    "tail ",
];

/// Plays a page of both books, each on a site of its own: they mostly wait.
pub fn in_both_languages(file: &str) {
    std::thread::scope(|scope| {
        for book in Book::ALL {
            scope.spawn(move || page(book, file));
        }
    });
}

/// Plays a page of a book.
fn page(book: Book, file: &str) {
    let page = book.page(file);
    let scene = Scene::of(&page.scene);
    let scene = scene.unwrap_or_else(|| panic!("{file}: there is no scene {:?}", page.scene));
    let mut site = Site::new();
    let place = Place::of(&site);
    scene.set(&mut site, &place);
    let mut stage = Stage { site, place, book, file };
    for step in page.steps {
        match step {
            Step::Then(what) => {
                let then = Then::of(&what);
                let then = then.unwrap_or_else(|| panic!("{file}: nothing such happens: {what}"));
                then.happen(&mut stage.site, &stage.place);
            }
            Step::Block(block) => stage.write(&block),
            Step::Command(command) => stage.carry_out(&command),
        }
    }
}

struct Stage<'a> {
    site: Site,
    place: Place,
    book: Book,
    file: &'a str,
}

impl Stage<'_> {
    fn write(&self, block: &Block) {
        let configuration = block.kind != "toml" || block.text.contains("[cluster]");
        if let Some(path) = block.path.as_ref().filter(|_| configuration) {
            self.place.write(path, &block.text);
        }
    }

    fn carry_out(&mut self, command: &Command) {
        for node in &command.nodes {
            match command.words.as_str() {
                // What the machine's own service manager does is done here in its place.
                "systemctl start tsugi" | "systemctl enable --now tsugi" => self.site.start(node),
                "systemctl stop tsugi" | "systemctl disable --now tsugi" => self.site.stop(node),
                "systemctl reload tsugi" => self.site.kill_agent(node),
                // `packaging/try` does both, and all that systemctl is asked for, for real.
                "apt install ./tsugi_0.1.0-1_amd64.deb" | "apt remove tsugi" => {}
                _ => self.type_at(node, command),
            }
        }
    }

    fn type_at(&self, node: &str, command: &Command) {
        let question = QUESTIONS.iter().any(|first| command.words.starts_with(first))
            || command.words.contains(" --dry-run");
        let until = Instant::now() + PATIENCE;
        loop {
            let (code, answer) = self.ask(node, command);
            let wrong = wrong(command, (code, &answer));
            let Some(wrong) = wrong else { return };
            let early = code == NOBODY && command.code != NOBODY || answer.contains(NOT_YET);
            let again = question || early;
            if !again || Instant::now() >= until {
                let at = format!("{:?} {}:{}", self.book, self.file, command.at);
                let asked = format!("{node}$ {}", command.words);
                panic!("{at}: {wrong}\n{asked}\n{answer}(ended with {code})\n{}", self.logs());
            }
            std::thread::sleep(AGAIN);
        }
    }

    fn ask(&self, node: &str, command: &Command) -> (i32, String) {
        let place = |dir: &str| {
            let path = self.site.path(node).join(dir);
            path.to_str().expect("plain").to_owned()
        };
        let words = self.place.there(&command.words).replace("/var/lib/tsugi", &place("data"));
        self.stays_here(&words);
        let mut process = Process::new("timeout")
            .args([LIMIT, "sh", "-c", &format!("{{ {words}\n}} 2>&1")])
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", self.place.there("/usr/local/bin")))
            .env("TSUGI_RUN_DIR", place("run"))
            .env("LANG", self.book.locale())
            .env("TZ", "UTC")
            .current_dir(self.site.path(""))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("a shell");
        let mut stdin = process.stdin.take().expect("a pipe");
        // Who asks for nothing reads nothing.
        let _typed = stdin.write_all(command.typed.as_bytes());
        drop(stdin);
        let output = process.wait_with_output().expect("it ends");
        let said = String::from_utf8(output.stdout).expect("it prints UTF-8");
        let said = NODES.iter().fold(said, |said, node| {
            let data = self.site.path(node).join("data");
            said.replace(data.to_str().expect("plain"), "/var/lib/tsugi")
        });
        (output.status.code().unwrap_or(-1), self.place.back(&said))
    }

    /// No command reaches a file of the machine that the test runs on. Old options begin with a
    /// stroke as well, in capitals.
    fn stays_here(&self, words: &str) {
        let here = self.site.path("");
        let here = here.to_str().expect("plain");
        let paths = words.split_whitespace().filter(|word| word.starts_with('/'));
        for path in paths.filter(|path| path.contains(|c: char| c.is_ascii_lowercase())) {
            assert!(path.starts_with(here), "{}: {path} is not of the site", self.file);
        }
    }

    fn logs(&self) -> String {
        let of = |node: &&&str| self.site.has(node);
        let log = |node: &&str| format!("--- {node}\n{}", self.site.log(node));
        NODES.iter().filter(of).map(log).collect::<Vec<_>>().join("\n")
    }
}

/// What of an answer is not as the page says.
pub fn wrong(command: &Command, (code, answer): (i32, &str)) -> Option<String> {
    if code != command.code {
        return Some(format!("it should end with {}", command.code));
    }
    let bare = |text: &str| text.split_whitespace().collect::<String>();
    let (shown, answer) = (bare(&command.shown), bare(answer));
    let mut rest = answer.as_str();
    for piece in shown.split("...").filter(|piece| !piece.is_empty()) {
        match rest.split_once(piece) {
            Some((_, behind)) => rest = behind,
            None => return Some(format!("the answer does not say, or not there: {piece}")),
        }
    }
    None
}
