//! The device: it holds the plugs of all hosts and notes who asked for what.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::word::{Action, Answer, Ask};
use super::{PASSWORD, socket};
use crate::Trouble;
use crate::host::Plug;
use crate::kernel::{now, set_real_time};

/// Above every process of the hosts: a real device has its own processor.
const PRIORITY: i32 = 20;

/// What the device does that is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// What it is asked, at once.
    AtOnce,
    /// The same, after so long.
    Slow(Duration),
    /// It answers nothing.
    Nothing,
    /// It says that it has taken the power and has not; asked for the state it tells the truth.
    LiesOfTheDeed,
    /// And says off as well when it is asked for the state.
    LiesThroughout,
    /// It takes the power of whoever asks for somebody's.
    ShootsTheAsker,
}

/// What it was asked once, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// When.
    pub at: Duration,
    /// On which host the agent ran.
    pub by: String,
    /// What it was to do.
    pub action: Action,
    /// Whom to.
    pub plug: String,
    /// The host that lost its power by it.
    pub shot: Option<String>,
}

/// The running device.
#[derive(Debug)]
pub struct Device(Arc<Panel>);

#[derive(Debug)]
struct Panel {
    plugs: Vec<Plug>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    does: Does,
    noted: Vec<Noted>,
    /// Of whom it has said that they are off, and they are not.
    lied_of: BTreeSet<String>,
    /// How many are being answered.
    busy: usize,
    serves: Serves,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Serves {
    Yes,
    /// The rehearsal is over.
    NoMore,
}

impl Device {
    /// Listens for whoever asks.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn start(plugs: Vec<Plug>) -> Result<Self, Trouble> {
        // What a killed lab left.
        let _none = fs::remove_file(socket());
        let listener = UnixListener::bind(socket())?;
        // A fence agent has no rights of root.
        fs::set_permissions(socket(), Permissions::from_mode(0o666))?;
        let (does, serves) = (Does::AtOnce, Serves::Yes);
        let state = State { does, noted: Vec::new(), lied_of: BTreeSet::new(), busy: 0, serves };
        let panel = Arc::new(Panel { plugs, state: Mutex::new(state) });
        let serving = Arc::clone(&panel);
        thread::Builder::new()
            .name("tsl-fence".into())
            .spawn(move || serve(&serving, &listener))?;
        Ok(Self(panel))
    }

    /// From now on it does this. What it has lied about is forgotten.
    pub fn set(&self, does: Does) {
        let mut state = self.0.state();
        state.does = does;
        state.lied_of.clear();
    }

    /// From now on it says off of `plug`, although nobody took its power.
    pub fn lie_of(&self, plug: &str) {
        let mut state = self.0.state();
        state.does = Does::LiesThroughout;
        state.lied_of = BTreeSet::from([plug.to_owned()]);
    }

    /// What it was asked since `since`, and has answered if it does.
    #[must_use]
    pub fn noted_since(&self, since: Duration) -> Vec<Noted> {
        self.0.state().noted.iter().filter(|noted| noted.at >= since).cloned().collect()
    }

    /// Whether it is done with everything that it was asked.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.0.state().busy == 0
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.0.state().serves = Serves::NoMore;
        // It looks whether it goes on once somebody comes.
        let _gone = UnixStream::connect(socket());
        let _none = fs::remove_file(socket());
    }
}

/// Answers whoever comes, each in a thread of its own.
fn serve(panel: &Arc<Panel>, listener: &UnixListener) {
    // Without it the device is only slower.
    let _ordinary = set_real_time(PRIORITY);
    loop {
        let come = listener.accept();
        if panel.state().serves == Serves::NoMore {
            return;
        }
        let Ok((stream, _)) = come else { continue };
        let panel = Arc::clone(panel);
        thread::spawn(move || {
            let _ordinary = set_real_time(PRIORITY);
            // Who goes away in the middle was killed at its limit.
            let _gone = panel.talk(&stream);
        });
    }
}

impl Panel {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn talk(&self, mut stream: &UnixStream) -> io::Result<()> {
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        let Ok(ask) = serde_json::from_str::<Ask>(&line) else { return Ok(()) };
        let Some(answer) = self.take(&ask) else { return Ok(()) };
        let answer = serde_json::to_string(&answer).expect("plain data is always JSON");
        writeln!(stream, "{answer}")
    }

    /// What it says to `ask`, if it says anything.
    fn take(&self, ask: &Ask) -> Option<Answer> {
        let (number, does) = {
            let mut state = self.state();
            let (by, plug) = (ask.from.clone(), ask.plug.clone());
            state.noted.push(Noted { at: now(), by, action: ask.action, plug, shot: None });
            state.busy += 1;
            (state.noted.len(), state.does)
        };
        let (answer, shot) = self.do_it(ask, does);
        let mut state = self.state();
        state.busy -= 1;
        if let Some(noted) = state.noted.get_mut(number - 1) {
            noted.shot = shot;
        }
        answer
    }

