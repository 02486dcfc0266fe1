//! Where a history that a peer showed us lies among those that we hold.
//!
//! Names do not matter here: a chain vouches for everything before it, so a range belongs wherever
//! its chain is found. Only what is durable is looked at. Source: docs/protocol.md, "Forks".

use crate::error::Result;
use crate::event::{Chain, EventRange, Lamport, SignedHead, StreamEnd, StreamId};
use crate::sync::io::LogRead;
use crate::sync::stream::Window;
use crate::sync::streams::Streams;

/// Where a range lies. The chain that it goes on from was verified against its signed head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Spot {
    /// Nothing that we hold comes before it.
    Unknown,
    /// All of it is held.
    Held,
    /// From `from` on it goes on where `on` ends.
    Extends { on: StreamId, from: u64 },
    /// From `at` on it differs from what is held; `of` shows the event before, and `first` is the
    /// chain after the first event that differs.
    Forks { of: StreamId, at: u64, first: Chain },
}

/// A stream that agrees with a range up to `count` events.
struct Agreement {
    stream: StreamId,
    window: Window,
    durable: u64,
    count: u64,
}

/// True when what `head` vouches for is held, under whatever name of its family.
pub(crate) fn holds(streams: &Streams, log: &dyn LogRead, head: &SignedHead) -> Result<bool> {
    Ok(holder(streams, log, &head.stream.trunk(), head.count, &head.chain)?.is_some())
}

/// The stream of the family of `trunk` that has `chain` after `count` events, and how many it has in
/// all; of several the longest.
pub(crate) fn holder(
    streams: &Streams,
    log: &dyn LogRead,
    trunk: &StreamId,
    count: u64,
    chain: &Chain,
) -> Result<Option<(StreamId, u64)>> {
    let mut longest: Option<(StreamId, u64)> = None;
    for (stream, window, durable) in streams.members(trunk) {
        let is_longer = longest.is_none_or(|(_, most)| durable > most);
        if is_longer
            && (window.base..=durable).contains(&count)
            && chain_at(streams, log, &stream, count)?.as_ref() == Some(chain)
        {
            longest = Some((stream, durable));
        }
    }
    Ok(longest)
}

/// Finds the place of a range that goes on from `before`.
pub(crate) fn locate(
    streams: &Streams,
    log: &dyn LogRead,
    before: &Chain,
    range: &EventRange,
) -> Result<Spot> {
    let chains = chains(before, range);
    let mut agreements = Vec::new();
    for (stream, window, durable) in streams.members(&range.stream().trunk()) {
        let mut agreement = Agreement { stream, window, durable, count: 0 };
        if agree(&mut agreement, streams, log, &chains, range)? {
            agreements.push(agreement);
        }
    }
    let Some(count) = agreements.iter().map(|agreement| agreement.count).max() else {
        return Ok(Spot::Unknown);
    };
    if count == range.head.count {
        return Ok(Spot::Held);
    }
    agreements.retain(|agreement| agreement.count == count);
    let first = chains[(count - range.first) as usize + 1];
    let forks = |agreement: &Agreement| Spot::Forks { of: agreement.stream, at: count, first };
    let is_sealed_here = |agreement: &&Agreement| agreement.window.seal == Some(count);
    if let Some(fork) = agreements.iter().find(is_sealed_here) {
        return Ok(forks(fork));
    }
    let shows = |agreement: &&Agreement| {
        let Window { floor, seal, .. } = agreement.window;
        floor <= count && seal.is_none_or(|seal| count < seal)
    };
    Ok(match agreements.iter().find(shows) {
        Some(agreement) if agreement.durable > count => forks(agreement),
        Some(agreement) => Spot::Extends { on: agreement.stream, from: count },
        None => Spot::Unknown,
    })
}

/// Finds how far a stream agrees with a range; false when it does not at all, or cannot tell.
fn agree(
    agreement: &mut Agreement,
    streams: &Streams,
    log: &dyn LogRead,
    chains: &[Chain],
    range: &EventRange,
) -> Result<bool> {
    let (stream, durable) = (agreement.stream, agreement.durable);
    let begin = range.first.max(agreement.window.base);
    let end = range.head.count.min(durable);
    if begin > end {
        return Ok(false);
    }
    let theirs = &chains[(begin - range.first) as usize];
    if chain_at(streams, log, &stream, begin)?.as_ref() != Some(theirs) {
        return Ok(false);
    }
    agreement.count = begin;
    while agreement.count < end {
        let Some(ours) = log.read_range(&stream, agreement.count)? else { return Ok(false) };
        let rest = &range.records()[(agreement.count - range.first) as usize..];
        let is_same = |pair: &(&_, &_)| pair.0 == pair.1;
        let same = ours.records().iter().zip(rest).take_while(is_same).count();
        agreement.count += same as u64;
        if same < ours.records().len().min(rest.len()) {
            break;
        }
    }
    Ok(true)
}

/// The end of `of` at `count` events, from which a branch goes on; none when it cannot be told.
pub(crate) fn end_at(
    streams: &Streams,
    log: &dyn LogRead,
    of: &StreamId,
    count: u64,
) -> Result<Option<StreamEnd>> {
    if count == 0 {
        return Ok(Some(StreamEnd::empty(&streams.swarm(), of)));
    }
    if let Some(branch) = streams.families.branch(of).filter(|branch| branch.base.count == count) {
        return Ok(Some(branch.base));
    }
    let (Some(chain), Some(last)) = (log.chain_at(of, count)?, log.read_range(of, count - 1)?)
    else {
        return Ok(None);
    };
    let lamport = last.records().first().map_or(Lamport::ZERO, |record| record.lamport());
    Ok(Some(StreamEnd { count, chain, lamport }))
}

fn chain_at(
    streams: &Streams,
    log: &dyn LogRead,
    stream: &StreamId,
    count: u64,
) -> Result<Option<Chain>> {
    match streams.recent_chain(stream, count) {
        Some(chain) => Ok(Some(chain)),
        None => log.chain_at(stream, count),
    }
}

/// The chain before each event of a range, and after the last.
fn chains(before: &Chain, range: &EventRange) -> Vec<Chain> {
    let mut chains = vec![*before];
    for record in range.records() {
        let last = chains.last().expect("it begins with one");
        chains.push(last.extend(&record.leaf()));
    }
    chains
}
