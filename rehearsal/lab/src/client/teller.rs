//! The client of a service: calls it by `tsugi-client`, which asks again under the same id through
//! a takeover. A call every 10 ms whatever the earlier ones do; while calls are to be under way at
//! a fault, some callers more who call again as soon as they are answered.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::task::{LocalSet, spawn_local};
use tsugi_client::{
    Address, Client, ClientName, Failure, Identity, Life, NotKnown, Reply, Request, Settings,
};

use super::{AGAIN_AT_ONCE, Ask, Call, CallEnd, LIMIT, Noted, OWN_PAUSE, Speaks, Work};
use crate::Trouble;
use crate::kernel::now;
use crate::product::TOKEN;

/// Callers who call again as soon as they are answered: as many calls are under way at any moment.
const PRESSING: usize = 8;
/// How long after a call without an end it is asked for again.
const REST: Duration = Duration::from_millis(20);
/// How often it is looked what the lab wants.
const LOOKS: Duration = Duration::from_millis(2);
/// More calls than are ever under way, so that none waits for another's connection.
const AT_ONCE: usize = 4096;

/// Everything that calls share. One thread has it.
pub(super) struct Teller {
    client: Client,
    request: Request,
    /// The program that has to answer.
    program: &'static str,
    noted: Noted,
    serial: Cell<u64>,
    /// What is known of calls whose end is not.
    open: RefCell<BTreeMap<u64, NotKnown>>,
    again: RefCell<VecDeque<u64>>,
    /// Calls that are being asked for.
    asked: RefCell<BTreeSet<u64>>,
    persists: Cell<bool>,
    out_again: Cell<usize>,
    work: Cell<Work>,
}

impl Teller {
    /// A client of this name; nothing is called yet.
    ///
    /// # Errors
    /// A name that is none.
    pub(super) fn new(
        (to, program): (SocketAddr, &'static str),
        name: &str,
        noted: Noted,
    ) -> Result<Self, Trouble> {
        let failed = |why: &dyn std::fmt::Display| Trouble::Failed(format!("the client: {why}"));
        let address = Address::read(&to.to_string()).map_err(|why| failed(&why))?;
        let identity = Identity::Token(TOKEN.to_owned());
        let settings = Settings { identity, at_once: AT_ONCE, ..Settings::of(vec![address]) };
        let name = ClientName::new(name).map_err(|why| failed(&why))?;
        // Its name is of this run alone.
        let life = Life::given(1, 1).map_err(|why| failed(&why))?;
        Ok(Self {
            client: Client::new(name, life, settings).map_err(|why| failed(&why))?,
            request: Request::json(program, "{}"),
            program,
            noted,
            serial: Cell::new(0),
            open: RefCell::default(),
            again: RefCell::default(),
            asked: RefCell::default(),
            persists: Cell::new(false),
            out_again: Cell::new(0),
            work: Cell::new(Work::Even),
        })
    }

    /// Calls until nobody asks any more.
    ///
    /// # Errors
    /// The system gives no runtime.
    pub(super) fn run(self, asked: &Receiver<Ask>) -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let all = LocalSet::new();
        all.block_on(&runtime, Rc::new(self).go_on(asked));
        Ok(())
    }

    async fn go_on(self: Rc<Self>, asked: &Receiver<Ask>) {
        let every = Speaks::Service(self.program).every();
        let mut next = now();
        while self.obey(asked) {
            let time = now();
            while time >= next {
                self.start();
                next += every;
                if time.saturating_sub(next) > OWN_PAUSE {
                    next = time + every;
                }
            }
            while self.out_again.get() < AGAIN_AT_ONCE {
                let Some(serial) = self.again.borrow_mut().pop_front() else { break };
                self.start_again(serial);
            }
            tokio::time::sleep(next.saturating_sub(now()).min(LOOKS)).await;
        }
    }

