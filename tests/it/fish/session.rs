//! Sessions of real nodes: told by what they open, and never before what they have seen.

use super::{number, numbers, query, wait_until};
use crate::nodes::{PATIENCE, converge, event, held, link, open, publish, secret};
use crate::support::Scratch;
use millpond::event::cbor::Value;
use millpond::event::{KeyPosition, NewEvent, OffsetMap};
use millpond::pond::builtin::BuiltIn;
use millpond::pond::{CodeError, Owner};
use millpond::{
    CausalSession, Error, ErrorKind, EventView, Fish, KeyStep, NewAccount, Node, PublishOptions,
    Pump, PumpStep, QueryOptions, RunOptions,
};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

const SOON: Duration = Duration::from_millis(30);

fn count() -> BuiltIn {
    BuiltIn::from_value(&Value::map([("fold", Value::from("count"))])).unwrap()
}

fn grain() -> Fish<Vec<u64>> {
    numbers("grain", "FROM 'grain'")
}

fn of_order(event: EventView<'_>) -> Result<Fish<Vec<u64>>, CodeError> {
    let order = number(event.payload_bytes())?;
    Ok(numbers(&format!("order {order}"), &format!("FROM 'of:{order}'")))
}

fn one(tag: &str) -> Vec<NewEvent> {
    vec![event(tag, 7)]
}

fn put(node: &Node, tag: &str) {
    node.publish(one(tag), PublishOptions::default()).wait().unwrap();
}

/// What can be done in a session, each once.
type Deed = fn(&CausalSession, &Node) -> Result<(), Error>;

const DEEDS: [(&str, Deed); 21] = [
    ("publish", |own, node| {
        own.publish(node, one("grain"), PublishOptions::default()).wait().map(drop)
    }),
    ("query", |own, node| own.query(node, &grain_query(), QueryOptions::default()).map(drop)),
    ("subscribe", |own, node| {
        let mut live = own.subscribe(node, &grain_query(), OffsetMap::new())?;
        while !live.next_batch(1_000)?.events.is_empty() {}
        Ok(())
    }),
    ("subscribe_by_key", |own, node| {
        let mut live = own.subscribe_by_key(node, &grain_query(), KeyPosition::default())?;
        while live.next_step(1_000)? != KeyStep::Nothing {}
        Ok(())
    }),
    ("state", |own, node| own.state(node, &grain()).wait().map(drop)),
    ("state_of_builtin", |own, node| {
        own.state_of_builtin(node, &grain_query(), &count()).wait().map(drop)
    }),
    ("observe", |own, node| {
        let mut observer = own.observe(node, &grain())?.wait()?;
        observer.wait_for_state(Some(PATIENCE)).map(|shown| assert!(shown.is_some()))
    }),
    ("observe_builtin", |own, node| {
        let mut observer = own.observe_builtin(node, &grain_query(), &count())?.wait()?;
        observer.wait_for_state(Some(PATIENCE)).map(|shown| assert!(shown.is_some()))
    }),
    ("observe_all", |own, node| {
        let mut all =
            own.observe_all(node, &query("FROM 'order'"), |seed| of_order(seed).map(Some))?;
        all.wait_for_states(Some(PATIENCE)).map(|shown| assert!(shown.is_some()))
    }),
    ("observe_one", |own, node| {
        let mut first = own.observe_one(node, &query("FROM 'order'"), of_order)?;
        first.wait_for_state(Some(PATIENCE)).map(|shown| assert!(shown.is_some()))
    }),
    ("run", |own, node| own.run(node, &grain(), |_| Ok(Vec::new())).map(drop)),
    ("run that publishes", |own, node| own.run(node, &grain(), |_| Ok(one("grain"))).map(drop)),
    ("run_with", |own, node| {
        let options = RunOptions { timeout: Some(PATIENCE), ..RunOptions::default() };
        own.run_with(node, &grain(), options, |_| Ok(one("grain"))).map(drop)
    }),
    ("keep_running", |own, node| {
        let mut running = own.keep_running(node, &grain(), |_| Ok(Vec::new()), |_| true)?;
        running.wait(Some(PATIENCE)).expect("it ends")
    }),
    ("account", |own, node| own.account(node, "steel")?.deposit(1, None).wait().map(drop)),
    ("report of an account", |own, node| own.account(node, "steel")?.report().map(drop)),
    ("claim", |own, node| own.claim(node, "press 7")?.request(false).wait().map(drop)),
    ("report of a claim", |own, node| own.claim(node, "press 7")?.report().map(drop)),
    ("who_does", |own, node| own.who_does(node, "press 7").map(drop)),
    ("do_optimistically", |own, node| {
        let doing = own.do_optimistically(node, "press 7", None).wait()?;
        doing.watch()?.next(Some(PATIENCE)).map(|told| assert!(told.is_some()))?;
        doing.standing().map(drop)?;
        doing.release().wait().map(drop)
    }),
    ("own_doing", |own, node| {
        own.own_doing(node, "press 7")?;
        own.release_doing(node, "press 7").wait().map(drop)
    }),
];

