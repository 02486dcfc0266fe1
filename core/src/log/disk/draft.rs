//! One commit before it is written: requests judged, lamports given, chains extended, heads signed.
//!
//! Not here: writing (`commit`). No I/O beyond looking up idempotency keys. Rule: a draft changes
//! nothing until it is adopted, so a failed write forgets it. Begin with `Draft::append`.

use super::body::{Body, KeyHash, Remembered};
use super::commit::{AppendRequest, Committer, StoreRequest};
use super::run::range_bytes;
use super::shared::Shared;
use super::windows::Windows;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Once;
use crate::event::cbor::Value;
use crate::event::limits::STREAMS_PER_NODE_MAX;
use crate::event::{
    AppId, EventKind, EventRange, Header, Lamport, NewEvent, Offset, Payload, Preview, Record,
    SealRule, StreamEnd, StreamId, TagSet,
};
use crate::log::options::{Appended, RangeStored};
use std::collections::BTreeMap;

/// Where a stream ends and how full its open block is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tip {
    pub(crate) end: StreamEnd,
    pub(crate) seal: SealRule,
}

/// A commit in the making.
pub(crate) struct Draft<'a> {
    shared: &'a Shared,
    committer: &'a Committer,
    pub(crate) body: Body,
    /// Tips that moved.
    pub(crate) tips: BTreeMap<StreamId, Tip>,
    pub(crate) lamport: Lamport,
    /// Memory that the events will take.
    pub(crate) tail_bytes: usize,
    /// True when an answer rests on a record that is written and not synced.
    pub(crate) rests_on_unsynced: bool,
    /// Own records since the last head.
    own: Vec<Record>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(shared: &'a Shared, committer: &'a Committer) -> Draft<'a> {
        Draft {
            shared,
            committer,
            body: Body::default(),
            tips: BTreeMap::new(),
            lamport: committer.lamport.max(shared.live.lamport()),
            tail_bytes: 0,
            rests_on_unsynced: false,
            own: Vec::new(),
        }
    }

    /// Adds an append to the own stream.
    ///
    /// # Errors
    /// `conflict`: the key stands for other contents, or the stream has another number of events.
    /// `limit_exceeded`: the lamports or the numbers of our streams are used up.
    pub(crate) fn append(&mut self, request: AppendRequest) -> Result<Appended> {
        if let Some(once) = &request.idempotency
            && let Some(remembered) = self.remembered(&once.key)?
        {
            once.check_same(&remembered.digest)?;
            return Ok(self.shared.answer_again(&remembered, &self.committer.windows));
        }
        let own = self.committer.own_stream(self.shared);
        if request.stream.is_some_and(|stream| stream != own) {
            return Err(stream_changed(&own));
        }
        refuse_beyond_last(&own)?;
        let held = self.tip(&own).end.count;
        if let Some(expected) = request.expected
            && expected != held
        {
            let message = format!("the own stream has {held} events, not the expected {expected}");
            return Err(Error::new(ErrorKind::Conflict, message).with_reason("expected"));
        }
        // One more for an opening record.
        self.lamport.plus(request.events.len() as u64 + 1)?;
        let time = (self.shared.options.clock)();
        if let Some(reason) = self.committer.opening
            && held == 0
        {
            let opening = self.opening_record(own, reason.name())?;
            let app_id = AppId::parse("millpond").expect("plain ASCII");
            self.push_own(own, EventKind::Opening, time, &app_id, opening)?;
        }
        let first_offset = self.tip(&own).end.count;
        let first_lamport = self.lamport.plus(1)?;
        let count = request.events.len() as u64;
        for event in request.events {
            self.push_own(own, EventKind::Application, time, &request.app_id, event)?;
        }
        if let Some(Once { key, digest }) = request.idempotency {
            let stream_number = own.number;
            let remembered =
                Remembered { digest, stream_number, first_offset, count, first_lamport, time };
            self.body.remembered.push((key, remembered));
        }
        Ok(Appended {
            stream: own,
            moved: Vec::new(),
            first_offset: Offset::new(first_offset),
            first_lamport,
            count,
            time,
            replayed: false,
            seen: Default::default(),
        })
    }

    /// Adds a range that a peer sent.
    ///
    /// # Errors
    /// `peer_misbehaved`: it does not continue what we hold, or is not what its author signed.
    /// `forked`: its author signed something else than what we hold. `format_too_new`: it holds
    /// what only a later millpond understands.
    pub(crate) fn store(&mut self, request: StoreRequest) -> Result<RangeStored> {
        let StoreRequest { mut range, verified_after } = request;
        let stream = range.stream();
        let own = self.committer.own_stream(self.shared);
        let tip = self.tip(&stream);
        let held = tip.end.count;
        if range.head.count <= held {
            if range.head.count == held && range.head.chain != tip.end.chain {
                range.head.verify(&self.shared.swarm)?;
                return Err(forked(&stream, held, "forked"));
            }
            self.rests_on_unsynced |= self.committer.has_unsynced();
            return Ok(RangeStored { stream, count: held });
        }
        self.refuse_beyond_window(&stream, held)?;
        if stream == own {
            range.head.verify(&self.shared.swarm)?;
            return Err(forked(&stream, held, "grown_elsewhere"));
        }
        let skip = held.saturating_sub(range.first) as usize;
        range.drop_front(skip);
        let verified = match verified_after {
            Some(end) if end == tip.end => Ok(()),
            Some(_) => range.verify_chain(&tip.end),
            None => range.verify(&self.shared.swarm, &tip.end),
        };
        if let Err(error) = verified {
            let signed = range.head.verify(&self.shared.swarm).is_ok();
            let differs = error.reason() == Some("forged") && signed && skip > 0;
            return Err(if differs { forked(&stream, held, "forked") } else { error });
        }
        if tip.seal.events() > 0 {
            // Whatever block these records came as, it is not the one that they are part of.
            range.forget_block();
        }
        let seal = check_form(&range, tip.seal)?;
        let count = range.head.count;
        self.lamport = self.lamport.max(range.head.lamport);
        self.tips.insert(stream, Tip { end: StreamEnd::from(&range.head), seal });
        self.tail_bytes += range_bytes(&range);
        self.body.ranges.push(range);
        Ok(RangeStored { stream, count })
    }

    /// Shows what was drafted of the own stream to those who want it before it is durable.
    pub(crate) fn preview(&self) {
        let live = &self.shared.live;
        if !live.takes_own() {
            return;
        }
        let own = self.committer.own_stream(self.shared);
        let durable = self.shared.state().durable.count(&own);
        let mut end = self
            .committer
            .tips
            .get(&own)
            .map_or_else(|| StreamEnd::empty(&self.shared.swarm, &own), |tip| tip.end);
        let signed = self.body.ranges.iter().filter(|range| range.stream() == own);
        let signed = signed.map(|range| (range.records(), StreamEnd::from(&range.head)));
        for (records, after) in signed.chain([(&self.own[..], self.tip(&own).end)]) {
            if !records.is_empty() {
                let (first, before) = (end.count, end.chain);
                let records = records.to_vec();
                live.preview(Preview { stream: own, first, before, records }, durable);
            }
            end = after;
        }
    }

    /// Signs what is not signed yet; the body is then whole.
    pub(crate) fn finish(&mut self) {
        self.sign_own();
    }

    fn push_own(
        &mut self,
        own: StreamId,
        kind: EventKind,
        time: crate::event::WallTime,
        app_id: &AppId,
        event: NewEvent,
    ) -> Result<()> {
        let mut tip = self.tip(&own);
        self.lamport = self.lamport.plus(1)?;
        let (lamport, app_id, tags) = (self.lamport, app_id.clone(), event.tags);
        let record = Record::encode(&Header { kind, lamport, time, app_id, tags }, &event.payload);
        let chain = tip.end.chain.extend(&record.leaf());
        tip.end = StreamEnd { count: tip.end.count + 1, chain, lamport };
        let sealed = tip.seal.push(record.as_bytes().len());
        self.own.push(record);
        self.tips.insert(own, tip);
        if sealed {
            self.sign_own();
        }
        Ok(())
    }

    fn sign_own(&mut self) {
        if self.own.is_empty() {
            return;
        }
        let own = self.committer.own_stream(self.shared);
        let end = self.tips[&own].end;
        let key = &self.shared.node_key;
        let head = key.sign_head(&self.shared.swarm, own.number, end.count, end.lamport, end.chain);
        let records = std::mem::take(&mut self.own);
        let range = EventRange::new(end.count - records.len() as u64, records, head);
        self.tail_bytes += range_bytes(&range);
        self.body.ranges.push(range);
    }

    /// Names the stream that this one goes on from, and where that one ended as far as we know.
    fn opening_record(&self, own: StreamId, reason: &str) -> Result<NewEvent> {
        let previous = StreamId { number: own.number - 1, ..own };
        let end = self.tip(&previous).end;
        let integer = |value: u64| Value::Integer(value.into());
        let payload = Value::map([
            ("previous", integer(previous.number)),
            ("count", integer(end.count)),
            ("chain", Value::Bytes(end.chain.as_bytes().to_vec())),
            ("reason", Value::Text(reason.to_owned())),
        ]);
        Ok(NewEvent { tags: TagSet::default(), payload: Payload::from_value(&payload)? })
    }

    fn tip(&self, stream: &StreamId) -> Tip {
        let moved = self.tips.get(stream).or_else(|| self.committer.tips.get(stream));
        moved.copied().unwrap_or_else(|| Tip {
            end: StreamEnd::empty(&self.shared.swarm, stream),
            seal: SealRule::new(),
        })
    }

    fn remembered(&mut self, key: &KeyHash) -> Result<Option<Remembered>> {
        let in_draft = self.body.remembered.iter().rev().find(|(own, _)| own == key);
        if let Some((_, remembered)) = in_draft {
            return Ok(Some(*remembered));
        }
        if let Some(remembered) = self.committer.remembered_unsynced(key) {
            self.rests_on_unsynced = true;
            return Ok(Some(remembered));
        }
        if let Some((remembered, _)) = self.shared.state().recent.get(key) {
            return Ok(Some(*remembered));
        }
        self.shared.stored_idempotency(key)
    }

    /// Refuses what goes on from a sealed stream, and branches that came without their fork.
    fn refuse_beyond_window(&self, stream: &StreamId, held: u64) -> Result<()> {
        let windows = &self.committer.windows;
        let is_unknown = stream.is_branch() && !self.committer.tips.contains_key(stream);
        if is_unknown || windows.is_hidden(stream) {
            let message = format!("the branch {stream} is not held: its fork comes first");
            return Err(Error::new(ErrorKind::PeerMisbehaved, message).with_reason("gap"));
        }
        if windows.is_sealed(stream) {
            return Err(forked(stream, held, "forked"));
        }
        Ok(())
    }
}

