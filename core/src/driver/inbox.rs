//! Messages to the loop, and who has its turn.
//!
//! The sync thread has the turns. Another thread that brings a message while nobody has one takes
//! it if it may: between a packet and the disk that saves a change of thread, which costs as much
//! as checking a signature.
//! Rule: one thread at a time has the turn; who gives it back looks once more at what came.
//! Begin with [`Inbox::run`] and [`Inbox::push`].

// The rim: the loop has a thread of its own, which sleeps here.
#![allow(clippy::disallowed_methods)]

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What is done in a turn.
pub(crate) trait Loop {
    /// What it is told.
    type Message;

    /// Takes a message; `None` when it was the last one of all.
    fn take(self: Box<Self>, message: Self::Message) -> Option<Box<Self>>;

    /// The deadline has come for which it waited.
    fn tick(&mut self);

    /// Called before a turn ends, and now and then while messages never end; `idle` when none
    /// waits: until when to wait for one.
    fn rest(&mut self, idle: bool) -> Option<Instant>;
}

/// How long a turn goes on with messages before the loop may rest for once: what it does then,
/// others wait for.
const REST_EVERY: Duration = Duration::from_millis(5);

/// Which messages a thread may take in its turn.
pub(crate) type MayTake<L> = fn(&L, &<L as Loop>::Message) -> bool;

/// A queue of messages, and the loop they are for.
pub(crate) struct Inbox<L: Loop> {
    state: Mutex<State<L>>,
    moved: Condvar,
}

struct State<L: Loop> {
    messages: VecDeque<L::Message>,
    /// Here while nobody has the turn.
    resting: Option<Box<L>>,
    /// When the loop wants its next turn at the latest.
    deadline: Option<Instant>,
    sync_thread: SyncThread,
    /// The loop has ended: messages are dropped.
    ended: bool,
}

#[derive(Clone, Copy)]
enum SyncThread {
    Awake,
    /// Until a moment, or until it is woken.
    Asleep(Option<Instant>),
}

/// The turn of one thread. A panic in it ends the loop.
struct Turn<'a, L: Loop> {
    inbox: &'a Inbox<L>,
    work: Option<Box<L>>,
    given_back: bool,
}

enum Next<M> {
    Message(M),
    Tick,
    Rest { idle: bool },
}

impl<L: Loop> Inbox<L> {
    /// An inbox that keeps messages until its loop begins.
    pub(crate) fn new() -> Inbox<L> {
        let state = State {
            messages: VecDeque::new(),
            resting: None,
            deadline: None,
            sync_thread: SyncThread::Awake,
            ended: false,
        };
        Inbox { state: Mutex::new(state), moved: Condvar::new() }
    }

    /// Queues a message; dropped when the loop has ended.
    pub(crate) fn push(&self, message: L::Message) {
        let mut state = self.lock();
        if !state.ended {
            state.messages.push_back(message);
            self.wake_if_needed(&state);
        }
    }

    /// As `push`, from a thread that takes the turn itself when it `may` take the message; then
    /// also those that come meanwhile, up to the first that it may not.
    pub(crate) fn push_or_take(&self, message: L::Message, may: MayTake<L>) {
        let mut state = self.lock();
        let may_begin = state.resting.as_ref().is_some_and(|work| may(work, &message));
        if !may_begin || !state.messages.is_empty() {
            drop(state);
            return self.push(message);
        }
        let work = state.resting.take();
        state.messages.push_back(message);
        drop(state);
        Turn::new(self, work).run(may);
    }

    /// Does something short with the loop if it rests and nothing waits; nothing else is done in
    /// that turn, and no message is taken. False when it was not done.
    pub(crate) fn try_with(&self, act: impl FnOnce(&mut L)) -> bool {
        let mut state = self.lock();
        if !state.messages.is_empty() {
            return false;
        }
        let Some(work) = state.resting.take() else { return false };
        drop(state);
        let mut turn = Turn::new(self, Some(work));
        act(turn.work.as_mut().expect("it was put in"));
        let mut state = self.lock();
        state.resting = turn.work.take();
        self.wake_if_needed(&state);
        turn.given_back = true;
        true
    }

    /// Gives the sync thread's turns to `work` until its last message.
    pub(crate) fn run(&self, work: Box<L>) {
        let mut work = Some(work);
        while work.is_some() {
            Turn::new(self, work).run(|_, _| true);
            work = self.await_turn();
        }
    }

