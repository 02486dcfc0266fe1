//! A node of a lab, with the calls that a node of the product has.
//!
//! Not here: what befalls it (`pond::lab`). Nothing waits here: what a node would wait for is there
//! or is refused.

use crate::blob::store::not_here;
use crate::driver::blob::check_tags;
use crate::driver::node::PublishOptions;
use crate::driver::pond::{Acting, RunOptions, Wanted};
use crate::error::{Error, ErrorKind, Result};
use crate::event::cbor::Value;
use crate::event::{
    Behind, EventBatch, EventKey, NewEvent, NodeId, OffsetMap, Once, not_yet_visible,
};
use crate::log::{Appended, Durability, Filter, Receipt};
use crate::pending::Pending;
use crate::pond::builtin::BuiltIn;
use crate::pond::lab::{Lab, LabPublished};
use crate::pond::{Deed, Fish, guarded};
use crate::query::Query;

/// A node of a [`Lab`]: says and asks what a [`Node`](crate::Node) does, by the same names, with
/// the same errors.
///
/// Its answers are there at once: virtual time passes between calls and never in them. Not here:
/// subscriptions and observers. Of accounts and claims [`Lab::account`],
/// [`Lab::claim`] and [`Lab::who_does`] tell.
pub struct LabNode<'a> {
    pub(super) lab: &'a mut Lab,
    pub(super) node: usize,
}

impl Lab {
    /// The node of this index; the first is 0.
    ///
    /// # Errors
    /// `invalid_argument`: there is no such node.
    pub fn node(&mut self, node: usize) -> Result<LabNode<'_>> {
        self.node_id(node)?;
        Ok(LabNode { lab: self, node })
    }
}