impl Shared {
    /// What was answered when this was done; `None` when it was not, or is not durable yet.
    ///
    /// # Errors
    /// `conflict`: the key stands for something else. `corrupt`, `storage_failed`.
    pub(crate) fn first_answer(&self, once: &Once) -> Result<Option<Appended>> {
        let state = self.state();
        let recent = state.recent.get(&once.key).map(|(remembered, _)| *remembered);
        let (seen, windows) = (state.durable.clone(), state.windows.clone());
        drop(state);
        let remembered = match recent {
            Some(remembered) => remembered,
            None => match self.stored_idempotency(&once.key)? {
                Some(remembered) => remembered,
                None => return Ok(None),
            },
        };
        once.check_same(&remembered.digest)?;
        Ok(Some(Appended { seen, ..self.answer_again(&remembered, &windows) }))
    }

    /// The first answer, as of now.
    fn answer_again(&self, remembered: &Remembered, windows: &Windows) -> Appended {
        let stream = StreamId { node: self.node, number: remembered.stream_number };
        let mut moved = match windows.is_empty() {
            true => Vec::new(),
            false => windows.parts(stream, remembered.first_offset, remembered.count),
        };
        let stream = moved.first().map_or(stream, |(_, stream)| *stream);
        moved.drain(..moved.len().min(1));
        Appended {
            stream,
            moved,
            first_offset: Offset::new(remembered.first_offset),
            first_lamport: remembered.first_lamport,
            count: remembered.count,
            time: remembered.time,
            replayed: true,
            seen: Default::default(),
        }
    }
}

