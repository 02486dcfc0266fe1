//! Fish that are made of events.

use super::{number, numbers, query};
use crate::nodes::{PATIENCE, converge, event, link, open, publish, secret};
use crate::support::Scratch;
use futures_lite::{StreamExt, future};
use millpond::event::NewEvent;
use millpond::pond::CodeError;
use millpond::{
    AllObserver, ErrorKind, EventView, FISH_OF_ALL_MAX, Fish, Node, OneObserver, PublishOptions,
};
use std::collections::BTreeMap;

/// The fish of an order: all that has happened to it.
fn of_order(event: EventView<'_>) -> Result<Fish<Vec<u64>>, CodeError> {
    let order = number(event.payload_bytes())?;
    Ok(numbers(&format!("order {order}"), &format!("FROM 'of:{order}'")))
}

fn all(node: &Node) -> AllObserver<Vec<u64>> {
    node.observe_all(&query("FROM 'order'"), |event| of_order(event).map(Some)).unwrap()
}

fn one(node: &Node) -> OneObserver<Vec<u64>> {
    node.observe_one(&query("FROM 'order'"), of_order).unwrap()
}

fn put(node: &Node, event: NewEvent) {
    node.publish(vec![event], PublishOptions::default()).wait().unwrap();
}

fn states_until(
    observer: &mut AllObserver<Vec<u64>>,
    wanted: &[(&str, &[u64])],
) -> BTreeMap<String, Vec<u64>> {
    let wanted: BTreeMap<String, Vec<u64>> =
        wanted.iter().map(|(id, state)| ((*id).to_owned(), state.to_vec())).collect();
    loop {
        let next = observer.wait_for_states(Some(PATIENCE)).unwrap().expect("states come");
        if next.states == wanted {
            return next.states;
        }
    }
}

#[test]
fn there_is_a_fish_for_each_event_that_one_is_made_of() {
    let (scratch, secret) = (Scratch::new("fish-all"), secret(1));
    let [a, b] = ["a", "b"].map(|name| open(&scratch, name, &secret));
    link(&a, &b).unwrap();
    let mut observers = [&a, &b].map(all);
    for observer in &mut observers {
        let first = observer.wait_for_states(Some(PATIENCE)).unwrap().expect("it comes");
        assert_eq!((first.states.len(), first.number), (0, 1), "nothing is a set, too");
        assert_eq!(observer.next_states().unwrap(), None);
    }
    put(&a, event("order", 1));
    put(&b, event("order", 2));
    put(&a, event("of:2", 20));
    converge(&[&a, &b], 3);
    for observer in &mut observers {
        states_until(observer, &[("order 1", &[]), ("order 2", &[20])]);
    }
    // The same one again makes no other fish, and a new observer sees them at once.
    put(&a, event("order", 2));
    put(&a, event("of:1", 10));
    for mut observer in [all(&a), all(&a)].into_iter().chain(observers) {
        states_until(&mut observer, &[("order 1", &[10]), ("order 2", &[20])]);
    }
}

#[test]
fn a_set_of_fish_is_a_stream_that_ends_with_its_node_or_with_the_first_error() {
    let scratch = Scratch::new("fish-all-ends");
    let node = open(&scratch, "a", &secret(1));
    let mut observer = all(&node);
    let mut refusing = node
        .observe_all(&query("FROM 'order'"), |event| match number(event.payload_bytes())? {
            7 => Err("no fish of 7".into()),
            8 => Ok(None),
            _ => of_order(event).map(Some),
        })
        .unwrap();
    let mut panicking =
        node.observe_all::<Vec<u64>>(&query("FROM 'order'"), |_| panic!("no fish")).unwrap();
    put(&node, event("order", 8));
    future::block_on(async {
        assert_eq!(observer.next().await.unwrap().unwrap().states.len(), 1);
        assert_eq!(refusing.next().await.unwrap().unwrap().states.len(), 0);
        let error = panicking.next().await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::UserCode, Some("make_fish")));
    });
    put(&node, event("order", 7));
    let error = loop {
        if let Err(error) = refusing.wait_for_states(Some(PATIENCE)) {
            break error;
        }
    };
    let said = error.message();
    assert!(said.contains("no fish of 7") && said.contains("offset 1"), "{said}");
    assert!(refusing.next_states().is_err(), "it stays so");
    node.close(PATIENCE).unwrap();
    future::block_on(async { while observer.next().await.is_some() {} });
}

#[test]
fn more_fish_than_are_observed_together_are_refused_with_what_to_do() {
    let scratch = Scratch::new("fish-all-many");
    let node = open(&scratch, "a", &secret(1));
    publish(&node, "order", FISH_OF_ALL_MAX as u64, 512);
    let mut observer = all(&node);
    let most = observer.wait_for_states(Some(PATIENCE)).unwrap().expect("states come");
    assert_eq!(most.states.len(), FISH_OF_ALL_MAX);
    put(&node, event("order", 1_000_000));
    let error = loop {
        if let Err(error) = observer.wait_for_states(Some(PATIENCE)) {
            break error;
        }
    };
    assert_eq!((error.kind(), error.reason()), (ErrorKind::LimitExceeded, Some("fish")));
}

#[test]
fn the_fish_of_the_oldest_event_is_the_one_on_every_node() {
    let (scratch, secret) = (Scratch::new("fish-one"), secret(1));
    let [a, b] = ["a", "b"].map(|name| open(&scratch, name, &secret));
    let mut observers = [&a, &b].map(one);
    assert_eq!(observers[0].next_state().unwrap(), None, "there is none yet");
    // Cut off from each other: both begin an order, that of `a` later in the order of events.
    put(&a, event("grain", 0));
    put(&a, event("order", 1));
    put(&a, event("of:1", 10));
    put(&b, event("order", 2));
    put(&b, event("of:2", 20));
    let until = |observer: &mut OneObserver<Vec<u64>>, wanted: &[u64]| loop {
        let next = observer.wait_for_state(Some(PATIENCE)).unwrap().expect("a state comes");
        if next.state == wanted {
            break;
        }
    };
    until(&mut observers[0], &[10]);
    until(&mut observers[1], &[20]);
    link(&a, &b).unwrap();
    converge(&[&a, &b], 5);
    until(&mut observers[0], &[20]);
    put(&a, event("of:2", 21));
    for observer in &mut observers {
        until(observer, &[20, 21]);
    }
    b.close(PATIENCE).unwrap();
    future::block_on(async { while observers[1].next().await.is_some() {} });
}
