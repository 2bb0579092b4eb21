//! The program that stands by, in the hands of its owner.

use super::*;
use std::net::TcpStream;
use std::thread;

struct Around {
    dir: tempfile::TempDir,
    to: SocketAddr,
    /// What the owner speaks to.
    master: UnixStream,
    served: thread::JoinHandle<Result<Ended, CounterError>>,
}

fn begun(epoch: &str) -> Around {
    let dir = tempfile::tempdir().unwrap();
    Journal::create(dir.path()).unwrap();
    let listener = listen_within("127.0.0.1:0".parse().unwrap(), true, PATIENCE).unwrap();
    let to = listener.local_addr().unwrap();
    let (master, other) = UnixStream::pair().unwrap();
    let served = thread::spawn(move || serve(listener, other));
    say(&master, &format!("{OPEN}\t{}\t{epoch}\tn2", dir.path().display())).unwrap();
    Around { dir, to, master, served }
}

fn answers(around: &Around) -> BufReader<UnixStream> {
    BufReader::new(around.master.try_clone().unwrap())
}

fn call(stream: &TcpStream, serial: u64) -> Option<String> {
    let mut stream = stream;
    writeln!(stream, "CALL c {serial}").ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok().filter(|length| *length > 0)?;
    Some(line)
}

#[test]
fn who_called_before_the_volume_came_is_answered_once_it_has() {
    let dir = tempfile::tempdir().unwrap();
    Journal::create(dir.path()).unwrap();
    let listener = listen_within("127.0.0.1:0".parse().unwrap(), true, PATIENCE).unwrap();
    let early = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (master, other) = UnixStream::pair().unwrap();
    thread::spawn(move || serve(listener, other));
    say(&master, &format!("{OPEN}\t{}\t1.4\tn2", dir.path().display())).unwrap();
    assert!(call(&early, 1).unwrap().starts_with("1 n2 "));
}

#[test]
fn a_volume_that_is_taken_back_is_closed_when_it_says_so() {
    let around = begun("1.4");
    let mut answers = answers(&around);
    expect(&mut answers, OPENED).unwrap();
    let caller = TcpStream::connect(around.to).unwrap();
    assert!(call(&caller, 1).unwrap().starts_with("1 n2 "));
    say(&around.master, CLOSE).unwrap();
    expect(&mut answers, CLOSED).unwrap();
    assert_eq!(around.served.join().unwrap().unwrap(), Ended::Closed);
    assert!(TcpStream::connect(around.to).is_err(), "the next owner is tried at once");
    assert_eq!(Journal::open(around.dir.path(), 8, Durability::Synced).unwrap().number(), 1);
}

#[test]
fn an_owner_that_is_killed_takes_every_answer_with_it() {
    let around = begun("1.4");
    expect(&mut answers(&around), OPENED).unwrap();
    let caller = TcpStream::connect(around.to).unwrap();
    assert!(call(&caller, 1).is_some());
    drop(around.master);
    assert_eq!(around.served.join().unwrap().unwrap(), Ended::Cut);
    assert_eq!(call(&caller, 2), None);
}

#[test]
fn an_owner_of_an_older_epoch_is_refused() {
    let around = begun("1.4");
    expect(&mut answers(&around), OPENED).unwrap();
    say(&around.master, CLOSE).unwrap();
    around.served.join().unwrap().unwrap();
    let listener = listen_within("127.0.0.1:0".parse().unwrap(), true, PATIENCE).unwrap();
    let (master, other) = UnixStream::pair().unwrap();
    let served = thread::spawn(move || serve(listener, other));
    say(&master, &format!("{OPEN}\t{}\t1.3\tn1", around.dir.path().display())).unwrap();
    assert!(served.join().unwrap().is_err());
    assert!(expect(&mut BufReader::new(master), OPENED).is_err());
}