impl LabNode<'_> {
    /// Who it is.
    pub fn node_id(&self) -> NodeId {
        self.lab.node_id(self.node).expect("it was looked for when this was made")
    }

    /// Appends events to its stream, as [`Node::publish`](crate::Node::publish) does.
    ///
    /// With the durability `process` nobody sees them before some time passes, and a power cut
    /// before that may take them back.
    ///
    /// # Errors
    /// In the answer: `closed`: the node does not run; or it dies in the middle of this, where
    /// `LabOptions::faults` has it, and the events are stored or not. `invalid_argument`,
    /// `limit_exceeded`, `conflict`: nothing was stored.
    pub fn publish(&mut self, events: Vec<NewEvent>, options: PublishOptions) -> Pending<Appended> {
        Pending::ready(self.append(events, options))
    }

    /// The events that it holds durably and the query selects, by rising key.
    ///
    /// # Errors
    /// `closed`: the node does not run.
    pub fn query(&self, query: &Query) -> Result<EventBatch> {
        self.lab.query(self.node, query)
    }

    /// The state of a fish, of all that is durable there. Its fold goes on from where it was, or
    /// from snapshots after a crash; the judge compares what it shows.
    ///
    /// # Errors
    /// `user_code`: code of the fish failed, reason `initial`, `step`, `is_reset`, `encode` or
    /// `decode`; or the state is wrong, reason `step`, `codec` or `is_reset`, where the message
    /// says why. `conflict`: another fish of this id is at work there. `closed`: the node does not
    /// run.
    pub fn state<S: Send + 'static>(&mut self, fish: &Fish<S>) -> Result<S> {
        self.lab.state(self.node, fish)
    }

    /// As [`LabNode::state`], of a fold that takes no code.
    ///
    /// # Errors
    /// As [`LabNode::state`].
    pub fn state_of_builtin(&mut self, query: &Query, fold: &BuiltIn) -> Result<Value> {
        self.lab.state_of_builtin(self.node, query, fold)
    }

    /// Runs `effect` once on the state of `fish`, and publishes what it gives; `None` when that is
    /// nothing.
    ///
    /// # Errors
    /// As [`LabNode::run_with`], but for those that only its options lead to.
    pub fn run<S: Send + 'static>(
        &mut self,
        fish: &Fish<S>,
        effect: impl FnOnce(&S) -> Wanted,
    ) -> Result<Option<Appended>> {
        self.run_with(fish, RunOptions::default(), effect)
    }

    /// As [`LabNode::run`], as `options` say.
    ///
    /// # Errors
    /// `user_code`, reason `effect`: the effect failed, and nothing was published.
    /// `invalid_argument`, reason `nested_effect`: an effect of a node runs on this thread already.
    /// `not_yet_visible`: the node does not hold what the state must have seen, and a lab does not
    /// wait; the effect did not run. As [`LabNode::state`] and [`LabNode::publish`].
    pub fn run_with<S: Send + 'static>(
        &mut self,
        fish: &Fish<S>,
        options: RunOptions,
        effect: impl FnOnce(&S) -> Wanted,
    ) -> Result<Option<Appended>> {
        Acting::check_none()?;
        let RunOptions { after, publish, .. } = options;
        self.wait_for(&after.token, None)?;
        let state = self.state(fish)?;
        self.publish_of(fish, publish, || effect(&state))
    }

    /// Publishes what an effect on a fish gives.
    pub(super) fn publish_of<S: Send + 'static>(
        &mut self,
        fish: &Fish<S>,
        options: PublishOptions,
        effect: impl FnOnce() -> Wanted,
    ) -> Result<Option<Appended>> {
        let events = guarded(|| effect().map_err(|error| error.to_string()));
        let events = events.map_err(|message| {
            let message = format!("an effect on {} failed: {message}", fish.definition());
            Error::new(ErrorKind::UserCode, message).with_reason("effect")
        })?;
        if events.is_empty() {
            return Ok(None);
        }
        self.append(events, options).map(Some)
    }

    /// Does something to an account or a claim, as [`Node::act`](crate::Node::act) does, with a
    /// key once; what it decides is durable.
    ///
    /// # Errors
    /// In the answer; as [`Lab::act`].
    pub fn act(&mut self, deed: Deed, idempotency_key: Option<&[u8]>) -> Pending<Appended> {
        let done = self.lab.act(self.node, deed, idempotency_key);
        Pending::ready(done.map(|(published, replayed)| appended(published, replayed)))
    }

    /// Says "I do this" of `what`, as [`Node::do_optimistically`](crate::Node::do_optimistically)
    /// does. Gives the event that says so, and where it stands.
    ///
    /// # Errors
    /// As [`Lab::do_optimistically`].
    pub fn do_optimistically(
        &mut self,
        what: &str,
        note: Option<Value>,
    ) -> Result<(EventKey, Appended)> {
        let (key, said) = self.lab.do_optimistically(self.node, what, note)?;
        Ok((key, appended(said, false)))
    }

    /// Refuses what a node refuses at the end of its wait for `token`: with a query only events
    /// count that can match it, where that is known, as for
    /// [`Node::wait_for`](crate::Node::wait_for).
    ///
    /// # Errors
    /// `not_yet_visible`: it does not hold them; names what is missing. `closed`: it does not run.
    pub fn wait_for(&self, token: &OffsetMap, query: Option<&Query>) -> Result<()> {
        let filter = query.map(|query| Filter::new(query, self.node_id()));
        let mut lacks = self.lab.lacks(self.node, token)?;
        if let Some(filter) = filter {
            lacks.retain(|(behind, lamport)| filter.admits_after(&behind.stream, *lamport));
        }
        let missing: Vec<Behind> = lacks.into_iter().map(|(behind, _)| behind).collect();
        if missing.is_empty() { Ok(()) } else { Err(not_yet_visible(&missing)) }
    }

    fn append(&mut self, events: Vec<NewEvent>, options: PublishOptions) -> Result<Appended> {
        let PublishOptions { durability, idempotency_key, expected } = options;
        if let Some(id) = check_tags(&events)?.first() {
            // No node of a lab has any.
            return Err(not_here(id));
        }
        let held = self.lab.own_count(self.node)?;
        let once = |key: &Vec<u8>| Once::append(key, self.lab.app_id(), &events);
        let once = idempotency_key.as_ref().map(once).transpose()?;
        if let Some(once) = &once
            && let Some((first, before)) = self.lab.remembered(self.node, &once.key)?
        {
            once.check_same(&first.digest)?;
            return Ok(appended(before.clone(), true));
        }
        if let Some(expected) = expected
            && expected != held
        {
            let message = format!("the own stream has {held} events, not the expected {expected}");
            return Err(Error::new(ErrorKind::Conflict, message).with_reason("expected"));
        }
        let is_durable = durability == Durability::Power;
        let published = self.lab.publish_as(self.node, events, is_durable, once)?;
        Ok(appended(published, false))
    }
}

