//! Accounts and claims in a lab: what a node decides, and what it tells of them.
//!
//! The decisions are the product's (`pond::desk`); their ground is folded from nothing each time.
//! Not here: requests that are answered and claims that are lost while time passes (`answers`),
//! whether all keep their promises (`scarce`).

use crate::error::{ErrorKind, Result};
use crate::event::cbor::Value;
use crate::event::{Behind, EventKey, Lamport, NewEvent, OffsetMap, Once, StreamId, Tag, TagSet};
use crate::pond::claim::{ClaimFold, Doing, DoingFold, claim_tag, doing_tag};
use crate::pond::desk::{
    AccountReport, Asked, ClaimReport, Decision, Deed, Folded, Ground, Knowledge, Reading, Told,
    WhoDoes,
};
use crate::pond::escrow::{AccountFold, AccountId, account_tag};
use crate::pond::lab::answers::Answers;
use crate::pond::lab::lab::Lab;
use crate::pond::lab::options::LabPublished;
use crate::pond::lab::reader::View;
use crate::pond::lab::scarce::Seen;
use crate::pond::{Lineage, Name};
use crate::query::{Query, TagExpression};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the lab keeps for accounts and claims beside the logs of its nodes.
#[derive(Default)]
pub(super) struct Desks {
    /// What was ever acted on, by the tag of its events.
    pub(super) matters: BTreeMap<Tag, Matter>,
    pub(super) nodes: Vec<NodeDesk>,
    pub(super) answers: Answers,
    pub(super) seen: Seen,
    /// Whatever is copied of this lab points to it.
    pub(super) lab: Arc<()>,
}

/// What a node keeps beside its log.
#[derive(Clone, Debug, Default)]
pub(super) struct NodeDesk {
    /// What idempotency keys stand for: what was asked for, and the answer. Durable.
    pub(super) remembered: BTreeMap<[u8; 32], (Once, LabPublished)>,
    /// Since it runs another node has said what it holds.
    pub(super) has_compared: bool,
    /// How far its own streams go, as others have said since it runs.
    pub(super) known: OffsetMap,
}

/// What is scarce.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Matter {
    Account(Name),
    Claim(Name),
    Doing(Name),
}

impl Desks {
    pub(super) fn new(nodes: usize) -> Desks {
        Desks { nodes: vec![NodeDesk::default(); nodes], ..Desks::default() }
    }

    /// What a node has in memory is lost.
    pub(super) fn end(&mut self, node: usize) {
        let desk = &mut self.nodes[node];
        (desk.has_compared, desk.known) = (false, OffsetMap::new());
        self.answers.end(node);
    }
}

impl Matter {
    pub(super) fn tag(&self) -> Tag {
        match self {
            Matter::Account(name) => AccountFold::tag(name),
            Matter::Claim(what) => ClaimFold::tag(what),
            Matter::Doing(what) => DoingFold::tag(what),
        }
    }

    pub(super) fn name(&self) -> &Name {
        let (Matter::Account(name) | Matter::Claim(name) | Matter::Doing(name)) = self;
        name
    }
}

/// What a matter is folded to.
pub(super) trait Scarce: Folded {
    fn nothing(name: &Name) -> Self;
    fn tag(name: &Name) -> Tag;
}

impl Scarce for AccountFold {
    fn nothing(name: &Name) -> AccountFold {
        AccountFold::new(name.clone(), Arc::default())
    }

    fn tag(name: &Name) -> Tag {
        account_tag(name)
    }
}

impl Scarce for ClaimFold {
    fn nothing(what: &Name) -> ClaimFold {
        ClaimFold::new(what.clone(), Arc::default())
    }

    fn tag(what: &Name) -> Tag {
        claim_tag(what)
    }
}

impl Scarce for DoingFold {
    fn nothing(_: &Name) -> DoingFold {
        DoingFold::new()
    }

    fn tag(what: &Name) -> Tag {
        doing_tag(what)
    }
}

impl Lab {
    /// A node does something to an account or a claim: decides at once, from what is durable there,
    /// by the rules of the product. What it decides is durable when this returns. With a key, 1 to
    /// 255 bytes, that is done once: the second value is true when it was done before, and then the
    /// first one is the first answer.
    ///
    /// # Errors
    /// As [`Lab::publish`] and as `Node::act`: `overdraft`, `not_found`, `conflict`,
    /// `not_yet_visible`, `invalid_argument`, `limit_exceeded`; then nothing was published.
    /// `closed`: the node does not run, or dies in the middle of it (`LabOptions::faults`): then it
    /// was done or not. `internal`: an account or a claim breaks its promise.
    pub fn act(
        &mut self,
        node: usize,
        deed: Deed,
        key: Option<&[u8]>,
    ) -> Result<(LabPublished, bool)> {
        self.running(node)?;
        let (told, deed) = (deed.to_string(), deed.read()?);
        self.mortally(node, |lab| lab.do_now(node, deed, key, &told))
    }

