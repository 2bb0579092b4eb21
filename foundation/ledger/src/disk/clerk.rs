//! The thread that does a node's part at the disk: leads or follows, carries out what is asked
//! here and what stands in the petition boxes, and takes over when the leader falls silent.
//!
//! A disk may hang for minutes; whoever waits for an answer has a limit of its own, and a
//! leadership is shown only as long as it was lately confirmed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tsugi_vocabulary::{BootId, Index, NodeName};

use super::board::Board;
use super::frame::Entry;
use super::keeper::{Appended, Campaign, Followed, Keeper};
use super::node::{Apart, Shared};
use super::region::News;
use super::store::Store;
use super::trouble::Trouble;
use super::vow::{Term, newest};
use super::word::{Answer, Petition, Reply, Word};
use crate::{Failure, Leadership};

/// How many entries one frame carries at most, and how many of whose bytes.
const MOST: usize = 256;
const HEAVY: usize = 1 << 20;

/// What is asked of the clerk.
pub(super) enum Job {
    /// Have this take effect.
    Do(Entry, Asker<Answer>),
    /// Tell when the view holds everything that took effect before now.
    Catch(Asker<Index>),
    /// Look at the disk now.
    Look,
    /// Demand the end of this life of a node; of none where nothing is demanded any more.
    Demand(NodeName, Option<BootId>, Asker<()>),
    /// End.
    Stop(oneshot::Sender<()>),
}

/// Who waits, and until when.
pub(super) struct Asker<T> {
    pub(super) tell: oneshot::Sender<Result<T, Failure>>,
    pub(super) until: Instant,
}

impl<T> Asker<T> {
    fn answer(self, answer: Result<T, Failure>) {
        // Who asked may have stopped waiting.
        drop(self.tell.send(answer));
    }
}

/// A petition that waits for its answer.
struct Posted {
    petition: Petition,
    asker: Asker<Answer>,
}

/// The clerk of one node.
pub(super) struct Clerk<S> {
    keeper: Keeper<S>,
    shared: Arc<Shared>,
    jobs: Receiver<Job>,
    word: Word,
    /// What waits for a leader.
    waiting: Vec<(Entry, Asker<Answer>)>,
    posted: Option<Posted>,
    /// How many petitions this life has written.
    petitions: u64,
    catching: Vec<Asker<Index>>,
    /// Who waits until the demands of the word stand on the disk.
    demanding: Vec<Asker<()>>,
    /// The demands as the disk has them.
    said: Vec<Option<BootId>>,
    /// What was last seen of others, and since when nothing else was.
    signs: (Vec<u64>, Instant),
    /// How far apart signs of others have lately come.
    apart: Apart,
}

impl<S: Store> Clerk<S> {
    pub(super) fn new(keeper: Keeper<S>, shared: Arc<Shared>, jobs: Receiver<Job>) -> Self {
        let word = Word::new(keeper.life(), keeper.title().layout.seats);
        Self {
            keeper,
            shared,
            jobs,
            word,
            waiting: Vec::new(),
            posted: None,
            petitions: 0,
            catching: Vec::new(),
            demanding: Vec::new(),
            said: Vec::new(),
            signs: (Vec::new(), Instant::now()),
            apart: Apart::default(),
        }
    }

    /// Runs until it is told to stop, nobody can ask any more, or the disk fails.
    pub(super) fn run(mut self) {
        // Who begins waits for nobody: its agent may have leases to renew.
        let mut wait = Duration::ZERO;
        let stopped = loop {
            match self.round(wait) {
                Ok(None) => wait = self.shared.pace.beat.to_std(),
                Ok(Some(stopped)) => break stopped,
                Err(failure) => {
                    self.shared.fail(failure.clone());
                    self.let_go(&failure);
                    return;
                }
            }
        };
        self.let_go(&Failure::Stopped);
        drop(self.keeper.into_store());
        if let Some(stopped) = stopped {
            // Who asked may have stopped waiting.
            stopped.send(()).ok();
        }
    }