    /// Does what the lab asks for; false once there is no lab.
    fn obey(self: &Rc<Self>, asked: &Receiver<Ask>) -> bool {
        loop {
            match asked.try_recv() {
                Ok(Ask::Work(work)) => {
                    let before = self.work.replace(work);
                    if (before, work) == (Work::Even, Work::Pressed) {
                        (0..PRESSING).for_each(|_| self.press());
                    }
                }
                Ok(Ask::Again(serials)) => {
                    self.again.borrow_mut().extend(serials);
                    self.persists.set(true);
                }
                Ok(Ask::EnoughAgain) => {
                    self.again.borrow_mut().clear();
                    self.persists.set(false);
                }
                // The numbers themselves tell.
                Ok(Ask::Kept(answer)) => drop(answer.send(Vec::new())),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn number(&self) -> u64 {
        self.serial.set(self.serial.get() + 1);
        self.serial.get()
    }

    fn start(self: &Rc<Self>) {
        let (own, serial) = (Rc::clone(self), self.number());
        spawn_local(async move { own.answer(serial).await });
    }

    fn press(self: &Rc<Self>) {
        let own = Rc::clone(self);
        spawn_local(async move {
            while own.work.get() == Work::Pressed {
                let serial = own.number();
                own.answer(serial).await;
            }
        });
    }

    fn start_again(self: &Rc<Self>, serial: u64) {
        let own = Rc::clone(self);
        self.out_again.set(self.out_again.get() + 1);
        spawn_local(async move {
            // Whoever asks for it already goes on until it is known.
            if own.asked.borrow_mut().insert(serial) {
                let answered = own.call(serial, true).await || own.learn(serial).await;
                own.asked.borrow_mut().remove(&serial);
                if !answered && own.persists.get() {
                    own.again.borrow_mut().push_back(serial);
                }
            }
            own.out_again.set(own.out_again.get() - 1);
        });
    }

    /// Calls, and asks on until the end is known: what nobody asks for holds back later calls.
    async fn answer(&self, serial: u64) {
        self.asked.borrow_mut().insert(serial);
        if !self.call(serial, false).await {
            self.learn(serial).await;
        }
        self.asked.borrow_mut().remove(&serial);
    }

    /// Asks for a call whose end is not known until it is; whether it was answered.
    async fn learn(&self, serial: u64) -> bool {
        while self.open.borrow().contains_key(&serial) {
            if self.call(serial, true).await {
                return true;
            }
            tokio::time::sleep(REST).await;
        }
        false
    }

    /// Calls, or asks again for what may have been carried out; whether it was answered.
    async fn call(&self, serial: u64, again: bool) -> bool {
        let from = now();
        let deadline = Instant::now() + LIMIT;
        let open = self.open.borrow_mut().remove(&serial);
        let asked = match open {
            Some(known) => self.client.again(known, deadline).await,
            None => self.client.call(&self.request, deadline).await,
        };
        let (felt, end) = match asked {
            Ok(reply) => (felt(&reply), self.read(&reply)),
            Err(failure) => (None, CallEnd::Failed(self.keep(serial, failure))),
        };
        let until = now();
        let answered = matches!(end, CallEnd::Answered { .. });
        let mut noted = self.noted.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // What an earlier try of it met is a failed try, which the client has made good.
        if let Some(why) = felt {
            noted.push(Call { serial, from, until, end: CallEnd::Failed(why), again });
        }
        noted.push(Call { serial, from, until, end, again });
        answered
    }

    /// Why there is no answer; what is not known of it is kept, to be asked for again.
    fn keep(&self, serial: u64, failure: Failure) -> String {
        match failure {
            Failure::NotKnown(known) => {
                let met = known.course.waited_for.as_ref();
                let why = met.map_or_else(|| "nothing".to_owned(), |met| format!("{:?}", met.met));
                self.open.borrow_mut().insert(serial, *known);
                format!("no answer: {why}")
            }
            other => other.to_string(),
        }
    }

    /// The program's own answer: which number, and where it ran.
    fn read(&self, reply: &Reply) -> CallEnd {
        let said: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let number = said["lk_counter"].as_u64();
        let (program, host) = (said["lk_pgmname"].as_str(), said["lk_hostname"].as_str());
        match (number, host) {
            (Some(number), Some(node))
                if program == Some(self.program) && reply.ending.is_none() =>
            {
                CallEnd::Answered { number, node: node.to_owned(), told_by: reply.node.clone() }
            }
            _ => CallEnd::Failed(format!(
                "answered {:?} {:?}",
                reply.ending,
                String::from_utf8_lossy(&reply.body)
            )),
        }
    }
}

/// What an earlier try of an answered call met.
fn felt(reply: &Reply) -> Option<String> {
    let met = reply.course.waited_for.as_ref()?;
    Some(met.error.clone().unwrap_or_else(|| format!("{:?}", met.met)))
}