    fn do_now(
        &mut self,
        node: usize,
        deed: Reading,
        key: Option<&[u8]>,
        told: &str,
    ) -> Result<(LabPublished, bool)> {
        match deed {
            Reading::Account { name, id, deed } => {
                let id = id.as_ref();
                let once = self.once::<AccountFold>(&name, key, || deed.asked(id))?;
                self.decide(node, Matter::Account(name), once, told, |lab, name| {
                    lab.on_ground(node, name, |ground| deed.decide(ground, id))?
                })
            }
            Reading::Claim { what, deed } => {
                let once = self.once::<ClaimFold>(&what, key, || deed.asked())?;
                self.decide(node, Matter::Claim(what), once, told, |lab, what| {
                    lab.on_ground(node, what, |ground| deed.decide(ground))?
                })
            }
            Reading::Doing { what, doing } => {
                let once = self.once::<DoingFold>(&what, key, || doing.asked())?;
                self.decide(node, Matter::Doing(what), once, told, |_, _| doing.decide())
            }
        }
    }

    /// A node says "I do this" of `what`. Said again while it stands it is the same claim. Gives
    /// the key of the event that says so, which [`Lab::standing`] and [`Lab::tell_loss`] take.
    ///
    /// # Errors
    /// As [`Lab::act`]; the note may be no payload.
    pub fn do_optimistically(
        &mut self,
        node: usize,
        what: &str,
        note: Option<Value>,
    ) -> Result<(EventKey, LabPublished)> {
        self.running(node)?;
        let (matter, doing) = (Matter::Doing(Name::new(what)?), Doing::Claim { note });
        let told = format!("says that it does {what}");
        let (said, _) = self
            .mortally(node, |lab| lab.decide(node, matter, None, &told, |_, _| doing.decide()))?;
        Ok((said.key, said))
    }

    /// Does what may be the last that the node does, before or after.
    fn mortally<T>(&mut self, node: usize, work: impl FnOnce(&mut Lab) -> Result<T>) -> Result<T> {
        let death = self.death(node);
        if death == Some(false) {
            self.note(format!("node {node} dies before it decides"));
            return Err(self.dead(node));
        }
        let done = work(self);
        let what = match &done {
            _ if death.is_none() => return done,
            // A bug of millpond is said before all else.
            Err(error) if error.kind() == ErrorKind::Internal => {
                self.befalls.in_hand = None;
                return done;
            }
            Err(_) => "that it decides nothing",
            Ok(_) => "what it decided",
        };
        self.note(format!("node {node} dies before it says {what}"));
        Err(self.dead(node))
    }

    /// The account `name` as a node knows it, or exactly the one of the id.
    ///
    /// # Errors
    /// `not_found`: it is not known there. `closed`: the node does not run. `invalid_argument`,
    /// `limit_exceeded`: there is no such node, or can be no such name.
    pub fn account(
        &self,
        node: usize,
        name: &str,
        id: Option<&AccountId>,
    ) -> Result<AccountReport> {
        self.on_ground(node, &Name::new(name)?, |ground| AccountReport::of(ground, id))?
    }

    /// The exclusive claim to `what` as a node knows it; one that was not created has no holder.
    ///
    /// # Errors
    /// As [`Lab::account`], without `not_found`.
    pub fn claim(&self, node: usize, what: &str) -> Result<ClaimReport> {
        self.on_ground(node, &Name::new(what)?, ClaimReport::of)
    }

    /// Who does `what`, as far as a node knows.
    ///
    /// # Errors
    /// As [`Lab::claim`].
    pub fn who_does(&self, node: usize, what: &str) -> Result<WhoDoes> {
        let claim = self.claim(node, what)?;
        self.on_ground(node, &Name::new(what)?, |ground| WhoDoes::of(claim, ground.state))
    }