fn appended(published: LabPublished, replayed: bool) -> Appended {
    let LabPublished { key, count, first, time, offsets } = published;
    Appended::at(Receipt { key, offset: first, time }, count, offsets, replayed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventView, Payload, TagSet};
    use crate::testing::{LabOptions, explore, lint};

    fn event(tag: &str, number: u64) -> NewEvent {
        let payload = Payload::from_value(&Value::from(number)).unwrap();
        NewEvent { tags: TagSet::new([tag]).unwrap(), payload }
    }

    fn number(event: EventView<'_>) -> u64 {
        match Value::decode(event.payload_bytes()).unwrap() {
            Value::Integer(number) => u64::try_from(number.value()).unwrap(),
            other => panic!("{other:?} is no number"),
        }
    }

    fn numbers() -> Fish<Vec<u64>> {
        let step = |state: &mut Vec<u64>, event: EventView<'_>| {
            state.push(number(event));
            Ok(())
        };
        Fish::new("numbers", 1, Query::parse("FROM 'number'").unwrap(), Vec::new, step).unwrap()
    }

    fn lab(nodes: usize, seed: u64) -> Lab {
        Lab::new(&LabOptions::new(nodes, seed)).unwrap()
    }

    #[test]
    fn an_effect_sees_all_that_earlier_ones_of_its_node_have_published_also_after_crashes() {
        let (mut lab, fish) = (lab(3, 5), numbers());
        let mut own = vec![Vec::new(); 3];
        for turn in 0..60 {
            lab.chaos(2).unwrap();
            let node = (turn % 3) as usize;
            lab.start(node).unwrap();
            let before = own[node].clone();
            let run = lab.node(node).unwrap().run(&fish, |state| {
                let seen = before.iter().all(|number| state.contains(number));
                assert!(seen, "{before:?} were published here, and {state:?} is seen");
                Ok(vec![event("number", turn)])
            });
            assert_eq!(run.unwrap().unwrap().count, 1);
            own[node].push(turn);
        }
        lab.calm().unwrap();
        assert_eq!(lab.node(1).unwrap().run(&fish, |_| Ok(Vec::new())).unwrap(), None);
    }

    #[test]
    fn an_effect_that_fails_or_panics_publishes_nothing_and_says_so() {
        let (mut lab, fish) = (lab(1, 1), numbers());
        let mut node = lab.node(0).unwrap();
        let failed = node.run(&fish, |_| Err("no".into())).unwrap_err();
        let panicked = node.run(&fish, |_| panic!("at the mill")).unwrap_err();
        for (error, said) in [(failed, "no"), (panicked, "at the mill")] {
            assert_eq!((error.kind(), error.reason()), (ErrorKind::UserCode, Some("effect")));
            assert!(error.message().contains(said), "{error}");
        }
        assert_eq!(node.state(&fish).unwrap(), [0; 0]);
    }

    #[test]
    fn a_node_refuses_what_one_of_the_product_does() {
        let mut lab = lab(2, 1);
        let published = lab.node(1).unwrap().publish(vec![event("a", 1)], Default::default());
        let token = published.wait().unwrap().token();
        let mut node = lab.node(0).unwrap();
        let refused = |events, options| {
            let mut lab = self::lab(1, 1);
            let error = lab.node(0).unwrap().publish(events, options).wait().unwrap_err();
            (error.kind(), error.reason())
        };
        let reserved = refused(vec![event("millpond:account", 1)], Default::default());
        assert_eq!(reserved, (ErrorKind::InvalidArgument, Some("reserved_tag")));
        assert_eq!(refused(Vec::new(), Default::default()).0, ErrorKind::InvalidArgument);
        let large = || NewEvent {
            tags: TagSet::default(),
            payload: Payload::from_value(&Value::Bytes(vec![0; 1_000_000])).unwrap(),
        };
        let large = (0..17).map(|_| large()).collect();
        assert_eq!(refused(large, Default::default()).0, ErrorKind::LimitExceeded);
        let after = crate::After { token, timeout: None };
        let options = RunOptions { after, ..RunOptions::default() };
        let error = node.run_with(&numbers(), options, |_| panic!("not called")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotYetVisible);
        assert_eq!(error.missing().len(), 1);
    }

    #[test]
    fn a_retry_with_its_key_stores_nothing_unless_a_power_cut_took_the_first_back() {
        let publish = |lab: &mut Lab, number, durability| {
            let options = PublishOptions {
                durability,
                idempotency_key: Some(b"order 7".to_vec()),
                expected: None,
            };
            lab.node(0).unwrap().publish(vec![event("a", number)], options).wait()
        };
        let mut replayed = Vec::new();
        for seed in 1..=20 {
            let mut lab = lab(1, seed);
            let first = publish(&mut lab, 1, Durability::Process).unwrap();
            let again = publish(&mut lab, 1, Durability::Process).unwrap();
            assert_eq!((again.first_offset, again.replayed), (first.first_offset, true));
            let other = publish(&mut lab, 2, Durability::Process).unwrap_err();
            assert_eq!(other.reason(), Some("idempotency_key"));
            lab.cut_power(0).unwrap();
            lab.start(0).unwrap();
            replayed.push(publish(&mut lab, 1, Durability::Power).unwrap().replayed);
            lab.cut_power(0).unwrap();
            lab.start(0).unwrap();
            assert!(publish(&mut lab, 1, Durability::Power).unwrap().replayed);
            assert_eq!(lab.offsets(0).unwrap().total(), 1);
        }
        assert!(replayed.contains(&true) && replayed.contains(&false));
    }

    #[test]
    fn an_effect_that_is_run_again_after_a_death_is_doubled_without_a_key_and_not_with_one() {
        let orders = |seed, with_key: bool| {
            let options = LabOptions { faults: 3, ..LabOptions::new(1, seed) };
            let mut lab = Lab::new(&options).unwrap();
            for order in 0..8u64 {
                let publish = || PublishOptions {
                    idempotency_key: with_key.then(|| order.to_le_bytes().to_vec()),
                    ..PublishOptions::default()
                };
                let run = |lab: &mut Lab| {
                    let options = RunOptions { publish: publish(), ..RunOptions::default() };
                    let effect = |_: &Vec<u64>| Ok(vec![event("number", order)]);
                    lab.node(0).unwrap().run_with(&numbers(), options, effect)
                };
                while let Err(error) = run(&mut lab) {
                    assert_eq!(error.kind(), ErrorKind::Closed);
                    lab.start(0).unwrap();
                }
            }
            lab.node(0).unwrap().state(&numbers()).unwrap()
        };
        let all: Vec<u64> = (0..8).collect();
        assert!((1..=20).all(|seed| orders(seed, true) == all));
        assert!((1..=20).any(|seed| orders(seed, false).len() > all.len()));
    }

    #[test]
    fn a_withdrawal_that_is_tried_again_after_a_death_is_doubled_without_a_key_and_not_with_one() {
        let (name, id) = ("steel".to_owned(), None);
        let taken = |seed, with_key: bool| {
            let options = LabOptions { faults: 3, ..LabOptions::new(1, seed) };
            let mut lab = Lab::new(&options).unwrap();
            let until_done = |lab: &mut Lab, deed: Deed, key: Option<&[u8]>| {
                while let Err(error) = lab.node(0).unwrap().act(deed.clone(), key).wait() {
                    assert_eq!(error.kind(), ErrorKind::Closed);
                    lab.start(0).unwrap();
                }
            };
            let (amount, floor, shares) = (1_000, 0, Vec::new());
            let (name, id) = (name.clone(), id.clone());
            let begun =
                Deed::AccountCreate { name: name.clone(), id: id.clone(), amount, floor, shares };
            until_done(&mut lab, begun, Some(b"begin"));
            for order in 0..8u64 {
                let key = order.to_le_bytes();
                let (name, id) = (name.clone(), id.clone());
                let deed = Deed::AccountWithdraw { name, id, amount: 10, note: None };
                until_done(&mut lab, deed, with_key.then_some(&key));
            }
            lab.check_scarce().unwrap();
            1_000 - lab.account(0, &name, None).unwrap().state.balance()
        };
        assert!((1..=20).all(|seed| taken(seed, true) == 80));
        assert!((1..=20).any(|seed| taken(seed, false) > 80));
    }

    #[test]
    fn what_cannot_match_a_query_is_not_waited_for() {
        let mut lab = lab(2, 1);
        let published = lab.node(1).unwrap().publish(vec![event("a", 1)], Default::default());
        let token = published.wait().unwrap().token();
        let node = lab.node(0).unwrap();
        let own = Query::parse("FROM isLocal & 'a'").unwrap();
        node.wait_for(&token, Some(&own)).unwrap();
        for any in [None, Some(&Query::parse("FROM 'b'").unwrap())] {
            let error = node.wait_for(&token, any).unwrap_err();
            assert_eq!((error.kind(), error.missing().len()), (ErrorKind::NotYetVisible, 1));
        }
        lab.crash(0).unwrap();
        let closed = lab.node(0).unwrap().wait_for(&OffsetMap::new(), None).unwrap_err();
        assert_eq!(closed.kind(), ErrorKind::Closed);
    }

    #[test]
    fn a_scenario_without_a_seed_is_refused() {
        let error = explore([], |_| Ok(())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }

    #[test]
    fn what_is_expected_of_the_stream_is_held_against_it() {
        let mut lab = lab(1, 1);
        let expected = PublishOptions { expected: Some(7), ..PublishOptions::default() };
        let node = &mut lab.node(0).unwrap();
        let conflict = node.publish(vec![event("a", 1)], expected).wait().unwrap_err();
        assert_eq!((conflict.kind(), conflict.reason()), (ErrorKind::Conflict, Some("expected")));
    }

    #[test]
    fn what_was_declared_and_found_to_grow_only_is_monotone_and_nothing_else_is() {
        let mut lab = lab(1, 1);
        let mut node = lab.node(0).unwrap();
        let events = [5, 1, 5, 9].map(|own| event("number", own)).into();
        node.publish(events, Default::default()).wait().unwrap();
        let events = node.query(&Query::all()).unwrap();
        let greatest = |state: &mut u64, event: EventView<'_>| {
            *state = (*state).max(number(event));
            Ok(())
        };
        let greatest = Fish::new("greatest", 1, Query::all(), || 0, greatest).unwrap();
        assert!(!lint(&greatest, &events).unwrap().is_monotone());
        let declared = greatest.grow_only(|one, other| *one.max(other)).unwrap();
        let said = lint(&declared, &events).unwrap();
        assert!(said.is_monotone() && said.reason().contains("on 4 events"), "{said}");
        let nothing = lint(&declared, &EventBatch::default()).unwrap_err();
        assert_eq!(nothing.reason(), Some("no_examples"));
    }
}
