//! An agent that answers what it was told to, and keeps what it was asked.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use tsugi_cluster_engine::control::socket;
use tsugi_vocabulary::Wall;
use tsugi_wire::control::{Answer, Ask, Reply, Request, Utc, VERSION, talk};

/// A run directory with an agent in it; gone when dropped.
pub struct Agent {
    folder: tempfile::TempDir,
    asked: Arc<Mutex<Vec<Request>>>,
}

/// When its answers were true.
pub const AT: Wall = Wall(1_795_237_119_123);

/// Its answer.
pub fn answer(reply: Reply) -> Answer {
    Answer { version: VERSION, observed_at: Utc(AT), observed_by: "node1".to_owned(), reply }
}

/// A run directory without an agent.
pub fn nobody() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// An answer as it stands on the socket.
pub fn bytes(answer: &Answer) -> Vec<u8> {
    talk::encode(answer).expect("an answer")
}

impl Agent {
    /// Answers every request with `reply`.
    pub fn that_says(reply: Reply) -> Self {
        Self::that_does(move |_| bytes(&answer(reply.clone())))
    }

    /// Answers a change with `first`, and every question with `then`.
    pub fn that_says_then(first: Reply, then: Reply) -> Self {
        Self::that_does(move |request| {
            let is_change = matches!(request, Request::Change(_));
            bytes(&answer(if is_change { first.clone() } else { then.clone() }))
        })
    }

    /// Sends these bytes, whatever they are, and hangs up.
    pub fn that_does(does: impl Fn(&Request) -> Vec<u8> + Send + 'static) -> Self {
        let folder = nobody();
        let socket = socket(folder.path());
        let parent = socket.parent().expect("the socket is in a folder");
        std::fs::create_dir_all(parent).expect("a folder");
        let listener = UnixListener::bind(&socket).expect("a socket");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut head = [0; 4];
                if stream.read_exact(&mut head).is_err() {
                    continue;
                }
                let mut body = vec![0; talk::length(head).expect("a length")];
                stream.read_exact(&mut body).expect("a whole request");
                let ask: Ask = talk::decode(&body).expect("a request");
                heard.lock().expect("nobody panicked").push(ask.request.clone());
                // A client that has gone meanwhile has its own reasons.
                let _sent = stream.write_all(&does(&ask.request));
            }
        });
        Self { folder, asked }
    }

    pub fn run_dir(&self) -> &Path {
        self.folder.path()
    }

    /// What it was asked last.
    #[track_caller]
    pub fn asked(&self) -> Request {
        self.asked.lock().expect("nobody panicked").last().cloned().expect("it was asked")
    }

    /// What it was asked first.
    #[track_caller]
    pub fn first(&self) -> Request {
        self.asked.lock().expect("nobody panicked").first().cloned().expect("it was asked")
    }

    /// How often it was asked.
    pub fn times(&self) -> usize {
        self.asked.lock().expect("nobody panicked").len()
    }
}

/// Leaves a last record in a run directory without an agent.
pub fn leave_record(run_dir: &Path, answer: &Answer) -> PathBuf {
    let path = socket(run_dir).with_file_name("last-status.json");
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(&path, serde_json::to_vec(answer).expect("JSON")).expect("a file");
    path
}
