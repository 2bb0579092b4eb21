//! The pages that Prometheus and load balancers ask, by a real connection.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use crate::agent::{Agent, nobody};
use crate::ending::stands;
use crate::tsugi;

/// `tsugi metrics --listen` beside an agent; ended when dropped.
struct Pages {
    process: Child,
    at: String,
}

impl Pages {
    fn beside(run_dir: &std::path::Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_tsugi"))
            .args(["metrics", "--listen", "127.0.0.1:0"])
            .env("TSUGI_RUN_DIR", run_dir)
            .env("LANG", "C")
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary was built");
        let mut said = String::new();
        // Nobody listens to the rest of what it says: that must not end it.
        let stderr = process.stderr.take().expect("it is piped");
        BufReader::new(stderr).read_line(&mut said).expect("it says where it answers");
        let at = said.split_whitespace().last().expect("the address").to_owned();
        assert!(said.contains("TSUG10560-I"), "{said}");
        Self { process, at }
    }

    /// The status and the body of one request.
    fn get(&self, request: &str) -> (u16, String) {
        let mut talk = TcpStream::connect(&self.at).expect("somebody listens");
        let request = format!("{request} HTTP/1.1\r\nHost: x\r\n\r\n");
        talk.write_all(request.as_bytes()).expect("it is taken");
        let mut answer = String::new();
        talk.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status");
        (status, body.to_owned())
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.process.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("it runs");
        let ended = self.process.wait().expect("it is ours");
        assert!(std::thread::panicking() || ended.success(), "it ends in order: {ended}");
    }
}

#[test]
fn the_state_is_a_page_and_only_the_owner_of_a_group_is_healthy_for_it() {
    let agent = Agent::that_says(stands(&[
        ("PAY", "running", "node1"),
        ("LOG", "running", "node2"),
        ("WEB", "starting", "node1"),
    ]));
    let pages = Pages::beside(agent.run_dir());
    let (status, body) = pages.get("GET /metrics");
    assert_eq!(status, 200);
    for line in ["tsugi_up 1", "tsugi_group_state{group=\"PAY\",state=\"running\"} 1"] {
        assert!(body.lines().any(|l| l == line), "{line} is not in\n{body}");
    }
    assert_eq!(pages.get("GET /health/PAY"), (200, "running\n".to_owned()));
    assert_eq!(pages.get("GET /health/LOG").0, 503, "another node owns it");
    assert_eq!(pages.get("GET /health/WEB"), (503, "starting\n".to_owned()));
    assert_eq!(pages.get("GET /health/PYA").0, 404);
    assert_eq!(pages.get("GET /health").0, 200);
    assert_eq!(pages.get("GET /etc/passwd").0, 404);
    assert_eq!(pages.get("POST /metrics").0, 405);
}

#[test]
fn without_an_agent_nothing_is_healthy_and_the_metrics_say_so() {
    let here = nobody();
    let pages = Pages::beside(here.path());
    assert_eq!(pages.get("GET /health").0, 503);
    assert_eq!(pages.get("GET /health/PAY").0, 503);
    assert!(pages.get("GET /metrics").1.lines().any(|l| l == "tsugi_up 0"));
    tsugi(here.path(), &["metrics"]).ended(7, "TSUG");
}

#[test]
fn a_port_that_is_taken_is_said_and_ends_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = taken.local_addr().expect("its address").to_string();
    tsugi(nobody().path(), &["metrics", "--listen", &at]).ended(1, "TSUG10561-E");
}