fn grain_query() -> millpond::query::Query {
    query("FROM 'grain'")
}

/// A node on which each of the deeds finds something.
fn furnished(scratch: &Scratch, name: &str) -> Node {
    let node = open(scratch, name, &secret(1));
    publish(&node, "grain", 5, 5);
    put(&node, "order");
    node.account("steel").unwrap().create(NewAccount::default()).wait().unwrap();
    node.claim("press 7").unwrap().create(None).wait().unwrap();
    node
}

#[test]
fn whatever_is_opened_in_a_session_tells_it_what_it_gives() {
    let scratch = Scratch::new("session-sees");
    let node = furnished(&scratch, "a");
    for (what, deed) in DEEDS {
        let session = CausalSession::new(Some(PATIENCE));
        deed(&session, &node).unwrap_or_else(|error| panic!("{what}: {error}"));
        let (seen, held) = (session.token(), node.offsets().unwrap());
        assert!(seen.covers(&held), "{what}: {seen:?} of {held:?}");
    }
    // What comes later, too.
    let session = CausalSession::new(Some(PATIENCE));
    let mut observer = session.observe(&node, &grain()).unwrap().wait().unwrap();
    let before = wait_until(&mut observer, |_| true).state.len();
    put(&node, "grain");
    wait_until(&mut observer, |shown| shown.state.len() == before + 1);
    assert!(session.token().covers(&node.offsets().unwrap()));
}

#[test]
fn nothing_is_done_in_a_session_at_a_node_that_lacks_what_it_has_seen() {
    let scratch = Scratch::new("session-lacks");
    let (here, there) = (furnished(&scratch, "here"), open(&scratch, "there", &secret(1)));
    let held = here.offsets().unwrap();
    let seen = there.publish(one("grain"), PublishOptions::default()).wait().unwrap().token();
    for (what, deed) in DEEDS {
        let session = CausalSession::new(Some(SOON));
        session.sees(&seen);
        let error = deed(&session, &here).expect_err(what);
        assert_eq!(error.kind(), ErrorKind::NotYetVisible, "{what}: {error}");
        assert_eq!(session.token(), seen, "{what}");
    }
    assert_eq!(here.offsets().unwrap(), held, "nothing was published");
    link(&here, &there).unwrap();
    for (what, deed) in DEEDS {
        let session = CausalSession::new(Some(PATIENCE));
        session.sees(&seen);
        deed(&session, &here).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(session.token().covers(&here.offsets().unwrap()), "{what}");
    }
}

#[test]
fn an_effect_that_is_kept_running_in_a_session_acts_on_no_state_from_before_what_that_has_seen() {
    let scratch = Scratch::new("session-running");
    let [here, there] = ["here", "there"].map(|name| open(&scratch, name, &secret(1)));
    let session = CausalSession::new(Some(PATIENCE));
    session.publish(&there, vec![event("grain", 1); 5], PublishOptions::default()).wait().unwrap();
    let (say, said) = channel();
    let act = move |state: &Vec<u64>| {
        say.send(state.len()).unwrap();
        Ok(if state.len() < 8 { one("grain") } else { Vec::new() })
    };
    let mut running = session.keep_running(&here, &grain(), act, |state| state.len() == 8).unwrap();
    link(&here, &there).unwrap();
    running.wait(Some(PATIENCE)).expect("it ends").unwrap();
    assert_eq!(said.iter().collect::<Vec<_>>(), [5, 6, 7], "not on the empty one");
    assert!(session.token().covers(&here.offsets().unwrap()));
}