    /// Sleeps until there is something to do that nobody is at; `None` when the loop has ended.
    fn await_turn(&self) -> Option<Box<L>> {
        let mut state = self.lock();
        loop {
            let is_due = state.deadline.is_some_and(|deadline| deadline <= Instant::now());
            if is_due || !state.messages.is_empty() || state.ended {
                if let Some(work) = state.resting.take() {
                    return Some(work);
                }
                if state.ended {
                    return None;
                }
            }
            // Who has the turn looks at the deadline when giving it back.
            let until = state.deadline.filter(|_| state.resting.is_some());
            state.sync_thread = SyncThread::Asleep(until);
            state = match until.map(|until| until.saturating_duration_since(Instant::now())) {
                Some(left) => {
                    let woken = self.moved.wait_timeout(state, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.moved.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
            state.sync_thread = SyncThread::Awake;
        }
    }

    /// Wakes the sync thread if there is something to do that nobody is at.
    fn wake_if_needed(&self, state: &State<L>) {
        let SyncThread::Asleep(until) = state.sync_thread else { return };
        let is_sooner = match (state.deadline, until) {
            (Some(deadline), Some(until)) => deadline < until,
            (deadline, _) => deadline.is_some(),
        };
        let is_free = state.resting.is_some();
        if state.ended || (is_free && (is_sooner || !state.messages.is_empty())) {
            self.moved.notify_one();
        }
    }

    fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        self.wake_if_needed(&state);
        let dropped = std::mem::take(&mut state.messages);
        drop(state);
        // Who asked is answered by this; not under our lock.
        drop(dropped);
    }

    fn lock(&self) -> MutexGuard<'_, State<L>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a, L: Loop> Turn<'a, L> {
    fn new(inbox: &'a Inbox<L>, work: Option<Box<L>>) -> Turn<'a, L> {
        Turn { inbox, work, given_back: false }
    }

    /// Does everything that is there to do and that it `may`, then gives the turn back.
    fn run(mut self, may: MayTake<L>) {
        let mut rested_at = Instant::now();
        while let Some(mut work) = self.work.take() {
            if rested_at.elapsed() >= REST_EVERY {
                let deadline = work.rest(false);
                self.inbox.lock().deadline = deadline;
                rested_at = Instant::now();
            }
            match self.next(&work, may) {
                Next::Message(message) => self.work = work.take(message),
                Next::Tick => {
                    work.tick();
                    self.work = Some(work);
                }
                Next::Rest { idle } => {
                    let deadline = work.rest(idle);
                    let mut state = self.inbox.lock();
                    state.deadline = deadline;
                    if state.messages.front().is_some_and(|next| may(&work, next)) {
                        self.work = Some(work);
                        continue;
                    }
                    state.resting = Some(work);
                    self.inbox.wake_if_needed(&state);
                    self.given_back = true;
                    return;
                }
            }
        }
    }

    fn next(&self, work: &L, may: MayTake<L>) -> Next<L::Message> {
        let mut state = self.inbox.lock();
        if state.messages.front().is_some_and(|next| may(work, next)) {
            return Next::Message(state.messages.pop_front().expect("seen at the front"));
        }
        if state.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            state.deadline = None;
            return Next::Tick;
        }
        Next::Rest { idle: state.messages.is_empty() }
    }
}

impl<L: Loop> Drop for Turn<'_, L> {
    fn drop(&mut self) {
        // The loop took its last message, or panicked.
        if !self.given_back {
            self.inbox.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::thread::{self, ThreadId};

    enum Message {
        Short(u32),
        Long(u32),
        Defect,
        Last,
    }

    struct Taken {
        number: u32,
        by: ThreadId,
    }

    struct Recorder(Sender<Taken>, Option<Instant>);

    fn is_short(_: &Recorder, message: &Message) -> bool {
        !matches!(message, Message::Long(_) | Message::Last)
    }

    fn is_not_last(_: &Recorder, message: &Message) -> bool {
        !matches!(message, Message::Last)
    }

    impl Loop for Recorder {
        type Message = Message;

        fn take(self: Box<Self>, message: Message) -> Option<Box<Self>> {
            match message {
                Message::Short(number) | Message::Long(number) => {
                    self.0.send(Taken { number, by: thread::current().id() }).unwrap();
                    Some(self)
                }
                Message::Defect => panic!("a defect"),
                Message::Last => None,
            }
        }

        fn tick(&mut self) {
            let by = thread::current().id();
            self.0.send(Taken { number: u32::MAX, by }).unwrap();
            self.1 = None;
        }

        fn rest(&mut self, _idle: bool) -> Option<Instant> {
            self.1
        }
    }

    struct Running {
        inbox: Arc<Inbox<Recorder>>,
        thread: thread::JoinHandle<()>,
        taken: Receiver<Taken>,
    }

    impl Running {
        fn start(deadline: Option<Instant>) -> Running {
            let (told, taken) = channel();
            let inbox = Arc::new(Inbox::new());
            let theirs = inbox.clone();
            let thread = thread::spawn(move || theirs.run(Box::new(Recorder(told, deadline))));
            Running { inbox, thread, taken }
        }

        fn next(&self) -> Taken {
            self.taken.recv_timeout(Duration::from_secs(60)).expect("it is taken")
        }

        fn await_rest(&self) {
            while self.inbox.lock().resting.is_none() {
                thread::yield_now();
            }
        }

        fn close(self) {
            self.inbox.push(Message::Last);
            self.thread.join().expect("the loop ends in order");
        }
    }

    #[test]
    fn a_message_is_taken_by_who_brings_it_if_it_may() {
        let running = Running::start(None);
        running.await_rest();
        running.inbox.push_or_take(Message::Short(1), is_short);
        assert_eq!(running.next().by, thread::current().id());
        running.inbox.push_or_take(Message::Long(2), is_short);
        assert_eq!(running.next().by, running.thread.thread().id());
        running.await_rest();
        running.inbox.push(Message::Short(3));
        assert_eq!(running.next().by, running.thread.thread().id());
        running.await_rest();
        running.inbox.push_or_take(Message::Long(4), is_not_last);
        assert_eq!(running.next().by, thread::current().id());
        running.close();
    }

    #[test]
    fn every_message_of_many_threads_is_taken_once_and_in_their_order() {
        let running = Running::start(None);
        thread::scope(|scope| {
            for sender in 0..4 {
                let inbox = &running.inbox;
                scope.spawn(move || {
                    for number in (sender..4_000).step_by(4) {
                        match number % 3 {
                            0 => inbox.push(Message::Short(number)),
                            1 => inbox.push_or_take(Message::Short(number), is_short),
                            _ if sender == 0 => {
                                inbox.push_or_take(Message::Long(number), is_not_last);
                            }
                            _ => inbox.push_or_take(Message::Long(number), is_short),
                        }
                    }
                });
            }
        });
        let mut last = [None; 4];
        for _ in 0..4_000 {
            let number = running.next().number;
            let before = last[number as usize % 4].replace(number);
            assert!(before.is_none_or(|before| before + 4 == number), "{before:?} {number}");
        }
        running.close();
    }

    #[test]
    fn something_short_is_done_only_while_the_loop_rests_and_takes_no_message() {
        let running = Running::start(None);
        running.await_rest();
        let by_us = thread::current().id();
        let tell = |work: &mut Recorder| work.0.send(Taken { number: 7, by: by_us }).unwrap();
        assert!(running.inbox.try_with(|work| {
            // What comes meanwhile is for the sync thread.
            running.inbox.push_or_take(Message::Short(1), is_short);
            assert!(!running.inbox.try_with(tell), "one thread at a time");
            tell(work);
        }));
        assert_eq!(running.next().number, 7);
        let taken = running.next();
        assert_eq!((taken.number, taken.by), (1, running.thread.thread().id()));
        let inbox = running.inbox.clone();
        running.close();
        assert!(!inbox.try_with(tell), "the loop has ended");
    }

    /// A loop whose messages never end before it has rested.
    struct Flooded {
        inbox: Arc<Inbox<Flooded>>,
        until: Instant,
        has_rested: bool,
    }

    impl Loop for Flooded {
        type Message = ();

        fn take(self: Box<Self>, (): ()) -> Option<Box<Self>> {
            assert!(Instant::now() < self.until, "it never rests");
            self.inbox.push(());
            (!self.has_rested).then_some(self)
        }

        fn tick(&mut self) {}

        fn rest(&mut self, idle: bool) -> Option<Instant> {
            self.has_rested |= !idle;
            None
        }
    }

    #[test]
    fn a_loop_rests_also_while_messages_never_end() {
        let inbox = Arc::new(Inbox::new());
        let until = Instant::now() + Duration::from_secs(20);
        inbox.push(());
        inbox.run(Box::new(Flooded { inbox: inbox.clone(), until, has_rested: false }));
    }

    #[test]
    fn a_deadline_is_kept_whoever_set_it() {
        let running = Running::start(Some(Instant::now() + Duration::from_millis(20)));
        running.await_rest();
        running.inbox.push_or_take(Message::Short(1), is_short);
        let taken = [running.next().number, running.next().number];
        assert!(taken.contains(&1) && taken.contains(&u32::MAX), "{taken:?}");
        running.close();
    }

    #[test]
    fn after_the_last_message_and_after_a_panic_messages_are_dropped() {
        let running = Running::start(None);
        running.await_rest();
        let inbox = running.inbox.clone();
        let brought = thread::spawn(move || inbox.push_or_take(Message::Defect, is_short)).join();
        assert!(brought.is_err(), "the panic stays with who had the turn");
        running.thread.join().expect("the loop ends in order");
        running.inbox.push(Message::Short(1));
        running.inbox.push_or_take(Message::Short(2), is_short);
        assert!(running.taken.recv().is_err(), "nothing is taken, and the loop is gone");
    }
}