    /// The answer, and who has lost the power.
    fn do_it(&self, ask: &Ask, does: Does) -> (Option<Answer>, Option<String>) {
        let said = |answer| (Some(answer), None);
        let refused = |why: &str| said(Answer::Refused(why.to_owned()));
        if ask.password != PASSWORD {
            return refused("wrong password");
        }
        let Some(plug) = self.plug(&ask.plug) else { return refused("no such plug") };
        match does {
            Does::Slow(pause) => thread::sleep(pause),
            Does::Nothing => return (None, None),
            Does::AtOnce | Does::LiesOfTheDeed | Does::LiesThroughout | Does::ShootsTheAsker => {}
        }
        match (ask.action, does) {
            (Action::Status, _) if self.state().lied_of.contains(&ask.plug) => said(Answer::Off),
            (Action::Status, _) if plug.has_power() => said(Answer::On),
            (Action::Status, _) => said(Answer::Off),
            (Action::Off, Does::LiesOfTheDeed | Does::Nothing) => said(Answer::Done),
            (Action::Off, Does::LiesThroughout) => {
                self.state().lied_of.insert(ask.plug.clone());
                said(Answer::Done)
            }
            (Action::Off, Does::ShootsTheAsker) => {
                (None, self.plug(&ask.from).and_then(|asker| pull(asker).ok().flatten()))
            }
            (Action::Off, Does::AtOnce | Does::Slow(_)) => match pull(plug) {
                Ok(shot) => (Some(Answer::Done), shot),
                Err(trouble) => refused(&trouble.to_string()),
            },
        }
    }

    fn plug(&self, name: &str) -> Option<&Plug> {
        self.plugs.iter().find(|plug| plug.name == name)
    }
}

/// Takes the power of a host; its name, if it had any.
fn pull(plug: &Plug) -> Result<Option<String>, Trouble> {
    Ok(plug.pull()?.map(|_| plug.name.clone()))
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;
    use crate::badlink::Wire;

    /// Three hosts, each of one process.
    struct Room {
        panel: Panel,
        children: Vec<Child>,
    }

    impl Room {
        fn new(does: Does) -> Self {
            let wire = Wire::start().unwrap();
            let mut room =
                Self { panel: Panel { plugs: Vec::new(), state: state(does) }, children: vec![] };
            for index in 1..=3 {
                let child = Command::new("sleep").arg("100").spawn().unwrap();
                let plug = Plug::new((index, &format!("n{index}")), Vec::new(), wire.clone());
                plug.put_in(i32::try_from(child.id()).unwrap()).unwrap();
                room.children.push(child);
                room.panel.plugs.push(plug);
            }
            room
        }

        fn ask(&self, action: Action, plug: &str) -> Option<Answer> {
            let (password, from) = (PASSWORD.to_owned(), "n2".to_owned());
            self.panel.take(&Ask { action, plug: plug.to_owned(), password, from })
        }

        fn with_power(&self) -> Vec<&str> {
            let all = self.panel.plugs.iter().filter(|plug| plug.has_power());
            all.map(|plug| plug.name.as_str()).collect()
        }

        fn shot(&self) -> Vec<String> {
            self.panel.state().noted.iter().filter_map(|noted| noted.shot.clone()).collect()
        }
    }

    impl Drop for Room {
        fn drop(&mut self) {
            for child in &mut self.children {
                let _ended = child.kill();
                let _reaped = child.wait();
            }
        }
    }

    fn state(does: Does) -> Mutex<State> {
        let (noted, lied_of, serves) = (Vec::new(), BTreeSet::new(), Serves::Yes);
        Mutex::new(State { does, noted, lied_of, busy: 0, serves })
    }

    #[test]
    fn what_is_switched_off_has_no_power_and_is_noted_once() {
        for does in [Does::AtOnce, Does::Slow(Duration::from_millis(1))] {
            let room = Room::new(does);
            assert_eq!(room.ask(Action::Status, "n1"), Some(Answer::On));
            assert_eq!(room.ask(Action::Off, "n1"), Some(Answer::Done));
            assert_eq!(room.ask(Action::Status, "n1"), Some(Answer::Off));
            assert_eq!(room.ask(Action::Off, "n1"), Some(Answer::Done), "it is off");
            assert_eq!((room.with_power(), room.shot()), (vec!["n2", "n3"], vec!["n1".to_owned()]));
        }
    }

    #[test]
    fn a_device_that_lies_takes_nobodys_power() {
        for (does, state) in
            [(Does::LiesOfTheDeed, Answer::On), (Does::LiesThroughout, Answer::Off)]
        {
            let room = Room::new(does);
            assert_eq!(room.ask(Action::Status, "n1"), Some(Answer::On), "before it has lied");
            assert_eq!(room.ask(Action::Off, "n1"), Some(Answer::Done));
            assert_eq!(room.ask(Action::Status, "n1"), Some(state));
            assert_eq!(room.with_power().len(), 3);
            assert!(room.shot().is_empty());
        }
    }

    #[test]
    fn one_that_shoots_the_asker_answers_nothing_and_one_that_is_absent_does_nothing() {
        let room = Room::new(Does::ShootsTheAsker);
        assert_eq!(room.ask(Action::Off, "n1"), None);
        assert_eq!((room.with_power(), room.shot()), (vec!["n1", "n3"], vec!["n2".to_owned()]));
        let room = Room::new(Does::Nothing);
        assert_eq!((room.ask(Action::Off, "n1"), room.ask(Action::Status, "n1")), (None, None));
        assert_eq!(room.with_power().len(), 3);
    }

    #[test]
    fn without_the_password_nothing_is_done() {
        let room = Room::new(Does::AtOnce);
        let (plug, from) = ("n1".to_owned(), "n2".to_owned());
        let ask = Ask { action: Action::Off, plug, password: "guess".to_owned(), from };
        assert!(matches!(room.panel.take(&ask), Some(Answer::Refused(_))));
        assert!(matches!(room.ask(Action::Off, "n9"), Some(Answer::Refused(_))));
        assert_eq!(room.with_power().len(), 3);
    }
}