    /// One beat, or one thing that was asked. Some if it is the last.
    fn round(&mut self, wait: Duration) -> Result<Option<Option<oneshot::Sender<()>>>, Failure> {
        match self.jobs.recv_timeout(wait) {
            Ok(job) => {
                if let Some(stopped) = self.take(job) {
                    return Ok(Some(Some(stopped)));
                }
                // What came meanwhile goes into the same frame.
                while self.waiting.len() < MOST {
                    let Ok(job) = self.jobs.try_recv() else { break };
                    if let Some(stopped) = self.take(job) {
                        return Ok(Some(Some(stopped)));
                    }
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(Some(None)),
        }
        match self.work() {
            // The disk cannot be read now. Nothing was changed; the next beat reads again.
            Ok(()) | Err(Ended::Trouble(Trouble::Away(_))) => {}
            Err(Ended::Trouble(Trouble::Broken(failure))) => {
                return Err(Failure::Storage(failure));
            }
            Err(Ended::Poisoned) => return Err(Failure::Poisoned),
        }
        self.give_up_late();
        self.shared.show(self.leadership(), self.keeper.leads().is_some());
        Ok(None)
    }

    fn take(&mut self, job: Job) -> Option<oneshot::Sender<()>> {
        match job {
            Job::Do(entry, asker) => self.waiting.push((entry, asker)),
            Job::Catch(asker) => self.catching.push(asker),
            Job::Look => self.shared.asked_to_look.store(false, Ordering::Release),
            Job::Demand(node, life, asker) => {
                let seat = self.keeper.title().nodes.iter().position(|name| *name == node);
                if let Some(seat) = seat {
                    self.word.pills[seat] = life;
                }
                self.demanding.push(asker);
            }
            Job::Stop(stopped) => return Some(stopped),
        }
        None
    }

    /// Leads or follows.
    fn work(&mut self) -> Result<(), Ended> {
        if self.keeper.leads().is_some() {
            self.lead()?;
        }
        if self.keeper.leads().is_none() {
            self.follow()?;
        }
        // Whoever asked for it may have stopped waiting.
        if self.said != self.word.pills {
            self.say()?;
            self.shared.tell_written();
        }
        self.demanding.drain(..).for_each(|asker| asker.answer(Ok(())));
        Ok(())
    }

    fn lead(&mut self) -> Result<(), Ended> {
        let (entries, askers) = self.next_batch().into_iter().unzip::<_, _, Vec<_>, Vec<_>>();
        if !entries.is_empty() {
            self.carry_out(entries, askers)?;
        }
        let board = self.keeper.look()?;
        self.heed(&board)?;
        if self.keeper.leads().is_none() {
            return Ok(());
        }
        self.shared.confirm();
        for asker in std::mem::take(&mut self.catching) {
            asker.answer(Ok(self.keeper.view().applied));
        }
        let answered = self.carry_out_petitions(&board)?;
        if !self.is_listed() {
            self.keeper.resign();
        }
        self.say()?;
        if answered == Answered::Some {
            self.shared.tell_written();
        }
        Ok(())
    }

    /// Whether the list of voters names this node. One that is on no list can be named to nobody
    /// as the leader: while it led, nobody would decide anything, not even to list it.
    fn is_listed(&self) -> bool {
        let voters = &self.keeper.view().voters;
        let me = self.keeper.title().nodes.get(self.keeper.me());
        voters.list.is_empty() || me.is_some_and(|me| voters.of(me).is_some())
    }

    fn next_batch(&mut self) -> Vec<(Entry, Asker<Answer>)> {
        let mut heavy = 0;
        let fits = |(entry, _): &&(Entry, Asker<Answer>)| {
            let before = heavy;
            heavy += weight(entry);
            before == 0 || heavy < HEAVY
        };
        let count = self.waiting.iter().take_while(fits).take(MOST).count();
        let mut batch: Vec<_> = self.waiting.drain(..count).collect();
        // Who has stopped waiting was told that nothing took effect, and nothing will.
        batch.retain(|(_, asker)| !asker.tell.is_closed());
        batch
    }

    fn carry_out(&mut self, entries: Vec<Entry>, askers: Vec<Asker<Answer>>) -> Result<(), Ended> {
        match self.keeper.append(entries)? {
            Appended::Done(answers, applied) => {
                self.shared.published.advance(self.keeper.view().clone(), applied);
                self.shared.tell_written();
                for (asker, answer) in askers.into_iter().zip(answers) {
                    asker.answer(Ok(answer));
                }
            }
            Appended::Unknown => {
                askers.into_iter().for_each(|asker| asker.answer(Err(Failure::Unknown)));
            }
            Appended::NotLeading(entries) => self.waiting.extend(entries.into_iter().zip(askers)),
            Appended::TooLarge(left) => {
                askers.into_iter().for_each(|asker| asker.answer(Ok(Answer::TooLarge(left))));
            }
        }
        Ok(())
    }

    /// Carries out the petitions that are for this leader, each once.
    fn carry_out_petitions(&mut self, board: &Board) -> Result<Answered, Ended> {
        let mut answered = Answered::None;
        let Some(term) = self.keeper.leads() else { return Ok(answered) };
        for (seat, word) in board.words.iter().enumerate() {
            let Some((life, petition)) = word.as_ref().and_then(|w| Some((w.life, w.petition?)))
            else {
                continue;
            };
            let done = self.word.replies[seat].as_ref();
            let done = done.is_some_and(|r| r.life == life && r.number >= petition.number);
            if seat == self.keeper.me() || petition.term != term || done {
                continue;
            }
            let Some(entry) = self.keeper.fetch(seat, &petition)? else { continue };
            match self.keeper.append(vec![entry])? {
                Appended::Done(answers, applied) => {
                    self.shared.published.advance(self.keeper.view().clone(), applied);
                    let answer = answers.into_iter().next();
                    self.word.replies[seat] =
                        answer.map(|answer| Reply { life, number: petition.number, answer });
                }
                Appended::TooLarge(left) => {
                    let answer = Answer::TooLarge(left);
                    self.word.replies[seat] = Some(Reply { life, number: petition.number, answer });
                }
                Appended::Unknown | Appended::NotLeading(_) => return Ok(answered),
            }
            answered = Answered::Some;
        }
        Ok(answered)
    }

    fn say(&mut self) -> Result<(), Ended> {
        self.word.beat += 1;
        self.word.leads = self.keeper.leads();
        self.word.committed = self.keeper.view().applied;
        self.keeper.say(&self.word)?;
        self.said.clone_from(&self.word.pills);
        Ok(())
    }

    fn follow(&mut self) -> Result<(), Ended> {
        let board = match self.keeper.follow()? {
            Followed::Caught(news, board) => {
                self.publish(news);
                for asker in std::mem::take(&mut self.catching) {
                    asker.answer(Ok(self.keeper.view().applied));
                }
                board
            }
            Followed::Between(board) => board,
        };
        self.heed(&board)?;
        self.note_signs(&board);
        self.read_reply(&board);
        if self.is_due(&board) {
            return self.campaign();
        }
        self.post(&board)
    }

    fn publish(&self, news: News) {
        let view = self.keeper.view().clone();
        match news {
            News::Changes(applied) if applied.is_empty() => {}
            News::Changes(applied) => self.shared.published.advance(view, applied),
            News::Whole => self.shared.published.replace(view),
        }
    }

    fn campaign(&mut self) -> Result<(), Ended> {
        self.signs.1 = Instant::now();
        match self.keeper.campaign()? {
            Campaign::Won(news) => {
                self.publish(news);
                self.shared.confirm();
                // Petitions to a former leader are answered by nobody.
                self.word.replies = vec![None; self.word.replies.len()];
                self.word.petition = None;
                if let Some(posted) = self.posted.take() {
                    posted.asker.answer(Err(Failure::Unknown));
                }
                self.say()
            }
            Campaign::Lost => Ok(()),
        }
    }

    /// Ends if somebody demands the end of this life.
    fn heed(&self, board: &Board) -> Result<(), Ended> {
        let (me, life) = (self.keeper.me(), self.keeper.life());
        let mut pills = board.words.iter().flatten().filter_map(|word| *word.pills.get(me)?);
        if pills.any(|pill| pill == life) { Err(Ended::Poisoned) } else { Ok(()) }
    }

    /// Whatever a seat writes is a sign of life.
    fn note_signs(&mut self, board: &Board) {
        let me = self.keeper.me();
        let beats = board.words.iter().map(|word| word.as_ref().map_or(0, |word| word.beat));
        let mut signs: Vec<u64> = beats.zip(&board.vows).map(|(beat, v)| beat + v.number).collect();
        signs[me] = 0;
        if signs != self.signs.0 {
            self.apart.note(self.signs.1.elapsed());
            self.signs = (signs, Instant::now());
        }
    }

    /// After how long without a sign a leader is replaced. On a slow disk signs come far apart, and
    /// two that lead by turns would each write all anew.
    fn silence(&self) -> Duration {
        self.apart.missed(3).max(self.shared.silence().to_std())
    }

    /// Whether nobody leads for so long that this node should. The seats wait differently long, so
    /// that seldom two try at once: all but that of the leader that is silent. Who led in a former
    /// life does not wait for itself.
    fn is_due(&self, board: &Board) -> bool {
        let pace = &self.shared.pace;
        let seat = newest(&board.vows);
        let me = self.keeper.me();
        let promised = board.vows.iter().map(|vow| vow.promised).max();
        let mine = seat == me && promised.is_some_and(|term| term.seat() == me);
        let led = promised.filter(|term| *term > Term::default()).map(|_| seat);
        let wait = match mine {
            true => pace.beat.to_std() * 2,
            false => self.silence() + turn(me, led, pace.beat.to_std()),
        };
        self.is_listed() && self.signs.1.elapsed() >= wait
    }

    /// Hands one thing that waits to the leader, if there is one.
    fn post(&mut self, board: &Board) -> Result<(), Ended> {
        let Some(term) = led_term(board) else { return Ok(()) };
        // Where nobody reads, what is asked stays here: nothing of it takes effect.
        let silent = self.signs.1.elapsed() >= self.silence() / 2;
        let nobody = silent || term.seat() == self.keeper.me();
        if nobody || self.posted.is_some() || self.waiting.is_empty() {
            return Ok(());
        }
        let (entry, asker) = self.waiting.remove(0);
        if asker.tell.is_closed() {
            return Ok(());
        }
        self.petitions += 1;
        let bytes = entry.to_bytes();
        match self.keeper.post(self.petitions, term, &bytes)? {
            Some(petition) => {
                self.posted = Some(Posted { petition, asker });
                self.word.petition = Some(petition);
                self.say()?;
                self.shared.tell_written();
                Ok(())
            }
            None => {
                asker.answer(Ok(Answer::TooLarge(self.keeper.title().layout.petition_box)));
                Ok(())
            }
        }
    }

    /// Takes the leader's answer; if another leads by now, nobody knows what came of the petition.
    fn read_reply(&mut self, board: &Board) {
        let Some(posted) = self.posted.take() else { return };
        let (me, life) = (self.keeper.me(), self.keeper.life());
        let leader = posted.petition.term.seat();
        let word = board.words.get(leader).and_then(Option::as_ref);
        let word = word.filter(|word| word.leads == Some(posted.petition.term));
        let reply = word.and_then(|word| word.replies.get(me)?.as_ref());
        let reply = reply.filter(|r| r.life == life && r.number == posted.petition.number);
        if let Some(reply) = reply {
            posted.asker.answer(Ok(reply.answer.clone()));
        } else if board.vows.iter().any(|vow| vow.promised > posted.petition.term) {
            posted.asker.answer(Err(Failure::Unknown));
        } else {
            self.posted = Some(posted);
            return;
        }
        self.word.petition = None;
    }

    /// Tells those whose time is over: what was not written has not taken effect.
    fn give_up_late(&mut self) {
        let now = Instant::now();
        if self.posted.as_ref().is_some_and(|posted| posted.asker.until <= now)
            && let Some(posted) = self.posted.take()
        {
            self.word.petition = None;
            posted.asker.answer(Err(Failure::Unknown));
        }
        for (entry, asker) in std::mem::take(&mut self.waiting) {
            if asker.until <= now {
                asker.answer(Err(Failure::NoLeader));
            } else {
                self.waiting.push((entry, asker));
            }
        }
        for asker in std::mem::take(&mut self.catching) {
            if asker.until <= now {
                asker.answer(Err(Failure::NoLeader));
            } else {
                self.catching.push(asker);
            }
        }
        // What they demand is said all the same, with the next word.
        for asker in std::mem::take(&mut self.demanding) {
            if asker.until <= now {
                asker.answer(Err(Failure::Unknown));
            } else {
                self.demanding.push(asker);
            }
        }
    }

    fn let_go(&mut self, failure: &Failure) {
        if let Some(posted) = self.posted.take() {
            posted.asker.answer(Err(Failure::Unknown));
        }
        self.waiting.drain(..).for_each(|(_, asker)| asker.answer(Err(failure.clone())));
        self.catching.drain(..).for_each(|asker| asker.answer(Err(failure.clone())));
        self.demanding.drain(..).for_each(|asker| asker.answer(Err(failure.clone())));
    }

    /// Who leads, as far as this node knows.
    fn leadership(&self) -> Leadership {
        let (term, seat) = match self.keeper.leads() {
            Some(term) => (Some(term), Some(self.keeper.me())),
            None => {
                let term = self.keeper.known_term();
                let fresh = self.signs.1.elapsed() < self.silence();
                (term, term.map(Term::seat).filter(|_| fresh))
            }
        };
        let nodes = &self.keeper.title().nodes;
        let leader = seat.and_then(|seat| self.keeper.view().voters.of(nodes.get(seat)?));
        Leadership { term: term.unwrap_or_default().0, leader, me: false }
    }
}

/// How much longer than the silence the seat `me` waits, where `led` was the leader.
fn turn(me: usize, led: Option<usize>, beat: Duration) -> Duration {
    let before = (0..me).filter(|seat| Some(*seat) != led).count();
    beat * 4 * before as u32
}

/// The term that somebody leads under and nobody has promised above.
fn led_term(board: &Board) -> Option<Term> {
    let seat = newest(&board.vows);
    let term = board.words[seat].as_ref()?.leads?;
    let highest = board.vows.iter().map(|vow| vow.promised).max();
    (highest == Some(term) && board.vows[seat].accepted == term).then_some(term)
}

fn weight(entry: &Entry) -> usize {
    match entry {
        Entry::Command(command) => command.size().max(1),
        Entry::Add(..) | Entry::Remove(..) => 1,
    }
}

/// Whether petitions were answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answered {
    Some,
    None,
}

/// Why a round ended early.
enum Ended {
    Trouble(Trouble),
    Poisoned,
}

impl From<Trouble> for Ended {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEAT: Duration = Duration::from_millis(50);

    #[test]
    fn the_other_of_two_waits_for_nobody_but_the_leader_and_of_three_each_in_turn() {
        assert_eq!([turn(1, Some(0), BEAT), turn(0, Some(1), BEAT)], [Duration::ZERO; 2]);
        assert_eq!([turn(1, Some(0), BEAT), turn(2, Some(0), BEAT)], [Duration::ZERO, BEAT * 4]);
        assert_eq!([turn(0, None, BEAT), turn(1, None, BEAT)], [Duration::ZERO, BEAT * 4]);
    }
}
