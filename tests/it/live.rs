//! Live subscriptions between real nodes: early, in order, each event once, and durable in the end.

use crate::nodes::{PATIENCE, held, link, open, secret, until};
use crate::support::Scratch;
use millpond::event::cbor::Value;
use millpond::event::{NewEvent, OffsetMap, Payload, TagSet};
use millpond::query::Query;
use millpond::{Delivery, Durability, Node, PublishOptions, Subscription};
use std::time::Instant;

const EVENTS: u64 = 200;

#[test]
fn a_live_subscriber_elsewhere_gets_each_event_once_and_before_it_is_durable() {
    let scratch = Scratch::new("live");
    let [a, b] = ["a", "b"].map(|name| open(&scratch, name, &secret(1)));
    link(&a, &b).unwrap();
    let mut durable = subscribe(&b, Delivery::Durable);
    let mut live = subscribe(&b, Delivery::Live);
    let mut at_home = subscribe(&a, Delivery::Live);
    let (mut early, mut unwritten) = (0, 0);
    for number in 0..EVENTS {
        // Acknowledged before its sync, which follows within 50 ms.
        let options =
            PublishOptions { durability: Durability::Process, ..PublishOptions::default() };
        a.publish(vec![event(number)], options).wait().unwrap();
        early += u64::from(!take(&mut live, number));
        unwritten += u64::from(held(&a) <= u128::from(number));
        take(&mut at_home, number);
    }
    // How many is a matter of how busy the machine and how fast its disk is.
    println!(
        "of {EVENTS} live events {early} were early, {unwritten} also before their author's disk"
    );
    assert!(early > 0, "each of {EVENTS} was durable here when it came");
    assert!(unwritten > 0, "each was on its author's disk when it came");
    until(&b, "all events", |b| held(b) == u128::from(EVENTS));
    (0..EVENTS).for_each(|number| assert!(take(&mut durable, number)));
    for subscription in [&mut live, &mut at_home] {
        assert!(subscription.next_batch(10).unwrap().events.is_empty(), "nothing comes twice");
    }
    assert_eq!(live.position(), b.offsets().unwrap());
}

#[test]
fn who_catches_up_live_gets_what_is_durable_first_and_goes_on_from_its_position() {
    let scratch = Scratch::new("live-seam");
    let [a, b] = ["a", "b"].map(|name| open(&scratch, name, &secret(1)));
    for number in 0..EVENTS {
        a.publish(vec![event(number)], PublishOptions::default()).wait().unwrap();
    }
    link(&a, &b).unwrap();
    let mut live = subscribe(&b, Delivery::Live);
    for number in 0..EVENTS {
        take(&mut live, number);
    }
    for number in EVENTS..EVENTS + 20 {
        a.publish(vec![event(number)], PublishOptions::default()).wait().unwrap();
        take(&mut live, number);
    }
    until(&b, "all events", |b| held(b) == u128::from(EVENTS + 20));
    assert!(live.next_batch(10).unwrap().events.is_empty());
    let position = live.position();
    drop(live);
    a.publish(vec![event(EVENTS + 20)], PublishOptions::default()).wait().unwrap();
    let mut later = b.subscribe(&Query::all(), position).unwrap().deliver(Delivery::Live);
    take(&mut later, EVENTS + 20);
}

fn subscribe(node: &Node, delivery: Delivery) -> Subscription {
    node.subscribe(&Query::all(), OffsetMap::new()).unwrap().deliver(delivery)
}

fn event(number: u64) -> NewEvent {
    let payload = Payload::from_value(&Value::from(number)).unwrap();
    NewEvent { tags: TagSet::default(), payload }
}

/// Takes the next event, which must be this one; whether it was durable.
fn take(subscription: &mut Subscription, number: u64) -> bool {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let batch = subscription.next_batch(1).unwrap();
        if let Some(event) = batch.events.get(0) {
            assert_eq!(event.payload().to_value().unwrap(), Value::from(number));
            return batch.is_durable;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        assert!(subscription.wait(Some(left)).unwrap(), "event {number} does not come");
    }
}