    /// The optimistic claim of a node to `what` that stands; none when there is none.
    ///
    /// # Errors
    /// As [`Lab::claim`].
    pub fn own_doing(&self, node: usize, what: &str) -> Result<Option<EventKey>> {
        self.on_ground(node, &Name::new(what)?, |ground: &Ground<'_, DoingFold>| {
            ground.state.of_node(ground.own.node).map(|own| own.key)
        })
    }

    /// How the optimistic claim to `what` stands that was published with `key`, as far as a node
    /// knows.
    ///
    /// # Errors
    /// As [`Lab::claim`].
    pub fn standing(&self, node: usize, what: &str, key: &EventKey) -> Result<Told> {
        self.on_ground(node, &Name::new(what)?, |ground| Told::of(ground, key))
    }

    /// What a node lacks of a token, and of each stream the lamport that it holds it up to.
    ///
    /// # Errors
    /// As [`Lab::claim`].
    pub(crate) fn lacks(&self, node: usize, token: &OffsetMap) -> Result<Vec<(Behind, Lamport)>> {
        let held = &self.running(node)?.held;
        let lacks = token.beyond(held).map(|(stream, range)| {
            let missing = range.end - range.start;
            let lamport = Lamport::new(self.streams.lamport_at(&stream, range.start))?;
            Ok((Behind { stream, missing }, lamport))
        });
        lacks.collect()
    }

    /// What is done once, where a key says so.
    fn once<F: Scarce>(
        &self,
        name: &Name,
        key: Option<&[u8]>,
        asked: impl FnOnce() -> Result<Asked>,
    ) -> Result<Option<Once>> {
        let Some(key) = key else { return Ok(None) };
        Once::decision(key, &self.app_id, &F::tag(name), asked()?.parts()).map(Some)
    }

    /// Publishes what is decided, unless it was done before.
    pub(super) fn decide(
        &mut self,
        node: usize,
        matter: Matter,
        once: Option<Once>,
        told: &str,
        decision: impl FnOnce(&Lab, &Name) -> Result<Decision>,
    ) -> Result<(LabPublished, bool)> {
        let remembered = once.and_then(|once| self.desks.nodes[node].remembered.get(&once.key));
        if let (Some(once), Some((first, answer))) = (&once, remembered) {
            once.check_same(&first.digest)?;
            return Ok((answer.clone(), true));
        }
        let Decision { payload, spends: _ } = decision(self, matter.name())?;
        let tag = matter.tag();
        let tags = TagSet::new([tag.as_str()]).expect("one tag fits");
        self.note(format!("node {node} {told}"));
        let done = self.write(node, vec![NewEvent { tags, payload }], true)?;
        if let Some(once) = once {
            self.desks.nodes[node].remembered.insert(once.key, (once, done.clone()));
        }
        self.desks.matters.entry(tag).or_insert_with(|| matter.clone());
        self.changed(node, &matter)?;
        Ok((done, false))
    }

    /// Looks at everything durable at a node, folded from nothing.
    pub(super) fn on_ground<F: Scarce, T>(
        &self,
        node: usize,
        name: &Name,
        look: impl FnOnce(&Ground<'_, F>) -> T,
    ) -> Result<T> {
        let member = self.running(node)?;
        let (held, own) = (&member.held, member.stream());
        let query = Query::new(TagExpression::tag(F::tag(name).as_str())?)?;
        let streams = held.iter().map(|(stream, _)| *stream).chain([own]);
        let lineage = Arc::new(Lineage::new(Vec::new(), streams));
        let mut state = F::nothing(name).begin(lineage.clone());
        let view = View { streams: &self.streams, held, query: &query, own_node: &own.node };
        for event in view.all(held).iter() {
            state.apply(event.key(), event.offset(), event.payload_bytes());
        }
        let outlook = || self.outlook(node);
        // What was decided is durable before anything else is.
        let (in_flight, flights, as_of) = (0, 0, Arc::new(held.clone()));
        Ok(look(&Ground {
            state: &state,
            own,
            in_flight,
            flights,
            lineage: &lineage,
            as_of: &as_of,
            outlook: &outlook,
        }))
    }

    /// What a node knows of others.
    fn outlook(&self, node: usize) -> Knowledge {
        let (member, desk) = (&self.members[node], &self.desks.nodes[node]);
        let behind = desk.known.beyond(&member.held);
        let behind = behind.map(|(stream, range)| {
            let missing = range.end - range.start;
            Behind { stream, missing }
        });
        let has_authors = member.held.iter().any(|(stream, _)| stream.node != member.node);
        Knowledge {
            behind: behind.collect(),
            has_compared: desk.has_compared,
            has_others: has_authors || self.reached(node).next().is_some(),
        }
    }

    /// Other nodes that a node reaches.
    fn reached(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
        let group = self.members[node].group;
        let reaches = move |other: &usize| {
            let member = &self.members[*other];
            *other != node && member.is_up && member.group == group
        };
        (0..self.members.len()).filter(reaches)
    }

    /// Nodes that reach each other say how far the streams go that they hold.
    pub(super) fn hear_of_each_other(&mut self) {
        for node in self.those(|member| member.is_up) {
            let own = self.members[node].stream();
            let mut known = std::mem::take(&mut self.desks.nodes[node].known);
            let mut has_compared = self.desks.nodes[node].has_compared;
            for other in self.reached(node) {
                has_compared = true;
                // Who never left a stream asks for nothing of it.
                let former = (0..own.number).map(|number| StreamId { number, ..own });
                for stream in former {
                    known.raise(stream, self.members[other].held.count(&stream));
                }
            }
            let desk = &mut self.desks.nodes[node];
            (desk.known, desk.has_compared) = (known, has_compared);
        }
    }
}