fn stream_changed(own: &StreamId) -> Error {
    let message = format!(
        "the node goes on in the stream {own} by now, where what was decided for another one would \
         count nowhere; nothing was stored. Decide again"
    );
    Error::new(ErrorKind::Conflict, message).with_reason("stream_changed")
}

/// Refuses what no log keeps; how full the open block is behind the range.
pub(super) fn check_form(range: &EventRange, mut seal: SealRule) -> Result<SealRule> {
    let stream = range.stream();
    if range.records().iter().any(|record| record.kind() == EventKind::TooNew) {
        let message = format!("a later millpond wrote in stream {stream}; upgrade this node");
        return Err(Error::new(ErrorKind::FormatTooNew, message));
    }
    for (record, left) in range.records().iter().zip((0..range.records().len()).rev()) {
        if seal.push(record.as_bytes().len()) && left > 0 {
            let message = format!("a range of stream {stream} crosses the end of a block");
            return Err(Error::new(ErrorKind::PeerMisbehaved, message).with_reason("malformed"));
        }
    }
    Ok(seal)
}

/// Refuses to write a stream whose number no peer would take.
pub(crate) fn refuse_beyond_last(own: &StreamId) -> Result<()> {
    if own.number < STREAMS_PER_NODE_MAX {
        return Ok(());
    }
    let message = format!(
        "this node has used up the {STREAMS_PER_NODE_MAX} streams it may write, one for each time \
         that its store was copied, restored or cut; it goes on reading and syncing. Publish from \
         a new folder, which becomes a new node and fetches everything"
    );
    Err(Error::new(ErrorKind::LimitExceeded, message).with_reason("streams_per_node"))
}

fn forked(stream: &StreamId, held: u64, reason: &'static str) -> Error {
    let message = format!(
        "stream {stream} has another history elsewhere than the {held} events held here; \
         a store was copied or restored"
    );
    Error::new(ErrorKind::Forked, message).with_reason(reason)
}