/// Whatever `start` begins waits for its turn when its session publishes, and the fold is slow.
fn acts_on(start: impl FnOnce(&CausalSession, &Node, &Fish<Vec<u64>>, Sender<usize>)) -> usize {
    let scratch = Scratch::new("session-slow-fold");
    let (node, fish, session) =
        (open(&scratch, "a", &secret(1)), grain(), CausalSession::new(None));
    let (own, pump) = node.join_fish(fish.definition()).unwrap();
    let (mut pump, mut code) = (pump.expect("it is new"), Owner::new(fish.clone()));
    let mut work = move |pump: &mut Pump| {
        let mut answer = None;
        loop {
            match pump.next_step(answer.take()) {
                PumpStep::Run(job) => answer = Some(code.work(job)),
                step => return matches!(step, PumpStep::Ended),
            }
        }
    };
    work(&mut pump);
    let held = own.effect_turn().wait().unwrap();
    let (woken, waking) = channel();
    pump.on_ready(Arc::new(move || woken.send(()).unwrap_or_default()));
    waking.recv().expect("once at first");
    let (say, said) = channel();
    start(&session, &node, &fish, say);
    waking.recv_timeout(PATIENCE).expect("who waits for a turn has the fold look");
    session.publish(&node, one("grain"), PublishOptions::default()).wait().unwrap();
    drop((held, own));
    let worked = thread::spawn(move || {
        while !work(&mut pump) {
            pump.wait();
        }
    });
    let acted = said.recv_timeout(PATIENCE).expect("it has its turn");
    node.close(PATIENCE).unwrap();
    worked.join().unwrap();
    acted
}

#[test]
fn an_effect_in_a_session_has_its_turn_on_all_that_this_saw_while_it_waited_for_that() {
    let ran = acts_on(|session, node, fish, say| {
        let (session, node, fish) = (session.clone(), node.clone(), fish.clone());
        thread::spawn(move || {
            let act = |state: &Vec<u64>| {
                say.send(state.len()).unwrap();
                Ok(Vec::new())
            };
            session.run(&node, &fish, act).unwrap();
        });
    });
    assert_eq!(ran, 1, "the state lacked what its session had published");
    let mut running = None;
    let ran = acts_on(|session, node, fish, say| {
        let act = move |state: &Vec<u64>| {
            say.send(state.len()).unwrap();
            Ok(Vec::new())
        };
        running = Some(session.keep_running(node, fish, act, |_| false).unwrap());
    });
    assert_eq!(ran, 1, "kept running, the state lacked what its session had published");
    running.unwrap().wait(Some(PATIENCE)).expect("it ends with its node").unwrap();
}

#[test]
fn an_effect_in_a_session_publishes_nothing_before_what_that_sees_while_it_runs() {
    let scratch = Scratch::new("session-effect-sees");
    let [here, there] = ["here", "there"].map(|name| open(&scratch, name, &secret(1)));
    let session = CausalSession::new(Some(SOON));
    put(&there, "grain");
    let run = |seen: &OffsetMap| {
        session.run(&here, &grain(), |_| {
            session.sees(seen);
            Ok(one("grain"))
        })
    };
    let error = run(&there.offsets().unwrap()).unwrap_err();
    assert_eq!((error.kind(), held(&here)), (ErrorKind::NotYetVisible, 0));
    link(&here, &there).unwrap();
    converge(&[&here, &there], 1);
    run(&OffsetMap::new()).unwrap().expect("it publishes");
    assert_eq!(held(&here), 2);
}

/// The fish is observed already, and what came since does not match, so nobody has woken it.
#[test]
fn fish_that_events_make_show_in_a_session_only_what_covers_all_that_it_has_seen() {
    let scratch = Scratch::new("session-group");
    let node = open(&scratch, "a", &secret(1));
    put(&node, "order");
    let mut idle = node.observe(&numbers("order 7", "FROM 'of:7'")).unwrap();
    wait_until(&mut idle, |_| true);
    for count in 1..=20 {
        let session = CausalSession::new(Some(PATIENCE));
        session.publish(&node, one("of:7"), PublishOptions::default()).wait().unwrap();
        let seen = session.token();
        let mut first = session.observe_one(&node, &query("FROM 'order'"), of_order).unwrap();
        let shown = first.wait_for_state(Some(PATIENCE)).unwrap().expect("it comes");
        assert!(shown.offsets.covers(&seen), "{:?} of {seen:?}", shown.offsets);
        let make = |seed: EventView<'_>| of_order(seed).map(Some);
        let mut all = session.observe_all(&node, &query("FROM 'order'"), make).unwrap();
        let shown = all.wait_for_states(Some(PATIENCE)).unwrap().expect("it comes");
        let counts: Vec<usize> = shown.states.values().map(Vec::len).collect();
        assert_eq!(counts, [count], "an older state was shown first");
    }
}
